import CNI
import ModuleABI

/// Masquerading of what a container sends out of its network: one set element an address, and a base chain for each network, whose one rule
/// masquerades what goes from these addresses elsewhere.
///
/// A set, and not a map of verdicts that lead to the network's chain: of those the kernel looks through all elements whenever one is added.
enum NftMasquerade {
    /// Where an address's element is, and the chain that asks for it.
    private struct Place {
        let set: NftMap
        let chain: NftChain
    }

    private static let families: [IPAddress.Family] = [.v4, .v6]

    private static func networks(_ family: IPAddress.Family) -> NftMap { set("masquerade\(suffix(family))", family) }

    /// The addresses that are networks of their own: a chain for each would have packets meet as many rules as there are containers.
    private static func hosts(_ family: IPAddress.Family) -> NftMap { set("masquerade_hosts\(suffix(family))", family) }

    private static func suffix(_ family: IPAddress.Family) -> String { family == .v4 ? "4" : "6" }

    private static func set(_ name: String, _ family: IPAddress.Family) -> NftMap {
        NftMap(set: name, type: family == .v4 ? "ipv4_addr" : "ipv6_addr", .inet)
    }

    private static var sets: [NftMap] { families.flatMap { [networks($0), hosts($0)] } }

    private static func place(_ address: IPNetwork) -> Place {
        let family = address.address.family
        if address.prefix < family.bits { return Place(set: networks(family), chain: networkChain(address)) }
        return Place(set: hosts(family), chain: hostsChain(family))
    }

    /// Queues the masquerade of these addresses of the call's attachment.
    static func queueAdd(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        for address in addresses {
            let place = place(address)
            try NftChain.queueMissing(
                call, last: place.chain.name, purpose: "set up masquerading of \(address.network.text)",
                sets: [NftTable.add] + sets.map { $0.add }
            ) { () throws(CNIError) in [place.chain] }
            // IPAM gave the address to this attachment: what another one left behind for it is stale.
            try call.queueNft(
                try place.set.replacing(call, element(address), comment: comment), purpose: "masquerade \(address.address.text)")
        }
    }

    /// Queues the removal of the attachment's elements for these addresses; of all its elements where none is given.
    static func queueRemove(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        var changes: [NftChange] = []
        for address in addresses {
            guard let (set, found) = try present(call, address), found == comment else { continue }
            changes.append(set.deleting(element(address)))
        }
        try call.queueNft(changes, purpose: "remove masquerading")
        if addresses.isEmpty { try queueRemoveListed(call, comment) }
    }

    /// An address's element, by its comment: a module may set addresses as hosts' that IPAM gave with their network, so both sets are asked.
    private static func present(_ call: ModuleCall, _ address: IPNetwork) throws(CNIError) -> (set: NftMap, comment: String?)? {
        let family = address.address.family
        let expected = place(address).set
        for set in [expected, expected.name == networks(family).name ? hosts(family) : networks(family)] {
            if let found = try set.present(call, address.address.bytes) { return (set, found.comment) }
        }
        return nil
    }

    /// Queues the removal of all elements with this comment, found by listing the sets.
    private static func queueRemoveListed(_ call: ModuleCall, _ comment: String) throws(CNIError) {
        var commands: [String] = []
        for set in sets { commands += try set.keys(call) { $0 == comment }.map { set.deleteCommand(key: $0) } }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove masquerading") }
    }

    /// STATUS: throws code 50 where nftables can't be used.
    static func checkAvailable(_ call: ModuleCall) throws(CNIError) { try NftTable.checkAvailable(call, chain: hostsChain(.v4).name) }

    /// The differences between these addresses' elements and what is there.
    static func check(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) -> [String] {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        var lines: [String] = []
        for address in addresses {
            let place = place(address)
            let found = try present(call, address)
            if let found, found.comment == comment {
                // The chain is that of another prefix length where the element is in the other set.
                if found.set.name == place.set.name { lines += try place.chain.differences(call).filter { !lines.contains($0) } }
                continue
            }
            let isHost = try place.chain.exists(call)
            let set = found?.set ?? (isHost ? place.set : networks(address.address.family))
            lines += try set.differences(call, element(address), comment: comment)
        }
        return lines
    }

    /// Queues the removal of what attachments of the call's network hold which are not in use.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        var commands: [String] = []
        for set in sets { commands += try set.collectCommands(call) }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove masquerading that is not in use") }
    }

    // MARK: Chains

    private static let hook = "type nat hook postrouting priority 100; policy accept"

    private static func multicast(_ family: IPAddress.Family) -> String { family == .v4 ? "224.0.0.0/4" : "ff00::/8" }

    /// The chain of a network: what its containers send to others is masqueraded, but for multicast.
    static func networkChain(_ address: IPNetwork) -> NftChain {
        let (word, network) = (NftTable.family(address.address.family), address.network.text)
        let other = "\(word) daddr != \(network) \(word) daddr != \(multicast(address.address.family))"
        return NftChain(
            "masquerade_\(NftTable.word(address))", hook: hook,
            rules: ["\(word) saddr \(network) \(other) \(word) saddr @\(networks(address.address.family).name) masquerade"])
    }

    /// The chain of all addresses that are networks of their own.
    private static func hostsChain(_ family: IPAddress.Family) -> NftChain {
        let word = NftTable.family(family)
        let set = hosts(family).name
        return NftChain(set, hook: hook, rules: ["\(word) daddr != \(multicast(family)) \(word) saddr @\(set) masquerade"])
    }

    static func element(_ address: IPNetwork) -> NftMap.Element {
        NftMap.Element(key: address.address.text, keyBytes: address.address.bytes)
    }
}
