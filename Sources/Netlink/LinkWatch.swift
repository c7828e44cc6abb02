import CLinux
import Linux

/// Waits for a link's operational state, told by the kernel's messages.
public enum LinkWatch {
    /// Waits until the link is operationally up: a veth is when both its ends are up and the kernel has noticed, which it does on its own
    /// time. Usually it has, and one question is all. Throws ENETDOWN when the time is over.
    ///
    /// - Parameter socket: a socket of the thread's own network namespace.
    public static func waitUntilOperational(_ name: String, socket: NetlinkSocket, timeoutMilliseconds: Int) throws(NetlinkError) {
        if try isOperational(name, socket) { return }
        let events = try NetlinkSocket.open(groups: [RTNLGRP_LINK])
        let deadline = Clock.milliseconds + timeoutMilliseconds
        while try !isOperational(name, socket) {
            if !events.waitForEvent(until: deadline) {
                throw NetlinkError(operation: "wait for link \(name) to come up", errno: Errno(rawValue: ENETDOWN))
            }
        }
    }

    private static func isOperational(_ name: String, _ socket: NetlinkSocket) throws(NetlinkError) -> Bool {
        guard let link = try socket.link(named: name) else { throw NetlinkError(operation: "wait for link \(name)", errno: .noDevice) }
        return link.isOperational
    }
}
