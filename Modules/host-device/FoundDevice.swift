import ModuleKit

/// What the configuration's selector leads to.
enum FoundDevice {
    /// A network interface of the host, and its PCI address where the selector told it.
    case link(LinkInfo, pci: String?)
    /// A PCI device that a program drives by itself (DPDK): the kernel has no network interface of it.
    case userspace(pci: String)
}
