import CLinux
import CNI
import Linux

/// Waits for duplicate address detection (RFC 4862, section 5.4) on a link, told by the kernel's messages.
///
/// Made before the addresses are added, so that no message is missed; in the network namespace of the link.
public final class DuplicateAddressDetection {
    private let socket: NetlinkSocket

    /// Subscribes to changes of IPv6 addresses in the thread's network namespace.
    public init() throws(NetlinkError) {
        socket = try NetlinkSocket.open()
        var group = Int32(RTNLGRP_IPV6_IFADDR.rawValue)
        if setsockopt(socket.descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, socklen_t(MemoryLayout<Int32>.size)) != 0 {
            throw NetlinkError(operation: "subscribe to IPv6 address changes", errno: .current)
        }
    }

    /// Waits until no address of the link is tentative. Throws EADDRINUSE where one is a duplicate, and ETIMEDOUT.
    ///
    /// - Parameter reader: a socket in the same namespace, for the question how it stands.
    public func wait(index: Int32, name: String, reader: NetlinkSocket, timeoutMilliseconds: Int) throws(NetlinkError) {
        let deadline = Clock.milliseconds + timeoutMilliseconds
        while true {
            let addresses = try reader.addresses(index: index).filter { $0.address.address.family == .v6 }
            for address in addresses where address.isDuplicate {
                throw NetlinkError(
                    operation: "duplicate address detection of \(address.address.text) on \(name)", errno: Errno(rawValue: EADDRINUSE))
            }
            if !addresses.contains(where: { $0.isTentative }) { return }
            let left = deadline - Clock.milliseconds
            var polled = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
            if left <= 0 || poll(&polled, 1, Int32(clamping: left)) == 0 {
                throw NetlinkError(operation: "wait for duplicate address detection on \(name)", errno: .timedOut)
            }
            drain()
        }
    }

    /// Takes the messages off: only that something changed matters.
    private func drain() {
        var scratch = [UInt8](repeating: 0, count: 8192)
        while scratch.withUnsafeMutableBytes({ recv(socket.descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }) > 0 {}
    }
}
