import ModuleKit

/// One ADD of routed, step by step; what it made is removed again when a later step fails.
struct RoutedAdd {
    /// How long the host's end may take to come up.
    private static let limit = 2_500

    private let call: ModuleCall
    private let config: RoutedConfig
    private let ipam: IPAMDelegate
    private let host: NetlinkSocket
    private let name: String

    init(_ call: ModuleCall, _ config: RoutedConfig) throws(CNIError) {
        self.call = call
        self.config = config
        ipam = try config.requireIPAM()
        host = try call.hostNetlink()
        name = Routed.hostName(call)
    }

    func run() throws(CNIError) -> CNIResult {
        try makeVeth()
        var hasAddresses = false
        do throws(CNIError) {
            let given = try ipam.add(call)
            hasAddresses = true
            let result = try configure(given)
            if config.ipMasq { try Masquerade.nftables.add(call, addresses: given.ips.map { $0.address }) }
            return result
        } catch {
            do throws(NetlinkError) { try host.deleteLink(named: name) } catch { call.log(.warning, error.cni.text) }
            if hasAddresses { ipam.undo(call) }
            throw error
        }
    }

    /// Makes the pair in one message: the host's end up, the container's in its namespace under its final name.
    private func makeVeth() throws(CNIError) {
        let request = VethRequest(name: name, mtu: config.mtu, peerName: call.interfaceName, peerNamespace: try call.requireNetns())
        do throws(NetlinkError) {
            try host.createVeth(request)
        } catch {
            if error.errno != .exists { throw error.cni }
            throw CNIError("\(error.cni.message): \(name) or \(call.interfaceName) is there already", details: "run DEL first")
        }
    }

    /// Sets up both ends, and tells what was made.
    private func configure(_ given: CNIResult) throws(CNIError) -> CNIResult {
        guard let end = try attempt(try host.link(named: name)) else { throw CNIError("\(name) vanished while it was set up") }
        let link = try call.requireContainerInterface()
        var result = given
        for index in result.ips.indices {
            let address = result.ips[index].address.address
            // Nothing but the host is on the link: an address without a network.
            result.ips[index] = CNIResult.IP(address: IPNetwork(host: address), gateway: Routed.gateway(address.family), interface: 1)
        }
        let families = [IPAddress.Family.v4, .v6].filter { family in result.ips.contains { $0.address.address.family == family } }
        result.routes =
            families.map { CNIResult.Route(destination: .everything($0), gateway: Routed.gateway($0)) }
            + result.routes.filter { !$0.destination.isEverything }
        for family in families { try makeGateway(family, end) }
        try InterfaceConfiguration(call, link: link, result: onLink(result)).apply()
        for ip in result.ips {
            try attempt(try host.addRoute(RouteRequest(destination: ip.address, link: end.index), replace: true))
        }
        try attempt(try LinkWatch.waitUntilOperational(name, socket: host, timeoutMilliseconds: RoutedAdd.limit))
        result.interfaces = [
            CNIResult.Interface(name: name, mac: end.mac?.text),
            CNIResult.Interface(name: link.name, mac: link.mac?.text, sandbox: call.netns),
        ]
        if !config.dns.isEmpty { result.dns = config.dns }
        return result
    }

    /// The result, with a route that makes the IPv4 gateway reachable. A link-local one of IPv6 is.
    private func onLink(_ result: CNIResult) -> CNIResult {
        var result = result
        let gateway = Routed.gateway(.v4)
        for index in result.ips.indices { result.ips[index].gateway = nil }
        if result.routes.contains(where: { $0.gateway == gateway }) {
            result.routes.insert(CNIResult.Route(destination: IPNetwork(host: gateway)), at: 0)
        }
        return result
    }

    /// Gives the host's end the gateway's address, and lets the host forward.
    private func makeGateway(_ family: IPAddress.Family, _ end: LinkInfo) throws(CNIError) {
        let gateway = IPNetwork(host: Routed.gateway(family))
        try attempt(try host.addAddress(gateway, index: end.index, name: end.name, noDAD: true))
        try Sysctl.ensure("1", at: family == .v4 ? ["net", "ipv4", "ip_forward"] : ["net", "ipv6", "conf", "all", "forwarding"])
    }
}
