import CLinux
import CNI
import Linux

/// Waits for duplicate address detection (RFC 4862, section 5.4) on a link, told by the kernel's messages.
///
/// Made before the addresses are added, so that no message is missed; in the network namespace of the link.
public final class DuplicateAddressDetection {
    private let events: NetlinkSocket

    /// Subscribes to changes of IPv6 addresses in the thread's network namespace.
    public init() throws(NetlinkError) {
        events = try NetlinkSocket.open(groups: [RTNLGRP_IPV6_IFADDR])
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
            if !events.waitForEvent(until: deadline) {
                throw NetlinkError(operation: "wait for duplicate address detection on \(name)", errno: .timedOut)
            }
        }
    }
}
