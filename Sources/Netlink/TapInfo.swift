import CLinux

/// What the kernel tells of a tun or tap device beyond what all links have.
public struct TapInfo: Sendable {
    /// Whether it is a tap: frames; else tun: packets.
    public let isTap: Bool
    /// Whether it has several queues.
    public let multiQueue: Bool
    /// The user who may attach to it; nil for no one.
    public let owner: UInt32?
    /// The group whose members may attach to it; nil for none.
    public let group: UInt32?

    /// Nil where the kernel tells nothing, as those before 4.18.
    init?(_ data: NetlinkAttributes) {
        guard let type = data.number(Int32(IFLA_TUN_TYPE), as: UInt8.self) else { return nil }
        isTap = Int32(type) == IFF_TAP
        multiQueue = data.number(Int32(IFLA_TUN_MULTI_QUEUE), as: UInt8.self) ?? 0 != 0
        owner = data.number(Int32(IFLA_TUN_OWNER), as: UInt32.self)
        group = data.number(Int32(IFLA_TUN_GROUP), as: UInt32.self)
    }
}
