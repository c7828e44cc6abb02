import ModuleKit

/// The gateways' addresses on the host, and the link that has them: the bridge, or with `vlan` a VLAN device of the bridge. Both are shared
/// by all containers, and stay.
struct BridgeGateway {
    private let call: ModuleCall
    private let config: BridgeConfig
    private let bridge: LinkInfo
    private let host: NetlinkSocket

    init(_ call: ModuleCall, _ config: BridgeConfig, _ bridge: LinkInfo) throws(CNIError) {
        self.call = call
        self.config = config
        self.bridge = bridge
        host = try call.hostNetlink()
    }

    /// Gives the host the gateways' addresses, and lets it forward. Returns the link that has them.
    func make(_ result: CNIResult) throws(CNIError) -> LinkInfo {
        let link = try gatewayLink()
        let gateways = result.gatewayAddresses
        for gateway in gateways { try ensure(gateway, of: gateways, on: link) }
        for family in [IPAddress.Family.v4, .v6] where gateways.contains(where: { $0.address.family == family }) {
            try Sysctl.ensure("1", at: family == .v4 ? ["net", "ipv4", "ip_forward"] : ["net", "ipv6", "conf", "all", "forwarding"])
        }
        return link
    }

    // MARK: Addresses

    /// Has the link have the gateway's address.
    ///
    /// It is added without a look at what is there: usually it is there, and the kernel says so at once.
    private func ensure(_ gateway: IPNetwork, of gateways: [IPNetwork], on link: LinkInfo) throws(CNIError) {
        let isNew = try add(gateway, to: link)
        // Of IPv6 the kernel takes an address with another prefix length for the same.
        if !isNew && gateway.address.family == .v4 { return }
        let present = try attempt(try host.addresses(index: link.index)).map { $0.address }
        if !isNew && present.contains(gateway) { return }
        do throws(CNIError) {
            if try makeRoom(for: gateway, among: present.filter { !gateways.contains($0) }, link) {
                // With the first address of a network the kernel may have deleted the others.
                _ = try add(gateway, to: link)
            }
        } catch {
            if isNew { _ = try? host.deleteAddress(gateway, index: link.index, name: link.name) }
            throw error
        }
        // A bridge that someone else made may change its MAC as ports come and go, and with it that of its VLAN devices, unless it is set once.
        guard let mac = try attempt(try host.link(index: bridge.index))?.mac else { return }
        try attempt(try host.setLink(index: bridge.index, name: bridge.name, LinkChange(mac: mac)))
    }

    /// False where the link has the address.
    private func add(_ gateway: IPNetwork, to link: LinkInfo) throws(CNIError) -> Bool {
        do throws(NetlinkError) {
            try host.addAddress(gateway, index: link.index, name: link.name, noDAD: true)
            return true
        } catch {
            if error.errno != .exists { throw error.cni }
            return false
        }
    }

    /// Another address of the link clashes with the gateway's where their networks overlap: it is an error. With `forceAddress` it gives
    /// way, and of IPv4 any other one, as in the reference. False where nothing had to.
    private func makeRoom(for gateway: IPNetwork, among others: [IPNetwork], _ link: LinkInfo) throws(CNIError) -> Bool {
        var hasDeleted = false
        for other in others where other.address.family == gateway.address.family && !other.address.isLinkLocal {
            let overlaps = other.overlaps(gateway)
            if config.forceAddress && (overlaps || gateway.address.family == .v4) {
                call.log(.info, "\(link.name) had address \(other.text): it gives way to \(gateway.text)")
                try attempt(try host.deleteAddress(other, index: link.index, name: link.name))
                hasDeleted = true
            } else if overlaps {
                throw CNIError(
                    "bridge \(link.name) already has an IP address different from \(gateway.text): \(other.text)",
                    details: "use another bridge, or forceAddress to replace the address")
            }
        }
        return hasDeleted
    }

    // MARK: Gateway in a VLAN

