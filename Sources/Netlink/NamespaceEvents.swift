import CLinux
import CNI
import Linux

/// What happens to links, and their IPv6 addresses, in all network namespaces that this one has a number for, and to the namespaces: one
/// socket for thousands of them, which keeps none of them alive. See NETLINK_LISTEN_ALL_NSID in netlink(7).
public final class NamespaceEvents {
    /// What has happened.
    public enum Event: Sendable {
        /// A link is new or has changed. The namespace's number is -1 for the own one.
        case changed(namespace: Int32, LinkInfo)
        /// An IPv6 address is new or has changed.
        case address(namespace: Int32, AddressInfo)
        /// A link is gone: deleted, or moved elsewhere.
        case gone(namespace: Int32, index: Int32)
        /// A namespace is gone, and all links with it.
        case namespaceGone(Int32)
        /// More happened than the kernel could tell: everything has to be looked at again.
        case missed
    }

    private let socket: NetlinkSocket
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

    /// The descriptor, to wait on.
    public var descriptor: Int32 { socket.descriptor }

    /// Subscribes, in the thread's network namespace.
    public init() throws(NetlinkError) {
        socket = try NetlinkSocket.open(groups: [RTNLGRP_LINK, RTNLGRP_NSID, RTNLGRP_IPV6_IFADDR])
        if clinux_netlink_listen_all(socket.descriptor) != 0 {
            throw NetlinkError(operation: "subscribe to all network namespaces", errno: .current)
        }
    }

    /// What has happened since the last call; does not wait.
    public func take() -> [Event] {
        var events: [Event] = []
        while true {
            var namespace: Int32 = -1
            let count = buffer.withUnsafeMutableBytes {
                clinux_receive_netlink_event(descriptor, $0.baseAddress, $0.count, &namespace)
            }
            if count < 0 {
                if Errno.current == .interrupted { continue }
                if Errno.current.rawValue == ENOBUFS {
                    events.append(.missed)
                    continue
                }
                return events
            }
            append(buffer[0..<min(count, buffer.count)], namespace, to: &events)
        }
    }

    private func append(_ datagram: ArraySlice<UInt8>, _ namespace: Int32, to events: inout [Event]) {
        var rest = datagram
        while rest.count >= NetlinkMessage.headerLength {
            let length = Int(rest.number(at: 0, as: UInt32.self))
            guard length >= NetlinkMessage.headerLength, length <= rest.count else { return }
            let reply = NetlinkReply(
                type: rest.number(at: 4, as: UInt16.self), payload: rest.prefix(length).dropFirst(NetlinkMessage.headerLength))
            if let event = event(reply, namespace) { events.append(event) }
            rest = rest.dropFirst((length + 3) & ~3)
        }
    }

    private func event(_ reply: NetlinkReply, _ namespace: Int32) -> Event? {
        switch Int(reply.type) {
        // AF_BRIDGE messages tell of a bridge's ports, not of links.
        case RTM_NEWLINK: return reply.number(at: 0, as: UInt8.self) == 0 ? .changed(namespace: namespace, LinkInfo(reply)) : nil
        case RTM_NEWADDR: return AddressInfo(reply).map { .address(namespace: namespace, $0) }
        case RTM_DELLINK:
            guard reply.number(at: 0, as: UInt8.self) == 0 else { return nil }
            return .gone(namespace: namespace, index: Int32(bitPattern: reply.number(at: 4, as: UInt32.self)))
        case RTM_DELNSID:
            return reply.attributes(after: 1).number(Int32(NETNSA_NSID), as: UInt32.self).map {
                .namespaceGone(Int32(bitPattern: $0))
            }
        default: return nil
        }
    }
}
