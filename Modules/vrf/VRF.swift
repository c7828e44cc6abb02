import ModuleKit

/// vrf: puts the container's interface into a VRF, whose ports are routed by a table of their own.
enum VRF {
    static let descriptor = ModuleDescriptor(
        type: "vrf", kind: .meta, description: "puts the container's interface into a VRF of the container", schema: schema)

    /// What to do where the kernel can't.
    static let advice = "the module vrf is not in this kernel, or could not be loaded: see modprobe(8)"

    /// ADD: makes the VRF if need be, and the interface a port of it, with its addresses and routes.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try VRFConfig(call.config)
        _ = try call.requireChained("vrf")
        let add = try VRFAdd(call, config)
        try call.withNamespaceLock { () throws(CNIError) in try add.run() }
        return nil
    }

    /// DEL: takes the interface out of the VRF, and deletes the VRF when no other is in it. What is gone already is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let config = try VRFConfig(call.config)
        guard call.netnsDescriptor != nil else { return }
        try call.withNamespaceLock { () throws(CNIError) in
            let socket = try call.containerNetlink()
            guard let vrf = try attempt(try socket.link(named: config.name)) else { return }
            guard vrf.kind == "vrf" else {
                call.log(.warning, "vrf: \(vrf.name) in \(call.netns) is no VRF: it stays")
                return
            }
            if let link = try call.containerInterface(), link.master == vrf.index {
                try attempt(try socket.setLink(index: link.index, name: link.name, LinkChange(master: 0)))
            }
            if try attempt(try socket.links()).contains(where: { $0.master == vrf.index }) { return }
            try attempt(try socket.deleteLink(index: vrf.index))
        }
    }

    /// CHECK: compares the VRF, its table, and the interface's place and routes in it with what ADD made.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try VRFConfig(call.config)
        let result = try call.requireResult()
        var differences = Differences()
        differences.add(try self.differences(call, config, result))
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    private static func differences(_ call: ModuleCall, _ config: VRFConfig, _ result: CNIResult) throws(CNIError) -> [String] {
        let socket = try call.containerNetlink()
        guard let vrf = try attempt(try socket.link(named: config.name)) else { return ["VRF \(config.name): found none"] }
        guard vrf.kind == "vrf", let table = vrf.vrfTable else {
            return ["\(config.name): expected a VRF, found \(vrf.kind ?? "a device")"]
        }
        guard let link = try call.containerInterface() else {
            return ["interface \(call.interfaceName): expected in \(call.netns), found none"]
        }
        var differences = Differences()
        if !vrf.isUp { differences.add("\(vrf.name): expected up, found down") }
        if let wanted = config.table { differences.expect("\(vrf.name): table", wanted, table) { "\($0)" } }
        guard link.master == vrf.index else {
            differences.add("\(link.name): expected in VRF \(vrf.name), found outside of it")
            return differences.lines
        }
        // Routes that IPAM wants in a table of its own choice are not the VRF's.
        for family in [IPAddress.Family.v4, .v6] {
            let networks = result.containerAddresses(on: link.name).filter { $0.prefix < family.bits }.map { $0.network }
            let wanted = (networks + result.routes.filter { $0.table == nil }.map { $0.destination.network })
                .filter { $0.address.family == family }
            if wanted.isEmpty { continue }
            let present = try attempt(try socket.routes(family, link: link.index)).filter { $0.table == table }.map { $0.destination }
            for network in wanted where !present.contains(network) {
                differences.add("table \(table) of \(vrf.name): expected a route to \(network.text), found none")
            }
        }
        return differences.lines
    }

    /// STATUS: whether the kernel can make such a link.
    static func status(_ call: ModuleCall) throws(CNIError) {
        try unavailable { () throws(CNIError) in _ = try VRFConfig(call.config) }
        try KernelTrial.make("VRFs", advice: advice) { () throws(CNIError) in
            try attempt(try NetlinkSocket.open().createVRF(name: "vrf0", table: 10))
        }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func vrfModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        VRF.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, VRF.add) }, del: { ModuleRun.other($0, VRF.del) }, check: { ModuleRun.other($0, VRF.check) },
            gc: nil, status: { ModuleRun.other($0, VRF.status) })
    }
#endif
