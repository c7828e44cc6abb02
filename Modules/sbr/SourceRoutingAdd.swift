import ModuleKit

/// One ADD of sbr, step by step; rules and routes are as before when a later step fails.
struct SourceRoutingAdd {
    /// The lowest number of a table that is ours, as in the reference.
    static let firstTable = 100
    private static let main = 254

    private let call: ModuleCall
    private let config: SourceRoutingConfig
    private let socket: NetlinkSocket
    private let link: LinkInfo
    private var rules: [(source: IPAddress, table: Int)] = []
    private var moved: [StoredRoute] = []

    init(_ call: ModuleCall, _ config: SourceRoutingConfig) throws(CNIError) {
        self.call = call
        self.config = config
        socket = try call.containerNetlink()
        link = try call.requireInterface()
    }

    mutating func run(_ ips: [CNIResult.IP]) throws(CNIError) {
        do throws(CNIError) {
            if let table = config.table {
                for ip in ips { try addRule(ip.address.address, table) }
                return
            }
            var used = try RoutingTables.used(socket)
            let routes = try SourceRoutingAdd.mainRoutes(socket, link)
            for ip in ips {
                let table = RoutingTables.free(from: SourceRoutingAdd.firstTable, used: used)
                used.insert(table)
                // The rule last: before it nothing asks the table.
                rules.append((ip.address.address, table))
                try fill(table, for: ip, from: routes)
                try attempt(try socket.addRule(from: ip.address.address, table: table))
            }
            try clearMain(routes, ips)
        } catch {
            undo()
            throw error
        }
    }

    private mutating func addRule(_ source: IPAddress, _ table: Int) throws(CNIError) {
        try attempt(try socket.addRule(from: source, table: table))
        rules.append((source, table))
    }

    /// The routes of table main over the link, those without a gateway first: the gateways of others are reached by them. The way to
    /// link-local addresses stays where it is.
    static func mainRoutes(_ socket: NetlinkSocket, _ link: LinkInfo) throws(CNIError) -> [StoredRoute] {
        var routes: [StoredRoute] = []
        for family in [IPAddress.Family.v4, .v6] {
            routes += try attempt(try socket.storedRoutes(family, link: link.index, table: main)).filter { !$0.isLinkLocal }
        }
        return routes.filter { $0.first.gateway == nil } + routes.filter { $0.first.gateway != nil }
    }

    /// Copies what concerns an address into its table, and sees to a default route there.
    private func fill(_ table: Int, for ip: CNIResult.IP, from routes: [StoredRoute]) throws(CNIError) {
        let family = ip.address.address.family
        let configured = config.gateway(family)
        var hasDefault = false
        for route in routes where SourceRoutingAdd.concerns(route, ip.address) {
            let isDefault = route.first.destination.isEverything
            if isDefault && configured != nil { continue }
            hasDefault = hasDefault || isDefault
            try attempt(try socket.put(route, table: table))
        }
        if hasDefault { return }
        guard let gateway = configured ?? ip.gateway else { return }
        let request = RouteRequest(destination: .everything(family), gateway: gateway, link: link.index, table: table)
        try attempt(try socket.addRoute(request))
    }

    /// Whether a route is one for packets from this address: by its preferred source or its gateway, or because it has neither.
    private static func concerns(_ route: StoredRoute, _ address: IPNetwork) -> Bool {
        guard route.first.destination.address.family == address.address.family else { return false }
        let source = route.first.source
        let gateways = route.hops.compactMap { $0.gateway }
        if source == nil && gateways.isEmpty { return true }
        return source.map { address.contains($0) } ?? false || gateways.contains { address.contains($0) || $0.isLinkLocal }
    }

    /// Takes the routes out of table main: all, or with hints those that are not to subnets.
    private mutating func clearMain(_ routes: [StoredRoute], _ ips: [CNIResult.IP]) throws(CNIError) {
        // Those over gateways go first: the others lead to the gateways.
        for route in routes.reversed() where !(config.addSourceHints && route.first.gateway == nil && !route.first.destination.isEverything)
        {
            try attempt(try socket.delete(route))
            moved.append(route)
        }
        if config.addSourceHints { try addHints(routes, ips) }
    }

    /// Has the routes to the subnets prefer the addresses as source: of several in one subnet the first.
    private mutating func addHints(_ routes: [StoredRoute], _ ips: [CNIResult.IP]) throws(CNIError) {
        var done: [IPNetwork] = []
        for ip in ips where ip.address.prefix < ip.address.address.family.bits && !done.contains(ip.address.network) {
            let network = ip.address.network
            done.append(network)
            let present = routes.first { $0.first.destination == network && $0.first.gateway == nil }
            if let present {
                if present.first.source == ip.address.address { continue }
                try attempt(try socket.delete(present))
                moved.append(present)
            }
            // With the metric of the one before.
            let priority = present.map { $0.first.priority }.flatMap { $0 == 0 ? nil : $0 }
            let request = RouteRequest(destination: network, link: link.index, source: ip.address.address, priority: priority)
            try attempt(try socket.addRoute(request))
        }
    }

    private func undo() {
        func quietly(_ body: () throws(NetlinkError) -> Void) {
            do throws(NetlinkError) { try body() } catch { call.log(.warning, "sbr: undo: \(error.cni.text)") }
        }
        for route in moved.reversed() { quietly { () throws(NetlinkError) in try socket.put(route, table: SourceRoutingAdd.main) } }
        for rule in rules {
            quietly { () throws(NetlinkError) in try socket.deleteRule(from: rule.source, table: rule.table) }
            if config.table != nil { continue }
            quietly { () throws(NetlinkError) in try socket.clearTable(rule.table, link: link.index, rule.source.family) }
        }
    }
}

extension NetlinkSocket {
    /// Deletes the routes of a table that lead over a link.
    func clearTable(_ table: Int, link: Int32, _ family: IPAddress.Family) throws(NetlinkError) {
        let routes = try storedRoutes(family, link: link, table: table)
        for route in routes.filter({ $0.first.gateway != nil }) + routes.filter({ $0.first.gateway == nil }) { try delete(route) }
    }
}
