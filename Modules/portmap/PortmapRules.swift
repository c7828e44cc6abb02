import ModuleKit

/// The nftables side of portmap: maps, chains, and the elements of a mapping.
enum PortmapRules {
    /// The chain that tells whether those of portmap are set up.
    static let baseChain = "prerouting_ports"

    /// Ports on all of the host's addresses: protocol and port.
    static func ports(_ family: IPAddress.Family) -> NftMap {
        family == .v4
            ? NftMap("ports4", type: "inet_proto . inet_service : ipv4_addr . inet_service")
            : NftMap("ports6", type: "inet_proto . inet_service : ipv6_addr . inet_service")
    }

    /// Ports on one of the host's addresses: address, protocol and port.
    static func hostPorts(_ family: IPAddress.Family) -> NftMap {
        family == .v4
            ? NftMap("host_ports4", type: "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service")
            : NftMap("host_ports6", type: "ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service")
    }

    /// Containers with published ports, and which of their clients are masqueraded.
    static func hairpin(_ family: IPAddress.Family) -> NftMap {
        family == .v4 ? NftMap("hairpin4", type: "ipv4_addr : verdict") : NftMap("hairpin6", type: "ipv6_addr : verdict")
    }

    /// All maps.
    static let maps: [NftMap] = [.v4, .v6].flatMap { [ports($0), hostPorts($0), hairpin($0)] }

    /// What the chain `ports` does: one look-up for ports of one address, one for those of all, each family.
    static let destinationRules = [
        "dnat ip to ip daddr . meta l4proto . th dport map @host_ports4",
        "dnat ip6 to ip6 daddr . meta l4proto . th dport map @host_ports6",
        "meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports4",
        "meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @ports6",
    ]

    /// The commands that make table and maps; no change where they are there.
    static var sets: [String] { [NftTable.add] + maps.map { $0.add } }

    /// The chains that belong to portmap, each behind those that it leads to.
    ///
    /// - Parameter conditional: whether there are ports with conditions, which are asked first.
    static func chains(conditional: Bool) -> [NftChain] {
        let local = ["fib daddr type local jump ports"]
        let hairpin = ["ct status dnat ip daddr vmap @hairpin4", "ct status dnat ip6 daddr vmap @hairpin6"]
        return [
            ports(conditional: conditional),
            NftChain("hairpin_all", rules: ["masquerade"]),
            NftChain("output_ports", hook: "type nat hook output priority -100; policy accept", rules: local),
            // Before the masquerading of what leaves a network: what a client of a published port gets is decided here.
            NftChain("postrouting_ports", hook: "type nat hook postrouting priority 99; policy accept", rules: hairpin),
            NftChain(baseChain, hook: "type nat hook prerouting priority -100; policy accept", rules: local),
        ]
    }

    /// The chain that looks destinations up.
    static func ports(conditional: Bool) -> NftChain {
        NftChain("ports", rules: (conditional ? ["jump \(PortmapConditions.chain)"] : []) + destinationRules)
    }

    // MARK: Elements

    /// The map and the element of one port to a container's address.
    static func element(_ mapping: PortMapping, to target: IPAddress) -> (map: NftMap, element: NftMap.Element) {
        let (hostPort, containerPort) = (mapping.hostPorts.lowerBound, mapping.containerPorts.lowerBound)
        let key = "\(mapping.transport.name) . \(hostPort)"
        let bytes = [mapping.transport.rawValue, 0, 0, 0] + PortmapRules.bytes(of: hostPort)
        let value = "\(target.text) . \(containerPort)"
        let data = target.bytes + PortmapRules.bytes(of: containerPort)
        guard let hostIP = mapping.specificIP else {
            return (ports(target.family), NftMap.Element(key: key, keyBytes: bytes, value: value, valueBytes: data))
        }
        return (
            hostPorts(target.family),
            NftMap.Element(key: "\(hostIP.text) . \(key)", keyBytes: hostIP.bytes + bytes, value: value, valueBytes: data)
        )
    }

    /// A port as a part of a key or value: in network order, padded to four bytes.
    static func bytes(of port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(port & 255), 0, 0] }

    /// The chain that masquerades clients of a container's own network, and of localhost.
    static func hairpinChain(_ target: IPNetwork) -> String { "hairpin_\(NftTable.word(target))" }

    /// Sets that chain up. Answers of the container to a client of its own network would take the short way, past the host that has to
    /// turn their address back; and those to 127.0.0.1 would never leave the container.
    static func hairpinRules(_ target: IPNetwork) -> NftChain {
        let family = NftTable.family(target.address.family)
        var rules = ["\(family) saddr \(target.network.text) masquerade"]
        if target.address.family == .v4 { rules.append("ip saddr 127.0.0.0/8 masquerade") }
        return NftChain(hairpinChain(target), rules: rules)
    }

    /// What happens to a container's clients: all masqueraded, those of its network and of localhost, or none.
    static func verdict(_ target: IPNetwork, _ config: PortmapConfig) -> String {
        if config.masqAll { return "goto hairpin_all" }
        return config.snat ? hairpinVerdict(target) : "return"
    }

    static func hairpinVerdict(_ target: IPNetwork) -> String { "goto \(hairpinChain(target))" }

    /// The element of a container in the hairpin map.
    static func hairpinElement(_ target: IPNetwork, verdict: String) -> NftMap.Element {
        NftMap.Element(key: target.address.text, keyBytes: target.address.bytes, value: verdict, valueBytes: nil)
    }
}
