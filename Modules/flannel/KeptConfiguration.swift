import ModuleKit

/// The configuration that the delegate got with ADD, which DEL and CHECK give it again: flanneld may say something else by then.
///
/// The file is the reference's, `<dataDir>/<containerID>`, so that either side can detach what the other one attached. A second interface
/// of the container, or one in a second network, for which the reference would overwrite it, has `<dataDir>/<containerID>_<ifname>`.
struct KeptConfiguration {
    private let directory: String
    private let call: ModuleCall

    init(_ call: ModuleCall, _ directory: String) {
        self.call = call
        self.directory = directory
    }

    private var shared: String { "\(directory)/\(call.containerID)" }
    private var own: String { "\(shared)_\(call.interfaceName)" }

    /// Writes it before the delegate's ADD: a process that is killed in between leaves what DEL needs. Returns the file.
    func write(_ config: JSONObject) throws(CNIError) -> String {
        let path = File.exists(shared) ? own : shared
        do throws(Errno) {
            try File.makeDirectories(directory, mode: 0o700)
            try File.replace(path, with: Array(JSON.object(config).text().utf8))
        } catch {
            throw CNIError(.ioFailure, "write \(path): \(error.text)", details: "dataDir says where the delegates' configurations are kept")
        }
        return path
    }

    /// The file of this attachment and what it holds; nil where there is none that can be used. One of another network is not ours.
    func read() -> (path: String, config: JSONObject)? {
        for path in [own, shared] {
            let text: String
            do throws(Errno) {
                text = try File.readText(path, limit: 8 << 20)
            } catch {
                if error != .noEntry && error != .notDirectory { call.log(.warning, "flannel: read \(path): \(error.text)") }
                continue
            }
            guard let config = (try? JSON(parsing: text))?.object, let type = config["type"]?.string, Names.isPluginType(type) else {
                call.log(.warning, "flannel: \(path) holds no configuration: what subnetFile says counts")
                continue
            }
            if config["name"]?.string == call.network { return (path, config) }
        }
        return nil
    }

    /// Removes a file. A missing one is no error.
    static func remove(_ path: String) throws(CNIError) {
        do throws(Errno) { try File.remove(path) } catch { throw CNIError(.ioFailure, "remove \(path): \(error.text)") }
    }

    /// Removes the files of this network's containers of which no attachment is in use.
    func collect() throws(CNIError) {
        var inUse = Set<String>()
        for attachment in call.validAttachments {
            inUse.insert(attachment.containerID)
            inUse.insert("\(attachment.containerID)_\(attachment.interfaceName)")
        }
        for name in (try? File.list(directory)) ?? [] where !inUse.contains(name) {
            let path = "\(directory)/\(name)"
            guard let text = try? File.readText(path, limit: 8 << 20), let config = (try? JSON(parsing: text))?.object,
                config["name"]?.string == call.network
            else { continue }
            try KeptConfiguration.remove(path)
        }
    }
}
