import ModuleKit

/// One ADD of ptp, step by step; what it made is removed again when a later step fails.
struct PtpAdd {
    /// How long the kernel may take to notice that an end of the veth is up.
    private static let endLimit = 2_500

    private let call: ModuleCall
    private let config: PtpConfig
    private let host: NetlinkSocket

    init(_ call: ModuleCall, _ config: PtpConfig) throws(CNIError) {
        self.call = call
        self.config = config
        host = try call.hostNetlink()
    }

    func run() throws(CNIError) -> CNIResult {
        // Before IPAM: a DHCP client needs the link.
        let hostName = try VethPair.make(call, mtu: config.mtu, mac: config.mac)
        var hasAddresses = false
        var addresses: [IPNetwork] = []
        do throws(CNIError) {
            // Before the other end is up, and it gets its link-local address: while that is tentative, the host asks for no neighbour.
            try? Sysctl.ensure("0", at: ["net", "ipv6", "conf", hostName, "accept_dad"])
            var result = try config.ipam.add(call)
            hasAddresses = true
            try requireGateways(result)
            try configureHost(hostName, result)
            try configureContainer(&result)
            addresses = result.ips.map { $0.address }
            try config.masquerade?.add(call, addresses: addresses)
            return try report(hostName, result)
        } catch {
            config.masquerade?.undo(call, addresses: addresses)
            do throws(NetlinkError) { try host.deleteLink(named: hostName) } catch { call.log(.warning, error.cni.text) }
            if hasAddresses { config.ipam.undo(call) }
            throw error
        }
    }

    private func requireGateways(_ result: CNIResult) throws(CNIError) {
        for ip in result.ips where ip.gateway == nil {
            throw CNIError(
                "IPAM plugin \(config.ipam.type) returned address \(ip.address.text) without a gateway",
                details: "ptp gives the gateway's address to the host's end: set one in the IPAM configuration")
        }
    }

    // MARK: Host

    /// Gives the host's end the gateways' addresses, leads the container's there, and lets the host forward.
    private func configureHost(_ name: String, _ result: CNIResult) throws(CNIError) {
        guard let link = try attempt(try host.link(named: name)) else { throw CNIError("host-side veth \(name) vanished") }
        var gateways: [IPAddress] = []
        for ip in result.ips {
            if let gateway = ip.gateway, !gateways.contains(gateway) {
                gateways.append(gateway)
                try attempt(
                    try host.addAddress(IPNetwork(host: gateway), index: link.index, name: name, noDAD: true, noPrefixRoute: true))
            }
            // IPAM gave the address to this attachment: another route to it is stale.
            try attempt(try host.addRoute(RouteRequest(toContainer: ip.address.address, over: link), replace: true))
        }
        for family in [IPAddress.Family.v4, .v6] where gateways.contains(where: { $0.family == family }) {
            try Sysctl.ensure("1", at: Ptp.forwarding(family))
        }
    }

    // MARK: Container

    private func configureContainer(_ result: inout CNIResult) throws(CNIError) {
        let link = try call.requireContainerInterface()
        for index in result.ips.indices { result.ips[index].interface = 1 }
        try InterfaceConfiguration(call, link: link, result: result, isPointToPoint: true).apply()
        result.interfaces = [CNIResult.Interface(name: link.name, mac: link.mac?.text, sandbox: call.netns)]
    }

    // MARK: Result

    private func report(_ hostName: String, _ result: CNIResult) throws(CNIError) -> CNIResult {
        let link = try attempt(try LinkWatch.waitUntilOperational(hostName, socket: host, timeoutMilliseconds: PtpAdd.endLimit))
        if result.ips.contains(where: { $0.address.address.family == .v6 && $0.gateway?.isLinkLocal ?? false }) { try awaitLinkLocal() }
        var result = result
        result.interfaces.insert(CNIResult.Interface(name: hostName, mac: link.mac?.text), at: 0)
        if !config.dns.isEmpty { result.dns = config.dns }
        return result
    }

    /// A link-local gateway is reached from the container's link-local address, which the kernel makes when it notices that the link is up.
    private func awaitLinkLocal() throws(CNIError) {
        let socket = try call.containerNetlink()
        try call.inContainer { () throws(CNIError) in
            try attempt(
                try LinkWatch.waitUntilOperational(call.interfaceName, socket: socket, timeoutMilliseconds: PtpAdd.endLimit))
        }
    }
}

extension Ptp {
    /// The kernel parameter that lets the host forward packets of a family.
    static func forwarding(_ family: IPAddress.Family) -> [String] {
        family == .v4 ? ["net", "ipv4", "ip_forward"] : ["net", "ipv6", "conf", "all", "forwarding"]
    }
}

extension RouteRequest {
    /// The host's route to a container's address.
    init(toContainer address: IPAddress, over link: LinkInfo) {
        // RT_SCOPE_HOST: no route can lead over the container.
        self.init(destination: IPNetwork(host: address), link: link.index, scope: address.family == .v4 ? 254 : nil)
    }
}
