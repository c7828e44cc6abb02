import ModuleKit

/// portmap: leads ports of the host to ports of the container.
enum Portmap {
    static let descriptor = ModuleDescriptor(
        type: "portmap", kind: .meta, description: "leads ports of the host to ports of the container, by nftables",
        capabilities: ["portMappings"], schema: schema)

    /// ADD: an element for each mapping; then connections that a UDP client still has to an earlier target are forgotten.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try PortmapConfig(call.config)
        let result = try requireResult(call)
        guard let mappings = config.mappings, !mappings.isEmpty else { return nil }
        if try !call.hasNftChain(family: "inet", table: NftTable.name, chain: PortmapRules.baseChain) {
            try call.queueNft(PortmapRules.skeleton, purpose: "set up published ports")
        }
        for family in [IPAddress.Family.v4, .v6] {
            let wanted = mappings.filter { $0.serves(family) }
            guard let target = result.containerAddress(family, on: call.interfaceName), !wanted.isEmpty else { continue }
            for mapping in wanted { try publish(call, mapping, target.address) }
            try registerTarget(call, target, config)
            if config.snat && family == .v4 { try allowLocalhost(call, target.address) }
        }
        if mappings.contains(where: { $0.transport == .udp }) {
            // Only when the new target is in force: a packet in between would make a new entry for the old one.
            try call.commitNft()
            forgetConnections(call, mappings)
        }
        return nil
    }

    private static func requireResult(_ call: ModuleCall) throws(CNIError) -> CNIResult {
        guard let result = call.previousResult else {
            throw CNIError(
                .invalidConfiguration, "prevResult: is missing: portmap must be called as chained plugin, after one that makes an interface"
            )
        }
        return result
    }

    /// Queues the element of one mapping. A port that another attachment has is an error that names it.
    private static func publish(_ call: ModuleCall, _ mapping: PortMapping, _ target: IPAddress) throws(CNIError) {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        let (map, element) = PortmapRules.element(mapping, to: target)
        var commands: [String] = []
        if let present = try map.present(call, element.keyBytes) {
            guard present.comment == comment else {
                throw CNIError(
                    "publish host port \(mapping.text): it is in use by \(present.comment ?? "an element without an owner")",
                    details: "choose another host port, or remove the other attachment; nft list map inet catena \(map.name) shows all")
            }
            commands.append(map.deleteCommand(key: element.key))
        }
        commands.append(map.addCommand(element, comment: comment))
        try call.queueNft(commands.joined(separator: "\n"), purpose: "publish host port \(mapping.text)")
    }

    /// Queues the container's element in the hairpin map: what happens to clients whose answers would not come back through the host. Every
    /// container with published ports has one, so that DEL can tell at once whether there are any.
    private static func registerTarget(_ call: ModuleCall, _ target: IPNetwork, _ config: PortmapConfig) throws(CNIError) {
        let verdict = PortmapRules.verdict(target, config)
        if verdict == PortmapRules.hairpinVerdict(target),
            try !call.hasNftChain(family: "inet", table: NftTable.name, chain: PortmapRules.hairpinChain(target))
        {
            try call.queueNft(PortmapRules.hairpinRules(target), purpose: "set up hairpin of \(target.network.text)")
        }
        let map = PortmapRules.hairpin(target.address.family)
        let element = PortmapRules.hairpinElement(target, verdict: verdict)
        var commands: [String] = []
        // The address is this attachment's now: what another one left behind for it is stale.
        if try map.present(call, element.keyBytes) != nil { commands.append(map.deleteCommand(key: element.key)) }
        commands.append(map.addCommand(element, comment: NftIdentity.comment(network: call.network, call.attachment)))
        try call.queueNft(commands.joined(separator: "\n"), purpose: "hairpin of \(target.address.text)")
    }

    /// Lets the host route packets from 127.0.0.1 to the link that the container is behind.
    private static func allowLocalhost(_ call: ModuleCall, _ target: IPAddress) throws(CNIError) {
        let socket = try call.hostNetlink()
        guard let route = try attempt(try socket.route(to: target)), let index = route.link,
            let link = try attempt(try socket.link(index: index))
        else {
            call.log(.warning, "portmap: the host has no route to \(target.text): published ports do not work from 127.0.0.1")
            return
        }
        try Sysctl.ensure("1", at: ["net", "ipv4", "conf", link.name, "route_localnet"])
    }

    /// Deletes the connections that UDP clients have over the ports. What fails is logged: the ports work for new clients.
    private static func forgetConnections(_ call: ModuleCall, _ mappings: [PortMapping]) {
        for mapping in mappings where mapping.transport == .udp {
            for family in [IPAddress.Family.v4, .v6] where mapping.serves(family) {
                do throws(NetlinkError) {
                    let count = try Conntrack.deleteEntries(
                        family, protocol: mapping.transport.rawValue, originalPort: mapping.hostPort,
                        originalDestination: mapping.specificIP)
                    if count > 0 { call.log(.info, "portmap: forgot \(count) connections over host port \(mapping.text)") }
                } catch {
                    call.log(.warning, "portmap: \(error.cni.text)")
                }
            }
        }
    }

    /// DEL: removes the attachment's elements. Where the runtime does not say which ports they were, or the addresses are not known, they
    /// are found by their comments.
    static func del(_ call: ModuleCall) throws(CNIError) {
        try ReferenceRules.queueRemovePorts(call, addresses: call.previousResult?.containerAddresses(on: call.interfaceName) ?? [])
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: PortmapRules.baseChain) else { return }
        let mappings = knownMappings(call)
        let commands: [String]
        if let targets = call.previousResult?.containerAddresses(on: call.interfaceName) {
            if let mappings {
                commands = try removal(call, mappings, targets)
            } else {
                commands = try hasPorts(call, targets) ? try removalByComment(call) : []
            }
        } else {
            commands = try removalByComment(call)
        }
        if commands.isEmpty { return }
        try call.queueNft(commands.joined(separator: "\n"), purpose: "remove published ports")
        if let mappings, mappings.contains(where: { $0.transport == .udp }) {
            try call.commitNft()
            forgetConnections(call, mappings)
        }
    }

    /// The ports that ADD published; nil where the runtime does not tell. A list that ADD would refuse tells nothing.
    private static func knownMappings(_ call: ModuleCall) -> [PortMapping]? {
        guard let mappings = try? PortMapping.list(call.config), !mappings.isEmpty else { return nil }
        return mappings
    }

    /// Whether the attachment has published ports: its addresses are in the hairpin maps.
    private static func hasPorts(_ call: ModuleCall, _ targets: [IPNetwork]) throws(CNIError) -> Bool {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        for target in targets where try PortmapRules.hairpin(target.address.family).present(call, target.address.bytes)?.comment == comment
        {
            return true
        }
        return false
    }

    /// The commands that delete all of the attachment's elements, found by listing the maps.
    private static func removalByComment(_ call: ModuleCall) throws(CNIError) -> [String] {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        var commands: [String] = []
        for map in PortmapRules.maps { commands += try map.keys(call) { $0 == comment }.map { map.deleteCommand(key: $0) } }
        return commands
    }

    /// The commands that delete those elements of the mappings that are the attachment's.
    private static func removal(_ call: ModuleCall, _ mappings: [PortMapping], _ targets: [IPNetwork]) throws(CNIError) -> [String] {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        var candidates: [(map: NftMap, element: NftMap.Element)] = []
        for family in [IPAddress.Family.v4, .v6] {
            guard let target = targets.first(where: { $0.address.family == family }) else { continue }
            candidates += mappings.filter { $0.serves(family) }.map { PortmapRules.element($0, to: target.address) }
            candidates.append((PortmapRules.hairpin(family), PortmapRules.hairpinElement(target, verdict: "")))
        }
        var commands: [String] = []
        for (map, element) in candidates where try map.present(call, element.keyBytes)?.comment == comment {
            commands.append(map.deleteCommand(key: element.key))
        }
        return commands
    }

    /// CHECK: each mapping has its element, with the right target, and the chains are there.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try PortmapConfig(call.config)
        let result = try requireResult(call)
        guard let mappings = config.mappings, !mappings.isEmpty else { return }
        var differences = Differences()
        for chain in [PortmapRules.baseChain, "output_ports", "postrouting_ports", "ports"] {
            if try !call.hasNftChain(family: "inet", table: NftTable.name, chain: chain) {
                differences.add("nftables: expected chain \(chain) in table inet catena, found none")
            }
        }
        for family in [IPAddress.Family.v4, .v6] {
            guard let target = result.containerAddress(family, on: call.interfaceName) else { continue }
            for mapping in mappings where mapping.serves(family) { differences.add(try difference(call, mapping, target.address)) }
        }
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    private static func difference(_ call: ModuleCall, _ mapping: PortMapping, _ target: IPAddress) throws(CNIError) -> [String] {
        let comment = NftIdentity.comment(network: call.network, call.attachment)
        let (map, element) = PortmapRules.element(mapping, to: target)
        let expected = "host port \(mapping.text): expected to lead to \(element.value)"
        guard let present = try map.present(call, element.keyBytes) else { return ["\(expected), found no element in map \(map.name)"] }
        if present.comment != comment { return ["\(expected), found an element of \(present.comment ?? "no one")"] }
        if present.data != element.valueBytes { return ["\(expected), found another target"] }
        return []
    }

    /// GC: removes the elements of this network's attachments that are not in use.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: PortmapRules.baseChain) else { return }
        var commands: [String] = []
        for map in PortmapRules.maps { commands += try map.collectCommands(call) }
        if !commands.isEmpty { try call.queueNft(commands.joined(separator: "\n"), purpose: "remove published ports that are not in use") }
    }

    /// STATUS: whether nftables can be used here.
    static func status(_ call: ModuleCall) throws(CNIError) {
        try unavailable { () throws(CNIError) in _ = try PortmapConfig(call.config) }
        try NftTable.checkAvailable(call, chain: PortmapRules.baseChain)
    }
}

#if hasFeature(Embedded)
    /// The one symbol of the module: see catena/module.h.
    @c(catena_module_entry)
    public func catenaModuleEntry(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Portmap.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Portmap.add) }, del: { ModuleRun.other($0, Portmap.del) },
            check: { ModuleRun.other($0, Portmap.check) }, gc: { ModuleRun.other($0, Portmap.gc) },
            status: { ModuleRun.other($0, Portmap.status) })
    }
#endif
