import ModuleKit

/// Ingress policies by nftables: what comes from an interface whose network has a policy, and is for a container with one, is dropped, but for
/// what comes from the container's own bridge, where the policy allows that.
///
/// A container's element leads to a counter of its bridge, of what was dropped there. The kernel counts the elements that do: so the last
/// DEL of a bridge knows that it is the last. (Of elements that lead to a chain the kernel looks through all whenever one is added.)
struct NftIngress {
    /// The interfaces whose networks have a policy.
    private static let bridges = NftMap(set: "ingress_bridges", type: "ifname", .inet)
    private let call: ModuleCall
    private let ingress: Ingress

    init(_ call: ModuleCall, _ ingress: Ingress) {
        self.call = call
        self.ingress = ingress
    }

    private static let families: [IPAddress.Family] = [.v4, .v6]

    /// Containers with a policy.
    private static func containers(_ family: IPAddress.Family) -> NftMap {
        family == .v4 ? NftMap("ingress4", type: "ipv4_addr : counter") : NftMap("ingress6", type: "ipv6_addr : counter")
    }

    /// Containers that those of their own bridge may reach, and the bridge.
    private static func allowed(_ family: IPAddress.Family) -> NftMap {
        family == .v4
            ? NftMap(set: "ingress_same_bridge4", type: "ipv4_addr . ifname", .inet)
            : NftMap(set: "ingress_same_bridge6", type: "ipv6_addr . ifname", .inet)
    }

    /// All sets and maps.
    static var maps: [NftMap] { [bridges] + families.flatMap { [containers($0), allowed($0)] } }

    // MARK: Chains, counters

    /// The chain that drops, and the rule that leads to it.
    static let chain = NftChain(
        "ingress",
        rules: [
            "ip daddr . iifname @ingress_same_bridge4 return", "ip6 daddr . iifname @ingress_same_bridge6 return",
            "counter name ip daddr map @ingress4 drop", "counter name ip6 daddr map @ingress6 drop",
        ])
    static let jump = "iifname @ingress_bridges jump ingress"

    private static let counterPrefix = "ingress_"

    /// "ingress_cni0". A name that nft would not take for a word is told by its hash.
    private static func counter(_ bridge: String) -> String {
        counterPrefix + (NftIdentity.encode(bridge) == bridge ? bridge : "/" + String(FNV1a.hash(bridge), radix: 16))
    }

    /// The name of an interface as a key: IFNAMSIZ bytes.
    private static func interfaceBytes(_ name: String) -> [UInt8] {
        Array(name.utf8) + [UInt8](repeating: 0, count: max(0, 16 - name.utf8.count))
    }

    private static func counterUse(_ call: ModuleCall, _ counter: String) throws(CNIError) -> Int? {
        let socket = try call.netfilter()
        return try attempt(try NftObjectUse.counter(socket, family: "inet", table: NftTable.name, name: counter))
    }

    /// The commands that make the bridge's counter, and register the bridge.
    private var setUp: String {
        "add counter inet catena \(NftIngress.counter(ingress.bridge))\n"
            + "add element inet catena \(NftIngress.bridges.name) { \"\(ingress.bridge)\" }"
    }

    /// What is missing of that.
    private func missingBridge() throws(CNIError) -> [String] {
        let counter = NftIngress.counter(ingress.bridge)
        var lines: [String] = []
        if try NftIngress.counterUse(call, counter) == nil {
            lines.append("nftables: expected counter \(counter) in table inet catena, found none")
        }
        if try NftIngress.bridges.present(call, NftIngress.interfaceBytes(ingress.bridge)) == nil {
            lines.append("nftables \(NftIngress.bridges.text): expected \(ingress.bridge) in it, found none")
        }
        return lines
    }

    // MARK: ADD

    /// Queues the elements of these addresses, and what the bridge's containers share where it is missing.
    func add(_ addresses: [IPNetwork]) throws(CNIError) {
        if try !missingBridge().isEmpty {
            try call.queueNft(setUp, purpose: "set up ingressPolicy \(ingress.policy.rawValue) of \(ingress.bridge)")
        }
        // The last DEL may be taking the counter away right now.
        try NftForwarding.queueElements(call, elements(addresses), setUp: setUp)
    }

