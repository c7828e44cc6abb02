import CLinux
import CNI

/// An ipvlan link to make: one with the hardware address of its master, and addresses of its own.
public struct IpvlanRequest: Sendable {
    /// Name, master, namespace.
    public var link: StackedLink
    /// At which layer its packets meet the master's. It counts for all such links of the master.
    public var mode: IpvlanMode
    /// How such links of one master reach one another. It counts for all of them.
    public var flag: IpvlanFlag

    /// Makes one of these parts.
    public init(_ link: StackedLink, mode: IpvlanMode, flag: IpvlanFlag) {
        self.link = link
        self.mode = mode
        self.flag = flag
    }
}

/// What the kernel tells of an ipvlan link beyond what all links have.
public struct IpvlanInfo: Sendable {
    /// The mode; nil for one that has no name here.
    public let mode: IpvlanMode?
    /// The flag; nil where the kernel does not tell, as those before 4.15.
    public let flag: IpvlanFlag?

    init(_ data: NetlinkAttributes) {
        mode = data.number(Int32(IFLA_IPVLAN_MODE), as: UInt16.self).flatMap { IpvlanMode(number: $0) }
        flag = data.number(Int32(IFLA_IPVLAN_FLAGS), as: UInt16.self).flatMap { IpvlanFlag(number: $0) }
    }
}

extension NetlinkSocket {
    /// Makes an ipvlan link. As `ip link add link MASTER name NAME netns … type ipvlan mode MODE FLAG`.
    public func createIpvlan(_ ipvlan: IpvlanRequest) throws(NetlinkError) {
        try create(ipvlan.link, kind: "ipvlan") { data in
            data.attribute(Int32(IFLA_IPVLAN_MODE), ipvlan.mode.number)
            data.attribute(Int32(IFLA_IPVLAN_FLAGS), ipvlan.flag.number)
        }
    }
}
