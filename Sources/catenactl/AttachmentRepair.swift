import CNI
import ChainEngine
import JSON
import Linux
import NetworkConfiguration
import State

/// Has the modules of every known attachment make anew what others may have taken away.
///
/// What they need is what ADD left: the records of catena and catenactl; and the result cache, for attachments that a runtime made with
/// the plugins one by one.
struct AttachmentRepair {
    private let wanted: String?

    /// - Parameter network: the name; nil for all networks.
    init(_ network: String?) { wanted = network }

    /// Repairs all, and reports the failures together.
    func run() throws(CNIError) {
        var failures: [String] = []
        var done: Set<String> = []
        for directory in [AttachmentRecords.hostDirectory, AttachmentRecords.toolDirectory] {
            let records = AttachmentRecords(directory: directory)
            for record in records.networks.filter(isWanted).flatMap({ records.records(network: $0) }) {
                done.insert(AttachmentRepair.name(record.network, record.attachment))
                attempt(record.network, record.attachment, &failures) { () throws(CNIError) in
                    for chain in record.chains { try repair(record, chain, records) }
                }
            }
        }
        for entry in ResultCache().entries() where isWanted(entry.network) {
            // The record knows the plugins as they were called; the cache of the same attachment adds nothing.
            if done.contains(AttachmentRepair.name(entry.network, entry.attachment)) { continue }
            attempt(entry.network, entry.attachment, &failures) { () throws(CNIError) in try repair(entry) }
        }
        if let first = failures.first {
            throw CNIError("repair: \(first)", details: failures.dropFirst().joined(separator: "; "))
        }
    }

    private func isWanted(_ network: String) -> Bool { wanted == nil || wanted == network }

    private static func name(_ network: String, _ attachment: Attachment) -> String {
        "\(network)/\(attachment.containerID)/\(attachment.interfaceName)"
    }

    private func attempt(
        _ network: String, _ attachment: Attachment, _ failures: inout [String], _ body: () throws(CNIError) -> Void
    ) {
        do throws(CNIError) { try body() } catch {
            failures.append("\(AttachmentRepair.name(network, attachment)): \(error.text)")
        }
    }

    private func repair(_ record: AttachmentRecords.Record, _ chain: AttachmentRecords.Chain, _ records: AttachmentRecords) throws(CNIError)
    {
        guard let result = chain.result else { return }
        try run(
            ChainRequest(
                operation: .repair, network: record.network, cniVersion: chain.cniVersion, containerID: record.attachment.containerID,
                interfaceName: record.attachment.interfaceName, netns: record.netns, arguments: chain.arguments,
                plugins: chain.plugins.compactMap { ChainPlugin(recorded: $0) },
                previousResult: try ResultFormat.decode(result, defaultVersion: CNIVersion.current)),
            records)
    }

    private func repair(_ entry: ResultCache.Entry) throws(CNIError) {
        guard let result = entry.result, !entry.config.isEmpty else { return }
        let network = try NetworkConfiguration(entry.config)
        let plugins = try PluginConfiguration.plugins(
            network.plugins, place: "plugins", network: entry.network, cniVersion: network.cniVersion,
            capabilityArguments: entry.capabilityArguments, args: nil)
        try run(
            ChainRequest(
                operation: .repair, network: entry.network, cniVersion: network.cniVersion, containerID: entry.containerID,
                interfaceName: entry.interfaceName, netns: entry.netns, arguments: entry.arguments, plugins: plugins,
                previousResult: try ResultFormat.decode(result, defaultVersion: network.cniVersion)),
            AttachmentRecords(directory: AttachmentRecords.toolDirectory))
    }

    private func run(_ request: ChainRequest, _ records: AttachmentRecords) throws(CNIError) {
        let name = AttachmentRepair.name(
            request.network, Attachment(containerID: request.containerID, interfaceName: request.interfaceName))
        // A container that is gone without DEL: nobody is to get its traffic.
        guard File.exists(request.netns) else { return Failure.warn("\(name): \(request.netns) is gone: run DEL, or gc") }
        let engine = ChainEngine(directories: .standard, log: .fromEnvironment, isChain: true, records: records)
        _ = try engine.run(request)
    }
}
