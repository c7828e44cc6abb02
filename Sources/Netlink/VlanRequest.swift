import CLinux
import CNI

/// A VLAN link to make: frames of its master that carry a tag.
public struct VlanRequest: Sendable {
    /// Name, master, namespace.
    public var link: StackedLink
    /// The VLAN's number: 0 to 4094.
    public var id: UInt16
    /// Which tag.
    public var `protocol`: VlanProtocol

    /// Makes one of these parts.
    public init(_ link: StackedLink, id: UInt16, protocol: VlanProtocol) {
        self.link = link
        self.id = id
        self.protocol = `protocol`
    }
}

/// What the kernel tells of a VLAN link beyond what all links have.
public struct VlanInfo: Sendable {
    /// The VLAN's number.
    public let id: UInt16
    /// Which tag; nil for one that has no name here.
    public let `protocol`: VlanProtocol?

    /// Nil where the message is cut short.
    init?(_ data: NetlinkAttributes) {
        guard let id = data.number(Int32(IFLA_VLAN_ID), as: UInt16.self) else { return nil }
        self.id = id
        `protocol` = data.number(Int32(IFLA_VLAN_PROTOCOL), as: UInt16.self).flatMap { VlanProtocol(number: UInt16(bigEndian: $0)) }
    }
}

extension NetlinkSocket {
    /// Makes a VLAN link. As `ip link add link MASTER name NAME netns … type vlan protocol PROTOCOL id ID`. Fails with EEXIST also where
    /// the master has a link for this VLAN already, in whatever namespace that is.
    public func createVlan(_ vlan: VlanRequest) throws(NetlinkError) {
        try create(vlan.link, kind: "vlan") { data in
            data.attribute(Int32(IFLA_VLAN_ID), vlan.id)
            data.attribute(Int32(IFLA_VLAN_PROTOCOL), vlan.protocol.number.bigEndian)
        }
    }
}
