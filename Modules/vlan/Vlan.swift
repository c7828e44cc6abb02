import ModuleKit

/// vlan: gives the container one VLAN of an interface of the host.
enum Vlan {
    static let descriptor = ModuleDescriptor(
        type: "vlan", kind: .interface, description: "gives the container one VLAN of an interface of the host", schema: schema)

    private static let kind = "vlan"

    /// ADD: makes the link on its master, in the container, and gives it addresses and routes.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try VlanConfig(call.config)
        let master = try config.master.find(call)
        try master.checkMTU(config.mtu)
        try master.makeInterface(call, kind: kind, mtu: config.mtu, config.make)
        return try call.completeOnlyInterface(ipam: config.ipam, dns: config.dns, sharesNetwork: true)
    }

    /// DEL: deletes the link, then releases its addresses. A namespace, link or master that is gone is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        try call.detachOnlyInterface(kind: kind, named: "VLAN link")
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try VlanConfig(call.config)
        try InterfaceCheck.run(call, ipam: config.ipam, kind: kind) { (link) throws(CNIError) in try differences(call, config, link) }
    }

    private static func differences(_ call: ModuleCall, _ config: VlanConfig, _ link: LinkInfo) throws(CNIError) -> [String] {
        guard let vlan = link.vlan else { return [] }
        var differences = Differences()
        differences.expect("\(link.name): VLAN", config.id, vlan.id) { "\($0)" }
        differences.expect("\(link.name): protocol", config.protocol, vlan.protocol) { $0?.rawValue ?? "another" }
        if let mtu = config.mtu { differences.expect("\(link.name): MTU", mtu, link.mtu) { "\($0)" } }
        differences.add(try config.master.differences(call, of: link))
        return differences.lines
    }

    /// STATUS: whether the master is there, the kernel can make such a link, and IPAM has an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try VlanConfig(call.config)
        try config.master.checkAvailable(call, mtu: config.mtu)
        try KernelTrial.make("VLAN links", advice: MasterLink.advice(kind), on: config.make)
        try call.delegate(config.ipam.type, .status)
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func vlanModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Vlan.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Vlan.add) }, del: { ModuleRun.other($0, Vlan.del) }, check: { ModuleRun.other($0, Vlan.check) },
            gc: { ModuleRun.other($0, IPAMDelegate.gc) }, status: { ModuleRun.other($0, Vlan.status) })
    }
#endif
