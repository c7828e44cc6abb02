import ModuleKit

/// portmap: leads ports of the host to ports of the container.
enum Portmap {
    static let descriptor = ModuleDescriptor(
        type: "portmap", kind: .meta, description: "leads ports of the host to ports of the container, by nftables or iptables",
        capabilities: ["portMappings"], schema: schema)

    /// ADD: publishes the ports; then connections that a UDP client still has to an earlier target are forgotten.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try PortmapConfig(call.config)
        let result = try requireResult(call)
        guard let mappings = config.mappings, !mappings.isEmpty else { return nil }
        do throws(CNIError) {
            try publish(call, config, mappings, result)
        } catch {
            // What is queued for nftables the host drops; iptables has what was done so far.
            if config.backend == .iptables {
                try? IptablesPorts.remove(call, result.containerAddresses(on: call.interfaceName))
            }
            throw error
        }
        return nil
    }

    private static func publish(
        _ call: ModuleCall, _ config: PortmapConfig, _ mappings: [PortMapping], _ result: CNIResult
    ) throws(CNIError) {
        switch config.backend {
        case .nftables: try NftPorts(call, config).add(mappings, result)
        case .iptables: try IptablesPorts(call, config).add(mappings, result)
        }
        if config.snat, let target = result.containerAddress(.v4, on: call.interfaceName), mappings.contains(where: { $0.serves(.v4) }) {
            try allowLocalhost(call, target.address)
        }
        if mappings.contains(where: { $0.transport == .udp }) {
            // Only when the new target is in force: a packet in between would make a new entry for the old one.
            try call.commitNft()
            forgetConnections(call, mappings)
        }
    }

    private static func requireResult(_ call: ModuleCall) throws(CNIError) -> CNIResult {
        guard let result = call.previousResult else {
            throw CNIError(
                .invalidConfiguration, "prevResult: is missing: portmap must be called as chained plugin, after one that makes an interface"
            )
        }
        return result
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
                        family, protocol: mapping.transport.rawValue, originalPorts: mapping.hostPorts,
                        originalDestination: mapping.specificIP)
                    if count > 0 { call.log(.info, "portmap: forgot \(count) connections over host port \(mapping.text)") }
                } catch {
                    call.log(.warning, "portmap: \(error.cni.text)")
                }
            }
        }
    }

    /// DEL: removes what the attachment has published: by nftables whatever the configuration says now, by iptables where it says so. What
    /// the runtime does not tell is found by its owner.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let usesIptables = (try? PortmapConfig(call.config))?.backend == .iptables
        let addresses = call.previousResult?.containerAddresses(on: call.interfaceName)
        try ReferenceRules.queueRemovePorts(call, addresses: addresses ?? [], iptables: !usesIptables)
        let mappings = knownMappings(call)
        try NftPorts.queueRemove(call, mappings, addresses)
        if usesIptables { try IptablesPorts.remove(call, addresses ?? []) }
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

    /// CHECK: each port leads to the container, and what it needs for that is there.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try PortmapConfig(call.config)
        let result = try requireResult(call)
        guard let mappings = config.mappings, !mappings.isEmpty else { return }
        var differences = Differences()
        switch config.backend {
        case .nftables: differences.add(try NftPorts(call, config).check(mappings, result))
        case .iptables: differences.add(try IptablesPorts(call, config).check(mappings, result))
        }
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// REPAIR: publishes the ports anew: ADD is idempotent, and does not look at anything but prevResult.
    static func repair(_ call: ModuleCall) throws(CNIError) { _ = try add(call) }

    /// GC: removes what this network's attachments have published that are not in use.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        try NftPorts.collect(call)
        if (try? PortmapConfig(call.config))?.backend == .iptables { try IptablesPorts.collect(call) }
    }

    /// STATUS: whether the backend can be used here.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try unavailable { () throws(CNIError) in try PortmapConfig(call.config) }
        switch config.backend {
        case .nftables: try NftTable.checkAvailable(call, chain: PortmapRules.baseChain)
        case .iptables: _ = try unavailable { () throws(CNIError) in try Iptables.require(.v4).table("nat") }
        }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func portmapModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Portmap.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Portmap.add) }, del: { ModuleRun.other($0, Portmap.del) },
            check: { ModuleRun.other($0, Portmap.check) }, gc: { ModuleRun.other($0, Portmap.gc) },
            status: { ModuleRun.other($0, Portmap.status) }, repair: { ModuleRun.other($0, Portmap.repair) })
    }
#endif
