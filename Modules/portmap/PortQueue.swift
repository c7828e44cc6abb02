import ModuleKit

/// Attachments that wait for a host port which another one has (`allowPortConflicts`): as with the reference plugin, the first one keeps
/// the port, and the next gets it when the first is gone.
///
/// The maps are made when the first attachment has to wait; hosts without one pay nothing for them.
enum PortQueue {
    /// Marks that the maps are there.
    private static let marker = "waiting_ports"

    /// Who waits: the host's address (unspecified for all), protocol, port, container; the value is the container's port.
    private static func map(_ family: IPAddress.Family) -> NftMap {
        let address = family == .v4 ? "ipv4_addr" : "ipv6_addr"
        return NftMap("waiting_ports\(family.rawValue)", type: "\(address) . inet_proto . inet_service . \(address) : inet_service")
    }

    private static func element(_ mapping: PortMapping, _ target: IPAddress) -> NftMap.Element {
        let hostIP = mapping.specificIP ?? .unspecified(target.family)
        let (hostPort, containerPort) = (mapping.hostPorts.lowerBound, mapping.containerPorts.lowerBound)
        return NftMap.Element(
            key: "\(hostIP.text) . \(mapping.transport.name) . \(hostPort) . \(target.text)",
            keyBytes: hostIP.bytes + [mapping.transport.rawValue, 0, 0, 0] + PortmapRules.bytes(of: hostPort) + target.bytes,
            value: "\(containerPort)", valueBytes: PortmapRules.bytes(of: containerPort))
    }

    private static func exists(_ call: ModuleCall) throws(CNIError) -> Bool {
        try call.hasNftChain(family: "inet", table: NftTable.name, chain: marker)
    }

    /// Queues one that waits.
    static func queueAdd(_ call: ModuleCall, _ mapping: PortMapping, to target: IPAddress, comment: String) throws(CNIError) {
        var commands: [String] = []
        let (map, element) = (map(target.family), element(mapping, target))
        if try !exists(call) {
            commands = [PortQueue.map(.v4).add, PortQueue.map(.v6).add, NftTable.chain(marker, rules: [])]
        } else if try map.present(call, element.keyBytes) != nil {
            commands.append(map.deleteCommand(key: element.key))
        }
        commands.append(map.addCommand(element, comment: comment))
        try call.queueNft(commands.joined(separator: "\n"), purpose: "wait for host port \(mapping.text)")
    }

    /// Whether the attachment waits for the port.
    static func isWaiting(_ call: ModuleCall, _ mapping: PortMapping, for target: IPAddress, comment: String) throws(CNIError) -> Bool {
        guard try exists(call) else { return false }
        return try map(target.family).present(call, element(mapping, target).keyBytes)?.comment == comment
    }

    /// One who waits, as the map has it.
    private struct Entry {
        let map: NftMap
        let mapping: PortMapping
        let target: IPAddress
        let comment: String

        /// Reads a pair of libnftables' JSON; nil for what is no entry of ours.
        init?(_ map: NftMap, _ pair: JSON) {
            guard let pair = pair.array, pair.count == 2, let element = pair[0].object?["elem"]?.object,
                let parts = element["val"]?.object?["concat"]?.array, parts.count == 4, let comment = element["comment"]?.string,
                let hostIP = parts[0].string.flatMap({ IPAddress($0) }), let name = parts[1].string,
                let transport = PortMapping.Transport(name: name), let hostPort = parts[2].integer.flatMap({ UInt16(exactly: $0) }),
                let target = parts[3].string.flatMap({ IPAddress($0) }),
                let containerPort = pair[1].integer.flatMap({ UInt16(exactly: $0) })
            else { return nil }
            self.map = map
            mapping = PortMapping(transport: transport, hostPort: hostPort, containerPort: containerPort, hostIP: hostIP)
            self.target = target
            self.comment = comment
        }

        var key: String { PortQueue.element(mapping, target).key }

        /// What is waited for.
        var wanted: (map: NftMap, element: NftMap.Element) { PortmapRules.element(mapping, to: target) }
    }

    /// The commands that remove those who wait and are gone, and give each port that is free now to one who waits for it.
    static func removal(
        _ call: ModuleCall, freed: [(map: NftMap, key: String)], where isGone: (String) -> Bool
    ) throws(CNIError) -> [String] {
        guard try exists(call) else { return [] }
        let all = try entries(call, .v4) + entries(call, .v6)
        let gone = all.filter { isGone($0.comment) }
        var commands = gone.map { $0.map.deleteCommand(key: $0.key) }
        let left = all.filter { !isGone($0.comment) }.sorted { $0.key < $1.key }
        for (map, key) in freed {
            guard let next = left.first(where: { $0.wanted.map.name == map.name && $0.wanted.element.key == key }) else { continue }
            commands.append(next.map.deleteCommand(key: next.key))
            commands.append(map.addCommand(next.wanted.element, comment: next.comment))
        }
        return commands
    }

    private static func entries(_ call: ModuleCall, _ family: IPAddress.Family) throws(CNIError) -> [Entry] {
        let map = map(family)
        var entries: [Entry] = []
        for object in try call.queryNft("list map inet catena \(map.name)")?.object?["nftables"]?.array ?? [] {
            entries += (object.object?["map"]?.object?["elem"]?.array ?? []).compactMap { Entry(map, $0) }
        }
        return entries
    }
}