    /// The link that has the gateways' addresses, made where it is missing.
    private func gatewayLink() throws(CNIError) -> LinkInfo {
        guard let vlan = config.vlans.access else { return bridge }
        if let link = try attempt(try host.link(named: config.gatewayName)) { return try prepare(link, vlan) }
        if BridgeGateway.isBridge(bridge, vlan) { return bridge }
        try makeVLANDevice(config.gatewayName, vlan)
        guard let link = try attempt(try host.link(named: config.gatewayName)) else {
            throw CNIError(
                "create VLAN device \(config.gatewayName): bridge \(bridge.name) has one for VLAN \(vlan) already",
                details: "give it this name, or delete it: ip -d link show type vlan")
        }
        return try prepare(link, vlan)
    }

    /// Whether the bridge itself is the gateway: of the bridge's default VLAN the host gets the frames without a tag.
    static func isBridge(_ bridge: LinkInfo, _ vlan: UInt16) -> Bool { bridge.bridge?.defaultVLAN == vlan }

    /// Has the gateway's link be in the VLAN, up.
    ///
    /// It is a VLAN device of the bridge and not, as in the reference, a veth into a port of the bridge: where br_netfilter is loaded, as it
    /// is on Kubernetes nodes, packets to such a port go through the IP hooks of netfilter while they are bridged and again when they are
    /// routed, and masquerading, decided the first time, drops them. One that the reference has made is used.
    private func prepare(_ link: LinkInfo, _ vlan: UInt16) throws(CNIError) -> LinkInfo {
        if link.isVLANDevice(vlan, of: bridge) {
            try attempt(try host.joinVLAN(vlan, bridge: bridge.index, name: bridge.name))
        } else if let port = try BridgeGateway.port(of: link, in: bridge, host) {
            try attempt(try host.setBridgePort(index: port.index, name: port.name, BridgePortChange(vlans: [BridgeVLAN(native: vlan)])))
        } else {
            throw CNIError(
                "gateway of VLAN \(vlan): link \(link.name) exists and does not lead into VLAN \(vlan) of bridge \(bridge.name)",
                details: "delete the link, or use another bridge")
        }
        try followMTU(link)
        try attempt(try host.setLink(index: link.index, name: link.name, LinkChange(up: link.isUp ? nil : true)))
        return link
    }

    private func makeVLANDevice(_ name: String, _ vlan: UInt16) throws(CNIError) {
        do throws(NetlinkError) {
            try host.createVLANDevice(name: name, bridge: bridge.index, vlan)
        } catch {
            // Another ADD may have made it since.
            if error.errno != .exists { throw error.cni }
            return
        }
        HostBridge.quieten(name)
    }

    /// The bridge's port that a veth of the host leads to, as the reference makes gateways of VLANs; nil where it leads elsewhere.
    static func port(of link: LinkInfo, in bridge: LinkInfo, _ host: NetlinkSocket) throws(CNIError) -> LinkInfo? {
        guard link.kind == "veth", let index = link.link, let port = try attempt(try host.link(index: index)), port.master == bridge.index,
            port.link == link.index
        else { return nil }
        return port
    }

    /// A gateway that sends larger packets than the container's port takes would lose them.
    private func followMTU(_ link: LinkInfo) throws(CNIError) {
        guard let mtu = config.mtu, link.mtu > mtu else { return }
        try attempt(try host.setLink(index: link.index, name: link.name, LinkChange(mtu: mtu)))
        call.log(.info, "gateway \(link.name) had MTU \(link.mtu): set to \(mtu)")
    }
}

extension LinkInfo {
    /// Whether it is the device of this VLAN on top of this bridge.
    func isVLANDevice(_ id: UInt16, of bridge: LinkInfo) -> Bool { kind == "vlan" && link == bridge.index && vlan?.id == id }
}

extension CNIResult {
    /// The gateways with their networks' prefix lengths, each once.
    var gatewayAddresses: [IPNetwork] {
        var found: [IPNetwork] = []
        for ip in ips {
            if let gateway = ip.gateway, let address = IPNetwork(gateway, prefix: ip.address.prefix), !found.contains(address) {
                found.append(address)
            }
        }
        return found
    }
}
