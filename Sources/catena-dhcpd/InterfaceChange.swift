import CNI
import Linux
import Netlink

/// Brings an interface from one lease to the next. Works in the thread's network namespace.
struct InterfaceChange {
    /// The link's index.
    let index: Int32
    /// Its name, for messages.
    let name: String
    /// The metric of routes; nil for the kernel's.
    let priority: Int?

    /// Whether two leases are alike in all that an interface has of them.
    static func isNone(_ old: Lease, _ new: Lease) -> Bool { old.addresses == new.addresses && old.routes == new.routes }

    /// Takes what an old lease gave, and gives what a new one says; either may be nil. What is there already, or gone already, is no error.
    ///
    /// An old address goes first: a second one in the same network would be removed along with it.
    func apply(from old: Lease?, to new: Lease?) throws(CNIError) {
        do throws(NetlinkError) {
            let socket = try NetlinkSocket.open()
            let kept = new?.routes ?? []
            for route in old?.routes ?? [] where !kept.contains(route) { try socket.deleteRoute(request(route, old)) }
            let former = old?.addresses ?? []
            for address in former where !(new?.addresses ?? []).contains(address) {
                try socket.deleteAddress(address, index: index, name: name)
            }
            guard let new else { return }
            for address in new.addresses where !former.contains(address) { try add(address, socket) }
            // Routes of the old lease went with its address, also those that both have.
            for route in new.routes { try socket.addRoute(request(route, new), replace: true) }
        } catch {
            throw error.cni
        }
    }

    private func add(_ address: IPNetwork, _ socket: NetlinkSocket) throws(NetlinkError) {
        do throws(NetlinkError) {
            // Of IPv6 it was probed.
            try socket.addAddress(address, index: index, name: name, noDAD: true)
        } catch {
            if error.errno != .exists { throw error }
        }
    }

    private func request(_ route: CNIResult.Route, _ lease: Lease?) -> RouteRequest {
        RouteRequest(
            destination: route.destination, gateway: route.gateway ?? (route.scope == nil ? lease?.gateway : nil), link: index,
            scope: route.scope, priority: priority, mtu: route.mtu)
    }
}
