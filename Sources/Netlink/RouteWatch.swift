import CLinux
import CNI
import Linux

/// Waits for the kernel's own routes to IPv6 addresses of a link, told by the kernel's messages: an address is usable when they are there.
///
/// Made before what brings the addresses about, so that no message is missed; in the network namespace of the link.
public final class RouteWatch {
    private let events: NetlinkSocket

    /// Subscribes to changes of IPv6 routes in the thread's network namespace.
    public init() throws(NetlinkError) { events = try NetlinkSocket.open(groups: [RTNLGRP_IPV6_ROUTE]) }

    /// Waits until a table has the local routes of these addresses. Throws ETIMEDOUT, and EADDRINUSE where an address is a duplicate.
    ///
    /// - Parameter reader: a socket in the same namespace, for the question how it stands.
    public func wait(
        for addresses: [IPAddress], link: Int32, table: Int, reader: NetlinkSocket, timeoutMilliseconds: Int
    ) throws(NetlinkError) {
        let deadline = Clock.milliseconds + timeoutMilliseconds
        while true {
            // Usually all are there, and one question is enough.
            let present = addresses.isEmpty ? [] : try reader.localRoutes(.v6, link: link, table: table)
            guard let missing = addresses.first(where: { !present.contains($0) }) else { return }
            if try reader.addresses(index: link).contains(where: { $0.address.address == missing && $0.isDuplicate }) {
                throw NetlinkError(operation: "duplicate address detection of \(missing.text)", errno: Errno(rawValue: EADDRINUSE))
            }
            if !events.waitForEvent(until: deadline) {
                throw NetlinkError(operation: "wait for the route to \(missing.text) in table \(table)", errno: .timedOut)
            }
        }
    }
}
