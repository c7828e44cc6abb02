import CNI

/// IPv6 addresses of an interface: what a DHCPv6 server granted, or what a router lets hosts make for themselves (SLAAC, RFC 4862).
public struct IPv6Lease: Equatable, Sendable {
    /// An address, and how long it may be used from the lease's start, in seconds; `UInt32.max` is for ever.
    public struct Address: Equatable, Sendable {
        /// The address, with /128: what is on the link routers say, and the kernel makes the routes. With its network's prefix length there
        /// would be two owners of one route; and when the address's lifetime is set, kernels (6.18) take that route for expired.
        public let network: IPNetwork
        /// How long it is to be used for what is new.
        public let preferred: UInt32
        /// How long it is to be used at all.
        public let valid: UInt32
    }

    /// A router that has advertised itself.
    public struct Router: Equatable, Sendable {
        /// Its link-local address.
        public let address: IPAddress
        /// What it said.
        public let advertisement: RouterAdvertisement

        /// Makes one of these parts.
        public init(_ address: IPAddress, _ advertisement: RouterAdvertisement) {
            self.address = address
            self.advertisement = advertisement
        }
    }

    /// A server's grant.
    public struct Grant: Equatable, Sendable {
        /// Where the server, or its relay, sent it from: a link-local address.
        public let server: IPAddress
        /// The server's DUID.
        public let serverIdentifier: [UInt8]
        /// When the server is to be asked to extend it (T1), and when any server (T2), in milliseconds from the start; nil for never.
        public let renewal: (t1: Int?, t2: Int?)
        /// The server's REPLY.
        public let reply: DHCPv6Message

        /// Whether both are one grant.
        public static func == (left: Grant, right: Grant) -> Bool { left.server == right.server && left.reply == right.reply }
    }

    /// The addresses: at least one.
    public let addresses: [Address]
    /// When they were asked for: milliseconds of the client's clock.
    public let start: Int
    /// What the server granted; nil where the addresses are of a router's network.
    public let grant: Grant?
    /// The router that the interface was told of; nil for none.
    public let router: Router?

    /// Reads a grant. Nil where the REPLY names no server, or gives no address that can be used for a while.
    public init?(_ reply: DHCPv6Message, association identifier: UInt32, from server: IPAddress, router: Router?, start: Int) {
        guard let association = reply.association(identifier), association.status.isSuccess,
            let name = reply.options[DHCPv6Option.serverIdentifier]
        else { return nil }
        let usable = association.addresses.filter { $0.valid > 0 }
        if usable.isEmpty { return nil }
        addresses = usable.map { Address(network: IPNetwork(host: $0.address), preferred: $0.preferred, valid: $0.valid) }
        grant = Grant(server: server, serverIdentifier: name, renewal: IPv6Lease.renewal(association, usable), reply: reply)
        self.router = router
        self.start = start
    }

    /// Addresses of one's own making, with an interface identifier of 64 bits. Nil where the router has no network for them.
    public init?(_ router: Router, identifier: UInt64, start: Int) {
        let made = router.advertisement.autonomousPrefixes.map { prefix in
            let address = IPAddress(family: .v6, high: prefix.network.address.high, low: identifier)
            return Address(network: IPNetwork(host: address), preferred: prefix.preferred, valid: prefix.valid)
        }
        if made.isEmpty { return nil }
        addresses = made
        grant = nil
        self.router = router
        self.start = start
    }

    /// T1 and T2 as the server says; where it leaves them open half and four fifths of the shortest preferred lifetime: RFC 8415, section
    /// 21.4.
    private static func renewal(_ association: IdentityAssociation, _ usable: [IdentityAssociation.Address]) -> (t1: Int?, t2: Int?) {
        let shortest = usable.map { $0.preferred == 0 ? $0.valid : $0.preferred }.min() ?? 0
        let t2 = association.t2 == 0 ? share(shortest, 4, of: 5) : milliseconds(association.t2)
        let t1 = association.t1 == 0 ? share(shortest, 1, of: 2) : milliseconds(association.t1)
        return (t1.map { min($0, t2 ?? $0) }, t2)
    }

    private static func milliseconds(_ seconds: UInt32) -> Int? { seconds == UInt32.max ? nil : Int(seconds) * 1000 }

    private static func share(_ seconds: UInt32, _ part: Int, of parts: Int) -> Int? { milliseconds(seconds).map { $0 / parts * part } }

    /// When the last address ends, by the client's clock; nil for never, and where the kernel sees to it by the router's word.
    public var end: Int? {
        guard grant != nil, let valid = addresses.map({ $0.valid }).max() else { return nil }
        return IPv6Lease.milliseconds(valid).map { start + $0 }
    }

    /// How it came about: "dhcp" or "slaac".
    public var origin: String { grant == nil ? "slaac" : "dhcp" }

    /// Who gave it: the server or the router.
    public var giver: IPAddress { grant?.server ?? router?.address ?? .unspecified(.v6) }

    /// The default router; nil where there is none.
    public var gateway: IPAddress? { router.flatMap { $0.advertisement.lifetime > 0 ? $0.address : nil } }

    /// Resolver settings: the server's, then the router's.
    public var dns: CNIResult.DNS {
        let options = grant?.reply.options
        let advertisement = router?.advertisement
        var servers: [String] = []
        for address in (options?.addresses(DHCPv6Option.nameServers) ?? []) + (advertisement?.nameServers ?? [])
        where !address.isUnspecified && !address.isMulticast && !servers.contains(address.text) {
            servers.append(address.text)
        }
        var search: [String] = []
        let domains = DomainNames.parse(options?[DHCPv6Option.domainList] ?? [], compressed: false)
        for domain in domains + (advertisement?.searchDomains ?? []) where !search.contains(domain) { search.append(domain) }
        return CNIResult.DNS(nameservers: servers, search: search)
    }

    /// The lease as an IPAM plugin's result. It has no routes: the kernel makes them of what routers advertise, for as long as they do.
    public var result: CNIResult {
        CNIResult(ips: addresses.map { CNIResult.IP(address: $0.network, gateway: gateway) }, dns: dns)
    }
}
