import CLinux
import CNI
import Linux

/// A route with all that the kernel tells of it, so that it can be put into another table, or back, as it was: metrics, preferred source,
/// several next hops.
public struct StoredRoute: Sendable {
    /// struct rtmsg.
    private let header: ArraySlice<UInt8>
    private let attributes: [(type: UInt16, value: ArraySlice<UInt8>)]
    /// Its next hops; at least one.
    public let hops: [RouteInfo]

    /// The part of a route that leads over one link.
    ///
    /// The kernel joins IPv6 routes to one destination, whatever their links, into one with several next hops, of which each can still be
    /// added and deleted: of such a one there is a route for each hop over the link. Of IPv4 a route is one thing: where it has hops over
    /// other links too it is not the link's.
    static func list(_ reply: NetlinkReply, link: Int32) -> [StoredRoute] {
        let hops = RouteInfo.list(reply)
        if hops.isEmpty || !hops.contains(where: { $0.link == link }) { return [] }
        let all = reply.attributes(after: 12).values.filter { !leftOut.contains(UInt32($0.type)) }
        let header = reply.payload.prefix(12)
        if hops.allSatisfy({ $0.link == link }) { return [StoredRoute(header: header, attributes: all, hops: hops)] }
        if hops[0].destination.address.family == .v4 { return [] }
        let shared = all.filter { ![RTA_MULTIPATH.rawValue, RTA_OIF.rawValue, RTA_GATEWAY.rawValue].contains(UInt32($0.type)) }
        return hops.filter { $0.link == link }.map { hop in
            var own: [(type: UInt16, value: ArraySlice<UInt8>)] = [
                (UInt16(RTA_OIF.rawValue), ArraySlice(withUnsafeBytes(of: link) { Array($0) }))
            ]
            if let gateway = hop.gateway { own.append((UInt16(RTA_GATEWAY.rawValue), ArraySlice(gateway.bytes))) }
            return StoredRoute(header: header, attributes: shared + own, hops: [hop])
        }
    }

    /// What says where the route is and how it has been used, not what it is.
    private static let leftOut = [RTA_TABLE.rawValue, RTA_CACHEINFO.rawValue, RTA_EXPIRES.rawValue]

    /// Its first next hop, and what all of them share: destination, table, metric.
    public var first: RouteInfo { hops[0] }

    /// Whether it was made by the kernel for an address of the link, and is again when the address is.
    public var isConnected: Bool { first.origin == UInt8(RTPROT_KERNEL) && first.gateway == nil }

    /// Whether it leads to link-local addresses, which every link with IPv6 needs.
    public var isLinkLocal: Bool { first.destination.address.isLinkLocal && first.destination.address.family == .v6 }

    /// "10.2.0.0/16 via 10.1.0.1", for errors.
    public var text: String { first.gateway.map { "\(first.destination.text) via \($0.text)" } ?? first.destination.text }

    /// The request that adds or deletes it in a table.
    fileprivate func message(_ type: Int, table: Int, flags: Int32) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        // The table is told by its attribute. Of the flags only "the gateway is on the link" says what the route is; the others are the
        // link's state.
        for (index, byte) in header.prefix(8).enumerated() { message.append(index == 4 ? UInt8(RT_TABLE_UNSPEC.rawValue) : byte) }
        message.append(first.hasOnLinkGateway ? UInt32(RTNH_F_ONLINK) : 0)
        for (type, value) in attributes { message.attribute(Int32(type), bytes: Array(value)) }
        message.attribute(Int32(RTA_TABLE.rawValue), UInt32(clamping: table))
        return message
    }
}

extension NetlinkSocket {
    /// The unicast routes of a family that lead over a link, of one table.
    public func storedRoutes(_ family: IPAddress.Family, link: Int32, table: Int) throws(NetlinkError) -> [StoredRoute] {
        try routeReplies(family, link: link).flatMap { StoredRoute.list($0, link: link) }
            .filter { $0.first.table == table && $0.first.type == UInt8(RTN_UNICAST) }
    }

    /// Puts a route into a table, behind others to the same destination. The same route twice is once.
    public func put(_ route: StoredRoute, table: Int) throws(NetlinkError) {
        do throws(NetlinkError) {
            let message = route.message(RTM_NEWROUTE, table: table, flags: NLM_F_CREATE | NLM_F_APPEND)
            try request(message, "put route \(route.text) into table \(table)")
        } catch {
            if error.errno != .exists { throw error }
        }
    }

    /// Deletes a route. False where it is gone.
    @discardableResult
    public func delete(_ route: StoredRoute) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            let table = route.first.table
            try request(route.message(RTM_DELROUTE, table: table, flags: 0), "delete route \(route.text) from table \(table)")
            return true
        } catch {
            if error.errno == .noProcess || error.errno == .noEntry { return false }
            throw error
        }
    }

    /// The tables that have routes of a family.
    public func tablesWithRoutes(_ family: IPAddress.Family) throws(NetlinkError) -> Set<Int> {
        Set(try routeReplies(family, link: nil).compactMap { RouteInfo.list($0).first?.table })
    }
}
