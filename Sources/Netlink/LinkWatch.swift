import CLinux
import Linux

/// Waits for a link's operational state, told by the kernel's messages.
public enum LinkWatch {
    /// Waits until the link is operationally up: a veth is when both its ends are up and the kernel has noticed, which it does on its own
    /// time. Usually it has, and one question is all. Returns the link as it is then; throws ENETDOWN when the time is over.
    ///
    /// - Parameter socket: a socket of the thread's own network namespace.
    @discardableResult
    public static func waitUntilOperational(
        _ name: String, socket: NetlinkSocket, timeoutMilliseconds: Int
    ) throws(NetlinkError) -> LinkInfo {
        var link = try look(name, socket)
        if link.isOperational { return link }
        let events = try NetlinkSocket.open(groups: [RTNLGRP_LINK])
        let deadline = Clock.milliseconds + timeoutMilliseconds
        link = try look(name, socket)
        while !link.isOperational {
            if !events.waitForEvent(until: deadline) {
                throw NetlinkError(operation: "wait for link \(name) to come up", errno: Errno(rawValue: ENETDOWN))
            }
            link = try look(name, socket)
        }
        return link
    }

    private static func look(_ name: String, _ socket: NetlinkSocket) throws(NetlinkError) -> LinkInfo {
        guard let link = try socket.link(named: name) else { throw NetlinkError(operation: "wait for link \(name)", errno: .noDevice) }
        return link
    }
}
