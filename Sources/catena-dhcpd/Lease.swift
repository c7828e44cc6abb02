import CNI
import DHCP

/// A lease of either family, as far as it is all the same to the daemon.
enum Lease: Equatable {
    case v4(DHCPLease)
    case v6(IPv6Lease)

    /// What the interface gets: the addresses.
    var addresses: [IPNetwork] {
        switch self {
        case .v4(let lease): [lease.address]
        case .v6(let lease): lease.addresses.map { $0.network }
        }
    }

    /// What the interface gets: the routes. Those of IPv6 are the kernel's, of what routers advertise.
    var routes: [CNIResult.Route] {
        switch self {
        case .v4(let lease): lease.routes
        case .v6: []
        }
    }

    /// The default router.
    var gateway: IPAddress? {
        switch self {
        case .v4(let lease): lease.routers.first
        case .v6(let lease): lease.gateway
        }
    }

    /// Who gave it: a server, or a router.
    var giver: IPAddress {
        switch self {
        case .v4(let lease): lease.server
        case .v6(let lease): lease.giver
        }
    }

    /// When it was asked for.
    var start: Int {
        switch self {
        case .v4(let lease): lease.start
        case .v6(let lease): lease.start
        }
    }

    /// When it is to be extended; nil for never.
    var renewal: Int? {
        switch self {
        case .v4(let lease): lease.end.map { _ in lease.start + lease.renewal.t1 }
        case .v6(let lease): lease.grant?.renewal.t1.map { lease.start + $0 }
        }
    }

    /// When it ends; nil for never.
    var end: Int? {
        switch self {
        case .v4(let lease): lease.end
        case .v6(let lease): lease.end
        }
    }

    /// Resolver settings.
    var dns: CNIResult.DNS {
        switch self {
        case .v4(let lease): lease.dns
        case .v6(let lease): lease.dns
        }
    }

    /// As an IPAM plugin's result; `priority` is the metric of its routes.
    func result(priority: Int?) -> CNIResult {
        switch self {
        case .v4(let lease): lease.result(priority: priority)
        case .v6(let lease): lease.result
        }
    }

    /// "10.9.0.5/24", for messages.
    var text: String { addresses.map { $0.text }.joined(separator: ", ") }

    /// "10.9.0.5/24 from 10.9.0.1 for 120 s", for messages.
    var description: String { "\(text) from \(giver.text)\(end.map { " for \(($0 - start) / 1000) s" } ?? "")" }

    /// "10.9.0.5/24, 0.0.0.0/0 via 10.9.0.1": what the interface has of it.
    var configuration: String {
        let texts = routes.map { "\($0.destination.text) via \($0.gateway?.text ?? "the link")" }
        if case .v6 = self { return text }
        return "\(text), \(texts.isEmpty ? "no routes" : texts.joined(separator: ", "))"
    }
}
