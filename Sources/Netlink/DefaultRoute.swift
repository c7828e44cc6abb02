import CLinux
import CNI

extension NetlinkSocket {
    /// The index of the link that the first default route of the main table leads over, IPv4 before IPv6; nil where there is none.
    ///
    /// The table is not listed where the kernel can tell which of its routes leads to an address that no other route is for: that costs the
    /// same with however many routes.
    public func defaultRouteLink() throws(NetlinkError) -> Int32? {
        for family in [IPAddress.Family.v4, .v6] {
            if let link = lookedUpDefaultRoute(family) { return link }
            if let link = try listedDefaultRoute(family) { return link }
        }
        return nil
    }

    /// Nil where the kernel chose another route, or none, or does not tell.
    private func lookedUpDefaultRoute(_ family: IPAddress.Family) -> Int32? {
        // 240.0.0.0/4 is reserved (RFC 1112, section 4), 4000::/3 unassigned (RFC 4291, section 2.4). IPv6 always tells the table.
        let flags = UInt32(RTM_F_FIB_MATCH) | (family == .v4 ? UInt32(RTM_F_LOOKUP_TABLE) : 0)
        guard let address = IPAddress(family == .v4 ? "240.0.0.1" : "4000::1"), let route = try? route(to: address, flags: flags) else {
            return nil
        }
        return route.isDefault ? route.link : nil
    }

    private func listedDefaultRoute(_ family: IPAddress.Family) throws(NetlinkError) -> Int32? {
        try routes(family).first { $0.isDefault }?.link
    }
}

extension RouteInfo {
    /// A default route of the main table that leads somewhere.
    fileprivate var isDefault: Bool { destination.isEverything && table == Int(RT_TABLE_MAIN.rawValue) && type == UInt8(RTN_UNICAST) }
}
