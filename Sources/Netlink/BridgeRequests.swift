import CLinux
import CNI

/// A bridge to make.
public struct BridgeRequest: Sendable {
    /// The name.
    public var name: String
    /// MTU in bytes; nil for the kernel's. Either way it follows the smallest port, until someone sets it.
    public var mtu: Int?
    /// The hardware address, which then stays; nil for the lowest one of its ports, as they come and go.
    public var mac: MACAddress?
    /// Whether it passes only frames of VLANs that its ports are members of.
    public var filtersVLANs: Bool

    /// Makes one of these parts.
    public init(name: String, mtu: Int? = nil, mac: MACAddress? = nil, filtersVLANs: Bool = false) {
        self.name = name
        self.mtu = mtu
        self.mac = mac
        self.filtersVLANs = filtersVLANs
    }
}

/// What to change of a bridge's port; nil leaves a setting as it is.
public struct BridgePortChange: Sendable {
    /// Whether frames may go back out of the port that they came in by.
    public var hairpin: Bool?
    /// Whether it reaches no other isolated port.
    public var isolated: Bool?
    /// VLANs that it becomes a member of, or in another way than it was.
    public var vlans: [BridgeVLAN]

    /// A change of these, and nothing else.
    public init(hairpin: Bool? = nil, isolated: Bool? = nil, vlans: [BridgeVLAN] = []) {
        self.hairpin = hairpin
        self.isolated = isolated
        self.vlans = vlans
    }

    /// The message that sets what is not about VLANs; nil where there is nothing. It names the port, which may just be being made.
    func settings(named name: String) -> NetlinkMessage? {
        if hairpin == nil && isolated == nil { return nil }
        var message = NetlinkMessage(link: RTM_NEWLINK)
        message.attribute(Int32(IFLA_IFNAME), name)
        message.nested(Int32(IFLA_LINKINFO)) { info in
            info.attribute(Int32(IFLA_INFO_SLAVE_KIND), "bridge")
            info.nested(Int32(IFLA_INFO_SLAVE_DATA)) { appendSettings(to: &$0) }
        }
        return message
    }

    fileprivate func appendSettings(to port: inout NetlinkMessage) {
        if let hairpin { port.attribute(Int32(IFLA_BRPORT_MODE), UInt8(hairpin ? 1 : 0)) }
        if let isolated { port.attribute(Int32(IFLA_BRPORT_ISOLATED), UInt8(isolated ? 1 : 0)) }
    }

    /// In words, for errors.
    var text: String {
        var parts: [String] = []
        if let hairpin { parts.append("hairpin \(hairpin ? "on" : "off")") }
        if let isolated { parts.append("isolated \(isolated ? "on" : "off")") }
        if !vlans.isEmpty { parts.append("VLAN \(vlans.map { $0.text }.joined(separator: ", "))") }
        return parts.joined(separator: ", ")
    }
}

extension NetlinkSocket {
    /// Makes a bridge that is down. Fails with EEXIST where the name is taken, with EOPNOTSUPP where the kernel can't filter VLANs and is
    /// asked to. As `ip link add NAME type bridge vlan_filtering 1`.
    public func createBridge(_ bridge: BridgeRequest) throws(NetlinkError) {
        var message = newLink(up: false)
        message.attribute(Int32(IFLA_IFNAME), bridge.name)
        if let mtu = bridge.mtu { message.attribute(Int32(IFLA_MTU), UInt32(clamping: mtu)) }
        if let mac = bridge.mac { message.attribute(Int32(IFLA_ADDRESS), bytes: mac.bytes) }
        message.linkInfo(kind: "bridge", bridge.filtersVLANs ? { $0.attribute(Int32(IFLA_BR_VLAN_FILTERING), UInt8(1)) } : nil)
        let options = (bridge.mtu.map { ", mtu \($0)" } ?? "") + (bridge.filtersVLANs ? ", vlan_filtering on" : "")
        try request(message, "create bridge \(bridge.name)\(options)")
    }

    /// Has a bridge filter VLANs. As `ip link set dev NAME type bridge vlan_filtering 1`.
    public func filterVLANs(index: Int32, name: String) throws(NetlinkError) {
        var message = NetlinkMessage(link: RTM_NEWLINK, index: index)
        message.linkInfo(kind: "bridge") { $0.attribute(Int32(IFLA_BR_VLAN_FILTERING), UInt8(1)) }
        try request(message, "set vlan_filtering on bridge \(name)")
    }

