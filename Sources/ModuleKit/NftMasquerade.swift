import CNI
import ModuleABI

/// Masquerading of what a container sends out of its network: one map element an address.
///
/// The base chain looks the source address up; the element sends the packet to the chain of the container's network, which lets through
/// what stays in the network and what is multicast, and masquerades the rest.
enum NftMasquerade {
    private static let chain = "postrouting_masquerade"

    private static func map(_ family: IPAddress.Family) -> NftMap {
        family == .v4 ? NftMap("masquerade4", type: "ipv4_addr : verdict") : NftMap("masquerade6", type: "ipv6_addr : verdict")
    }

    /// Queues the masquerade of these addresses of the call's attachment.
    static func queueAdd(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) {
        try NftChain.queueMissing(call, last: chain, purpose: "set up masquerading", sets: sets) { () throws(CNIError) in [base] }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        for address in addresses {
            try NftChain.queueMissing(
                call, last: networkName(address), purpose: "set up masquerading of \(address.network.text)"
            ) { () throws(CNIError) in [networkChain(address)] }
            try queue(call, address, comment)
        }
    }

    private static func queue(_ call: ModuleCall, _ address: IPNetwork, _ comment: String) throws(CNIError) {
        let map = map(address.address.family)
        let element = element(address)
        // IPAM gave the address to this attachment: what another one left behind for it is stale.
        try call.queueNft(try map.replacing(call, element, comment: comment), purpose: "masquerade \(address.address.text)")
    }

    /// Queues the removal of the attachment's elements for these addresses; of all its elements where none is given.
    static func queueRemove(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) {
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: chain) else { return }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        var changes: [NftChange] = []
        for address in addresses {
            let map = map(address.address.family)
            let element = element(address)
            if try map.present(call, element.keyBytes)?.comment == comment { changes.append(map.deleting(element)) }
        }
        try call.queueNft(changes, purpose: "remove masquerading")
        if addresses.isEmpty { try queueRemoveListed(call, comment) }
    }

    /// Queues the removal of all elements with this comment, found by listing the maps.
    private static func queueRemoveListed(_ call: ModuleCall, _ comment: String) throws(CNIError) {
        var commands: [String] = []
        for family in [IPAddress.Family.v4, .v6] {
            commands += try map(family).keys(call) { $0 == comment }.map { map(family).deleteCommand(key: $0) }
        }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove masquerading") }
    }

    /// STATUS: throws code 50 where nftables can't be used.
    static func checkAvailable(_ call: ModuleCall) throws(CNIError) { try NftTable.checkAvailable(call, chain: chain) }

    /// The differences between these addresses' elements and what is there.
    static func check(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) -> [String] {
        var lines = try base.differences(call)
        guard try base.exists(call) else { return lines }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        for address in addresses {
            lines += try networkDifferences(call, address).filter { !lines.contains($0) }
            let map = map(address.address.family)
            let found = try map.present(call, element(address).keyBytes)
            if found?.comment != comment {
                let there = found.map { "that of \($0.comment ?? "no one")" } ?? "none"
                lines.append("nftables map \(map.name): expected an element for \(address.address.text) of \(comment), found \(there)")
            }
        }
        return lines
    }

    /// What is missing of the chain of an address's network.
    ///
    /// Not the chain itself: the kernel keeps it while an element leads to it. Where it is not there, the element, which is looked at too, leads
    /// to that of another prefix length: a module may set addresses as hosts' that IPAM gave with their network.
    private static func networkDifferences(_ call: ModuleCall, _ address: IPNetwork) throws(CNIError) -> [String] {
        let chain = networkChain(address)
        let differences = try chain.differences(call)
        if differences.isEmpty { return [] }
        return try chain.exists(call) ? differences : []
    }

    /// Queues the removal of what attachments of the call's network hold which are not in use.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        var commands: [String] = []
        for family in [IPAddress.Family.v4, .v6] { commands += try map(family).collectCommands(call) }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove masquerading that is not in use") }
    }

    // MARK: Commands

    private static var sets: [String] { [NftTable.add, map(.v4).add, map(.v6).add] }

    private static var base: NftChain {
        NftChain(
            chain, hook: "type nat hook postrouting priority 100; policy accept",
            rules: ["ip saddr vmap @masquerade4", "ip6 saddr vmap @masquerade6"])
    }

    static func networkChain(_ address: IPNetwork) -> NftChain {
        let family = NftTable.family(address.address.family)
        let multicast = address.address.family == .v4 ? "224.0.0.0/4" : "ff00::/8"
        return NftChain(
            networkName(address),
            rules: ["\(family) daddr \(address.network.text) return", "\(family) daddr \(multicast) return", "masquerade"])
    }

    private static func networkName(_ address: IPNetwork) -> String { "masquerade_\(NftTable.word(address))" }

    static func element(_ address: IPNetwork) -> NftMap.Element {
        NftMap.Element(
            key: address.address.text, keyBytes: address.address.bytes, value: "goto \(networkName(address))", valueBytes: nil)
    }
}