    private func elements(_ addresses: [IPNetwork]) -> [(map: NftMap, element: NftMap.Element)] {
        addresses.flatMap { address in
            NftIngress.elements(address.address, ingress.bridge, allowed: ingress.policy == .sameBridge)
        }
    }

    private static func elements(_ address: IPAddress, _ bridge: String, allowed: Bool) -> [(map: NftMap, element: NftMap.Element)] {
        let own = NftMap.Element(key: address.text, keyBytes: address.bytes, object: counter(bridge))
        if !allowed { return [(containers(address.family), own)] }
        let pair = NftMap.Element(key: "\(address.text) . \"\(bridge)\"", keyBytes: address.bytes + interfaceBytes(bridge))
        return [(containers(address.family), own), (NftIngress.allowed(address.family), pair)]
    }

    // MARK: DEL

    /// Queues the removal of the attachment's elements. Returns the counters that they led to, which may be without use then.
    ///
    /// - Parameter ingress: the policy as the configuration has it; nil where that says nothing: then the maps are listed.
    static func queueRemove(_ call: ModuleCall, _ addresses: [IPNetwork]?, _ ingress: Ingress?) throws(CNIError) -> Set<String> {
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: NftForwarding.baseChain) else { return [] }
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        guard let addresses else { return try remove(call) { $0 == comment } }
        var isPresent = false
        for address in addresses.map({ $0.address }) where try containers(address.family).present(call, address.bytes)?.comment == comment {
            isPresent = true
        }
        if !isPresent { return [] }
        guard let ingress else { return try remove(call) { $0 == comment } }
        var changes: [NftChange] = []
        for (map, element) in addresses.flatMap({ elements($0.address, ingress.bridge, allowed: true) })
        where try map.present(call, element.keyBytes)?.comment == comment {
            changes.append(map.deleting(element))
        }
        try call.queueNft(changes, purpose: "remove ingress policy")
        return [counter(ingress.bridge)]
    }

    private static func remove(_ call: ModuleCall, where wanted: (String) -> Bool) throws(CNIError) -> Set<String> {
        var commands: [String] = []
        var counters: Set<String> = []
        for family in families {
            let allowed = allowed(family)
            commands += try allowed.keys(call, where: wanted).map { allowed.deleteCommand(key: $0) }
            let map = containers(family)
            for (key, counter) in try map.objects(call, where: wanted) {
                commands.append(map.deleteCommand(key: key))
                counters.insert(counter)
            }
        }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove ingress policy") }
        return counters
    }

    /// Commits, and deletes those of the counters that nothing leads to any more, each with its bridge's element. The kernel counts: should
    /// another ADD come in between, it refuses, and the counter stays.
    static func removeUnused(_ call: ModuleCall, _ counters: Set<String>, _ ingress: Ingress?) throws(CNIError) {
        try call.commitNft()
        for counter in counters.sorted() where try counterUse(call, counter) == 0 {
            var commands = ["delete counter inet catena \(counter)"]
            if let bridge = bridge(of: counter, ingress), try bridges.present(call, interfaceBytes(bridge)) != nil {
                commands.append(bridges.deleteCommand(key: "\"\(bridge)\""))
            }
            try call.queueNft(commands.joined(separator: "\n"), purpose: "remove counter \(counter)")
            do throws(CNIError) { try call.commitNft() } catch { call.log(.debug, "firewall: \(error.text)") }
        }
    }

    /// The bridge of a counter; nil where its name has only a hash, and it is not the attachment's own: the element stays then, and does no harm.
    private static func bridge(of counter: String, _ ingress: Ingress?) -> String? {
        if let ingress, NftIngress.counter(ingress.bridge) == counter { return ingress.bridge }
        return counter.hasPrefix(counterPrefix + "/") ? nil : String(counter.dropFirst(counterPrefix.count))
    }

    // MARK: CHECK, GC

    func check(_ addresses: [IPNetwork]) throws(CNIError) -> [String] {
        try missingBridge() + NftForwarding.missing(call, elements(addresses))
    }

    static func collect(_ call: ModuleCall) throws(CNIError) {
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: NftForwarding.baseChain) else { return }
        let prefix = NftIdentity.prefix(call.network)
        let valid = Set(call.validAttachments.map { NftIdentity.comment(network: call.network, $0) })
        let counters = try remove(call) { $0.hasPrefix(prefix) && !valid.contains($0) }
        if !counters.isEmpty { try removeUnused(call, counters, nil) }
    }
}
