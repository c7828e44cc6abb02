import CLinux
import ModuleKit

/// The values before ADD, which DEL sets again.
///
/// The file is the reference's, so that either side can restore what the other one changed. It has the link's attributes; kernel
/// parameters and the network's name are members of ours, which the reference passes over.
struct Backup: Equatable {
    var link = LinkSettings()
    /// Kernel parameters with their values, in the order in which they were set.
    var parameters: [KernelParameter] = []
    /// The network: GC tells by it whose files are its business.
    var network = ""

    /// "<dataDir>/<containerID>_<ifname>.json".
    static func path(_ directory: String, _ attachment: Attachment) -> String {
        "\(directory)/\(attachment.containerID)_\(attachment.interfaceName).json"
    }

    /// Reads one; nil where there is none. Throws where it can't be read.
    static func read(_ path: String) throws(CNIError) -> Backup? {
        let text: String
        do throws(Errno) {
            text = try File.readText(path, limit: 1 << 20)
        } catch {
            if error == .noEntry || error == .notDirectory { return nil }
            throw CNIError(.ioFailure, "read \(path): \(error.text)")
        }
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: text) } catch { throw CNIError(.decodingFailure, "decode \(path): \(error.text)") }
        guard let object = json.object else { throw CNIError(.decodingFailure, "decode \(path): expected an object, found \(json.kind)") }
        return try Backup(ConfigReader(object, at: path))
    }

    init() {}

    private init(_ reader: ConfigReader) throws(CNIError) {
        link = LinkSettings(
            mac: try reader.string("mac").flatMap { MACAddress($0) }, promiscuous: try reader.optionalBool("promisc"),
            mtu: try reader.unsigned("mtu"), allMulticast: try reader.optionalBool("allmulti"),
            txQueueLength: try reader.unsigned("txQLen"))
        if let map = try reader.object("sysctl") {
            parameters = map.object.members.compactMap { KernelParameter(path: $0.key, value: $0.value.string ?? "") }
        }
        network = try reader.string("network") ?? ""
    }

    /// Writes it, and makes the directory where it is missing.
    func write(_ path: String, in directory: String) throws(CNIError) {
        do throws(Errno) {
            try File.makeDirectories(directory, mode: 0o700)
            try File.replace(path, with: Array((JSON.object(object).text(indented: true) + "\n").utf8))
        } catch {
            throw CNIError(.ioFailure, "write \(path): \(error.text)", details: "dataDir says where the values before ADD are kept")
        }
    }

    private var object: JSONObject {
        var object = JSONObject()
        if let mac = link.mac { object["mac"] = .string(mac.text) }
        if let promiscuous = link.promiscuous { object["promisc"] = .bool(promiscuous) }
        if let mtu = link.mtu { object["mtu"] = .integer(Int64(mtu)) }
        if let allMulticast = link.allMulticast { object["allmulti"] = .bool(allMulticast) }
        if let length = link.txQueueLength { object["txQLen"] = .integer(Int64(length)) }
        if !parameters.isEmpty { object["sysctl"] = .object(JSONObject(parameters.map { ($0.path, .string($0.value)) })) }
        object["network"] = .string(network)
        return object
    }

    /// This one, and what `later` changed that is not in it: with two tunings of one interface the first one's values count.
    func completed(by later: Backup) -> Backup {
        var result = self
        result.link = link.completed(by: later.link)
        result.parameters += later.parameters.filter { parameter in !parameters.contains { $0.path == parameter.path } }
        result.network = later.network
        return result
    }
}

extension Backup {
    /// Removes the file. A missing one is no error, and under a name that is too long there can be none.
    static func remove(_ path: String) throws(CNIError) {
        do throws(Errno) {
            try File.remove(path)
        } catch {
            if error.rawValue != ENAMETOOLONG { throw CNIError(.ioFailure, "remove \(path): \(error.text)") }
        }
    }

    /// Removes the files of a network's attachments that are not in use. Those without a network, the reference's, stay.
    static func collect(_ directory: String, network: String, valid: [Attachment]) throws(CNIError) {
        let inUse = Set(valid.map { path(directory, $0) })
        for name in (try? File.list(directory)) ?? [] {
            let file = "\(directory)/\(name)"
            guard name.utf8.suffix(5).elementsEqual(".json".utf8), !inUse.contains(file) else { continue }
            if let backup = (try? read(file)) ?? nil, backup.network == network { try remove(file) }
        }
    }
}
