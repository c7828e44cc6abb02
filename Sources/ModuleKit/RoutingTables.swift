import CLinux
import CNI
import Linux
import Netlink

/// The routing tables of the container's namespace: who picks one that is free has the namespace's lock, so that two never pick the same.
public enum RoutingTables {
    /// The numbers that are the kernel's own: default, main, local.
    private static let reserved = 253...255

    /// The lowest number from `first` that is not among `used`, nor the kernel's own.
    public static func free(from first: Int, used: Set<Int>) -> Int {
        var table = first
        while used.contains(table) || reserved.contains(table) { table += 1 }
        return table
    }

    /// The tables that a rule leads to, that have a route, or that are a VRF's.
    public static func used(_ socket: NetlinkSocket) throws(CNIError) -> Set<Int> {
        var used = Set(try attempt(try socket.links()).compactMap { $0.vrfTable })
        for family in [IPAddress.Family.v4, .v6] {
            used.formUnion(try attempt(try socket.rules(family)).map { $0.table })
            used.formUnion(try attempt(try socket.tablesWithRoutes(family)))
        }
        return used
    }
}

extension ModuleCall {
    /// Runs `body` under the lock of the container's namespace: the one that the reference's sbr takes, on the namespace's file, but on
    /// the descriptor that is open anyway, so that no file is made where there is none.
    public func withNamespaceLock<T>(_ body: () throws(CNIError) -> T) throws(CNIError) -> T {
        let namespace = try requireNetns()
        while flock(namespace, LOCK_EX) != 0 {
            if Errno.current != .interrupted { throw CNIError("lock network namespace \(netns): \(Errno.current.text)") }
        }
        defer { flock(namespace, LOCK_UN) }
        return try body()
    }
}
