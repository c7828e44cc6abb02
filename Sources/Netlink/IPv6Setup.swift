import CLinux
import CNI
import Linux

/// Waits until the kernel has set up a link's IPv6 addresses, told by its messages.
///
/// The kernel answers the request for an address first and sets it up afterwards, in its own time, also where duplicate address detection is
/// off: until then it is deaf to neighbours who look for the address, and a link-local address is tentative and can't be a source.
public enum IPv6Setup {
    /// Waits until all is set up. Usually it is, or is in less than a millisecond. False when the time is over.
    ///
    /// - Parameters:
    ///   - reader: a socket in the link's network namespace.
    ///   - namespace: that namespace, open; nil for the thread's own.
    public static func wait(
        index: Int32, reader: NetlinkSocket, inNamespace namespace: Int32? = nil, timeoutMilliseconds: Int
    ) throws(NetlinkError) -> Bool {
        if try isDone(index, reader) { return true }
        let events = try NetlinkSocket.open(groups: [RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE], inNamespace: namespace)
        let deadline = Clock.milliseconds + timeoutMilliseconds
        while try !isDone(index, reader) {
            if !events.waitForEvent(until: deadline) { return false }
        }
        return true
    }

    private static func isDone(_ index: Int32, _ reader: NetlinkSocket) throws(NetlinkError) -> Bool {
        for info in try reader.addresses(index: index) where info.address.address.family == .v6 && !info.isDuplicate {
            if info.isTentative { return false }
            // The local route comes last. Of a link-local address the flag tells: the same address may be on several links.
            if info.address.address.isLinkLocal { continue }
            if try reader.route(to: info.address.address)?.type != UInt8(RTN_LOCAL) { return false }
        }
        return true
    }
}
