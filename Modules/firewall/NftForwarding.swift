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
    private static let defaultAdminChain = "CNI-ADMIN"
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

    /// A set, not a map of verdicts: of those the kernel looks through all elements whenever one is added.
    private static func map(_ family: IPAddress.Family) -> NftMap {
        family == .v4 ? NftMap(set: "firewall4", type: "ipv4_addr", .inet) : NftMap(set: "firewall6", type: "ipv6_addr", .inet)
    }

    private static func has(_ call: ModuleCall, _ chain: String) throws(CNIError) -> Bool {
        try call.hasNftChain(family: "inet", table: NftTable.name, chain: chain)
    }

    /// The commands that make table, maps, and the administrator's chain, which is never emptied; no change where they are there.
    private static var sets: [String] {
        [NftTable.add] + ([map(.v4), map(.v6)] + NftIngress.maps).map { $0.add } + ["add chain inet catena \(defaultAdminChain)"]
    }

    /// The chain of jumps to the administrators' chains.
    private static var dispatch: NftChain { NftChain(adminDispatch, rules: ["jump \(defaultAdminChain)"]) }

    /// The chains that belong to firewall, each behind those that it leads to.
    private static var chains: [NftChain] {
        let forward = [
            "jump \(adminDispatch)",
            NftIngress.jump,
            "ip saddr @firewall4 goto \(acceptChain)", "ip6 saddr @firewall6 goto \(acceptChain)",
            // Answers, and what comes through a published port.
            "ct state established,related jump forward_to", "ct status dnat jump forward_to",
        ]
        return [
            NftChain(acceptChain, rules: ["meta mark set meta mark | \(mark) accept"]),
            NftChain("forward_to", rules: ["ip daddr @firewall4 goto \(acceptChain)", "ip6 daddr @firewall6 goto \(acceptChain)"]),
            dispatch, NftIngress.chain,
            NftChain(
                "forward_end", hook: "type filter hook forward priority 1; policy accept",
                rules: ["meta mark & \(mark) == \(mark) meta mark set meta mark & 0xffffefff"]),
            NftChain(baseChain, hook: "type filter hook forward priority -1; policy accept", rules: forward),
        ]
    }

    private static func element(_ address: IPAddress) -> NftMap.Element {
        NftMap.Element(key: address.text, keyBytes: address.bytes)
    }

    // MARK: ADD

    /// Queues the elements of these addresses, and what is shared where it is missing.
    func add(_ addresses: [IPNetwork]) throws(CNIError) {
        try NftForwarding.queueSkeleton(call)
        for chain in try adminChains() where try isUnreached(chain) {
            try call.queueNft(
                "add chain inet catena \(chain)\nadd rule inet catena \(NftForwarding.adminDispatch) jump \(chain)",
                purpose: "set up admin chain \(chain)")
        }
        for family in [IPAddress.Family.v4, .v6] where addresses.contains(where: { $0.address.family == family }) {
            try queueForeignRule(NftTable.family(family))
        }
        try NftForwarding.queueElements(call, addresses.map { (NftForwarding.map($0.address.family), NftForwarding.element($0.address)) })
    }

    /// Queues the chains of the whole module where they are missing.
    static func queueSkeleton(_ call: ModuleCall) throws(CNIError) {
        try NftChain.queueMissing(call, last: baseChain, purpose: "set up forwarding", sets: sets) { () throws(CNIError) in chains }
    }

    /// The administrators' chains that are not led to by what ``queueSkeleton(_:)`` makes.
    private func adminChains() throws(CNIError) -> [String] {
        let own = config.adminChain == NftForwarding.defaultAdminChain ? [] : [config.adminChain]
        // Where all jumps are gone, the chain of jumps is made anew.
        if call.operation != .repair { return own }
        if try NftForwarding.dispatch.isLacking(call) { return own }
        return [NftForwarding.defaultAdminChain] + own
    }

    /// Whether nothing leads to an administrator's chain: ADD asks only whether it is there; CHECK and REPAIR whether anything but its own
    /// rules refers to it.
    private func isUnreached(_ chain: String) throws(CNIError) -> Bool {
        guard try NftForwarding.has(call, chain) else { return true }
        if call.operation == .add { return false }
        return try NftChain(chain, rules: []).jumpCount(call) == 0
    }

    /// Queues elements of the attachment. IPAM gave it the addresses: what another one left behind for them is stale.
    ///
    /// - Parameter setUp: the commands that make the chain which the elements lead to, should it go away before they are committed.
    static func queueElements(
        _ call: ModuleCall, _ elements: [(map: NftMap, element: NftMap.Element)], setUp: String = ""
    ) throws(CNIError) {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        for (map, element) in elements {
            try call.queueNft(
                try map.replacing(call, element, comment: comment, setUp: setUp), purpose: "let packets of \(element.key) through")
        }
    }

    /// Whether iptables has a chain FORWARD, and lets through there what carries our mark: its chain is there with its rule and a jump.
    private func isMissing(_ family: String) throws(CNIError) -> Bool {
        guard try call.hasNftChain(family: family, table: "filter", chain: "FORWARD") else { return false }
        let socket = try call.netfilter()
        let use = try attempt(try NftChainUse.count(socket, family: family, table: "filter", chain: NftForwarding.foreignChain))
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
        if let addresses {
            for address in addresses.map({ $0.address }) {
                let map = map(address.family)
                guard try map.present(call, address.bytes)?.comment == comment else { continue }
                try call.queueNft([map.deleting(element(address))], purpose: "remove accepts")
            }
        } else {
            var commands: [String] = []
            for map in [map(.v4), map(.v6)] { commands += try map.keys(call) { $0 == comment }.map { map.deleteCommand(key: $0) } }
            if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove accepts") }
        }
    }

    /// The differences between what ADD made and what is there.
    func check(_ addresses: [IPNetwork]) throws(CNIError) -> [String] {
        var lines = try NftChain.differences(call, NftForwarding.chains)
        for chain in Set([NftForwarding.defaultAdminChain, config.adminChain]).sorted() where try isUnreached(chain) {
            lines.append("nftables: expected a jump from \(NftForwarding.adminDispatch) to chain \(chain) in table inet catena, found none")
        }
        for family in ["ip", "ip6"] where addresses.contains(where: { NftTable.family($0.address.family) == family }) {
            if try isMissing(family) {
                lines.append("nftables: expected a jump to \(NftForwarding.foreignChain) in chain \(family) filter FORWARD, found none")
            }
        }
        return try lines
            + NftForwarding.missing(
                call, addresses.map { (NftForwarding.map($0.address.family), NftForwarding.element($0.address)) })
    }

    /// What of these elements is not the attachment's.
    static func missing(_ call: ModuleCall, _ wanted: [(map: NftMap, element: NftMap.Element)]) throws(CNIError) -> [String] {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        var lines: [String] = []
        for (map, element) in wanted { lines += try map.differences(call, element, comment: comment) }
        return lines
    }

    /// Queues the removal of what attachments of the call's network hold which are not in use.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        let commands = try map(.v4).collectCommands(call) + map(.v6).collectCommands(call)
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove accepts that are not in use") }
    }
}
