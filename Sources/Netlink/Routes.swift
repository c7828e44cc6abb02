import CLinux
import CNI
import Linux

/// A route to add or to delete.
public struct RouteRequest: Sendable {
    /// Where it leads to.
    public var destination: IPNetwork
    /// The next hop; nil for a route that is on the link.
    public var gateway: IPAddress?
    /// The link's index.
    public var link: Int32
    /// The source address that the kernel shall prefer.
    public var source: IPAddress?
    /// The table; nil is main.
    public var table: Int?
    /// The scope as rtnetlink(7) numbers it; nil is universe with a gateway or for IPv6, link without.
    public var scope: Int?
    /// The metric: of two routes to one destination the lower one counts.
    public var priority: Int?
    /// MTU in bytes.
    public var mtu: Int?
    /// The MSS to advertise, in bytes.
    public var advertisedMSS: Int?

    /// Makes one of these parts.
    public init(
        destination: IPNetwork, gateway: IPAddress? = nil, link: Int32, source: IPAddress? = nil, table: Int? = nil, scope: Int? = nil,
        priority: Int? = nil, mtu: Int? = nil, advertisedMSS: Int? = nil
    ) {
        self.destination = destination
        self.gateway = gateway
        self.link = link
        self.source = source
        self.table = table
        self.scope = scope
        self.priority = priority
        self.mtu = mtu
        self.advertisedMSS = advertisedMSS
    }

    /// "10.2.0.0/16 via 10.1.0.1", for errors.
    var text: String { gateway.map { "\(destination.text) via \($0.text)" } ?? destination.text }

    /// What adding it is called, for errors.
    var addition: String { "add route \(text) on link number \(link)" }
}

/// A route as the kernel describes it: RTM_NEWROUTE of rtnetlink(7).
public struct RouteInfo: Sendable {
    /// Where it leads to.
    public let destination: IPNetwork
    /// The next hop.
    public let gateway: IPAddress?
    /// The outgoing link's index.
    public let link: Int32?
    /// The routing table.
    public let table: Int
    /// The scope as rtnetlink(7) numbers it.
    public let scope: Int
    /// The metric: of two routes to one destination the lower one counts.
    public let priority: Int
    /// The preferred source address.
    public let source: IPAddress?
    /// The kind, RTN_…: 1 is unicast, 2 local.
    public let type: UInt8
    /// Who made it, RTPROT_…: 2 is the kernel, which does for an address; 9 a router's advertisement.
    public let origin: UInt8
    /// Whether the gateway counts as on the link whatever routes say.
    public let hasOnLinkGateway: Bool

    /// The routes of a message: one for each next hop, since the kernel joins IPv6 routes to one destination into one with several. Empty
    /// for another family than IPv4 and IPv6.
    static func list(_ reply: NetlinkReply) -> [RouteInfo] {
        let attributes = reply.attributes(after: 12)
        guard let hops = attributes[Int32(RTA_MULTIPATH.rawValue)] else {
            return RouteInfo(reply, attributes, hop: attributes).map { [$0] } ?? []
        }
        var routes: [RouteInfo] = []
        var rest = hops
        // struct rtnexthop: length, flags, hops, index; then the hop's attributes.
        while rest.count >= 8 {
            let length = Int(rest.number(at: 0, as: UInt16.self))
            guard length >= 8, length <= rest.count else { break }
            let index = Int32(bitPattern: rest.number(at: 4, as: UInt32.self))
            if let route = RouteInfo(reply, attributes, hop: NetlinkAttributes(rest.prefix(length).dropFirst(8)), link: index) {
                routes.append(route)
            }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return routes
    }

    private init?(_ reply: NetlinkReply, _ attributes: NetlinkAttributes, hop: NetlinkAttributes, link index: Int32? = nil) {
        let family: IPAddress.Family
        switch Int32(reply.number(at: 0, as: UInt8.self)) {
        case AF_INET: family = .v4
        case AF_INET6: family = .v6
        default: return nil
        }
        func address(_ attributes: NetlinkAttributes, _ type: UInt32) -> IPAddress? {
            attributes[Int32(type)].flatMap { IPAddress(bytes: Array($0)) }
        }
        guard
            let network = IPNetwork(
                address(attributes, RTA_DST.rawValue) ?? .unspecified(family), prefix: Int(reply.number(at: 1, as: UInt8.self)))
        else { return nil }
        destination = network
        gateway = address(hop, RTA_GATEWAY.rawValue)
        source = address(attributes, RTA_PREFSRC.rawValue)
        link = index ?? attributes.number(Int32(RTA_OIF.rawValue), as: UInt32.self).map { Int32(bitPattern: $0) }
        table = Int(attributes.number(Int32(RTA_TABLE.rawValue), as: UInt32.self) ?? UInt32(reply.number(at: 4, as: UInt8.self)))
        scope = Int(reply.number(at: 6, as: UInt8.self))
        type = reply.number(at: 7, as: UInt8.self)
        origin = reply.number(at: 5, as: UInt8.self)
        hasOnLinkGateway = reply.number(at: 8, as: UInt32.self) & UInt32(RTNH_F_ONLINK) != 0
        priority = Int(attributes.number(Int32(RTA_PRIORITY.rawValue), as: UInt32.self) ?? 0)
    }
}

extension NetlinkSocket {
    /// Adds a route. Fails with EEXIST where the very same one is there, unless `replace` is set; one to the same destination by another way
    /// goes before those that are there. As `ip route prepend …` or `replace`.
    public func addRoute(_ route: RouteRequest, replace: Bool = false) throws(NetlinkError) {
        try request(newRoute(route, replace: replace), route.addition)
    }

