import CLinux
import CNI

/// A network interface as the kernel describes it: RTM_NEWLINK of rtnetlink(7).
public struct LinkInfo: Sendable {
    /// The index: what the kernel knows it by.
    public let index: Int32
    /// The name.
    public let name: String
    /// The kind of a virtual link: "veth", "bridge"; nil for a device.
    public let kind: String?
    /// The hardware address.
    public let mac: MACAddress?
    /// MTU in bytes.
    public let mtu: Int
    /// IFF_… flags, netdevice(7).
    public let flags: UInt32
    /// The index of the bridge (or bond, VRF) that it belongs to.
    public let master: Int32?
    /// IFLA_LINK: the other end of a veth, the parent of a macvlan. The index may be one of another namespace.
    public let link: Int32?
    /// The operational state as RFC 2863 numbers it: 6 is up.
    public let operState: UInt8
    /// The text that someone gave it (`ip link set NAME alias TEXT`); nil for none.
    public let alias: String?
    /// A bridge port's hairpin mode; nil where it is no bridge port.
    public let hairpin: Bool?
    /// A bridge port's isolation; nil where it is no bridge port.
    public let isolated: Bool?
    /// What a bridge is; nil for another kind.
    public let bridge: BridgeInfo?
    /// What a tun or tap device is; nil for another kind, and where the kernel does not tell.
    public let tap: TapInfo?
    /// What a macvlan is; nil for another kind.
    public let macvlan: MacvlanInfo?
    /// What an ipvlan is; nil for another kind.
    public let ipvlan: IpvlanInfo?
    /// What a VLAN link is; nil for another kind.
    public let vlan: VlanInfo?

    /// How many packets may wait to be sent.
    public let txQueueLength: Int
    /// A VRF's routing table; nil for another kind.
    public let vrfTable: Int?

    /// Administratively up.
    public var isUp: Bool { flags & UInt32(IFF_UP.rawValue) != 0 }
    /// Up and able to carry packets.
    public var isOperational: Bool { operState == UInt8(IF_OPER_UP) }
    /// The loopback interface.
    public var isLoopback: Bool { flags & UInt32(IFF_LOOPBACK.rawValue) != 0 }
    /// Promiscuous mode as a person set it.
    public var isPromiscuous: Bool { flags & UInt32(IFF_PROMISC.rawValue) != 0 }

    /// Whether a person set it to receive all multicast packets.
    public var isAllMulticast: Bool { flags & UInt32(IFF_ALLMULTI.rawValue) != 0 }

    init(_ reply: NetlinkReply) {
        let attributes = reply.attributes(after: 16)
        func signed(_ type: Int) -> Int32? { attributes.number(Int32(type), as: UInt32.self).map { Int32(bitPattern: $0) } }
        index = Int32(bitPattern: reply.number(at: 4, as: UInt32.self))
        flags = reply.number(at: 8, as: UInt32.self)
        name = attributes.text(Int32(IFLA_IFNAME)) ?? ""
        mac = attributes[Int32(IFLA_ADDRESS)].flatMap { MACAddress(bytes: Array($0)) }
        mtu = Int(attributes.number(Int32(IFLA_MTU), as: UInt32.self) ?? 0)
        master = signed(IFLA_MASTER)
        link = signed(IFLA_LINK)
        alias = attributes.text(Int32(IFLA_IFALIAS)).flatMap { $0.isEmpty ? nil : $0 }
        operState = attributes.number(Int32(IFLA_OPERSTATE), as: UInt8.self) ?? 0
        let info = attributes.nested(Int32(IFLA_LINKINFO))
        kind = info.text(Int32(IFLA_INFO_KIND))
        txQueueLength = Int(attributes.number(Int32(IFLA_TXQLEN), as: UInt32.self) ?? 0)
        let data = info.nested(Int32(IFLA_INFO_DATA))
        bridge = kind == "bridge" ? BridgeInfo(data) : nil
        tap = kind == "tun" ? TapInfo(data) : nil
        macvlan = kind == "macvlan" ? MacvlanInfo(data) : nil
        ipvlan = kind == "ipvlan" ? IpvlanInfo(data) : nil
        vlan = kind == "vlan" ? VlanInfo(data) : nil
        vrfTable = kind == "vrf" ? data.number(Int32(IFLA_VRF_TABLE), as: UInt32.self).map { Int($0) } : nil
        let isPort = info.text(Int32(IFLA_INFO_SLAVE_KIND)) == "bridge"
        let port = info.nested(Int32(IFLA_INFO_SLAVE_DATA))
        hairpin = isPort ? port.number(Int32(IFLA_BRPORT_MODE), as: UInt8.self).map { $0 != 0 } : nil
        isolated = isPort ? port.number(Int32(IFLA_BRPORT_ISOLATED), as: UInt8.self).map { $0 != 0 } : nil
    }
}
