import ModuleKit

/// ptp: connects the container to the host by a veth pair of its own, over which the host routes.
enum Ptp {
    static let descriptor = ModuleDescriptor(
        type: "ptp", kind: .interface, description: "connects the container to the host by a veth pair, over which the host routes",
        capabilities: ["mac"], schema: schema)

    /// ADD: makes the veth pair, addresses and routes at both ends, and masquerade.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try PtpConfig(call.config, arguments: try call.arguments())
        return try PtpAdd(call, config).run()
    }

    /// DEL: removes what ADD made of this attachment. The kernel parameters that let the host forward are shared, and stay.
    ///
    /// Rules that name an address go first, then the links, then the address: nobody else can get it before.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let ipam = try IPAMDelegate(call.config)
        if let masquerade = masqueradeToRemove(call) { try masquerade.remove(call, addresses: try VethPair.addresses(call)) }
        try IPAMDelegate.release(ipam, call) { () throws(CNIError) in try VethPair.delete(call) }
    }

    /// A value that can't be must not keep the addresses reserved.
    private static func masqueradeToRemove(_ call: ModuleCall) -> Masquerade? {
        do throws(CNIError) { return try Masquerade(call.config, strict: false) } catch { return .nftables }
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try PtpConfig(call.config, arguments: nil)
        try call.delegate(config.ipam.type, .check)
        let result = try call.requireResult()
        var differences = Differences()
        differences.add(try InterfaceCheck.differences(call, result: result, kind: "veth"))
        differences.add(try PtpCheck(call, config, result).differences())
        if let masquerade = config.masquerade {
            differences.add(try masquerade.check(call, addresses: result.containerAddresses(on: call.interfaceName)))
        }
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// REPAIR: has the attachment's addresses masqueraded anew.
    static func repair(_ call: ModuleCall) throws(CNIError) {
        guard let masquerade = try PtpConfig(call.config, arguments: nil).masquerade else { return }
        try masquerade.add(call, addresses: try call.requireResult().containerAddresses(on: call.interfaceName))
    }

    /// GC: removes the masquerade of attachments that are not in use, and has IPAM do the same with addresses.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        var failures: [CNIError] = []
        do throws(CNIError) {
            try (masqueradeToRemove(call) ?? .nftables).collect(call)
            try call.commitNft()
        } catch { failures.append(error) }
        do throws(CNIError) {
            if let ipam = try IPAMDelegate(call.config) { try call.delegate(ipam.type, .gc) }
        } catch { failures.append(error) }
        try CNIError.throwAll(failures)
    }

    /// STATUS: whether the kernel can make veth pairs, nftables can be used, and IPAM has an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try PtpConfig(call.config, arguments: nil)
        try KernelTrial.make("veth pairs", advice: MasterLink.advice("veth")) { (_, _) throws(NetlinkError) in }
        try config.masquerade?.checkAvailable(call)
        try call.delegate(config.ipam.type, .status)
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func ptpModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Ptp.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Ptp.add) }, del: { ModuleRun.other($0, Ptp.del) }, check: { ModuleRun.other($0, Ptp.check) },
            gc: { ModuleRun.other($0, Ptp.gc) }, status: { ModuleRun.other($0, Ptp.status) }, repair: { ModuleRun.other($0, Ptp.repair) })
    }
#endif
