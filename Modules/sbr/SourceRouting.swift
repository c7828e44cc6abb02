import ModuleKit

/// sbr: has packets that come from an interface's addresses leave by that interface.
enum SourceRouting {
    static let descriptor = ModuleDescriptor(
        type: "sbr", kind: .meta, description: "routes what comes from an interface's addresses by that interface", schema: schema)

    /// ADD: a table and a rule for each address, and the interface's routes moved there.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try SourceRoutingConfig(call.config)
        let result = try call.requireChained("sbr")
        let ips = result.containerIPs(on: call.interfaceName)
        if ips.isEmpty {
            throw CNIError(.invalidConfiguration, "prevResult: has no address of \(call.interfaceName), whose packets could be routed")
        }
        if config.table != nil && (!config.gateways.isEmpty || config.addSourceHints) {
            call.log(.warning, "sbr: with table, gateways and addSourceHints have no effect: whoever fills the table sees to its routes")
        }
        var add = try SourceRoutingAdd(call, config)
        try call.withNamespaceLock { () throws(CNIError) in try add.run(ips) }
        return nil
    }

    /// DEL: deletes the rules from the interface's addresses, and what is in tables of our own. A namespace or interface that is gone has
    /// none.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let config = try SourceRoutingConfig(call.config, lenient: true)
        guard call.netnsDescriptor != nil else { return }
        let socket = try call.containerNetlink()
        let link = try call.containerInterface()
        var sources = Set(call.previousResult?.containerAddresses(on: call.interfaceName).map { $0.address } ?? [])
        if let link { sources.formUnion(try attempt(try socket.addresses(index: link.index)).map { $0.address.address }) }
        for family in [IPAddress.Family.v4, .v6] where sources.contains(where: { $0.family == family }) {
            for rule in try attempt(try socket.rules(family)) {
                guard let source = rule.source, source.prefix == family.bits, sources.contains(source.address), !rule.hasOtherConditions,
                    rule.table == config.table ?? rule.table
                else { continue }
                try attempt(try socket.deleteRule(from: source.address, table: rule.table))
                guard config.table == nil, rule.table >= SourceRoutingAdd.firstTable, let link else { continue }
                try attempt(try socket.clearTable(rule.table, link: link.index, family))
            }
        }
    }

    /// CHECK: compares rules and routes with what ADD made.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try SourceRoutingConfig(call.config)
        let result = try call.requireResult()
        var differences = Differences()
        differences.add(try SourceRoutingCheck(call, config, result).differences())
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// STATUS: whether the kernel has routing rules.
    static func status(_ call: ModuleCall) throws(CNIError) {
        try unavailable { () throws(CNIError) in _ = try SourceRoutingConfig(call.config) }
        try KernelTrial.make("routing rules", advice: "it has to be built with CONFIG_IP_MULTIPLE_TABLES") { () throws(CNIError) in
            try attempt(try NetlinkSocket.open().addRule(from: IPAddress(family: .v4, high: 0, low: 0x7f00_0001), table: 100))
        }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func sourceRoutingModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        SourceRouting.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, SourceRouting.add) }, del: { ModuleRun.other($0, SourceRouting.del) },
            check: { ModuleRun.other($0, SourceRouting.check) }, gc: nil,
            status: { ModuleRun.other($0, SourceRouting.status) })
    }
#endif
