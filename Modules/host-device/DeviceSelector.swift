import ModuleKit

/// How the configuration names the device.
enum DeviceSelector: Equatable {
    /// By its name.
    case name(String)
    /// By its hardware address.
    case hardwareAddress(MACAddress)
    /// By its directory under /sys/devices.
    case kernelPath(String)
    /// By its PCI address.
    case pci(String)
    /// By what a device plugin of Kubernetes calls it: a PCI address, or the name of an auxiliary device.
    case deviceID(String)
}
