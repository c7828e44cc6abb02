import CLinux
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
        let hostName = try makeVeth(bridge)
        var hasAddresses = false
        do throws(CNIError) {
            try setPort(hostName, bridge)
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
            if config.ipMasq && hasAddresses { try NftMasquerade.queueAdd(call, addresses: result.ips.map { $0.address }) }
            if !config.disableContainerInterface {
                try awaitPath(hostName, bridge, gateway)
                announce(link, result)
            }
            return try report(hostName, gateway, result)
        } catch {
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

    /// Makes the veth pair in one message: the host's end in the bridge, the container's in its namespace. Returns the host's name.
    private func makeVeth(_ bridge: LinkInfo) throws(CNIError) -> String {
        var attempts = 0
        while true {
            let name = "veth" + Hex.text(try randomBytes(4))
            let veth = VethRequest(
                name: name, master: bridge.index, mtu: config.mtu, peerName: call.interfaceName, peerMAC: config.mac,
                peerNamespace: try call.requireNetns())
            do throws(NetlinkError) {
                try host.createVeth(veth)
                try? Sysctl.ensure("0", at: ["net", "ipv6", "conf", name, "accept_ra"])
                return name
            } catch {
                attempts += 1
                // Either end's name may be the one that is taken.
                if error.errno != .exists || attempts == 10 { throw error.cni }
                if try attempt(try container.link(named: call.interfaceName)) != nil {
                    throw CNIError("create veth: interface \(call.interfaceName) already exists in \(call.netns)", details: "run DEL first")
                }
            }
        }
    }

    /// The port's flags and VLANs. Until the container's end is up it carries nothing.
    private func setPort(_ name: String, _ bridge: LinkInfo) throws(CNIError) {
        guard config.hairpinMode || config.portIsolation || !config.vlans.isEmpty else { return }
        guard let link = try attempt(try host.link(named: name)) else { throw CNIError("host-side veth \(name) vanished") }
        let change = BridgePortChange(
            hairpin: config.hairpinMode ? true : nil, isolated: config.portIsolation ? true : nil, vlans: config.vlans.memberships)
        try attempt(try host.setBridgePort(index: link.index, name: name, change))
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

    /// Waits until the port carries frames, and the gateway listens: the kernel notices that links have come up, and sets up IPv6 addresses,
    /// in its own time. Usually it has, and a question each is all.
    private func awaitPath(_ hostName: String, _ bridge: LinkInfo, _ gateway: LinkInfo?) throws(CNIError) {
        try attempt(try LinkWatch.waitUntilOperational(hostName, socket: host, timeoutMilliseconds: BridgeAdd.portLimit))
        // With the spanning tree protocol the port carries nothing for half a minute: no one waits for that.
        guard let gateway, bridge.bridge?.usesSTP != true else { return }
        do throws(NetlinkError) {
            let names = gateway.index == bridge.index ? [bridge.name] : [bridge.name, gateway.name]
            for name in names {
                try LinkWatch.waitUntilOperational(name, socket: host, timeoutMilliseconds: BridgeAdd.portLimit)
            }
            if try IPv6Setup.wait(index: gateway.index, reader: host, timeoutMilliseconds: BridgeAdd.setupLimit) { return }
            call.log(.warning, "the kernel has not yet set up the IPv6 addresses of \(gateway.name)")
        } catch {
            // Someone may have their reasons for a bridge that stays down; the container's port is up.
            call.log(.warning, error.cni.message)
        }
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
    private func report(_ hostName: String, _ gateway: LinkInfo?, _ result: CNIResult) throws(CNIError) -> CNIResult {
        guard let bridge = try attempt(try host.link(named: config.bridge)), let link = try attempt(try host.link(named: hostName)) else {
            throw CNIError("bridge \(config.bridge) or host-side veth \(hostName) vanished")
        }
        var result = result
        result.interfaces =
            [CNIResult.Interface(name: bridge.name, mac: bridge.mac?.text), CNIResult.Interface(name: hostName, mac: link.mac?.text)]
            + result.interfaces
        if let index = gateway?.index, index != bridge.index, let gateway = try attempt(try host.link(index: index)) {
            result.interfaces.append(CNIResult.Interface(name: gateway.name, mac: gateway.mac?.text))
        }
        if !config.dns.isEmpty { result.dns = config.dns }
        return result
    }
}

extension BridgeConfig {
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

func randomBytes(_ count: Int) throws(CNIError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    guard getrandom(&bytes, count, 0) == count else { throw CNIError("get random bytes: \(Errno.current.text)") }
    return bytes
}
