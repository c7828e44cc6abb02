import ModuleKit

/// firewall: lets the container's packets through the host, and keeps those of other networks out where that is asked for.
enum Firewall {
    static let descriptor = ModuleDescriptor(
        type: "firewall", kind: .meta, description: "lets the container's packets through the host's firewall", schema: schema)

    /// ADD: registers the container's addresses; the result of the plugin before is passed on.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try FirewallConfig(call.config)
        let (addresses, result) = try attachment(call)
        let backend = try config.chosenBackend(call)
        let ingress = try Ingress(config, result)
        do throws(CNIError) {
            switch backend {
            case .nftables: try NftForwarding(call, config).add(addresses)
            case .iptables: try IptablesForwarding(call, config).add(addresses, ingress)
            case .firewalld: try Firewalld(config.zone).add(addresses)
            }
            if let ingress {
                if backend == .firewalld { try NftForwarding.queueSkeleton(call) }
                if backend != .iptables { try NftIngress(call, ingress).add(addresses) }
                try ingress.isolatePorts(call)
            }
        } catch {
            // What is queued for nftables the host drops; the others have what was done so far.
            try? remove(call, config, backend, addresses, ingress)
            throw error
        }
        return nil
    }

    /// Removes what is not in nftables' one transaction.
    private static func remove(
        _ call: ModuleCall, _ config: FirewallConfig, _ backend: FirewallConfig.Backend, _ addresses: [IPNetwork], _ ingress: Ingress?
    ) throws(CNIError) {
        switch backend {
        case .nftables: break
        case .iptables: try IptablesForwarding(call, config).remove(addresses, ingress)
        case .firewalld: try Firewalld.remove(call, addresses, zone: config.zone)
        }
    }

    /// The container's addresses, each one once, and the result that has them.
    private static func attachment(_ call: ModuleCall) throws(CNIError) -> (addresses: [IPNetwork], result: CNIResult) {
        guard let result = call.previousResult else {
            throw CNIError(
                .invalidConfiguration,
                "prevResult: is missing: firewall must be called as chained plugin, after one that makes an interface")
        }
        return (addresses(call, result), result)
    }

    private static func addresses(_ call: ModuleCall, _ result: CNIResult) -> [IPNetwork] {
        var found: [IPNetwork] = []
        for address in result.containerAddresses(on: call.interfaceName) where !found.contains(where: { $0.address == address.address }) {
            found.append(address)
        }
        return found
    }

    /// DEL: removes what ADD made of this attachment. What nobody else of its network uses any more goes with it.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let config = try? FirewallConfig(call.config)
        let known = try knownAddresses(call)
        let ingress = config.flatMap { try? Ingress($0, call.previousResult ?? CNIResult()) }
        try NftForwarding.queueRemove(call, known)
        let counters = try NftIngress.queueRemove(call, known, ingress)
        if config?.backend != .iptables { try ReferenceRules.queueRemoveForwarding(call, addresses: known ?? []) }
        if !counters.isEmpty { try NftIngress.removeUnused(call, counters, ingress) }
        guard let config, let known else { return }
        try remove(call, config, try config.chosenBackend(call), known, ingress)
    }

    /// The attachment's addresses: as the result has them, else as the interface has them; nil where neither is left.
    private static func knownAddresses(_ call: ModuleCall) throws(CNIError) -> [IPNetwork]? {
        if let result = call.previousResult { return addresses(call, result) }
        guard call.netnsDescriptor != nil, let link = try call.containerInterface() else { return nil }
        let socket = try call.containerNetlink()
        return try attempt(try socket.addresses(index: link.index)).map { $0.address }.filter { !$0.address.isLinkLocal }
    }

    /// CHECK: what ADD made is there, and leads where it should.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try FirewallConfig(call.config)
        let (addresses, result) = try attachment(call)
        let backend = try config.chosenBackend(call)
        let ingress = try Ingress(config, result)
        var differences = Differences()
        switch backend {
        case .nftables: differences.add(try NftForwarding(call, config).check(addresses))
        case .iptables: differences.add(try IptablesForwarding(call, config).check(addresses, ingress))
        case .firewalld: differences.add(try Firewalld(config.zone).check(addresses))
        }
        if let ingress {
            if backend != .iptables { differences.add(try NftIngress(call, ingress).check(addresses)) }
            differences.add(try ingress.checkPorts(call))
        }
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// REPAIR: registers the addresses anew: ADD is idempotent, and does not look at anything but prevResult.
    static func repair(_ call: ModuleCall) throws(CNIError) { _ = try add(call) }

    /// GC: removes what attachments of this network hold which are not in use. Rules of iptables and sources of firewalld name no network:
    /// those of attachments without DEL stay until one of the same address.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        try NftForwarding.collect(call)
        try NftIngress.collect(call)
    }

    /// STATUS: whether the backend can be used here.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try unavailable { () throws(CNIError) in try FirewallConfig(call.config) }
        switch try config.chosenBackend(call) {
        case .nftables: try NftTable.checkAvailable(call, chain: NftForwarding.baseChain)
        case .iptables: _ = try unavailable { () throws(CNIError) in try Iptables.require(.v4).table("filter") }
        case .firewalld: try unavailable { () throws(CNIError) in try Firewalld(config.zone).checkAvailable() }
        }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func firewallModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Firewall.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Firewall.add) }, del: { ModuleRun.other($0, Firewall.del) },
            check: { ModuleRun.other($0, Firewall.check) }, gc: { ModuleRun.other($0, Firewall.gc) },
            status: { ModuleRun.other($0, Firewall.status) }, repair: { ModuleRun.other($0, Firewall.repair) })
    }
#endif
