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
        try master.makeInterface(call, kind: kind, mtu: config.mtu, mac: mac) { (socket, link) throws(NetlinkError) in
            try socket.createMacvlan(
                MacvlanRequest(link, mode: config.mode, broadcastQueueLength: config.broadcastQueueLength))
        }
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
        try IPAMDelegate.release(try IPAMDelegate(call.config), call) { () throws(CNIError) in
            try call.deleteContainerInterface(kind: kind, named: kind)
        }
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try MacvlanConfig(call.config, arguments: nil)
        if let ipam = config.ipam { try call.delegate(ipam.type, .check) }
        let result = try call.requireResult()
        var differences = Differences()
        differences.add(try InterfaceCheck.differences(call, result: result, kind: kind))
        differences.add(try linkDifferences(call, config))
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    private static func linkDifferences(_ call: ModuleCall, _ config: MacvlanConfig) throws(CNIError) -> [String] {
        guard let link = try call.containerInterface(), let macvlan = link.macvlan else { return [] }
        var differences = Differences()
        differences.expect("\(link.name): mode", config.mode, macvlan.mode) { $0?.rawValue ?? "another" }
        if let mtu = config.mtu { differences.expect("\(link.name): MTU", mtu, link.mtu) { "\($0)" } }
        if let length = config.broadcastQueueLength, let actual = macvlan.broadcastQueueLength {
            differences.expect("\(link.name): bcqueuelen", length, actual) { "\($0)" }
        }
        differences.add(try config.master.differences(call, of: link))
        return differences.lines
    }

    /// GC: has IPAM release the addresses of attachments that are not in use.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        if let ipam = try IPAMDelegate(call.config) { try call.delegate(ipam.type, .gc) }
    }

    /// STATUS: whether the master is there, the kernel can make such a link, and IPAM has an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try MacvlanConfig(call.config, arguments: nil)
        try config.master.checkAvailable(call, mtu: config.mtu)
        try KernelTrial.make("macvlan links", advice: MasterLink.advice(kind)) { (socket, link) throws(NetlinkError) in
            try socket.createMacvlan(MacvlanRequest(link, mode: config.mode, broadcastQueueLength: config.broadcastQueueLength))
        }
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
            gc: { ModuleRun.other($0, Macvlan.gc) }, status: { ModuleRun.other($0, Macvlan.status) })
    }
#endif
