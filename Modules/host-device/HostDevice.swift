import ModuleKit

/// host-device: moves a network interface of the host into the container.
enum HostDevice {
    static let descriptor = ModuleDescriptor(
        type: "host-device", kind: .interface, description: "moves a network interface of the host into the container",
        capabilities: ["deviceID"], schema: schema)

    /// ADD: moves the device, and gives it addresses and routes.
    static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
        try HostDeviceAdd(call, try HostDeviceConfig(call.config)).run()
    }

    /// DEL: gives the device back, then releases its addresses. A namespace or device that is gone is no error.
    static func del(_ call: ModuleCall) throws(CNIError) {
        let config = try HostDeviceConfig(call.config, lenient: true)
        try IPAMDelegate.release(config.ipam, call) { () throws(CNIError) in try giveBack(call, config) }
    }

    private static func giveBack(_ call: ModuleCall, _ config: HostDeviceConfig) throws(CNIError) {
        let move = try DeviceMove(call)
        if call.netnsDescriptor == nil {
            if let isDevice = try recognition(call, config) { try move.adopt(isDevice) }
        } else if let link = try call.containerInterface() {
            let name = DeviceMove.formerName(link)
            if name != nil || (link.mac != nil && link.mac == attachedAddress(call)) {
                try move.giveBack(link, formerName: name ?? config.deviceName, up: link.hasNoTrailers)
            } else {
                // What made ADD fail, not what it made.
                call.log(.warning, "interface \(link.name) in \(call.netns) is no device that was moved there: it stays")
            }
        }
    }

    /// By what the attachment's device is recognized among the host's links: the hardware address that ADD reported. One that was killed has
    /// reported nothing: then what the configuration says.
    private static func recognition(_ call: ModuleCall, _ config: HostDeviceConfig) throws(CNIError) -> ((LinkInfo) -> Bool)? {
        if let address = attachedAddress(call) { return { $0.mac == address } }
        switch config.selector {
        case nil: return nil
        case .name(let name): return { $0.alias == name }
        case .hardwareAddress(let address): return { $0.mac == address }
        case .kernelPath, .pci, .deviceID:
            let search = DeviceSearch(socket: try call.hostNetlink())
            guard let selector = config.selector, case .link(let device, _) = try? search.find(selector) else { return nil }
            return { $0.index == device.index }
        }
    }

    /// The hardware address of the interface as the chain's ADD reported it.
    private static func attachedAddress(_ call: ModuleCall) -> MACAddress? {
        let interfaces = call.previousResult?.interfaces ?? []
        return interfaces.first { $0.name == call.interfaceName && !($0.sandbox ?? "").isEmpty }?.mac.flatMap { MACAddress($0) }
    }

    /// CHECK: compares what ADD made with what is there, and reports all differences together.
    static func check(_ call: ModuleCall) throws(CNIError) {
        let config = try HostDeviceConfig(call.config)
        guard let pci = userspaceDevice(config, try call.requireResult(), call) else {
            return try InterfaceCheck.run(call, ipam: config.ipam, kind: nil) { link in aliasDifferences(link, config) }
        }
        if let ipam = config.ipam { try call.delegate(ipam.type, .check) }
        var differences = Differences()
        if !DeviceSearch.isForUserspace(pci) {
            differences.add("PCI device \(pci): expected a driver that hands it to a program, found another or none")
        }
        try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// The PCI address of a device without a network interface: those have no hardware address in the result.
    private static func userspaceDevice(_ config: HostDeviceConfig, _ result: CNIResult, _ call: ModuleCall) -> String? {
        guard let interface = result.interfaces.first(where: { $0.name == call.interfaceName }), (interface.mac ?? "").isEmpty else {
            return nil
        }
        // Results before CNI 1.1.0 had no room for it.
        switch config.selector {
        case .pci(let id), .deviceID(let id): return interface.pciID ?? id
        default: return nil
        }
    }

    /// Without the alias DEL does not know the device's name in the host.
    private static func aliasDifferences(_ link: LinkInfo, _ config: HostDeviceConfig) -> [String] {
        if let expected = config.deviceName {
            return link.alias == expected ? [] : ["\(link.name): expected alias \(expected), found \(link.alias ?? "none")"]
        }
        return link.alias == nil ? ["\(link.name): expected an alias with its name in the host, found none"] : []
    }

    /// STATUS: whether the configuration can be right, and IPAM has an address. A device that is in use is no reason to call the whole
    /// network not ready.
    static func status(_ call: ModuleCall) throws(CNIError) {
        let config = try HostDeviceConfig(call.config)
        if let ipam = config.ipam { try call.delegate(ipam.type, .status) }
    }
}

#if hasFeature(Embedded)
    /// The module, for the shared object that holds all of Catena's: see catena/module.h.
    public func hostDeviceModule(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
        HostDevice.descriptor.module(
            for: hostABI,
            add: { ModuleRun.add($0, HostDevice.add) }, del: { ModuleRun.other($0, HostDevice.del) },
            check: { ModuleRun.other($0, HostDevice.check) }, gc: { ModuleRun.other($0, IPAMDelegate.gc) },
            status: { ModuleRun.other($0, HostDevice.status) })
    }
#endif
