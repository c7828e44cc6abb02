import ModuleKit

/// One ADD of bridge, step by step; what it made is removed again when a later step fails.
struct BridgeAdd {
    /// How long the host-side veth may take to come up, in milliseconds.
    private static let portLimit = 2_500
    /// How long the kernel may take to set up the gateway's IPv6 addresses, in milliseconds.
    private static let setupLimit = 1_000

    private let call: ModuleCall
    private let config: BridgeConfig
    private let host: NetlinkSocket
    private let container: NetlinkSocket

    init(_ call: ModuleCall, _ config: BridgeConfig) throws(CNIError) {
        self.call = call
        self.config = config
        host = try call.hostNetlink()
        container = try call.containerNetlink()
    }

    func run() throws(CNIError) -> CNIResult {
        let hostBridge = try HostBridge(call, config)
        let bridge = try hostBridge.prepare()
        let hostName = try VethPair.make(call, master: bridge.index, mtu: config.mtu, mac: config.mac, port: config.port)
        var hasAddresses = false
        var addresses: [IPNetwork] = []
        do throws(CNIError) {
            try joinVLANs(hostName, bridge)
            try hostBridge.followMTU(bridge)
            var result = CNIResult()
            if let ipam = config.ipam {
                result = try ipam.add(call)
                hasAddresses = true
                config.completeGateways(&result)
            }
            let link = try call.requireContainerInterface()
            try configureContainer(link, &result)
            if config.macSpoofCheck, let mac = link.mac { try SpoofCheck(port: hostName, mac: mac).queueAdd(call) }
            let gateway = config.isGateway && hasAddresses ? try BridgeGateway(call, config, bridge).make(result) : nil
            addresses = result.ips.map { $0.address }
            try config.masquerade?.add(call, addresses: addresses)
            let isUp = !config.disableContainerInterface
            let ends = isUp ? try awaitPath(hostName, bridge, gateway, result) : try look(hostName)
            if isUp { announce(link, result) }
            return try report(ends, bridge, gateway, result)
        } catch {
            config.masquerade?.undo(call, addresses: addresses)
            undo(hostName, hasAddresses)
            throw error
        }
    }

    /// Removes the veth pair and releases the addresses. The bridge stays: it may be in use by now.
    private func undo(_ hostName: String, _ hasAddresses: Bool) {
        do throws(NetlinkError) { try host.deleteLink(named: hostName) } catch { call.log(.warning, error.cni.text) }
        if hasAddresses { config.ipam?.undo(call) }
    }

    // MARK: Port

    /// The port's VLANs. Until the container's end is up it carries nothing.
    private func joinVLANs(_ name: String, _ bridge: LinkInfo) throws(CNIError) {
        if config.vlans.isEmpty { return }
        guard let link = try attempt(try host.link(named: name)) else { throw CNIError("host-side veth \(name) vanished") }
        try attempt(try host.setBridgePort(index: link.index, name: name, BridgePortChange(vlans: config.vlans.memberships)))
        if let vlan = config.vlans.leaves(bridge.bridge) { try attempt(try host.leaveVLAN(vlan, index: link.index, name: name)) }
    }

    // MARK: Container

    private func configureContainer(_ link: LinkInfo, _ result: inout CNIResult) throws(CNIError) {
        for index in result.ips.indices { result.ips[index].interface = 2 }
        if !config.disableContainerInterface {
            try InterfaceConfiguration(call, link: link, result: result, detectsDuplicates: config.enableDAD).apply()
        }
        result.interfaces = [CNIResult.Interface(name: link.name, mac: link.mac?.text, sandbox: call.netns)]
    }

    // MARK: The first packet

    /// The host's links of an attachment.
    private typealias Ends = (bridge: LinkInfo, port: LinkInfo)

