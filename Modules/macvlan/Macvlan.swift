import ModuleKit

/// macvlan: gives the container an interface with a hardware address of its own in the network of one of the host's.
enum Macvlan {
    static let descriptor = ModuleDescriptor(
        type: "macvlan", kind: .interface, description: "gives the container an interface of its own in the network of one of the host's",
        capabilities: ["mac"], schema: schema)

    private static let kind = "macvlan"

    /// ADD: makes the link on its master, in the container, and gives it addresses and routes.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try MacvlanConfig(call.config, arguments: try call.arguments())
        let master = try config.master.find(call)
        try master.checkMTU(config.mtu)
        master.warnOfWireless(call)
        let mac = config.mode == .passthru ? nil : config.mac
        try master.makeInterface(call, kind: kind, mtu: config.mtu, mac: mac, config.make)
        try setAddressOfMaster(call, config)
        return try call.completeOnlyInterface(ipam: config.ipam, dns: config.dns, sharesNetwork: true)
    }

    /// A new passthru link has its master's hardware address, whatever was asked for. Changing it changes the master's, until DEL.
    private static func setAddressOfMaster(_ call: ModuleCall, _ config: MacvlanConfig) throws(CNIError) {
        guard config.mode == .passthru, let mac = config.mac else { return }
        do throws(CNIError) {
            let link = try call.requireContainerInterface()
            let socket = try call.containerNetlink()
            try attempt(try socket.setLink(index: link.index, name: link.name, LinkChange(mac: mac)))
        } catch {
            call.undoInterface()
            throw error
        }
    }

    /// DEL: deletes the link, then releases its addresses. A namespace or link that is gone is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        try call.detachOnlyInterface(kind: kind, named: kind)
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try MacvlanConfig(call.config, arguments: nil)
        try InterfaceCheck.run(call, ipam: config.ipam, kind: kind) { (link) throws(CNIError) in try differences(call, config, link) }
    }

    private static func differences(_ call: ModuleCall, _ config: MacvlanConfig, _ link: LinkInfo) throws(CNIError) -> [String] {
        guard let macvlan = link.macvlan else { return [] }
        var differences = Differences()
        differences.expect("\(link.name): mode", config.mode, macvlan.mode) { $0?.rawValue ?? "another" }
        if let mtu = config.mtu { differences.expect("\(link.name): MTU", mtu, link.mtu) { "\($0)" } }
        if let length = config.broadcastQueueLength, let actual = macvlan.broadcastQueueLength {
            differences.expect("\(link.name): bcqueuelen", length, actual) { "\($0)" }
        }
        differences.add(try config.master.differences(call, of: link))
        return differences.lines
    }

    /// STATUS: whether the master is there, the kernel can make such a link, and IPAM has an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try MacvlanConfig(call.config, arguments: nil)
        try config.master.checkAvailable(call, mtu: config.mtu)
        try KernelTrial.make("macvlan links", advice: MasterLink.advice(kind), on: config.make)
        if let ipam = config.ipam { try call.delegate(ipam.type, .status) }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func macvlanModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Macvlan.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Macvlan.add) }, del: { ModuleRun.other($0, Macvlan.del) },
            check: { ModuleRun.other($0, Macvlan.check) },
            gc: { ModuleRun.other($0, IPAMDelegate.gc) }, status: { ModuleRun.other($0, Macvlan.status) })
    }
#endif
