import ModuleKit

/// ipvlan: gives the container an interface with addresses of its own that shares the hardware address of one of the host's.
enum Ipvlan {
    static let descriptor = ModuleDescriptor(
        type: "ipvlan", kind: .interface,
        description: "gives the container an interface that shares the hardware address of one of the host's", schema: schema)

    private static let kind = "ipvlan"

    /// ADD: makes the link on its master, in the container, and gives it addresses and routes.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try IpvlanConfig(call.config)
        let given = try config.given(call.previousResult)
        let master = try config.master(after: call.previousResult).find(call)
        if let mtu = config.mtu, mtu > master.link.mtu {
            call.log(.warning, "mtu: \(mtu) is more than the \(master.link.mtu) of the master \(master.link.name): larger packets are lost")
        }
        try master.makeInterface(call, kind: kind, mtu: config.mtu, config.make)
        return try call.completeOnlyInterface(ipam: config.ipam, dns: config.dns, given: given, sharesNetwork: true)
    }

    /// DEL: deletes the link, then releases its addresses. A namespace or link that is gone is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        try call.detachOnlyInterface(kind: kind, named: kind)
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try IpvlanConfig(call.config)
        try InterfaceCheck.run(call, ipam: config.ipam, kind: kind) { (link) throws(CNIError) in try differences(call, config, link) }
    }

    private static func differences(_ call: ModuleCall, _ config: IpvlanConfig, _ link: LinkInfo) throws(CNIError) -> [String] {
        guard let ipvlan = link.ipvlan else { return [] }
        var differences = Differences()
        differences.expect("\(link.name): mode", config.mode, ipvlan.mode) { $0?.rawValue ?? "another" }
        if let flag = ipvlan.flag { differences.expect("\(link.name): flag", config.flag, flag) { $0.rawValue } }
        if let mtu = config.mtu { differences.expect("\(link.name): MTU", mtu, link.mtu) { "\($0)" } }
        // Which link the plugin before named is not in the chain's result any more: without the key any will do.
        differences.add(try config.master.differences(call, of: link))
        return differences.lines
    }

    /// STATUS: whether the master is there, the kernel can make such a link, and IPAM has an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try IpvlanConfig(call.config)
        // Without a name it may be one that the plugin before makes.
        if config.master.name != nil { try config.master.checkAvailable(call) }
        try KernelTrial.make("ipvlan links", advice: MasterLink.advice(kind), on: config.make)
        if let ipam = config.ipam { try call.delegate(ipam.type, .status) }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func ipvlanModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Ipvlan.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Ipvlan.add) }, del: { ModuleRun.other($0, Ipvlan.del) }, check: { ModuleRun.other($0, Ipvlan.check) },
            gc: { ModuleRun.other($0, IPAMDelegate.gc) }, status: { ModuleRun.other($0, Ipvlan.status) })
    }
#endif
