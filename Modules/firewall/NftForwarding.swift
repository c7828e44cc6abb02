import ModuleKit

/// Accepts by nftables: an element for each address of a container.
///
/// An accept counts in its own table only: where a table of iptables-nft has a chain FORWARD, whose policy may be drop (Docker's is), one
/// rule there accepts what carries our mark. The mark is set before that chain, for the packets of all containers alike, and taken off
/// behind it.
struct NftForwarding {
    static let baseChain = "forward"
    private static let acceptChain = "forward_accept"
    private static let adminDispatch = "forward_admin"
    private static let chains = [baseChain, acceptChain, "forward_to", adminDispatch, "forward_end"]
    /// The chain in the tables of iptables.
    private static let foreignChain = "CATENA-FORWARD"
    /// The bit of the mark, set in the forward hook from priority -1 to 1 alone.
    private static let mark = "0x1000"

    private let call: ModuleCall
    private let config: FirewallConfig

    init(_ call: ModuleCall, _ config: FirewallConfig) {
        self.call = call
        self.config = config
    }

    private static func map(_ family: IPAddress.Family) -> NftMap {
        family == .v4 ? NftMap("firewall4", type: "ipv4_addr : verdict") : NftMap("firewall6", type: "ipv6_addr : verdict")
    }

    private static func has(_ call: ModuleCall, _ chain: String) throws(CNIError) -> Bool {
        try call.hasNftChain(family: "inet", table: NftTable.name, chain: chain)
    }

    /// Sets up maps and chains; no change where they are as they should be. Chains of the administrator's are made, never emptied.
    static var skeleton: String {
        let forward = [
            "jump \(adminDispatch)",
            "ip daddr vmap @ingress4", "ip6 daddr vmap @ingress6",
            "ip saddr vmap @firewall4", "ip6 saddr vmap @firewall6",
            // Answers, and what comes through a published port.
            "ct state established,related jump forward_to", "ct status dnat jump forward_to",
        ]
        return
            ([NftTable.add, map(.v4).add, map(.v6).add] + NftIngress.maps.map { $0.add } + [
                NftTable.chain(acceptChain, rules: ["meta mark set meta mark | \(mark) accept"]),
                NftTable.chain("forward_to", rules: ["ip daddr vmap @firewall4", "ip6 daddr vmap @firewall6"]),
                "add chain inet catena CNI-ADMIN",
                NftTable.chain(adminDispatch, rules: ["jump CNI-ADMIN"]),
                NftTable.chain(baseChain, hook: "type filter hook forward priority -1; policy accept", rules: forward),
                NftTable.chain(
                    "forward_end", hook: "type filter hook forward priority 1; policy accept",
                    rules: ["meta mark & \(mark) == \(mark) meta mark set meta mark & 0xffffefff"]),
            ]).joined(separator: "\n")
    }

    private static func element(_ address: IPAddress) -> NftMap.Element {
        NftMap.Element(key: address.text, keyBytes: address.bytes, value: "goto \(acceptChain)", valueBytes: nil)
    }

    // MARK: ADD

    /// Queues the elements of these addresses, and what is shared where it is missing.
    func add(_ addresses: [IPNetwork]) throws(CNIError) {
        try NftForwarding.queueSkeleton(call)
        if config.adminChain != "CNI-ADMIN", try !NftForwarding.has(call, config.adminChain) {
            try call.queueNft(
                "add chain inet catena \(config.adminChain)\nadd rule inet catena \(NftForwarding.adminDispatch) jump \(config.adminChain)",
                purpose: "set up admin chain \(config.adminChain)")
        }
        for family in [IPAddress.Family.v4, .v6] where addresses.contains(where: { $0.address.family == family }) {
            try queueForeignRule(NftTable.family(family))
        }
        try NftForwarding.queueElements(call, addresses.map { (NftForwarding.map($0.address.family), NftForwarding.element($0.address)) })
    }

