import CLinux
import CNI
import Linux

/// What the kernel tells of a tun or tap device beyond what all links have. Kernels before 4.18 tell nothing.
public struct TapInfo: Sendable {
    /// Whether it is a tap: frames; else tun: packets.
    public let isTap: Bool?
    /// Whether it has several queues.
    public let multiQueue: Bool?
    /// The user who may attach to it.
    public let owner: UInt32?
    /// The group whose members may attach to it.
    public let group: UInt32?
    /// Whether the kernel tells any of this.
    public var isKnown: Bool { isTap != nil }

    init(_ reply: NetlinkReply) {
        let data = reply.attributes(after: 16).nested(Int32(IFLA_LINKINFO)).nested(Int32(IFLA_INFO_DATA))
        isTap = data.number(Int32(IFLA_TUN_TYPE), as: UInt8.self).map { Int32($0) == IFF_TAP }
        multiQueue = data.number(Int32(IFLA_TUN_MULTI_QUEUE), as: UInt8.self).map { $0 != 0 }
        owner = data.number(Int32(IFLA_TUN_OWNER), as: UInt32.self)
        group = data.number(Int32(IFLA_TUN_GROUP), as: UInt32.self)
    }
}

extension NetlinkSocket {
    /// What the kernel tells of a tap device; nil where there is no link of this index.
    public func tap(index: Int32) throws(NetlinkError) -> TapInfo? {
        do throws(NetlinkError) {
            return try request(NetlinkMessage(link: RTM_GETLINK, index: index), "look up tap number \(index)").first.map { TapInfo($0) }
        } catch {
            if error.errno == .noDevice { return nil }
            throw error
        }
    }

    /// Sets MTU, hardware address and bridge of a link in one message; nil leaves one as it is.
    public func setUpTap(index: Int32, name: String, mtu: Int?, mac: MACAddress?, master: Int32?) throws(NetlinkError) {
        var message = NetlinkMessage(link: RTM_NEWLINK, index: index)
        var parts: [String] = []
        if let mtu {
            message.attribute(Int32(IFLA_MTU), UInt32(clamping: mtu))
            parts.append("mtu \(mtu)")
        }
        if let mac {
            message.attribute(Int32(IFLA_ADDRESS), bytes: mac.bytes)
            parts.append("address \(mac.text)")
        }
        if let master {
            message.attribute(Int32(IFLA_MASTER), master)
            parts.append("master number \(master)")
        }
        if !parts.isEmpty { try request(message, "set \(parts.joined(separator: ", ")) on \(name)") }
    }
}
