import CNI
import JSON
import Linux
import State

/// The attachment that a request is about, under its lock: what is recorded of it, and the keeping of that.
final class RecordedAttachment {
    private let records: AttachmentRecords
    private let lock: AttachmentLock
    private var record: AttachmentRecords.Record

    /// Waits for the lock, and reads the record.
    init(_ records: AttachmentRecords, _ request: ChainRequest) throws(CNIError) {
        self.records = records
        lock = try records.lock(network: request.network, request.attachment)
        record =
            records.read(network: request.network, request.attachment)
            ?? AttachmentRecords.Record(network: request.network, attachment: request.attachment, netns: request.netns)
    }

    /// The variable that tells executable plugins, and what they run, whose lock is taken.
    static let variable = "CATENA_ATTACHMENT"

    /// Whether an executable plugin of this very attachment's chain runs us: that chain holds the lock, and the record is of it.
    static func isNested(_ records: AttachmentRecords, _ request: ChainRequest) -> Bool {
        Environment.value(variable) == marker(records, request)
    }

    /// The variable's value for a request.
    static func marker(_ records: AttachmentRecords, _ request: ChainRequest) -> String {
        "\(records.directory)/\(request.network)/\(request.containerID):\(request.interfaceName)"
    }

    /// ADD begins: from here on DEL knows what may have been made, also when this process is killed.
    func begin(_ request: ChainRequest) throws(CNIError) {
        record.netns = request.netns
        record.append(
            AttachmentRecords.Chain(
                cniVersion: request.cniVersion, arguments: request.arguments, plugins: request.plugins.map { $0.recorded }))
        try records.write(record)
    }

    /// ADD has ended with this result.
    func complete(_ result: CNIResult) throws(CNIError) {
        guard let last = record.chains.indices.last else { return }
        record.chains[last].result = try ResultFormat.encode(result, version: CNIVersion.current)
        try records.write(record)
    }

    /// ADD has failed, and nothing is left of it.
    func abandon() throws(CNIError) {
        if record.chains.isEmpty { return }
        record.chains.removeLast()
        try records.write(record)
    }

    /// The request for DEL of what was added; the request itself where there is no record.
    func deletion(_ request: ChainRequest) -> ChainRequest {
        guard let index = record.index(for: request.plugins.map { $0.recorded }) else { return request }
        let chain = record.chains[index]
        var deletion = request
        deletion.plugins = chain.plugins.compactMap { ChainPlugin(recorded: $0) }
        if CNIVersion.released.contains(chain.cniVersion) { deletion.cniVersion = chain.cniVersion }
        if deletion.arguments.isEmpty { deletion.arguments = chain.arguments }
        if deletion.previousResult == nil, let result = chain.result {
            deletion.previousResult = try? ResultFormat.decode(result, defaultVersion: CNIVersion.current)
        }
        return deletion
    }

    /// DEL has undone the chain of these plugins.
    func remove(_ plugins: [ChainPlugin]) throws(CNIError) {
        guard let index = record.index(for: plugins.map { $0.recorded }) else { return }
        record.chains.remove(at: index)
        try records.write(record)
    }
}

extension ChainPlugin {
    /// The plugin as an attachment's record holds it: its configuration, with its limit where that is not the usual one.
    var recorded: JSON {
        var object = config
        if timeoutSeconds != ChainPlugin.standardTimeoutSeconds {
            object["catena"] = .object(JSONObject([("timeout", .integer(Int64(timeoutSeconds)))]))
        }
        return .object(object)
    }

    /// The plugin of a record; nil where it is none.
    public init?(recorded: JSON) {
        guard var config = recorded.object, let type = config["type"]?.string, Names.isPluginType(type) else { return nil }
        let seconds = config["catena"]?.object?["timeout"]?.integer
        config["catena"] = nil
        self.init(type: type, config: config, timeoutSeconds: seconds.map { Int($0) } ?? ChainPlugin.standardTimeoutSeconds)
    }
}
