import ModuleKit

/// What ptp's ADD made beyond interface and addresses, compared with what is there: routes to the gateway, the host's end.
struct PtpCheck {
    private let call: ModuleCall
    private let config: PtpConfig
    private let result: CNIResult
    /// The container's addresses that have a gateway.
    private let ips: [CNIResult.IP]

    init(_ call: ModuleCall, _ config: PtpConfig, _ result: CNIResult) {
        self.call = call
        self.config = config
        self.result = result
        let own = result.containerAddresses(on: call.interfaceName)
        ips = result.ips.filter { $0.gateway != nil && own.contains($0.address) }
    }

    /// All differences, one line each.
    func differences() throws(CNIError) -> [String] {
        guard let inside = try call.containerInterface(), inside.kind == "veth" else { return [] }
        var differences = Differences()
        if let mtu = config.mtu { differences.expect("\(inside.name): MTU", mtu, inside.mtu) { "\($0)" } }
        differences.add(try routesToGateways(inside))
        let host = try call.hostNetlink()
        guard let peer = inside.link, let end = try attempt(try host.link(index: peer)), end.kind == "veth" else {
            differences.add("host-side veth of \(inside.name): found none")
            return differences.lines
        }
        differences.add(try hostEnd(end, host))
        differences.add(forwarding())
        return differences.lines
    }

    /// All traffic goes to the gateway. A later plugin may have moved the routes to another table: that is no difference.
    private func routesToGateways(_ link: LinkInfo) throws(CNIError) -> [String] {
        let socket = try call.containerNetlink()
        var lines: [String] = []
        for ip in ips {
            guard let gateway = ip.gateway else { continue }
            let present = try attempt(try socket.routes(gateway.family, link: link.index))
            if !present.contains(where: { $0.destination == IPNetwork(host: gateway) && $0.gateway == nil }) {
                lines.append("\(link.name): expected a route to its gateway \(gateway.text), found none")
            }
            // That there is one, InterfaceCheck has seen.
            let toNetwork = present.filter { $0.destination == ip.address.network }
            if ip.address.prefix < gateway.family.bits, !toNetwork.isEmpty, !toNetwork.contains(where: { $0.gateway == gateway }) {
                lines.append("\(link.name): expected route \(ip.address.network.text) via \(gateway.text), found another way")
            }
        }
        return lines
    }

    private func hostEnd(_ link: LinkInfo, _ socket: NetlinkSocket) throws(CNIError) -> [String] {
        var differences = Differences()
        if !result.interfaces.contains(where: { $0.name == link.name && ($0.sandbox ?? "").isEmpty }) {
            differences.add("host-side veth: found \(link.name), which prevResult does not have")
        }
        if !link.isOperational { differences.add("\(link.name): expected up, found state \(link.operState)") }
        if let mtu = config.mtu { differences.expect("\(link.name): MTU", mtu, link.mtu) { "\($0)" } }
        let addresses = try attempt(try socket.addresses(index: link.index)).map { $0.address }
        for ip in ips {
            guard let gateway = ip.gateway else { continue }
            if !addresses.contains(IPNetwork(host: gateway)) {
                differences.add("\(link.name): expected gateway address \(gateway.text), found none")
            }
            let routes = try attempt(try socket.routes(gateway.family, link: link.index))
            if !routes.contains(where: { $0.destination == IPNetwork(host: ip.address.address) }) {
                differences.add("\(link.name): expected a route to \(ip.address.address.text), found none")
            }
        }
        return differences.lines
    }

    private func forwarding() -> [String] {
        var differences = Differences()
        for family in [IPAddress.Family.v4, .v6] where ips.contains(where: { $0.address.address.family == family }) {
            let parameter = Ptp.forwarding(family)
            guard let value = try? Sysctl.read(parameter) else { continue }
            differences.expect(Sysctl.path(parameter), "1", value) { $0 }
        }
        return differences.lines
    }
}
