import ModuleKit

/// One ADD of host-device, step by step; when a later step fails, the device is given back and the addresses are released.
struct HostDeviceAdd {
    private let call: ModuleCall
    private let config: HostDeviceConfig

    init(_ call: ModuleCall, _ config: HostDeviceConfig) {
        self.call = call
        self.config = config
    }

    func run() throws(CNIError) -> CNIResult {
        switch try DeviceSearch(socket: try call.hostNetlink()).find(try config.requireSelector()) {
        case .userspace(let pci): return try report(pci)
        case .link(let device, let pci): return try attach(device, pci)
        }
    }

    /// There is no link to move: a program in the container drives the device, and sets the addresses that the result tells it.
    private func report(_ pci: String) throws(CNIError) -> CNIResult {
        var result = try config.ipam.map { (ipam) throws(CNIError) in try ipam.add(call) } ?? CNIResult()
        for index in result.ips.indices { result.ips[index].interface = 0 }
        result.interfaces = [CNIResult.Interface(name: call.interfaceName, sandbox: call.netns, pciID: pci)]
        if !config.dns.isEmpty { result.dns = config.dns }
        return result
    }

    private func attach(_ device: LinkInfo, _ pci: String?) throws(CNIError) -> CNIResult {
        if let master = device.master {
            let host = try call.hostNetlink()
            let name = try attempt(try host.link(index: master))?.name ?? "number \(master)"
            call.log(.warning, "device \(device.name) leaves \(name), to which it belonged")
        }
        let move = try DeviceMove(call)
        let link = try move.take(device)
        // The network behind a device has others in it.
        var result = try call.completeOnlyInterface(ipam: config.ipam, dns: config.dns, sharesNetwork: true) {
            move.giveBackAfterFailure(link, device)
        }
        result.interfaces[0].pciID = pci
        return result
    }
}
