import CLinux
import CNI
import JSON
import Linux

/// What was added, kept for each attachment: DEL then undoes that, also when the configuration has changed since, or is gone.
///
/// One file an attachment, 0600, in a directory of the network's name: `<containerID>:<ifname>` (neither can hold a colon).
public struct AttachmentRecords: Sendable {
    /// One chain of plugins that was added.
    public struct Chain: Equatable, Sendable {
        /// The CNI version of its configuration.
        public var cniVersion: String
        /// CNI_ARGS of ADD.
        public var arguments: String
        /// The plugins' configurations, in the order of ADD, as the plugins got them.
        public var plugins: [JSON]
        /// What ADD gave, in the current version's form; nil where it did not end.
        public var result: JSON?

        /// Makes one of these parts.
        public init(cniVersion: String, arguments: String, plugins: [JSON], result: JSON? = nil) {
            self.cniVersion = cniVersion
            self.arguments = arguments
            self.plugins = plugins
            self.result = result
        }
    }

    /// The record of one attachment.
    public struct Record: Equatable, Sendable {
        /// The network's name.
        public let network: String
        /// The attachment.
        public let attachment: Attachment
        /// CNI_NETNS of the last ADD.
        public var netns: String
        /// The chains, in the order of ADD. More than one where a network's list runs the host more than once.
        public var chains: [Chain] = []

        /// Makes one of these parts.
        public init(network: String, attachment: Attachment, netns: String) {
            self.network = network
            self.attachment = attachment
            self.netns = netns
        }

        /// Adds a chain; one of the same plugins is there no longer: an ADD that is repeated without DEL.
        public mutating func append(_ chain: Chain) {
            chains.removeAll { $0.plugins == chain.plugins }
            chains.append(chain)
        }

        /// The chain that DEL of these plugins is about: the one of the same plugins, else the last.
        public func index(for plugins: [JSON]) -> Int? {
            chains.lastIndex { $0.plugins == plugins } ?? chains.indices.last
        }
    }

    /// Where `catena` keeps its own.
    public static let hostDirectory = "/var/lib/cni/catena/attachments"
    /// Where `catenactl` keeps its own: it may run a chain that holds `catena`, which keeps one of the same name.
    public static let toolDirectory = "/var/lib/cni/catena/catenactl"

    /// The directory of the networks' directories.
    public let directory: String

    /// Makes one of these parts.
    public init(directory: String) { self.directory = directory }

    /// Waits until no other process works on this attachment. The lock is let go of with the value that is returned.
    public func lock(network: String, _ attachment: Attachment) throws(CNIError) -> AttachmentLock {
        do throws(Errno) {
            try File.makeDirectories(directory, mode: 0o700)
            return try AttachmentLock("\(directory)/lock", name: "\(network)/\(attachment.containerID)/\(attachment.interfaceName)")
        } catch {
            throw CNIError(.ioFailure, "lock attachment in \(directory): \(error.text)")
        }
    }

    /// The record of an attachment; nil where there is none that can be read.
    public func read(network: String, _ attachment: Attachment) -> Record? {
        read(path(network, attachment))
    }

    private func read(_ path: String) -> Record? {
        guard let bytes = try? File.read(path), let json = try? JSON(parsing: bytes) else { return nil }
        return AttachmentRecords.decode(json)
    }

    /// Writes a record; one without a chain is removed.
    public func write(_ record: Record) throws(CNIError) {
        let path = path(record.network, record.attachment)
        do throws(Errno) {
            if record.chains.isEmpty { return try File.remove(path) }
            let bytes = Array(JSON.object(AttachmentRecords.encode(record)).text().utf8)
            do throws(Errno) {
                try File.replace(path, with: bytes, mode: 0o600)
            } catch {
                guard error == .noEntry else { throw error }
                try File.makeDirectories("\(directory)/\(record.network)", mode: 0o700)
                try File.replace(path, with: bytes, mode: 0o600)
            }
        } catch {
            throw CNIError(.ioFailure, "write attachment record \(path): \(error.text)")
        }
    }

    /// The records of a network, sorted by file name; files that are none are passed over.
    public func records(network: String) -> [Record] {
        let names = (try? File.list("\(directory)/\(network)")) ?? []
        return names.sorted().compactMap { name in
            let file = "\(directory)/\(network)/\(name)"
            guard let record = read(file), path(network, record.attachment) == file else { return nil }
            return record
        }
    }

    /// The networks that have records, sorted.
    public var networks: [String] { ((try? File.list(directory)) ?? []).filter { $0 != "lock" }.sorted() }

    private func path(_ network: String, _ attachment: Attachment) -> String {
        "\(directory)/\(network)/\(attachment.containerID):\(attachment.interfaceName)"
    }

    // MARK: catenaAttachmentV1

    private static func encode(_ record: Record) -> JSONObject {
        let chains = record.chains.map { chain -> JSON in
            var object = JSONObject([
                ("cniVersion", .string(chain.cniVersion)), ("args", .string(chain.arguments)), ("plugins", .array(chain.plugins)),
            ])
            if let result = chain.result { object["result"] = result }
            return .object(object)
        }
        return JSONObject([
            ("kind", .string("catenaAttachmentV1")), ("network", .string(record.network)),
            ("containerID", .string(record.attachment.containerID)), ("ifname", .string(record.attachment.interfaceName)),
            ("netns", .string(record.netns)), ("chains", .array(chains)),
        ])
    }

    private static func decode(_ json: JSON) -> Record? {
        guard let object = json.object, object["kind"]?.string == "catenaAttachmentV1", let network = object["network"]?.string,
            let containerID = object["containerID"]?.string, let interface = object["ifname"]?.string
        else { return nil }
        var record = Record(
            network: network, attachment: Attachment(containerID: containerID, interfaceName: interface),
            netns: object["netns"]?.string ?? "")
        for item in object["chains"]?.array ?? [] {
            guard let chain = item.object, let plugins = chain["plugins"]?.array else { continue }
            record.chains.append(
                Chain(
                    cniVersion: chain["cniVersion"]?.string ?? "", arguments: chain["args"]?.string ?? "", plugins: plugins,
                    result: chain["result"]))
        }
        return record
    }
}
