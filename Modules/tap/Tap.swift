import ModuleKit

/// tap: makes a tap device in the container, for a program there that handles frames itself, such as a virtual machine.
enum Tap {
    static let descriptor = ModuleDescriptor(
        type: "tap", kind: .interface, description: "makes a tap device in the container", capabilities: ["mac"], schema: schema)

    private static let kind = "tun"
    /// What to do where no tap device can be made.
    static let advice = "the module tun is not in this kernel, or could not be loaded: see modprobe(8)"

    /// ADD: makes the device, and gives it addresses and routes.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        try TapAdd(call, try TapConfig(call.config, arguments: try call.arguments())).run()
    }

    /// DEL: deletes the device, then releases its addresses. A namespace or device that is gone is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        try call.detachOnlyInterface(kind: kind, named: "tap device")
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try TapConfig(call.config, arguments: try call.arguments())
        try InterfaceCheck.run(call, ipam: config.ipam, kind: kind) { (link) throws(CNIError) in try differences(call, config, link) }
    }

    private static func differences(_ call: ModuleCall, _ config: TapConfig, _ link: LinkInfo) throws(CNIError) -> [String] {
        var differences = Differences()
        let name = link.name
        if let mtu = config.mtu { differences.expect("\(name): MTU", mtu, link.mtu) { "\($0)" } }
        if let bridge = config.bridge {
            let socket = try call.containerNetlink()
            let master = try link.master.map { (index) throws(CNIError) in try attempt(try socket.link(index: index)) } ?? nil
            differences.expect("\(name): bridge", bridge, master?.name ?? "none") { $0 }
        }
        guard let tap = link.tap else { return differences.lines }
        differences.expect("\(name): type", true, tap.isTap) { $0 ? "tap" : "tun" }
        differences.expect("\(name): multiqueue", config.multiQueue, tap.multiQueue) { $0 ? "on" : "off" }
        differences.expect("\(name): owner", config.owner, tap.owner) { $0.map { "\($0)" } ?? "none" }
        differences.expect("\(name): group", config.group, tap.group) { $0.map { "\($0)" } ?? "none" }
        return differences.lines
    }

    /// STATUS: whether the kernel can make such a device, and IPAM has an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try TapConfig(call.config, arguments: nil)
        try KernelTrial.make("tap devices", advice: advice) { () throws(CNIError) in
            try attempt(try TapRequest(name: "tap0", multiQueue: config.multiQueue).create())
        }
        if let ipam = config.ipam { try call.delegate(ipam.type, .status) }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func tapModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Tap.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Tap.add) }, del: { ModuleRun.other($0, Tap.del) }, check: { ModuleRun.other($0, Tap.check) },
            gc: { ModuleRun.other($0, IPAMDelegate.gc) }, status: { ModuleRun.other($0, Tap.status) })
    }
#endif
