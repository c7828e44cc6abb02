import ModuleKit

/// Finds the device that a selector means: among the host's links, or through /sys.
struct DeviceSearch {
    /// Drivers that hand a device to a program.
    private static let userspaceDrivers = ["vfio-pci", "uio_pci_generic", "igb_uio"]
    private static let pciDevices = "/sys/bus/pci/devices"
    private static let auxiliaryDevices = "/sys/bus/auxiliary/devices"

    /// A socket of the host's namespace.
    let socket: NetlinkSocket

    /// The device. Throws where there is none.
    func find(_ selector: DeviceSelector) throws(CNIError) -> FoundDevice {
        switch selector {
        case .name(let name):
            guard let link = try attempt(try socket.link(named: name)) else {
                throw CNIError("device: the host has no interface \(name)", details: "it may be in use by another container")
            }
            return .link(link, pci: nil)
        case .hardwareAddress(let address): return .link(try find(address), pci: nil)
        case .kernelPath(let path): return .link(try interface(of: path, "kernelpath"), pci: nil)
        case .pci(let id): return try findPCI(id, "pciBusID")
        case .deviceID(let id):
            if File.exists("\(DeviceSearch.pciDevices)/\(id)") { return try findPCI(id, "runtimeConfig.deviceID") }
            let path = "\(DeviceSearch.auxiliaryDevices)/\(id)"
            guard File.exists(path) else {
                throw CNIError("runtimeConfig.deviceID: there is no PCI and no auxiliary device \(id)")
            }
            return .link(try interface(of: path, "runtimeConfig.deviceID"), pci: nil)
        }
    }

    /// Links made on top of a device have its address too: the device itself is meant.
    private func find(_ address: MACAddress) throws(CNIError) -> LinkInfo {
        let links = try attempt(try socket.links()).filter { $0.mac == address && !$0.isLoopback }
        let devices = links.filter { $0.kind == nil }
        let candidates = devices.isEmpty ? links : devices
        guard let first = candidates.first else {
            throw CNIError(
                "hwaddr: the host has no interface with hardware address \(address.text)", details: "it may be in use by another container")
        }
        if candidates.count > 1 {
            throw CNIError(
                "hwaddr: several interfaces have hardware address \(address.text): \(candidates.map { $0.name }.joined(separator: ", "))",
                details: "name the one that is meant by device")
        }
        return first
    }

    private func findPCI(_ id: String, _ key: String) throws(CNIError) -> FoundDevice {
        let path = "\(DeviceSearch.pciDevices)/\(id)"
        guard File.exists(path) else { throw CNIError("\(key): there is no PCI device \(id)", details: "lspci -D lists them") }
        guard let driver = DeviceSearch.driver(of: id) else {
            throw CNIError("\(key): PCI device \(id) has no driver bound", details: "bind one: its network driver, or vfio-pci for DPDK")
        }
        if DeviceSearch.userspaceDrivers.contains(driver) { return .userspace(pci: id) }
        return .link(try interface(of: path, key), pci: id)
    }

    /// Whether a PCI device is bound to a driver that hands it to a program.
    static func isForUserspace(_ id: String) -> Bool { driver(of: id).map { userspaceDrivers.contains($0) } ?? false }

    /// The last part of the link `driver`; nil where no driver is bound.
    private static func driver(of id: String) -> String? {
        File.target(ofLink: "\(pciDevices)/\(id)/driver").flatMap { path in
            path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) }
        }
    }

    /// The network interface of a device's directory; of a virtio device it is one level deeper.
    private func interface(of path: String, _ key: String) throws(CNIError) -> LinkInfo {
        guard let entries = try? File.list(path) else { throw CNIError("\(key): there is no device \(path)") }
        for directory in [path] + entries.filter({ $0.hasPrefix("virtio") }).sorted().map({ "\(path)/\($0)" }) {
            for name in ((try? File.list("\(directory)/net")) ?? []).sorted() {
                if let link = try attempt(try socket.link(named: name)) { return link }
            }
        }
        throw CNIError(
            "\(key): the host has no network interface of device \(path)",
            details: "it may be in use by another container, or have no driver")
    }
}
