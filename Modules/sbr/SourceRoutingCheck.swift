import ModuleKit

/// Rules and routes, compared with what ADD made of the result.
struct SourceRoutingCheck {
    private let call: ModuleCall
    private let config: SourceRoutingConfig
    private let result: CNIResult

    init(_ call: ModuleCall, _ config: SourceRoutingConfig, _ result: CNIResult) {
        self.call = call
        self.config = config
        self.result = result
    }

    /// All differences, one line each.
    func differences() throws(CNIError) -> [String] {
        guard let link = try call.containerInterface() else {
            return ["interface \(call.interfaceName): expected in \(call.netns), found none"]
        }
        var found: [String] = []
        for ip in result.containerIPs(on: call.interfaceName) { found += try differences(ip, link) }
        if config.table == nil { found += try leftInMain(link) }
        return found
    }

    private func differences(_ ip: CNIResult.IP, _ link: LinkInfo) throws(CNIError) -> [String] {
        let socket = try call.containerNetlink()
        let address = ip.address.address
        let source = IPNetwork(host: address)
        let rules = try attempt(try socket.rules(address.family)).filter { $0.source == source && !$0.hasOtherConditions }
        let suits = { (table: Int) in config.table.map { $0 == table } ?? (table >= SourceRoutingAdd.firstTable) }
        guard let rule = rules.first(where: { suits($0.table) }) else {
            let wanted = config.table.map { "table \($0)" } ?? "a table of its own"
            return ["rule from \(address.text): expected one to \(wanted), found \(rules.first.map { "table \($0.table)" } ?? "none")"]
        }
        if config.table != nil { return [] }
        let routes = try attempt(try socket.storedRoutes(address.family, link: link.index, table: rule.table))
        var found: [String] = []
        if ip.address.prefix < address.family.bits, !routes.contains(where: { $0.first.destination == ip.address.network }) {
            found.append("table \(rule.table): expected a route to \(ip.address.network.text), found none")
        }
        if let line = wrongDefault(ip, routes, rule.table) { found.append(line) }
        return found
    }

    /// A default route has to be there where there is a gateway; over the configured one where one is.
    private func wrongDefault(_ ip: CNIResult.IP, _ routes: [StoredRoute], _ table: Int) -> String? {
        let configured = config.gateway(ip.address.address.family)
        guard let gateway = configured ?? ip.gateway else { return nil }
        guard let route = routes.first(where: { $0.first.destination.isEverything }) else {
            return "table \(table): expected a default route via \(gateway.text), found none"
        }
        guard configured != nil, route.first.gateway != configured else { return nil }
        return "table \(table): expected a default route via \(gateway.text), found one via \(route.first.gateway?.text ?? "the link")"
    }

    /// What ADD took out of table main has to be out: the default route, and without hints those to the subnets.
    private func leftInMain(_ link: LinkInfo) throws(CNIError) -> [String] {
        let routes = try SourceRoutingAdd.mainRoutes(try call.containerNetlink(), link)
        let networks = result.containerAddresses(on: call.interfaceName).map { $0.network }
        var found: [String] = []
        for route in routes {
            let isSubnet = networks.contains(route.first.destination)
            let isAdvertised = route.first.origin == 9
            if route.first.destination.isEverything && !isAdvertised || isSubnet && !config.addSourceHints {
                found.append("table main: expected no route \(route.text) over \(link.name), found one")
            }
        }
        if config.addSourceHints {
            for network in networks where !routes.contains(where: { $0.first.destination == network && $0.first.source != nil }) {
                found.append("table main: expected a route to \(network.text) with a source address, found none")
            }
        }
        return found
    }
}
