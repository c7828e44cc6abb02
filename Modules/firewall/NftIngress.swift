import ModuleKit

/// Ingress policies by nftables: an element leads what is for a container to the chain of its bridge and policy, which drops what comes
/// from where it may not.
struct NftIngress {
    /// The interfaces whose networks have a policy: they are kept from one another.
    private static let bridges = "ingress_bridges"
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
    private static func name(_ policy: FirewallConfig.IngressPolicy, _ bridge: String) -> String {
        let isWord = NftIdentity.encode(bridge) == bridge
        return "ingress_\(policy.rawValue)_" + (isWord ? bridge : "/" + String(FNV1a.hash(bridge), radix: 16))
    }

    /// The policy's chain. The last DEL of the bridge takes it away.
    private var chain: NftChain {
        let own = ingress.policy == .isolated ? "drop" : "return"
        return NftChain(
            NftIngress.name(ingress.policy, ingress.bridge),
            rules: ["iifname \"\(ingress.bridge)\" \(own)", "iifname @\(NftIngress.bridges) drop"])
    }

    /// The commands that make it, and register the bridge.
    private var setUp: String {
        [
            "add set inet catena \(NftIngress.bridges) { type ifname; }",
            "add element inet catena \(NftIngress.bridges) { \"\(ingress.bridge)\" }",
            chain.commands,
        ].joined(separator: "\n")
    }

    /// What is missing of the chain, and of the bridge's registration.
    private func missingChain() throws(CNIError) -> [String] {
        let name = Array(ingress.bridge.utf8) + [UInt8](repeating: 0, count: max(0, 16 - ingress.bridge.utf8.count))
        return try chain.differences(call)
            + (call.nftElement(.inet, set: NftIngress.bridges, key: name) == nil
                ? ["nftables set \(NftIngress.bridges): expected \(ingress.bridge) in it, found none"] : [])
    }

    private func isLacking() throws(CNIError) -> Bool {
        try call.operation == .repair ? !missingChain().isEmpty : !chain.exists(call)
    }

    // MARK: ADD

    /// Queues the elements of these addresses, and the policy's chain where it is missing; those that lead to it are queued.
    func add(_ addresses: [IPNetwork]) throws(CNIError) {
        if try isLacking() { try call.queueNft(setUp, purpose: "set up ingressPolicy \(ingress.policy.rawValue) of \(ingress.bridge)") }
        // The last DEL may be taking the chain away right now.
        try NftForwarding.queueElements(
            call, addresses.map { (NftIngress.map($0.address.family), NftIngress.element($0.address, "jump \(chain.name)")) }, setUp: setUp)
    }

    private static func element(_ address: IPAddress, _ verdict: String = "") -> NftMap.Element {
        NftMap.Element(key: address.text, keyBytes: address.bytes, value: verdict, valueBytes: nil)
    }

    // MARK: DEL

    /// Queues the removal of the attachment's elements. Returns the chains that they led to, which may be without use then.
    ///
    /// - Parameter ingress: the policy as the configuration has it; nil where that says nothing: then the maps are listed.
    static func queueRemove(_ call: ModuleCall, _ addresses: [IPNetwork]?, _ ingress: Ingress?) throws(CNIError) -> Set<String> {
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: NftForwarding.baseChain) else { return [] }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        guard let addresses else { return try remove(call) { $0 == comment } }
        var changes: [NftChange] = []
        for address in addresses.map({ $0.address }) {
            let map = map(address.family)
            if try map.present(call, address.bytes)?.comment == comment { changes.append(map.deleting(element(address))) }
        }
        if changes.isEmpty { return [] }
        guard let ingress else { return try remove(call) { $0 == comment } }
        try call.queueNft(changes, purpose: "remove ingress policy")
        return [name(ingress.policy, ingress.bridge)]
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
        for chain in chains.sorted() where try isUnused(call, chain) {
            var commands: [String] = []
            if let bridge = bridge(of: chain), try !isShared(call, chain, bridge) {
                commands.append("delete element inet catena \(bridges) { \"\(bridge)\" }")
            }
            commands += ["flush chain inet catena \(chain)", "delete chain inet catena \(chain)"]
            try call.queueNft(commands.joined(separator: "\n"), purpose: "remove chain \(chain)")
            do throws(CNIError) { try call.commitNft() } catch { call.log(.debug, "firewall: \(error.text)") }
        }
    }

    private static func isUnused(_ call: ModuleCall, _ chain: String) throws(CNIError) -> Bool {
        let chain = NftChain(chain, rules: [])
        if try !chain.exists(call) { return false }
        return try chain.jumpCount(call) == 0
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
            let other = name(policy, bridge)
            if other != chain, try call.hasNftChain(family: "inet", table: NftTable.name, chain: other) { return true }
        }
        return false
    }

    // MARK: CHECK, GC

    func check(_ addresses: [IPNetwork]) throws(CNIError) -> [String] {
        try missingChain() + NftForwarding.missing(call, addresses.map { (NftIngress.map($0.address.family), $0.address) })
    }

    static func collect(_ call: ModuleCall) throws(CNIError) {
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: NftForwarding.baseChain) else { return }
        let prefix = NftIdentity.prefix(call.network)
        let valid = Set(call.validAttachments.map { NftIdentity.comment(network: call.network, $0) })
        let chains = try remove(call) { $0.hasPrefix(prefix) && !valid.contains($0) }
        if !chains.isEmpty { try removeUnused(call, chains) }
    }
}
