import ModuleKit

/// Ingress policies by nftables: an element leads what is for a container to the chain of its bridge and policy, which drops what comes
/// from where it may not.
struct NftIngress {
    /// The interfaces whose networks have a policy: they are kept from one another.
    private static let bridges = "ingress_bridges"
    /// The rules of a policy's chain.
    private static let ruleCount = 2

    private let call: ModuleCall
    private let ingress: Ingress

    init(_ call: ModuleCall, _ ingress: Ingress) {
        self.call = call
        self.ingress = ingress
    }

    private static func map(_ family: IPAddress.Family) -> NftMap {
        family == .v4 ? NftMap("ingress4", type: "ipv4_addr : verdict") : NftMap("ingress6", type: "ipv6_addr : verdict")
    }

    static let maps = [map(.v4), map(.v6)]

    // MARK: Chains

    /// "ingress_isolated_cni0". A name that nft would not take for a word is told by its hash.
    private static func chain(_ policy: FirewallConfig.IngressPolicy, _ bridge: String) -> String {
        let isWord = NftIdentity.encode(bridge) == bridge
        return "ingress_\(policy.rawValue)_" + (isWord ? bridge : "/" + String(FNV1a.hash(bridge), radix: 16))
    }

    private var chain: String { NftIngress.chain(ingress.policy, ingress.bridge) }

    /// The commands that make the policy's chain. They are queued by every ADD: the last DEL may be taking it away right now.
    private var chainRules: String {
        let own = ingress.policy == .isolated ? "drop" : "return"
        return [
            "add set inet catena \(NftIngress.bridges) { type ifname; }",
            "add element inet catena \(NftIngress.bridges) { \"\(ingress.bridge)\" }",
            NftTable.chain(chain, rules: ["iifname \"\(ingress.bridge)\" \(own)", "iifname @\(NftIngress.bridges) drop"]),
        ].joined(separator: "\n")
    }

    // MARK: ADD

    func add(_ addresses: [IPNetwork]) throws(CNIError) {
        try NftForwarding.queueSkeleton(call)
        try call.queueNft(chainRules, purpose: "set up ingressPolicy \(ingress.policy.rawValue) of \(ingress.bridge)")
        try NftForwarding.queueElements(
            call,
            addresses.map { network in
                let address = network.address
                return (
                    NftIngress.map(address.family),
                    NftMap.Element(key: address.text, keyBytes: address.bytes, value: "jump \(chain)", valueBytes: nil)
                )
            })
    }

    // MARK: DEL

    /// Queues the removal of the attachment's elements. Returns the chains that they led to, which may be without use then.
    ///
    /// - Parameter ingress: the policy as the configuration has it; nil where that says nothing: then the maps are listed.
    static func queueRemove(_ call: ModuleCall, _ addresses: [IPNetwork]?, _ ingress: Ingress?) throws(CNIError) -> Set<String> {
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: NftForwarding.baseChain) else { return [] }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        guard let addresses else { return try remove(call) { $0 == comment } }
        var commands: [String] = []
        for address in addresses.map({ $0.address }) {
            let map = map(address.family)
            if try map.present(call, address.bytes)?.comment == comment { commands.append(map.deleteCommand(key: address.text)) }
        }
        if commands.isEmpty { return [] }
        guard let ingress else { return try remove(call) { $0 == comment } }
        try call.queueNft(commands.joined(separator: "\n"), purpose: "remove ingress policy")
        return [chain(ingress.policy, ingress.bridge)]
    }

    private static func remove(_ call: ModuleCall, where wanted: (String) -> Bool) throws(CNIError) -> Set<String> {
        var commands: [String] = []
        var chains: Set<String> = []
        for map in maps {
            for object in try call.queryNft("list map inet catena \(map.name)")?.object?["nftables"]?.array ?? [] {
                for pair in object.object?["map"]?.object?["elem"]?.array ?? [] {
                    guard let pair = pair.array, pair.count == 2, let element = pair[0].object?["elem"]?.object,
                        let comment = element["comment"]?.string, wanted(comment), let key = element["val"]?.string
                    else { continue }
                    commands.append(map.deleteCommand(key: key))
                    if let chain = pair[1].object?["jump"]?.object?["target"]?.string { chains.insert(chain) }
                }
            }
        }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove ingress policy") }
        return chains
    }

    /// Commits, and deletes those of the chains that nothing leads to any more, each with its bridge's element. The kernel counts: should
    /// another ADD come in between, it refuses, and the chain stays.
    static func removeUnused(_ call: ModuleCall, _ chains: Set<String>) throws(CNIError) {
        try call.commitNft()
        for chain in chains.sorted()
        where try attempt(try NftChainUse.count(family: "inet", table: NftTable.name, chain: chain)) == ruleCount {
            var commands: [String] = []
            if let bridge = bridge(of: chain), try !isShared(call, chain, bridge) {
                commands.append("delete element inet catena \(bridges) { \"\(bridge)\" }")
            }
            commands += ["flush chain inet catena \(chain)", "delete chain inet catena \(chain)"]
            try call.queueNft(commands.joined(separator: "\n"), purpose: "remove chain \(chain)")
            do throws(CNIError) { try call.commitNft() } catch { call.log(.debug, "firewall: \(error.text)") }
        }
    }

    /// The bridge of a chain's name; nil where that has only its hash: the element stays then, and does no harm.
    private static func bridge(of chain: String) -> String? {
        for policy in [FirewallConfig.IngressPolicy.sameBridge, .isolated] {
            let prefix = "ingress_\(policy.rawValue)_"
            if chain.hasPrefix(prefix), !chain.hasPrefix(prefix + "/") { return String(chain.dropFirst(prefix.count)) }
        }
        return nil
    }

    /// Whether the bridge has a chain of the other policy, too.
    private static func isShared(_ call: ModuleCall, _ chain: String, _ bridge: String) throws(CNIError) -> Bool {
        for policy in [FirewallConfig.IngressPolicy.sameBridge, .isolated] {
            let other = NftIngress.chain(policy, bridge)
            if other != chain, try call.hasNftChain(family: "inet", table: NftTable.name, chain: other) { return true }
        }
        return false
    }

    // MARK: CHECK, GC

    func check(_ addresses: [IPNetwork]) throws(CNIError) -> [String] {
        var lines: [String] = []
        if try !call.hasNftChain(family: "inet", table: NftTable.name, chain: chain) {
            lines.append("nftables: expected chain \(chain) in table inet catena, found none")
        }
        let name = Array(ingress.bridge.utf8) + [UInt8](repeating: 0, count: max(0, 16 - ingress.bridge.utf8.count))
        if try call.nftElement(.inet, set: NftIngress.bridges, key: name) == nil {
            lines.append("nftables set \(NftIngress.bridges): expected \(ingress.bridge) in it, found none")
        }
        return try lines + NftForwarding.missing(call, addresses.map { (NftIngress.map($0.address.family), $0.address) })
    }

    static func collect(_ call: ModuleCall) throws(CNIError) {
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: NftForwarding.baseChain) else { return }
        let prefix = NftIdentity.prefix(call.network)
        let valid = Set(call.validAttachments.map { NftIdentity.comment(network: call.network, $0) })
        let chains = try remove(call) { $0.hasPrefix(prefix) && !valid.contains($0) }
        if !chains.isEmpty { try removeUnused(call, chains) }
    }
}
