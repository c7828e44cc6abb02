import CLinux
import CNI
import Linux
import Namespace
import Netlink

/// Gives a container's interface its addresses and routes, and brings it up.
///
/// What the reference's `ConfigureIface` does, in one message to the kernel; with IPv6 in two.
public struct InterfaceConfiguration {
    /// How long duplicate address detection may take, in milliseconds.
    private static let detectionLimit = 5_000
    /// How long the kernel may take to set up IPv6 addresses, in milliseconds.
    private static let setupLimit = 1_000

    private let call: ModuleCall
    private let link: LinkInfo
    private let result: CNIResult
    private let detectsDuplicates: Bool
    private let isPointToPoint: Bool

    /// - Parameters:
    ///   - link: the interface, in the container.
    ///   - result: addresses and routes to set.
    ///   - detectsDuplicates: whether IPv6 addresses go through duplicate address detection; else they are usable at once, since IPAM made
    ///     them unique.
    ///   - isPointToPoint: whether there is no one but the gateway on the link: all traffic goes to it, also that of the address's network.
    public init(
        _ call: ModuleCall, link: LinkInfo, result: CNIResult, detectsDuplicates: Bool = false, isPointToPoint: Bool = false
    ) {
        self.call = call
        self.link = link
        self.result = result
        self.detectsDuplicates = detectsDuplicates
        self.isPointToPoint = isPointToPoint
    }

    /// Sets addresses, brings the interface up, adds routes.
    public func apply() throws(CNIError) {
        try setParameters()
        let socket = try call.containerNetlink()
        let detection = try startDetection()
        var steps: [LinkStep] = [.announceAddresses]
        steps += result.ips.map { .address($0.address, noDAD: !detectsDuplicates, noPrefixRoute: isPointToPoint) }
        steps.append(.up)
        let routes: [LinkStep] = routeRequests.map { .route($0) }
        // An IPv6 route may need an address that the kernel has yet to set up.
        try take(hasIPv6 ? steps : steps + routes, socket)
        if let detection {
            try attempt(
                try detection.wait(
                    index: link.index, name: link.name, reader: socket, timeoutMilliseconds: InterfaceConfiguration.detectionLimit))
        } else if hasIPv6 {
            try awaitSetup(socket)
        }
        if hasIPv6 { try take(routes, socket) }
    }

    /// Takes the steps; the first that failed is an error, unless it does without.
    private func take(_ steps: [LinkStep], _ socket: NetlinkSocket) throws(CNIError) {
        for (step, error) in try attempt(try socket.take(steps, index: link.index, name: link.name)) {
            switch step {
            // Neighbours who knew the address find out in some seconds.
            case .announceAddresses: call.log(.debug, error.cni.text)
            case .route(let route) where error.errno == .exists:
                // The same one twice is once.
                let present = try attempt(try socket.routes(route.destination.address.family, link: link.index))
                if !present.contains(where: { route.matches($0) }) { throw error.cni }
            case .up: throw CNIError(error.cni.message, details: InterfaceConfiguration.advice(error))
            default: throw error.cni
            }
        }
    }

    private static func advice(_ error: NetlinkError) -> String {
        switch error.errno.rawValue {
        case EADDRINUSE: "its hardware address is in use by another link of the same master, or by the master itself"
        case ENETDOWN: "the link that it is on is down: bring that up first"
        default: error.cni.details
        }
    }

    private var hasIPv6: Bool { result.ips.contains { $0.address.address.family == .v6 } }

    private func startDetection() throws(CNIError) -> DuplicateAddressDetection? {
        guard detectsDuplicates && hasIPv6 else { return nil }
        return try call.inContainer { () throws(CNIError) in try attempt(try DuplicateAddressDetection()) }
    }

    /// Waits until the kernel listens to the addresses: the first packet shall not be lost.
    private func awaitSetup(_ socket: NetlinkSocket) throws(CNIError) {
        let done = try attempt(
            try IPv6Setup.wait(
                index: link.index, reader: socket, inNamespace: call.netnsDescriptor,
                timeoutMilliseconds: InterfaceConfiguration.setupLimit))
        if !done { call.log(.warning, "the kernel has not yet set up the IPv6 addresses of \(link.name)") }
    }

    /// RFC 8200, section 5: the kernel has no IPv6 on a link with less.
    private static let leastMTU = 1280

    /// Kernel parameters that IPv6 needs. Those that only announce an address may be missing.
    private func setParameters() throws(CNIError) {
        if hasIPv6 && link.mtu < InterfaceConfiguration.leastMTU {
            throw CNIError(
                "add IPv6 addresses to \(link.name), mtu \(link.mtu): IPv6 needs \(InterfaceConfiguration.leastMTU) bytes",
                details: "use a larger mtu, or ranges of IPv4 only")
        }
        if !hasIPv6 { return }
        try call.inContainer { () throws(CNIError) in
            let conf = ["net", "ipv6", "conf", link.name]
            try Sysctl.ensure("0", at: ["net", "ipv6", "conf", "lo", "disable_ipv6"])
            try Sysctl.ensure("0", at: conf + ["disable_ipv6"])
            try Sysctl.set("1", at: conf + ["keep_addr_on_down"])
            try? Sysctl.set("1", at: conf + ["ndisc_notify"])
            if detectsDuplicates { try? Sysctl.ensure("1", at: conf + ["enhanced_dad"]) }
            try? Sysctl.ensure(detectsDuplicates ? "1" : "0", at: conf + ["accept_dad"])
        }
    }

    private var routeRequests: [RouteRequest] {
        (isPointToPoint ? result.ips.flatMap { gatewayRoutes($0) } : []) + result.routes.map { request($0) }
    }

    /// The routes to an address's gateway, and over it to the address's network.
    private func gatewayRoutes(_ ip: CNIResult.IP) -> [RouteRequest] {
        guard let gateway = ip.gateway else { return [] }
        let source = ip.address.address
        let host = RouteRequest(destination: IPNetwork(host: gateway), link: link.index, source: source)
        if ip.address.prefix == source.family.bits { return [host] }
        return [host, RouteRequest(destination: ip.address.network, gateway: gateway, link: link.index, source: source)]
    }

    /// A route by its own gateway, else by that of the family's first address, else on the link; one whose scope is the link has no gateway.
    private func request(_ route: CNIResult.Route) -> RouteRequest {
        let family = route.destination.address.family
        let isOnLink = (route.scope ?? 0) >= Int(RT_SCOPE_LINK.rawValue)
        let usual = result.ips.first { $0.address.address.family == family && $0.gateway != nil }?.gateway
        return RouteRequest(
            destination: route.destination, gateway: route.gateway ?? (isOnLink ? nil : usual), link: link.index, table: route.table,
            scope: route.scope, priority: route.priority, mtu: route.mtu, advertisedMSS: route.advertisedMSS)
    }
}

extension RouteRequest {
    /// Whether a route that the kernel has is this one.
    func matches(_ route: RouteInfo) -> Bool {
        route.destination == destination.network && route.gateway == gateway && route.table == (table ?? 254)
            && (priority == nil || route.priority == priority)
    }
}
