import ModuleKit

/// dummy: gives the container an interface that leads nowhere, with addresses.
enum Dummy {
    static let descriptor = ModuleDescriptor(
        type: "dummy", kind: .interface, description: "gives the container an interface of its own that leads nowhere", schema: schema)

    private static let kind = "dummy"
    private static let advice = "the module dummy is not in this kernel, or could not be loaded: see modprobe(8)"

    /// ADD: makes the link in the container, and gives it addresses and routes.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let ipam = try IPAMDelegate.required(call.config, by: kind)
        let dns = try ResultFormat.decodeDNS(call.config)
        try create(call, try call.containerNetlink())
        return try call.completeOnlyInterface(ipam: ipam, dns: dns)
    }

    private static func create(_ call: ModuleCall, _ socket: NetlinkSocket) throws(CNIError) {
        do throws(NetlinkError) {
            try socket.createDummy(name: call.interfaceName)
        } catch {
            switch error.errno {
            case .notSupported: throw CNIError(error.cni.message, details: advice)
            case .exists: throw call.interfaceExists(kind: "dummy")
            default: throw error.cni
            }
        }
    }

    /// DEL: deletes the link and releases its addresses. A namespace or link that is gone is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        try call.detachOnlyInterface(kind: kind, named: kind)
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        try InterfaceCheck.run(call, ipam: try IPAMDelegate.required(call.config, by: kind), kind: kind)
    }

    /// STATUS: whether the kernel can make such a link, and IPAM has an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let ipam = try IPAMDelegate.required(call.config, by: kind)
        try KernelTrial.make("dummy links", advice: advice) { () throws(CNIError) in
            try attempt(try NetlinkSocket.open().createDummy(name: "dummy0"))
        }
        try call.delegate(ipam.type, .status)
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func dummyModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Dummy.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Dummy.add) }, del: { ModuleRun.other($0, Dummy.del) }, check: { ModuleRun.other($0, Dummy.check) },
            gc: { ModuleRun.other($0, IPAMDelegate.gc) }, status: { ModuleRun.other($0, Dummy.status) })
    }
#endif
