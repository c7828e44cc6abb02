import CLinux
import CNI
import JSON
import Linux

/// The cache of ADD results that runtimes built on libcni keep: same path, same format, same permissions, written as a whole.
///
/// CNI 1.1.0, section 4, asks runtimes to keep results for CHECK and DEL; the format is libcni's `cniCacheV1`.
public struct ResultCache: Sendable {
    /// What is kept of one attachment.
    public struct Entry: Sendable {
        /// The network's name.
        public var network: String
        /// The container ID.
        public var containerID: String
        /// CNI_IFNAME: the interface's name in the container.
        public var interfaceName: String
        /// CNI_NETNS: the network namespace's path.
        public var netns: String
        /// CNI_ARGS.
        public var arguments: String
        /// What the runtime offered for capabilities.
        public var capabilityArguments: JSONObject
        /// The configuration's bytes as they were in the file.
        public var config: [UInt8]
        /// The result of ADD, in the version of the configuration.
        public var result: JSON?

        /// Makes one of these parts.
        public init(
            network: String, containerID: String, interfaceName: String, netns: String, arguments: String = "",
            capabilityArguments: JSONObject = JSONObject(), config: [UInt8] = [], result: JSON? = nil
        ) {
            self.network = network
            self.containerID = containerID
            self.interfaceName = interfaceName
            self.netns = netns
            self.arguments = arguments
            self.capabilityArguments = capabilityArguments
            self.config = config
            self.result = result
        }

        /// The entry's identity within its network.
        public var attachment: Attachment { Attachment(containerID: containerID, interfaceName: interfaceName) }
    }

    /// Where libcni keeps it.
    public static let standardDirectory = "/var/lib/cni/results"

    /// The directory of the files.
    public let directory: String

    /// Makes one of these parts.
    public init(directory: String = ResultCache.standardDirectory) { self.directory = directory }

    /// The file of an attachment.
    public func path(network: String, _ attachment: Attachment) -> String {
        "\(directory)/\(network)-\(attachment.containerID)-\(attachment.interfaceName)"
    }

    /// Writes an entry: the file 0600, directories that are missing 0700.
    public func write(_ entry: Entry) throws(CNIError) {
        let path = path(network: entry.network, entry.attachment)
        do throws(Errno) {
            try File.makeDirectories(directory, mode: 0o700)
            try File.replace(path, with: Array(JSON.object(encode(entry)).text().utf8), mode: 0o600)
        } catch {
            throw CNIError(.ioFailure, "write result cache \(path): \(error.text)")
        }
    }

    /// Reads an entry; nil where there is none that can be read. Any form that libcni reads is read.
    public func read(network: String, _ attachment: Attachment) -> Entry? {
        guard let bytes = try? File.read(path(network: network, attachment)), let json = try? JSON(parsing: bytes) else { return nil }
        if let entry = decode(json) { return entry }
        // Before the format had a name, a file was the bare result.
        return Entry(
            network: network, containerID: attachment.containerID, interfaceName: attachment.interfaceName, netns: "", result: json)
    }

    /// Removes an entry; a missing one is no error.
    public func remove(network: String, _ attachment: Attachment) throws(CNIError) {
        let path = path(network: network, attachment)
        do throws(Errno) { try File.remove(path) } catch { throw CNIError(.ioFailure, "remove \(path): \(error.text)") }
    }

    /// All entries, sorted by file name; files that are none are passed over.
    public func entries() -> [Entry] {
        guard let names = try? File.list(directory) else { return [] }
        var entries: [Entry] = []
        for name in names.sorted() {
            guard let bytes = try? File.read("\(directory)/\(name)"), let json = try? JSON(parsing: bytes), let entry = decode(json) else {
                continue
            }
            entries.append(entry)
        }
        return entries
    }

    // MARK: cniCacheV1

    private func encode(_ entry: Entry) -> JSONObject {
        var object = JSONObject([
            ("kind", .string("cniCacheV1")), ("containerId", .string(entry.containerID)), ("config", .string(Base64.encode(entry.config))),
            ("ifName", .string(entry.interfaceName)), ("networkName", .string(entry.network)),
        ])
        if !entry.netns.isEmpty { object["netns"] = .string(entry.netns) }
        if let arguments = try? CNIArguments(entry.arguments), !arguments.pairs.isEmpty {
            object["cniArgs"] = .array(arguments.pairs.map { .array([.string($0.key), .string($0.value)]) })
        }
        if !entry.capabilityArguments.members.isEmpty { object["capabilityArgs"] = .object(entry.capabilityArguments) }
        if let result = entry.result { object["result"] = result }
        return object
    }

    private func decode(_ json: JSON) -> Entry? {
        guard let object = json.object, object["kind"]?.string == "cniCacheV1", let network = object["networkName"]?.string,
            !network.isEmpty,
            let containerID = object["containerId"]?.string, !containerID.isEmpty, let interface = object["ifName"]?.string,
            !interface.isEmpty
        else { return nil }
        let pairs = (object["cniArgs"]?.array ?? []).compactMap { pair -> String? in
            guard let words = pair.array, words.count == 2, let key = words[0].string, let value = words[1].string else { return nil }
            return "\(key)=\(value)"
        }
        return Entry(
            network: network, containerID: containerID, interfaceName: interface, netns: object["netns"]?.string ?? "",
            arguments: pairs.joined(separator: ";"), capabilityArguments: object["capabilityArgs"]?.object ?? JSONObject(),
            config: Base64.decode(object["config"]?.string ?? "") ?? [], result: object["result"])
    }
}
