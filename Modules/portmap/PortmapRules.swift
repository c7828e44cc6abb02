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

    /// All maps.
    static let maps: [NftMap] = [.v4, .v6].flatMap { [ports($0), hostPorts($0)] }

    /// What the chain `ports` does: one look-up for ports of one address, one for those of all, each family.
    static let destinationRules = [
        "dnat ip to ip daddr . meta l4proto . th dport map @host_ports4",
        "dnat ip6 to ip6 daddr . meta l4proto . th dport map @host_ports6",
        "meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports4",
        "meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @ports6",
    ]

    /// The commands that make table, maps and sets; no change where they are there.
    static var sets: [String] { [NftTable.add] + (maps + Hairpin.sets).map { $0.add } }

    /// The chains that belong to portmap, each behind those that it leads to.
    ///
    /// - Parameter conditional: whether there are ports with conditions, which are asked first.
    static func chains(conditional: Bool) -> [NftChain] {
        let local = ["fib daddr type local jump ports"]
        return [
            ports(conditional: conditional),
            NftChain("output_ports", hook: "type nat hook output priority -100; policy accept", rules: local),
            Hairpin.chain,
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
}
