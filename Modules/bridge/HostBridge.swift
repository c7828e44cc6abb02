import ModuleKit

/// The host's bridge: made where it is missing; one that is there is used, and where it is not as the configuration wants it, corrected
/// if that harms none of its ports, else refused.
struct HostBridge {
    private let call: ModuleCall
    private let config: BridgeConfig
    private let socket: NetlinkSocket

    init(_ call: ModuleCall, _ config: BridgeConfig) throws(CNIError) {
        self.call = call
        self.config = config
        socket = try call.hostNetlink()
    }

    /// The bridge, up, and filtering VLANs where the port is to have some.
    func prepare() throws(CNIError) -> LinkInfo {
        var found = try attempt(try socket.link(named: config.bridge))
        if found == nil {
            try make()
            found = try attempt(try socket.link(named: config.bridge))
        }
        guard let bridge = found else { throw CNIError("bridge \(config.bridge) vanished while it was set up") }
        guard bridge.kind == "bridge" else {
            throw CNIError(
                .invalidConfiguration, "bridge: \(config.bridge) exists and is not a bridge but \(bridge.kind ?? "a device")",
                details: "choose another name")
        }
        if try mustFilter(bridge) {
            try HostBridge.needingVLANs { () throws(NetlinkError) in try socket.filterVLANs(index: bridge.index, name: bridge.name) }
            call.log(.info, "bridge \(bridge.name) did not filter VLANs, and has no ports: it does now")
        }
        let change = LinkChange(up: bridge.isUp ? nil : true, promiscuous: config.promiscMode && !bridge.isPromiscuous ? true : nil)
        try attempt(try socket.setLink(index: bridge.index, name: bridge.name, change))
        return bridge
    }

    private func make() throws(CNIError) {
        // With an address of its own it keeps it: else it would be that of one of its ports, and change as they come and go.
        let bridge = BridgeRequest(
            name: config.bridge, mtu: config.mtu, mac: try randomMAC(), filtersVLANs: config.vlans.wantsFiltering)
        try HostBridge.needingVLANs { () throws(NetlinkError) in
            do throws(NetlinkError) {
                try socket.createBridge(bridge)
            } catch {
                // Another ADD may have made it since.
                if error.errno != .exists { throw error }
            }
        }
        HostBridge.quieten(config.bridge)
    }

    /// A random hardware address, locally administered.
    private func randomMAC() throws(CNIError) -> MACAddress? {
        var bytes = try RandomBytes.make(6)
        bytes[0] = bytes[0] & 0xfc | 2
        return MACAddress(bytes: bytes)
    }

    /// Kernel parameters of a new link of the host, before it is up and gets its link-local address: while that is tentative, the host asks
    /// for no neighbour behind it, and forwards nothing to it.
    static func quieten(_ name: String) {
        let parameters = ["net", "ipv6", "conf", name]
        try? Sysctl.set("0", at: parameters + ["accept_ra"])
        try? Sysctl.set("0", at: parameters + ["accept_dad"])
    }

    // MARK: VLAN filtering

    /// Whether VLAN filtering has to be turned on. A bridge with ports is refused: they would lose what they send and get with a tag.
    func mustFilter(_ bridge: LinkInfo) throws(CNIError) -> Bool {
        guard !config.vlans.isEmpty, bridge.bridge?.filtersVLANs == false else { return false }
        let ports = try attempt(try socket.bridgePorts(of: bridge))
        guard let port = ports.first else { return true }
        // Another ADD may have turned it on since.
        if try attempt(try socket.link(index: bridge.index))?.bridge?.filtersVLANs == true { return false }
        throw CNIError(
            "bridge \(bridge.name) does not filter VLANs, and has ports (\(port.name)): none of them would be kept out of the VLANs",
            details: "use another bridge; or, if none of its ports needs frames with a tag: ip link set dev \(bridge.name) type bridge "
                + "vlan_filtering 1")
    }

    /// Runs what fails where the kernel can't filter VLANs, and says so then.
    static func needingVLANs(_ body: () throws(NetlinkError) -> Void) throws(CNIError) {
        do throws(NetlinkError) {
            try body()
        } catch {
            guard error.errno == .notSupported else { throw error.cni }
            throw CNIError(error.cni.message, details: "this kernel can't filter VLANs: CONFIG_BRIDGE_VLAN_FILTERING is not set")
        }
    }

    // MARK: MTU

    /// Has an existing bridge follow `mtu`, now that the container's port is in it.
    ///
    /// The kernel gives a bridge the MTU of its smallest port, unless someone has set it. One that is larger loses what the host sends to
    /// the port: it is lowered. One that is smaller is raised unless another port is smaller too.
    func followMTU(_ before: LinkInfo) throws(CNIError) {
        guard let mtu = config.mtu, before.mtu != mtu, let bridge = try attempt(try socket.link(index: before.index)), bridge.mtu != mtu
        else { return }
        if bridge.mtu < mtu, let port = try attempt(try socket.bridgePorts(of: bridge)).first(where: { $0.mtu < mtu }) {
            let text = "bridge \(bridge.name) has MTU \(bridge.mtu), less than mtu \(mtu), because of its port \(port.name) (\(port.mtu))"
            return call.log(.warning, "\(text): the host sends no larger packets until that is gone")
        }
        try attempt(try socket.setLink(index: bridge.index, name: bridge.name, LinkChange(mtu: mtu)))
        call.log(.info, "bridge \(bridge.name) had MTU \(bridge.mtu): set to \(mtu)")
    }
}
