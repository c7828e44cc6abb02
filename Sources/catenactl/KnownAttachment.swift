import CNI
import JSON
import NetworkConfiguration
import State

/// An attachment as the result cache, or catena's record of it, has it.
struct KnownAttachment {
    let network: String
    let attachment: Attachment
    let netns: String
    let addresses: [String]
    /// The types of the plugins that ran, in the order of ADD; those of catena's chain in its place.
    let plugins: [String]

    /// All of a network.
    static func all(network: String) -> [KnownAttachment] {
        // catenactl's own records count too: it may have died before it wrote its result to the cache.
        let records = AttachmentRecords(directory: AttachmentRecords.toolDirectory).records(network: network)
        return all.filter { $0.network == network } + records.map { KnownAttachment($0) }
    }

    /// All that are known, sorted by network, container and interface.
    static var all: [KnownAttachment] {
        let records = AttachmentRecords(directory: AttachmentRecords.hostDirectory)
        let recorded = records.networks.flatMap { records.records(network: $0) }
        var found: [KnownAttachment] = []
        for entry in ResultCache().entries() {
            let record = recorded.first { $0.network == entry.network && $0.attachment == entry.attachment }
            found.append(KnownAttachment(entry, record))
        }
        for record in recorded where !found.contains(where: { $0.network == record.network && $0.attachment == record.attachment }) {
            found.append(KnownAttachment(record))
        }
        func key(_ item: KnownAttachment) -> [String] { [item.network, item.attachment.containerID, item.attachment.interfaceName] }
        return found.sorted { key($0).lexicographicallyPrecedes(key($1)) }
    }

    private init(_ entry: ResultCache.Entry, _ record: AttachmentRecords.Record?) {
        network = entry.network
        attachment = entry.attachment
        netns = entry.netns
        addresses = KnownAttachment.addresses(entry.result)
        let configured = KnownAttachment.types((try? NetworkConfiguration(entry.config))?.plugins ?? [])
        let inner = record.map(KnownAttachment.types) ?? []
        plugins = configured.flatMap { $0 == "catena" && !inner.isEmpty ? inner : [$0] }
    }

    private init(_ record: AttachmentRecords.Record) {
        network = record.network
        attachment = record.attachment
        netns = record.netns
        addresses = KnownAttachment.addresses(record.chains.last?.result)
        plugins = KnownAttachment.types(record)
    }

    var object: JSONObject {
        JSONObject([
            ("network", .string(network)), ("containerID", .string(attachment.containerID)), ("ifname", .string(attachment.interfaceName)),
            ("netns", .string(netns)), ("ips", .array(addresses.map { .string($0) })), ("plugins", .array(plugins.map { .string($0) })),
        ])
    }

    private static func types(_ record: AttachmentRecords.Record) -> [String] { record.chains.flatMap { types($0.plugins) } }

    private static func types(_ plugins: [JSON]) -> [String] { plugins.compactMap { $0.object?["type"]?.string } }

    private static func addresses(_ result: JSON?) -> [String] {
        guard let result, let decoded = try? ResultFormat.decode(result, defaultVersion: "") else { return [] }
        return decoded.ips.map { $0.address.text }
    }
}
