import CLinux
import CNI
import Linux
import Namespace
import Netlink

/// Gives a container's interface its addresses and routes, and brings it up.
///
/// What the reference's `ConfigureIface` does, in one message to the kernel for the link and all addresses, and one for the routes.
public struct InterfaceConfiguration {
    /// How long duplicate address detection may take.
    private static let detectionLimit = 5_000

    private let call: ModuleCall
    private let link: LinkInfo
    private let result: CNIResult
    private let detectsDuplicates: Bool

    /// - Parameters:
    ///   - link: the interface, in the container.
    ///   - result: addresses and routes to set.
    ///   - detectsDuplicates: whether IPv6 addresses go through duplicate address detection; else they are usable at once, since IPAM made
    ///     them unique.
    public init(_ call: ModuleCall, link: LinkInfo, result: CNIResult, detectsDuplicates: Bool = false) {
        self.call = call
        self.link = link
        self.result = result
        self.detectsDuplicates = detectsDuplicates
    }

    /// Sets addresses, brings the interface up, adds routes.
    public func apply() throws(CNIError) {
        try setParameters()
        let socket = try call.containerNetlink()
        let detection = try startDetection()
        for ip in result.ips {
            try attempt(try socket.addAddress(ip.address, index: link.index, name: link.name, noDAD: !detectsDuplicates))
        }
        try attempt(try socket.setLink(index: link.index, name: link.name, LinkChange(up: true)))
        if let detection {
            try attempt(
                try detection.wait(
                    index: link.index, name: link.name, reader: socket, timeoutMilliseconds: InterfaceConfiguration.detectionLimit))
        }
        for route in result.routes { try add(route, socket) }
    }

    private var hasIPv6: Bool { result.ips.contains { $0.address.address.family == .v6 } }

    private func startDetection() throws(CNIError) -> DuplicateAddressDetection? {
        guard detectsDuplicates && hasIPv6 else { return nil }
        return try call.inContainer { () throws(CNIError) in try attempt(try DuplicateAddressDetection()) }
    }

    /// Kernel parameters of the interface. Those that only announce an address may be missing; those that IPv6 needs may not.
    private func setParameters() throws(CNIError) {
        try call.inContainer { () throws(CNIError) in
            // The kernel announces the address when the link comes up: no neighbour keeps one of an earlier owner.
            try? Sysctl.ensure("1", at: ["net", "ipv4", "conf", link.name, "arp_notify"])
            let conf = ["net", "ipv6", "conf", link.name]
            if !hasIPv6 {
                if !detectsDuplicates { try? Sysctl.ensure("0", at: conf + ["accept_dad"]) }
                return
            }
            try Sysctl.ensure("0", at: ["net", "ipv6", "conf", "lo", "disable_ipv6"])
            try Sysctl.ensure("0", at: conf + ["disable_ipv6"])
            try Sysctl.ensure("1", at: conf + ["keep_addr_on_down"])
            try? Sysctl.ensure("1", at: conf + ["ndisc_notify"])
            if detectsDuplicates { try? Sysctl.ensure("1", at: conf + ["enhanced_dad"]) }
            try? Sysctl.ensure(detectsDuplicates ? "1" : "0", at: conf + ["accept_dad"])
        }
    }

    /// Adds a route: by its own gateway, else by that of the family's first address, else on the link; one whose scope is the link has no
    /// gateway. The same route twice is once.
    private func add(_ route: CNIResult.Route, _ socket: NetlinkSocket) throws(CNIError) {
        let family = route.destination.address.family
        let isOnLink = (route.scope ?? 0) >= Int(RT_SCOPE_LINK.rawValue)
        let usual = result.ips.first { $0.address.address.family == family && $0.gateway != nil }?.gateway
        let gateway = route.gateway ?? (isOnLink ? nil : usual)
        let request = RouteRequest(
            destination: route.destination, gateway: gateway, link: link.index, table: route.table, scope: route.scope,
            priority: route.priority, mtu: route.mtu, advertisedMSS: route.advertisedMSS)
        do throws(NetlinkError) {
            try socket.addRoute(request)
        } catch {
            guard error.errno == .exists else { throw error.cni }
            if try !attempt(try socket.routes(family, link: link.index)).contains(where: { request.matches($0) }) { throw error.cni }
        }
    }
}

extension RouteRequest {
    /// Whether a route that the kernel has is this one.
    func matches(_ route: RouteInfo) -> Bool {
        route.destination == destination.network && route.gateway == gateway && route.table == (table ?? 254)
            && (priority == nil || route.priority == priority)
    }
}
