import CLinux
import CNI

/// A macvlan link to make: one with a hardware address of its own, which is in the network of its master.
public struct MacvlanRequest: Sendable {
    /// Name, master, namespace.
    public var link: StackedLink
    /// How such links of one master reach one another.
    public var mode: MacvlanMode
    /// How many broadcast packets may wait for all such links of the master; nil for the kernel's default. Since 5.11.
    public var broadcastQueueLength: UInt32?

    /// Makes one of these parts.
    public init(_ link: StackedLink, mode: MacvlanMode, broadcastQueueLength: UInt32? = nil) {
        self.link = link
        self.mode = mode
        self.broadcastQueueLength = broadcastQueueLength
    }
}

/// What the kernel tells of a macvlan link beyond what all links have.
public struct MacvlanInfo: Sendable {
    /// The mode; nil for one that has no name here.
    public let mode: MacvlanMode?
    /// How many broadcast packets may wait, as was asked for; nil where the kernel does not tell, as those before 5.11.
    public let broadcastQueueLength: UInt32?

    init(_ data: NetlinkAttributes) {
        mode = data.number(Int32(IFLA_MACVLAN_MODE), as: UInt32.self).flatMap { MacvlanMode(number: $0) }
        broadcastQueueLength = data.number(Int32(IFLA_MACVLAN_BC_QUEUE_LEN), as: UInt32.self)
    }
}

extension NetlinkSocket {
    /// Makes a macvlan link. As `ip link add link MASTER name NAME netns … type macvlan mode MODE bcqueuelen LENGTH`.
    public func createMacvlan(_ macvlan: MacvlanRequest) throws(NetlinkError) {
        try create(macvlan.link, kind: "macvlan") { data in
            data.attribute(Int32(IFLA_MACVLAN_MODE), macvlan.mode.number)
            if let length = macvlan.broadcastQueueLength { data.attribute(Int32(IFLA_MACVLAN_BC_QUEUE_LEN), length) }
        }
    }
}
