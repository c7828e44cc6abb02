#if hasFeature(Embedded)
    import BandwidthModule
    import BridgeModule
    import CatenaABI
    import DHCPModule
    import DummyModule
    import FirewallModule
    import FlannelModule
    import HostDeviceModule
    import HostLocalModule
    import IpvlanModule
    import LoopbackModule
    import MacvlanModule
    import PortmapModule
    import PtpModule
    import SourceRoutingModule
    import StaticModule
    import TapModule
    import TuningModule
    import VRFModule
    import VlanModule

    /// The one symbol of the shared object that holds the modules that come with Catena: see catena/module.h.
    ///
    /// They are in one since they are mostly the same code, ModuleKit's: it is then loaded, bound and paged in once for a chain.
    @c(catena_modules_entry)
    public func catenaModulesEntry(_ hostABI: UInt32, _ type: UnsafePointer<CChar>?) -> UnsafePointer<catena_module>? {
        guard let type else { return nil }
        return switch String(cString: type) {
        case "bandwidth": bandwidthModule(hostABI)
        case "bridge": bridgeModule(hostABI)
        case "dhcp": dhcpModule(hostABI)
        case "dummy": dummyModule(hostABI)
        case "firewall": firewallModule(hostABI)
        case "flannel": flannelModule(hostABI)
        case "host-device": hostDeviceModule(hostABI)
        case "host-local": hostLocalModule(hostABI)
        case "ipvlan": ipvlanModule(hostABI)
        case "loopback": loopbackModule(hostABI)
        case "macvlan": macvlanModule(hostABI)
        case "portmap": portmapModule(hostABI)
        case "ptp": ptpModule(hostABI)
        case "sbr": sourceRoutingModule(hostABI)
        case "static": staticModule(hostABI)
        case "tap": tapModule(hostABI)
        case "tuning": tuningModule(hostABI)
        case "vlan": vlanModule(hostABI)
        case "vrf": vrfModule(hostABI)
        default: nil
        }
    }
#endif
