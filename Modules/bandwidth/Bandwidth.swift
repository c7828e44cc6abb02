import ModuleKit

/// bandwidth: limits how fast a container receives and sends.
enum Bandwidth {
    static let descriptor = ModuleDescriptor(
        type: "bandwidth", kind: .meta, description: "limits how fast a container receives and sends", capabilities: ["bandwidth"],
        schema: schema)

    /// What to do where the kernel can't.
    static let advice = "the modules ifb, sch_tbf, sch_ingress, cls_u32 and act_mirred are needed: see modprobe(8)"

    /// ADD: a token bucket on the host's end of the veth pair, and one on an ifb that all is sent through which comes from the container.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try BandwidthConfig(call.config)
        let previous = try call.requireChained("bandwidth")
        if config.isEmpty { return nil }
        return try BandwidthAdd(call, config).run(previous)
    }

    /// DEL: has the ifb deleted, with the veth where that is deleted in the same chain. What is on the veth goes with it, when the plugin that
    /// made it deletes that.
    static func del(_ call: ModuleCall) throws(CNIError) {
        try ShapingLink.queueDeletion(call, ShapingLink.name(call))
        // One that the reference plugin made has a name that another interface of the container may have too: the result tells.
        let other = ShapingLink.referenceName(call)
        if call.previousResult?.interfaces.contains(where: { $0.name == other }) ?? true {
            try ShapingLink.queueDeletion(call, other)
        }
    }

    /// CHECK: compares rate, burst and limit in both directions, and the redirection, with what is there.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try BandwidthConfig(call.config)
        let result = try call.requireResult()
        if config.isEmpty { return }
        var differences = Differences()
        differences.add(try BandwidthCheck(call, config).differences(result))
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// GC: deletes the ifbs of this network's attachments that are not in use.
    static func gc(_ call: ModuleCall) throws(CNIError) { try ShapingLink.collect(call) }

    /// STATUS: whether the kernel can do all that ADD does.
    static func status(_ call: ModuleCall) throws(CNIError) {
        try unavailable { () throws(CNIError) in _ = try BandwidthConfig(call.config) }
        try KernelTrial.make("limits", advice: advice) { () throws(CNIError) in
            let bucket = TokenBucket(BandwidthConfig.Limit(rate: 1_000_000, burst: 100_000), clock: try SchedulerClock())
            let socket = try attempt(try NetlinkSocket.open())
            try attempt(try socket.createIfb(name: "ifb0"))
            guard let ifb = try attempt(try socket.link(named: "ifb0")) else { throw CNIError("ifb0 vanished") }
            try attempt(try socket.addTokenBucket(bucket, index: ifb.index, name: ifb.name))
            try attempt(try socket.createIfb(name: "ifb1"))
            guard let other = try attempt(try socket.link(named: "ifb1")) else { throw CNIError("ifb1 vanished") }
            try attempt(try socket.redirectIngress(index: other.index, name: other.name, to: ifb.index))
        }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func bandwidthModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Bandwidth.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Bandwidth.add) }, del: { ModuleRun.other($0, Bandwidth.del) },
            check: { ModuleRun.other($0, Bandwidth.check) }, gc: { ModuleRun.other($0, Bandwidth.gc) },
            status: { ModuleRun.other($0, Bandwidth.status) })
    }
#endif
