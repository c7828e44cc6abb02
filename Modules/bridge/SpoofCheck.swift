import ModuleKit

/// `macspoofchk`: frames that come from the container have to have its hardware address as their source.
///
/// Two set elements a container in the table `bridge catena`: its port is one that is checked, and its port with its address passes. One
/// rule looks both up, however many containers there are.
struct SpoofCheck {
    private static let chain = "prerouting_macspoofchk"
    private static let ports = NftMap(set: "macspoofchk_ports", type: "ifname", .bridge)
    private static let addresses = NftMap(set: "macspoofchk_macs", type: "ifname . ether_addr", .bridge)

    /// The container's port: the host's end of its veth pair.
    let port: String
    /// The container's hardware address.
    let mac: MACAddress

    private typealias Entry = (set: NftMap, element: NftMap.Element)

    private var entries: [Entry] {
        let name = Array(port.utf8) + [UInt8](repeating: 0, count: max(0, 16 - port.utf8.count))
        return [
            (SpoofCheck.ports, NftMap.Element(key: "\"\(port)\"", keyBytes: name)),
            (SpoofCheck.addresses, NftMap.Element(key: "\"\(port)\" . \(mac.text)", keyBytes: name + mac.bytes + [0, 0])),
        ]
    }

    /// Queues the check.
    func queueAdd(_ call: ModuleCall) throws(CNIError) {
        try NftChain.queueMissing(
            call, last: SpoofCheck.chain, .bridge, purpose: "set up the check of source addresses", sets: SpoofCheck.sets
        ) { () throws(CNIError) in [SpoofCheck.base] }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        for (set, element) in entries {
            // The port is new: what has its name is stale.
            try call.queueNft(try set.replacing(call, element, comment: comment), purpose: "check source addresses of \(port)")
        }
    }

    /// Queues the removal of the attachment's elements.
    ///
    /// - Parameter known: what ADD checked; nil where that is not known: then they are found by their comment.
    static func queueRemove(_ call: ModuleCall, _ known: SpoofCheck?) throws(CNIError) {
        guard try call.hasNftChain(family: "bridge", table: NftTable.name, chain: chain) else { return }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        let entries = known?.entries ?? []
        var found: [Entry] = []
        for entry in entries where try entry.set.present(call, entry.element.keyBytes)?.comment == comment { found.append(entry) }
        var commands: [String] = []
        // One without the other: a later plugin has changed the container's address.
        if known != nil && (found.isEmpty || found.count == entries.count) {
            try call.queueNft(found.map { $0.set.deleting($0.element) }, purpose: "remove the check of source addresses")
        } else {
            for set in [ports, addresses] { commands += try set.keys(call) { $0 == comment }.map { set.deleteCommand(key: $0) } }
        }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove the check of source addresses") }
    }

    /// The differences between the check and what is there.
    func differences(_ call: ModuleCall) throws(CNIError) -> [String] {
        var lines = try SpoofCheck.base.differences(call)
        guard try SpoofCheck.base.exists(call) else { return lines }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        for (set, element) in entries {
            let found = try set.present(call, element.keyBytes)
            if found?.comment == comment { continue }
            let there = found.map { "that of \($0.comment ?? "no one")" } ?? "none"
            lines.append("nftables set \(set.name): expected an element \(element.key) of \(comment), found \(there)")
        }
        return lines
    }

    /// Queues the removal of what attachments of the call's network hold which are not in use.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        let commands = try ports.collectCommands(call) + addresses.collectCommands(call)
        if !commands.isEmpty {
            try call.queueNft(commands.joined(separator: "\n"), purpose: "remove checks of source addresses that are not in use")
        }
    }

    /// STATUS: throws code 50 where nftables can't be used for frames.
    static func checkAvailable(_ call: ModuleCall) throws(CNIError) { try NftTable.checkAvailable(call, chain: chain, .bridge) }

    private static var sets: [String] { [NftTable.addBridge, ports.add, addresses.add] }

    private static var base: NftChain {
        NftChain(
            chain, .bridge, hook: "type filter hook prerouting priority -300; policy accept",
            rules: ["iifname @\(ports.name) iifname . ether saddr != @\(addresses.name) counter drop"])
    }
}
