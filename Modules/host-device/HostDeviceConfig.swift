import ModuleKit

/// The configuration of host-device, read and checked.
struct HostDeviceConfig {
    /// Nil where none is given: the runtime gives `deviceID` with ADD, CHECK and DEL only.
    let selector: DeviceSelector?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS
    /// Nil for an interface without addresses.
    let ipam: IPAMDelegate?

    /// - Parameter lenient: whether a selector that can't be right is passed over (DEL: what was moved tells what it is).
    init(_ config: ConfigReader, lenient: Bool = false) throws(CNIError) {
        do throws(CNIError) {
            selector = try HostDeviceConfig.selector(config)
        } catch {
            if !lenient { throw error }
            selector = nil
        }
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate(config)
    }

    /// The device's name where it is what the configuration has.
    var deviceName: String? { if case .name(let name) = selector { name } else { nil } }

    /// What names the device; where nothing does, an error.
    func requireSelector() throws(CNIError) -> DeviceSelector {
        guard let selector else {
            throw CNIError(
                .invalidConfiguration, "no device: one of device, hwaddr, kernelpath, pciBusID and runtimeConfig.deviceID is needed",
                details: "deviceID comes from the runtime where capabilities has \"deviceID\": true")
        }
        return selector
    }

    /// The first that is set, in this order, counts.
    private static func selector(_ config: ConfigReader) throws(CNIError) -> DeviceSelector? {
        if let name = try config.nonEmpty("device") {
            do throws(CNIError) { try Names.checkInterface(name) } catch { throw config.invalid("device", error.message) }
            return .name(name)
        }
        if let text = try config.nonEmpty("hwaddr") {
            guard let address = MACAddress(text) else {
                throw config.invalid("hwaddr", "expected a hardware address like 0a:58:0a:01:00:05, found \"\(text)\"")
            }
            return .hardwareAddress(address)
        }
        if let path = try config.nonEmpty("kernelpath") {
            guard isDevicePath(path) else { throw config.invalid("kernelpath", "expected a path under /sys/devices/, found \"\(path)\"") }
            return .kernelPath(path)
        }
        if let runtime = try config.object("runtimeConfig"), let id = try runtime.nonEmpty("deviceID") {
            guard isDeviceID(id) else { throw runtime.invalid("deviceID", "expected a PCI address or auxiliary device, found \"\(id)\"") }
            return .deviceID(id)
        }
        if let id = try config.nonEmpty("pciBusID") {
            guard isDeviceID(id) else { throw config.invalid("pciBusID", "expected a PCI address like 0000:00:1f.6, found \"\(id)\"") }
            return .pci(id)
        }
        return nil
    }

    /// A path that stays under /sys/devices.
    private static func isDevicePath(_ path: String) -> Bool {
        let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        return path.utf8.first == UInt8(ascii: "/") && parts.count > 2 && parts[0] == "sys" && parts[1] == "devices"
            && !parts.contains("..")
    }

    /// A name of one directory: it becomes part of a path.
    private static func isDeviceID(_ id: String) -> Bool {
        if id == "." || id == ".." { return false }
        return id.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x3a, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
            default: false
            }
        }
    }
}