    /// Changes a bridge's port, all in one message; without a change there is none. As `bridge link set dev NAME hairpin on isolated on`
    /// and `bridge vlan add dev NAME vid …`.
    public func setBridgePort(index: Int32, name: String, _ change: BridgePortChange) throws(NetlinkError) {
        let text = change.text
        if text.isEmpty { return }
        var message = NetlinkMessage(bridgePort: RTM_SETLINK, index: index)
        if change.hairpin != nil || change.isolated != nil {
            message.nested(Int32(IFLA_PROTINFO)) { change.appendSettings(to: &$0) }
        }
        if !change.vlans.isEmpty {
            message.nested(Int32(IFLA_AF_SPEC)) { list in
                for vlan in change.vlans { list.attribute(vlan) }
            }
        }
        try request(message, "set \(text) on bridge port \(name)")
    }

    /// Makes the host itself a member of a VLAN of the bridge, its frames with a tag. As `bridge vlan add dev NAME vid … self`.
    public func joinVLAN(_ id: UInt16, bridge index: Int32, name: String) throws(NetlinkError) {
        var message = NetlinkMessage(bridgePort: RTM_SETLINK, index: index)
        message.nested(Int32(IFLA_AF_SPEC)) { list in
            list.attribute(Int32(IFLA_BRIDGE_FLAGS), UInt16(BRIDGE_FLAGS_SELF))
            list.attribute(BridgeVLAN(tagged: id...id))
        }
        try request(message, "add VLAN \(id) to bridge \(name) itself")
    }

    /// Makes a link of the host in a VLAN of a bridge, down. Fails with EEXIST where the name is taken. As
    /// `ip link add link BRIDGE name NAME type vlan id …`.
    public func createVLANDevice(name: String, bridge: Int32, _ id: UInt16) throws(NetlinkError) {
        var message = newLink(up: false)
        message.attribute(Int32(IFLA_IFNAME), name)
        message.attribute(Int32(IFLA_LINK), bridge)
        message.linkInfo(kind: "vlan") { $0.attribute(Int32(IFLA_VLAN_ID), id) }
        try request(message, "create VLAN device \(name), VLAN \(id) of the bridge")
    }

    /// Ends a bridge port's membership in a VLAN; that it is no member is no error. As `bridge vlan del dev NAME vid …`.
    public func leaveVLAN(_ id: UInt16, index: Int32, name: String) throws(NetlinkError) {
        var message = NetlinkMessage(bridgePort: RTM_DELLINK, index: index)
        message.nested(Int32(IFLA_AF_SPEC)) { $0.attribute(BridgeVLAN(tagged: id...id)) }
        try request(message, "remove VLAN \(id) from bridge port \(name)")
    }

    /// The VLANs that a bridge's port, or the host by the bridge itself, is a member of, normalized. Throws EOPNOTSUPP on a kernel that can't be asked for one port: those
    /// before 5.6. As `bridge vlan show dev NAME`.
    public func bridgeVLANs(index: Int32, name: String) throws(NetlinkError) -> [BridgeVLAN] {
        var message = NetlinkMessage(type: UInt16(RTM_GETVLAN), flags: NLM_F_DUMP)
        // struct br_vlan_msg: family, padding, index.
        message.append(UInt8(AF_BRIDGE))
        message.append(UInt8(0))
        message.append(UInt16(0))
        message.append(index)
        var found: [BridgeVLAN] = []
        for reply in try request(message, "list VLANs of bridge port \(name)") where reply.number(at: 4, as: UInt32.self) == UInt32(index) {
            for (type, value) in reply.attributes(after: 8).values where type == BRIDGE_VLANDB_ENTRY {
                if let vlan = BridgeVLAN(NetlinkAttributes(value)) { found.append(vlan) }
            }
        }
        return BridgeVLAN.normalized(found)
    }

    /// All ports of a bridge, as the kernel lists them.
    public func bridgePorts(of bridge: LinkInfo) throws(NetlinkError) -> [LinkInfo] {
        var message = NetlinkMessage(link: RTM_GETLINK, flags: NLM_F_DUMP)
        message.attribute(Int32(IFLA_MASTER), bridge.index)
        return try request(message, "list ports of bridge \(bridge.name)").map { LinkInfo($0) }.filter { $0.master == bridge.index }
    }
}

extension NetlinkMessage {
    /// A request about a bridge's port, with its `ifinfomsg`.
    fileprivate init(bridgePort type: Int, index: Int32) {
        self.init(type: UInt16(type))
        appendLinkHeader(family: UInt8(AF_BRIDGE), index: index)
    }
}
