import CNI

/// What a server granted: the contents of its ACK.
public struct DHCPLease: Equatable, Sendable {
    /// The address, with its network's prefix length.
    public let address: IPNetwork
    /// The server that granted it.
    public let server: IPAddress
    /// The hardware address that the ACK came from: the server's, or its relay's.
    public let serverHardware: [UInt8]
    /// When the lease was asked for: it counts from then. Milliseconds of the client's clock.
    public let start: Int
    /// How long it lasts, in milliseconds; nil for ever.
    public let duration: Int?
    /// When to renew (T1) and when to ask any server (T2), in milliseconds from the start.
    public let renewal: (t1: Int, t2: Int)
    /// The ACK, from which all else is read.
    public let ack: DHCPMessage

    /// How long a lease lasts whose server does not say.
    private static let defaultDuration = 3_600_000

    /// Reads a grant. Nil where the ACK gives no address that a host can have, or names no server or mask.
    public init?(_ ack: DHCPMessage, from hardware: [UInt8], start: Int) {
        guard DHCPLease.isUsable(ack.yourAddress), let server = ack.options.address(DHCPOption.serverIdentifier), !server.isUnspecified,
            let prefix = DHCPLease.prefix(ack.options.address(DHCPOption.subnetMask)),
            let address = IPNetwork(ack.yourAddress, prefix: prefix)
        else { return nil }
        self.address = address
        self.server = server
        serverHardware = hardware
        self.start = start
        self.ack = ack
        let seconds = ack.options.number(DHCPOption.leaseTime, as: UInt32.self)
        duration = seconds == UInt32.max ? nil : seconds.map { max(1, Int($0)) * 1000 } ?? DHCPLease.defaultDuration
        renewal = DHCPLease.renewal(ack.options, duration ?? 0)
    }

    /// T1 and T2 as the server says, where they are in order; else half and seven eighths: RFC 2131, section 4.4.5.
    private static func renewal(_ options: DHCPOptions, _ duration: Int) -> (t1: Int, t2: Int) {
        let t2 = options.number(DHCPOption.rebindingTime, as: UInt32.self).map { Int($0) * 1000 }
        let rebinding = t2.flatMap { $0 > 0 && $0 < duration ? $0 : nil } ?? duration / 8 * 7
        let t1 = options.number(DHCPOption.renewalTime, as: UInt32.self).map { Int($0) * 1000 }
        return (t1.flatMap { $0 > 0 && $0 < rebinding ? $0 : nil } ?? min(duration / 2, rebinding), rebinding)
    }

    private static func isUsable(_ address: IPAddress) -> Bool {
        !address.isUnspecified && !address.isLoopback && address.low >> 28 < 14
    }

    /// The length of a mask; nil where its bits are not one run.
    private static func prefix(_ mask: IPAddress?) -> Int? {
        guard let bits = mask.map({ UInt32(truncatingIfNeeded: $0.low) }) else { return nil }
        let ones = (~bits).leadingZeroBitCount
        return ones > 0 && (ones == 32 || bits << UInt32(ones) == 0) ? ones : nil
    }

    /// When the lease ends, by the client's clock; nil for never.
    public var end: Int? { duration.map { start + $0 } }

    /// The gateways, the preferred one first.
    public var routers: [IPAddress] { ack.options.addresses(DHCPOption.routers).filter { !$0.isUnspecified } }

    /// Resolver settings.
    public var dns: CNIResult.DNS {
        let servers = ack.options.addresses(DHCPOption.nameServers).filter { !$0.isUnspecified }.map { $0.text }
        let domain = ack.options.text(DHCPOption.domainName).flatMap { DomainNames.isValid($0) ? $0 : nil }
        return CNIResult.DNS(
            nameservers: servers, domain: domain, search: DomainNames.parse(ack.options[DHCPOption.domainSearch] ?? []))
    }

    /// MTU in bytes; nil where it is not told, or is less than IPv4 has to have.
    public var mtu: Int? { ack.options.number(DHCPOption.interfaceMTU, as: UInt16.self).flatMap { $0 >= 68 ? Int($0) : nil } }

    /// Time servers.
    public var timeServers: [IPAddress] { ack.options.addresses(DHCPOption.timeServers) }

    /// The routes: those of option 121 and no others where it is there (RFC 3442); else those of option 33 and a default route.
    public var routes: [CNIResult.Route] {
        if let value = ack.options[DHCPOption.classlessRoutes], let routes = DHCPLease.classlessRoutes(value) {
            return routes.map { route($0.destination, $0.router) }
        }
        let classful = DHCPLease.classfulRoutes(ack.options.addresses(DHCPOption.staticRoutes))
        return classful.map { route($0.destination, $0.router) } + routers.prefix(1).map { route(.everything(.v4), $0) }
    }

    /// A router of 0.0.0.0 stands for a network that is on the link.
    private func route(_ destination: IPNetwork, _ router: IPAddress) -> CNIResult.Route {
        CNIResult.Route(
            destination: destination, gateway: router.isUnspecified ? nil : router, mtu: mtu, scope: router.isUnspecified ? 253 : nil)
    }

    private static func classlessRoutes(_ value: [UInt8]) -> [(destination: IPNetwork, router: IPAddress)]? {
        var routes: [(destination: IPNetwork, router: IPAddress)] = []
        var rest = value[...]
        while let prefix = rest.first {
            let significant = (Int(prefix) + 7) / 8
            guard prefix <= 32, rest.count >= 5 + significant else { return nil }
            let network = Array(rest.dropFirst().prefix(significant)) + [UInt8](repeating: 0, count: 4 - significant)
            guard let address = IPAddress(bytes: network), let destination = IPNetwork(address, prefix: Int(prefix)),
                let router = IPAddress(bytes: Array(rest.dropFirst(1 + significant).prefix(4)))
            else { return nil }
            routes.append((destination.network, router))
            rest = rest.dropFirst(5 + significant)
        }
        return routes.isEmpty ? nil : routes
    }

    /// Pairs of destination and router; the destination's class is its mask. A default route may not be among them: RFC 2132, section 5.8.
    private static func classfulRoutes(_ addresses: [IPAddress]) -> [(destination: IPNetwork, router: IPAddress)] {
        stride(from: 0, to: addresses.count - 1, by: 2).compactMap { index in
            let address = addresses[index]
            let prefix = address.low >> 31 == 0 ? 8 : address.low >> 30 == 2 ? 16 : address.low >> 29 == 6 ? 24 : 32
            guard !address.isUnspecified, let destination = IPNetwork(address, prefix: prefix) else { return nil }
            return (destination.network, addresses[index + 1])
        }
    }

    /// The lease as an IPAM plugin's result.
    ///
    /// - Parameter priority: the metric of its routes; nil for the kernel's.
    public func result(priority: Int?) -> CNIResult {
        let routes = routes.map { route in
            var route = route
            route.priority = priority
            return route
        }
        return CNIResult(ips: [CNIResult.IP(address: address, gateway: routers.first)], routes: routes, dns: dns)
    }

    /// Whether both are one grant.
    public static func == (left: DHCPLease, right: DHCPLease) -> Bool {
        left.ack == right.ack && left.start == right.start && left.serverHardware == right.serverHardware
    }
}