    /// Queues the chains of the whole module where they are missing.
    static func queueSkeleton(_ call: ModuleCall) throws(CNIError) {
        if try !has(call, baseChain) { try call.queueNft(skeleton, purpose: "set up forwarding") }
    }

    /// Queues elements of the attachment. IPAM gave it the addresses: what another one left behind for them is stale.
    static func queueElements(_ call: ModuleCall, _ elements: [(map: NftMap, element: NftMap.Element)]) throws(CNIError) {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        for (map, element) in elements {
            try call.queueNft(try map.replacing(call, element, comment: comment), purpose: "let packets of \(element.key) through")
        }
    }

    /// Whether iptables has a chain FORWARD, and lets through there what carries our mark: its chain is there with its rule and a jump.
    private func isMissing(_ family: String) throws(CNIError) -> Bool {
        guard try call.hasNftChain(family: family, table: "filter", chain: "FORWARD") else { return false }
        let use = try attempt(try NftChainUse.count(family: family, table: "filter", chain: NftForwarding.foreignChain))
        return (use ?? 0) < 2
    }

    /// In words that iptables-nft reads as its own: -m mark --mark 0x1000/0x1000 -j ACCEPT.
    private func queueForeignRule(_ family: String) throws(CNIError) {
        guard try isMissing(family) else { return }
        let chain = NftForwarding.foreignChain
        let mark = NftForwarding.mark
        let commands = [
            "add chain \(family) filter \(chain)", "flush chain \(family) filter \(chain)",
            "add rule \(family) filter \(chain) meta mark & \(mark) == \(mark) counter accept comment \"CNI firewall plugin rules\"",
            "insert rule \(family) filter FORWARD counter jump \(chain)",
        ]
        try call.queueNft(commands.joined(separator: "\n"), purpose: "let packets through chain FORWARD of iptables")
    }

    // MARK: DEL, CHECK, GC

    /// Queues the removal of the attachment's elements: for these addresses, or, where they are not known, by their comments.
    static func queueRemove(_ call: ModuleCall, _ addresses: [IPNetwork]?) throws(CNIError) {
        guard try has(call, baseChain) else { return }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        var commands: [String] = []
        if let addresses {
            for address in addresses.map({ $0.address }) {
                let map = map(address.family)
                guard try map.present(call, address.bytes)?.comment == comment else { continue }
                try call.queueNft([map.deleting(element(address))], purpose: "remove accepts")
            }
        } else {
            for map in [map(.v4), map(.v6)] { commands += try map.keys(call) { $0 == comment }.map { map.deleteCommand(key: $0) } }
        }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove accepts") }
    }

    /// The differences between what ADD made and what is there.
    func check(_ addresses: [IPNetwork]) throws(CNIError) -> [String] {
        var lines: [String] = []
        for chain in NftForwarding.chains + [config.adminChain] where try !NftForwarding.has(call, chain) {
            lines.append("nftables: expected chain \(chain) in table inet catena, found none")
        }
        for family in ["ip", "ip6"] where addresses.contains(where: { NftTable.family($0.address.family) == family }) {
            if try isMissing(family) {
                lines.append("nftables: expected a jump to \(NftForwarding.foreignChain) in chain \(family) filter FORWARD, found none")
            }
        }
        return try lines + NftForwarding.missing(call, addresses.map { (NftForwarding.map($0.address.family), $0.address) })
    }

    /// What of these elements is not the attachment's.
    static func missing(_ call: ModuleCall, _ wanted: [(map: NftMap, address: IPAddress)]) throws(CNIError) -> [String] {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        var lines: [String] = []
        for (map, address) in wanted {
            let found = try map.present(call, address.bytes)
            if found?.comment == comment { continue }
            let there = found.map { "that of \($0.comment ?? "no one")" } ?? "none"
            lines.append("nftables map \(map.name): expected an element for \(address.text) of \(comment), found \(there)")
        }
        return lines
    }

    /// Queues the removal of what attachments of the call's network hold which are not in use.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        let commands = try map(.v4).collectCommands(call) + map(.v6).collectCommands(call)
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove accepts that are not in use") }
    }
}