    /// Waits until the port carries frames, and the gateway listens: the kernel notices that links have come up, and sets up IPv6 addresses,
    /// in its own time. Usually it has, and a question each is all. Returns the links as they are then.
    private func awaitPath(_ hostName: String, _ bridge: LinkInfo, _ gateway: LinkInfo?, _ result: CNIResult) throws(CNIError) -> Ends {
        let port = try attempt(
            try LinkWatch.waitUntilOperational(hostName, socket: host, timeoutMilliseconds: BridgeAdd.portLimit))
        // With the spanning tree protocol the port carries nothing for half a minute: no one waits for that.
        guard let gateway, bridge.bridge?.usesSTP != true else { return (try look(config.bridge), port) }
        do throws(NetlinkError) {
            let present = try LinkWatch.waitUntilOperational(bridge.name, socket: host, timeoutMilliseconds: BridgeAdd.portLimit)
            if gateway.index != bridge.index {
                try LinkWatch.waitUntilOperational(gateway.name, socket: host, timeoutMilliseconds: BridgeAdd.portLimit)
            }
            let hasIPv6 = result.gatewayAddresses.contains { $0.address.family == .v6 }
            if hasIPv6, try !IPv6Setup.wait(index: gateway.index, reader: host, timeoutMilliseconds: BridgeAdd.setupLimit) {
                call.log(.warning, "the kernel has not yet set up the IPv6 addresses of \(gateway.name)")
            }
            return (present, port)
        } catch {
            // Someone may have their reasons for a bridge that stays down; the container's port is up.
            call.log(.warning, error.cni.message)
            return (try look(config.bridge), port)
        }
    }

    private func look(_ hostName: String) throws(CNIError) -> Ends { (try look(config.bridge), try look(hostName)) }

    private func look(_ name: String) throws(CNIError) -> LinkInfo {
        guard let link = try attempt(try host.link(named: name)) else { throw CNIError("link \(name) vanished") }
        return link
    }

    /// Has the container's addresses announced (gratuitous ARP, unsolicited neighbour advertisement): a neighbour who knew them by another
    /// hardware address learns the new one.
    ///
    /// The kernel announces them when the container's end comes up, which may be before the bridge's port does: then no one hears of it. It
    /// does so again when the hardware address is set, to whatever it is (`arp_notify`, `ndisc_notify`).
    private func announce(_ link: LinkInfo, _ result: CNIResult) {
        if result.ips.isEmpty { return }
        do throws(NetlinkError) {
            try container.setLink(index: link.index, name: link.name, LinkChange(mac: link.mac))
        } catch {
            // Neighbours who knew the addresses find out in some seconds.
            call.log(.warning, "announce the addresses of \(link.name): \(error.cni.message)")
        }
    }

    // MARK: Result

    /// The result, with the host's links as they are by now.
    private func report(_ ends: Ends, _ bridge: LinkInfo, _ gateway: LinkInfo?, _ result: CNIResult) throws(CNIError) -> CNIResult {
        var result = result
        result.interfaces =
            [ends.bridge, ends.port].map { CNIResult.Interface(name: $0.name, mac: $0.mac?.text) } + result.interfaces
        if let index = gateway?.index, index != bridge.index, let gateway = try attempt(try host.link(index: index)) {
            result.interfaces.append(CNIResult.Interface(name: gateway.name, mac: gateway.mac?.text))
        }
        if !config.dns.isEmpty { result.dns = config.dns }
        return result
    }
}

extension BridgeConfig {
    /// What the host's end is as a port of the bridge, VLANs apart.
    var port: BridgePortChange { BridgePortChange(hairpin: hairpinMode ? true : nil, isolated: portIsolation ? true : nil) }

    /// Completes what IPAM left open: gateways where the bridge is one, and default routes where it is to be the default.
    ///
    /// A family that has a default route already, with or without a gateway, gets no second one.
    func completeGateways(_ result: inout CNIResult) {
        guard isGateway else { return }
        for index in result.ips.indices where result.ips[index].gateway == nil {
            result.ips[index].gateway = result.ips[index].address.networkAddress.next
        }
        guard isDefaultGateway else { return }
        for family in [IPAddress.Family.v4, .v6] {
            guard let gateway = result.ips.first(where: { $0.address.address.family == family })?.gateway,
                !result.routes.contains(where: { $0.isDefault(family) })
            else { continue }
            result.routes.append(CNIResult.Route(destination: .everything(family), gateway: gateway))
        }
    }
}

extension CNIResult.Route {
    /// Whether it is a family's default route: one in another table than main is not.
    fileprivate func isDefault(_ family: IPAddress.Family) -> Bool {
        destination.address.family == family && destination.isEverything && (table ?? 254) == 254
    }
}
