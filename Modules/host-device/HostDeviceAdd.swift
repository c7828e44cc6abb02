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
        return complete(result, CNIResult.Interface(name: call.interfaceName, sandbox: call.netns, pciID: pci))
    }

    private func attach(_ device: LinkInfo, _ pci: String?) throws(CNIError) -> CNIResult {
        if let master = device.master {
            let host = try call.hostNetlink()
            let name = try attempt(try host.link(index: master))?.name ?? "number \(master)"
            call.log(.warning, "device \(device.name) leaves \(name), to which it belonged")
        }
        let move = try DeviceMove(call)
        let link = try move.take(device)
        var hasAddresses = false
        do throws(CNIError) {
            var result = CNIResult()
            if let ipam = config.ipam {
                result = try ipam.add(call)
                hasAddresses = true
            }
            for index in result.ips.indices { result.ips[index].interface = 0 }
            // Without IPv6 addresses of ours, detection of duplicates stays as it is: the network behind a device has others in it.
            let hasIPv6 = result.ips.contains { $0.address.address.family == .v6 }
            try InterfaceConfiguration(call, link: link, result: result, detectsDuplicates: !hasIPv6).apply()
            return complete(
                result, CNIResult.Interface(name: call.interfaceName, mac: link.mac?.text, sandbox: call.netns, pciID: pci))
        } catch {
            move.giveBackAfterFailure(link, device)
            if hasAddresses { config.ipam?.undo(call) }
            throw error
        }
    }

    private func complete(_ result: CNIResult, _ interface: CNIResult.Interface) -> CNIResult {
        var result = result
        result.interfaces = [interface]
        if !config.dns.isEmpty { result.dns = config.dns }
        return result
    }
}
