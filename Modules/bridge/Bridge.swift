import ModuleKit

/// bridge: connects the container to a bridge of the host by a veth pair.
enum Bridge {
    static let descriptor = ModuleDescriptor(
        type: "bridge", kind: .interface, description: "connects the container to a bridge of the host by a veth pair",
        capabilities: ["mac"], schema: schema)

    /// ADD: makes the bridge if need be, the veth pair, addresses, routes, gateway and masquerade.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        let config = try BridgeConfig(call.config, arguments: try call.arguments())
        try config.validate(call.config)
        return try BridgeAdd(call, config).run()
    }

    /// DEL: removes what ADD made of this attachment. Bridge, its addresses and kernel parameters are shared, and stay.
    ///
    /// Rules that name an address go first, then the link, then the address: nobody else can get it before.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let config = try BridgeConfig(call.config, arguments: nil)
        if let masquerade = config.masquerade { try masquerade.remove(call, addresses: try addressesToRemove(call)) }
        if config.macSpoofCheck {
            try SpoofCheck.queueRemove(call, try spoofCheck(call, config))
            try ReferenceRules.queueRemoveSpoofCheck(call)
        }
        try IPAMDelegate.release(config.ipam, call) { () throws(CNIError) in try deleteLinks(call, config) }
    }

    /// The attachment's addresses: as prevResult has them, else as the link has them. Empty where neither is left.
    private static func addressesToRemove(_ call: ModuleCall) throws(CNIError) -> [IPNetwork] {
        if let result = call.previousResult {
            let known = result.containerAddresses(on: call.interfaceName)
            if !known.isEmpty { return known }
        }
        guard call.netnsDescriptor != nil else { return [] }
        guard let link = try call.containerInterface() else { return [] }
        let socket = try call.containerNetlink()
        return try attempt(try socket.addresses(index: link.index)).map { $0.address }.filter { !$0.address.isLinkLocal }
    }

    /// What ADD checked the source addresses of: as prevResult has it, else as the links are. Nil where neither is left.
    private static func spoofCheck(_ call: ModuleCall, _ config: BridgeConfig) throws(CNIError) -> SpoofCheck? {
        if let result = call.previousResult, let port = hostEnds(result, config).first?.name, port.utf8.count < 16,
            let inside = result.interfaces.first(where: { $0.name == call.interfaceName && !($0.sandbox ?? "").isEmpty }),
            let mac = inside.mac.flatMap({ MACAddress($0) })
        {
            return SpoofCheck(port: port, mac: mac)
        }
        guard call.netnsDescriptor != nil, let inside = try call.containerInterface(), let mac = inside.mac, let peer = inside.link else {
            return nil
        }
        let socket = try call.hostNetlink()
        return try attempt(try socket.link(index: peer)).map { SpoofCheck(port: $0.name, mac: mac) }
    }

    /// What prevResult has of links of the host, without the bridge and the gateways of its VLANs, which are shared: first the host's end of
    /// the veth pair.
    private static func hostEnds(_ result: CNIResult, _ config: BridgeConfig) -> [CNIResult.Interface] {
        result.interfaces.filter {
            ($0.sandbox ?? "").isEmpty && $0.name != config.bridge && !$0.name.hasPrefix("\(config.bridge).")
        }
    }

    /// Deletes the container's end, and with it the host's. Where the namespace is out of reach, the host's end that prevResult names. Links
    /// that later plugins have queued go in the same message: the kernel then waits once.
    private static func deleteLinks(_ call: ModuleCall, _ config: BridgeConfig) throws(CNIError) {
        if call.netnsDescriptor != nil {
            if try VethPair.deleteWithQueued(call) { return }
            let socket = try call.containerNetlink()
            try attempt(try socket.deleteLink(named: call.interfaceName))
        } else if let result = call.previousResult {
            let socket = try call.hostNetlink()
            for entry in hostEnds(result, config) {
                // Its name could be someone else's by now: the hardware address tells.
                guard let link = try attempt(try socket.link(named: entry.name)), link.kind == "veth", entry.mac == link.mac?.text else {
                    continue
                }
                try call.queueLinkDeletion(of: link)
            }
        }
        try call.deleteQueuedLinks()
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try BridgeConfig(call.config, arguments: try call.arguments())
        if let ipam = config.ipam { try call.delegate(ipam.type, .check) }
        let result = try call.requireResult()
        var differences = Differences()
        differences.add(
            try InterfaceCheck.differences(call, result: result, kind: "veth", expectUp: !config.disableContainerInterface))
        differences.add(try BridgeCheck(call, config, result).differences())
        if let masquerade = config.masquerade {
            differences.add(try masquerade.check(call, addresses: result.containerAddresses(on: call.interfaceName)))
        }
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// GC: removes nftables elements of attachments that are not in use, and has IPAM do the same with addresses.
    static func gc(_ call: ModuleCall) throws(CNIError) {
        let config = try BridgeConfig(call.config, arguments: nil)
        var failures: [CNIError] = []
        do throws(CNIError) {
            try (config.masquerade ?? .nftables).collect(call)
            try SpoofCheck.collect(call)
            try call.commitNft()
        } catch { failures.append(error) }
        do throws(CNIError) {
            if let ipam = config.ipam { try call.delegate(ipam.type, .gc) }
        } catch { failures.append(error) }
        try CNIError.throwAll(failures)
    }

    /// REPAIR: has the attachment's addresses masqueraded, and its frames checked, anew.
    static func repair(_ call: ModuleCall) throws(CNIError) {
        let config = try BridgeConfig(call.config, arguments: nil)
        if config.macSpoofCheck { try spoofCheck(call, config)?.queueAdd(call) }
        try config.masquerade?.add(call, addresses: try call.requireResult().containerAddresses(on: call.interfaceName))
    }

    /// STATUS: whether ADD would find a bridge it can use, a kernel that can do what is asked for, nftables, and IPAM an address.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try BridgeConfig(call.config, arguments: try CNIArguments(""))
        try config.validate(call.config)
        try bridgeStatus(call, config)
        try config.masquerade?.checkAvailable(call)
        if config.macSpoofCheck { try SpoofCheck.checkAvailable(call) }
        if let ipam = config.ipam { try call.delegate(ipam.type, .status) }
    }

    private static func bridgeStatus(_ call: ModuleCall, _ config: BridgeConfig) throws(CNIError) {
        let socket = try call.hostNetlink()
        var needsFiltering = !config.vlans.isEmpty
        if let link = try attempt(try socket.link(named: config.bridge)) {
            if link.kind != "bridge" { throw CNIError(.notAvailable, "\(config.bridge) is not a bridge but \(link.kind ?? "a device")") }
            needsFiltering = try unavailable { () throws(CNIError) in try HostBridge(call, config).mustFilter(link) }
            if !needsFiltering { return }
        }
        let advice = needsFiltering ? "a kernel with CONFIG_BRIDGE_VLAN_FILTERING is needed" : "load the kernel module bridge"
        try KernelTrial.make(needsFiltering ? "bridges that filter VLANs" : "bridges", advice: advice) { () throws(CNIError) in
            try attempt(try NetlinkSocket.open().createBridge(BridgeRequest(name: "bridge0", filtersVLANs: needsFiltering)))
        }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func bridgeModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        Bridge.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, Bridge.add) }, del: { ModuleRun.other($0, Bridge.del) }, check: { ModuleRun.other($0, Bridge.check) },
            gc: { ModuleRun.other($0, Bridge.gc) }, status: { ModuleRun.other($0, Bridge.status) },
            repair: { ModuleRun.other($0, Bridge.repair) })
    }
#endif
