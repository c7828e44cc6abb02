import CNI
import Netlink

/// Runs a netlink request, and turns its error into the one that a plugin reports.
@discardableResult
public func attempt<T>(_ request: @autoclosure () throws(NetlinkError) -> T) throws(CNIError) -> T {
    do throws(NetlinkError) { return try request() } catch { throw error.cni }
}