    func newRoute(_ route: RouteRequest, replace: Bool = false) -> NetlinkMessage {
        routeMessage(route, flags: NLM_F_CREATE | (replace ? NLM_F_REPLACE : 0))
    }

    /// Deletes a route. False where there is none such. As `ip route del …`.
    @discardableResult
    public func deleteRoute(_ route: RouteRequest) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            try request(routeMessage(route, flags: 0, type: RTM_DELROUTE), "delete route \(route.text) on link number \(route.link)")
            return true
        } catch {
            if error.errno.rawValue == ESRCH || error.errno == .noDevice { return false }
            throw error
        }
    }

    /// The routes of a family over a link, of all tables; without a link, over all.
    public func routes(_ family: IPAddress.Family, link: Int32? = nil) throws(NetlinkError) -> [RouteInfo] {
        try routeReplies(family, link: link).flatMap { RouteInfo.list($0) }.filter { link == nil || $0.link == link }
    }

    /// The addresses that a table has local routes for over a link: those that the link has.
    func localRoutes(_ family: IPAddress.Family, link: Int32, table: Int) throws(NetlinkError) -> [IPAddress] {
        try routes(family, link: link).filter { $0.type == UInt8(RTN_LOCAL) && $0.table == table }.map { $0.destination.address }
    }

    /// The kernel's list of routes: of all links, or of one, where some of another may be among them.
    func routeReplies(_ family: IPAddress.Family, link: Int32?) throws(NetlinkError) -> [NetlinkReply] {
        var message = NetlinkMessage(type: UInt16(RTM_GETROUTE), flags: NLM_F_DUMP)
        message.appendRouteHeader(family: family.number)
        if let link { message.attribute(Int32(RTA_OIF.rawValue), link) }
        return try request(message, "list routes" + (link.map { " of link number \($0)" } ?? ""))
    }

    /// The route that the kernel would take to an address; nil where there is none. As `ip route get ADDRESS`.
    ///
    /// - Parameter flags: RTM_F_…, rtnetlink(7): with RTM_F_FIB_MATCH the answer is the table's route, not one to the address.
    public func route(to address: IPAddress, flags: UInt32 = 0) throws(NetlinkError) -> RouteInfo? {
        var message = NetlinkMessage(type: UInt16(RTM_GETROUTE), acknowledged: false)
        message.appendRouteHeader(family: address.family.number, prefix: UInt8(address.family.bits), flags: flags)
        message.attribute(Int32(RTA_DST.rawValue), bytes: address.bytes)
        do throws(NetlinkError) {
            return try request(message, "look up the route to \(address.text)").first.flatMap { RouteInfo.list($0).first }
        } catch {
            if error.errno.rawValue == ENETUNREACH || error.errno.rawValue == EHOSTUNREACH { return nil }
            throw error
        }
    }

    private func routeMessage(_ route: RouteRequest, flags: Int32, type: Int = RTM_NEWROUTE) -> NetlinkMessage {
        let family = route.destination.address.family
        let onLink = route.gateway == nil && family == .v4
        let scope = route.scope ?? (onLink ? Int(RT_SCOPE_LINK.rawValue) : Int(RT_SCOPE_UNIVERSE.rawValue))
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        message.appendRouteHeader(
            family: family.number, prefix: UInt8(route.destination.prefix), scope: UInt8(truncatingIfNeeded: scope),
            adding: type == RTM_NEWROUTE)
        message.attribute(Int32(RTA_DST.rawValue), bytes: route.destination.networkAddress.bytes)
        message.attribute(Int32(RTA_OIF.rawValue), route.link)
        if let gateway = route.gateway { message.attribute(Int32(RTA_GATEWAY.rawValue), bytes: gateway.bytes) }
        if let source = route.source { message.attribute(Int32(RTA_PREFSRC.rawValue), bytes: source.bytes) }
        message.attribute(Int32(RTA_TABLE.rawValue), UInt32(clamping: route.table ?? Int(RT_TABLE_MAIN.rawValue)))
        if let priority = route.priority { message.attribute(Int32(RTA_PRIORITY.rawValue), UInt32(clamping: priority)) }
        if route.mtu != nil || route.advertisedMSS != nil {
            message.nested(Int32(RTA_METRICS.rawValue)) { metrics in
                if let mtu = route.mtu { metrics.attribute(Int32(RTAX_MTU), UInt32(clamping: mtu)) }
                if let mss = route.advertisedMSS { metrics.attribute(Int32(RTAX_ADVMSS), UInt32(clamping: mss)) }
            }
        }
        return message
    }
}

extension NetlinkMessage {
    /// struct rtmsg: family, prefix lengths, TOS, table, protocol, scope, type, flags. The table is told by RTA_TABLE.
    mutating func appendRouteHeader(family: UInt8, prefix: UInt8 = 0, scope: UInt8 = 0, adding: Bool = false, flags: UInt32 = 0) {
        append(family)
        append(prefix)
        append(UInt8(0))
        append(UInt8(0))
        append(UInt8(RT_TABLE_UNSPEC.rawValue))
        append(adding ? UInt8(RTPROT_BOOT) : UInt8(0))
        append(scope)
        append(adding ? UInt8(RTN_UNICAST) : UInt8(0))
        append(flags)
    }
}
