import CLinux
import ModuleKit

/// One ADD of bridge, step by step; what it made is removed again when a later step fails.
struct BridgeAdd {
    /// How long the host-side veth may take to come up.
    private static let portLimit = 2_500

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
        let bridge = try makeBridge()
        let hostName = try makeVeth(bridge)
        var hasAddresses = false
        do throws(CNIError) {
            if config.hairpinMode || config.portIsolation { try setPort(hostName) }
            var result = CNIResult()
            if let ipam = config.ipam {
                result = try ipam.add(call)
                hasAddresses = true
                config.completeGateways(&result)
            }
            try configureContainer(&result)
            if config.isGateway { try makeGateway(bridge, result) }
            if config.ipMasq && hasAddresses { try NftMasquerade.queueAdd(call, addresses: result.ips.map { $0.address }) }
            return try report(hostName, result)
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

    // MARK: Bridge and veth

    /// The bridge, made where it is missing. An existing one is used as it is.
    private func makeBridge() throws(CNIError) -> LinkInfo {
        if try attempt(try host.link(named: config.bridge)) == nil {
            do throws(NetlinkError) {
                try host.createBridge(name: config.bridge, mtu: config.mtu)
            } catch {
                // Another ADD may have made it since.
                if error.errno != .exists { throw error.cni }
            }
            // Before it is up and gets its link-local address: while that is tentative, the host asks for no neighbour behind the bridge,
            // and forwards nothing to it.
            let parameters = ["net", "ipv6", "conf", config.bridge]
            try? Sysctl.ensure("0", at: parameters + ["accept_ra"])
            try? Sysctl.ensure("0", at: parameters + ["accept_dad"])
        }
        guard let bridge = try attempt(try host.link(named: config.bridge)) else {
            throw CNIError("bridge \(config.bridge) vanished while it was set up")
        }
        guard bridge.kind == "bridge" else {
            throw CNIError(
                .invalidConfiguration, "bridge: \(config.bridge) exists and is not a bridge but \(bridge.kind ?? "a device")",
                details: "choose another name")
        }
        let change = LinkChange(up: bridge.isUp ? nil : true, promiscuous: config.promiscMode && !bridge.isPromiscuous ? true : nil)
        try attempt(try host.setLink(index: bridge.index, name: bridge.name, change))
        return bridge
    }

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

    private func randomBytes(_ count: Int) throws(CNIError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard getrandom(&bytes, count, 0) == count else { throw CNIError("get random bytes: \(Errno.current.text)") }
        return bytes
    }

    private func setPort(_ name: String) throws(CNIError) {
        guard let link = try attempt(try host.link(named: name)) else { throw CNIError("host-side veth \(name) vanished") }
        try attempt(
            try host.setBridgePort(
                index: link.index, name: name, hairpin: config.hairpinMode ? true : nil, isolated: config.portIsolation ? true : nil))
    }

    // MARK: Container

    private func configureContainer(_ result: inout CNIResult) throws(CNIError) {
        let link = try call.requireContainerInterface()
        for index in result.ips.indices { result.ips[index].interface = 2 }
        if !config.disableContainerInterface {
            try InterfaceConfiguration(call, link: link, result: result, detectsDuplicates: config.enableDAD).apply()
        }
        result.interfaces = [CNIResult.Interface(name: link.name, mac: link.mac?.text, sandbox: call.netns)]
    }

    // MARK: Gateway

    /// Gives the bridge the gateways' addresses, and lets the host forward.
    private func makeGateway(_ bridge: LinkInfo, _ result: CNIResult) throws(CNIError) {
        var gateways: [IPNetwork] = []
        for ip in result.ips {
            if let gateway = ip.gateway, let address = IPNetwork(gateway, prefix: ip.address.prefix), !gateways.contains(address) {
                gateways.append(address)
            }
        }
        let present = try attempt(try host.addresses(index: bridge.index)).map { $0.address }
        for gateway in gateways where !present.contains(gateway) {
            try makeRoom(for: gateway, among: present.filter { !gateways.contains($0) }, bridge)
            try add(gateway, to: bridge)
        }
        for family in [IPAddress.Family.v4, .v6] where gateways.contains(where: { $0.address.family == family }) {
            try Sysctl.ensure("1", at: family == .v4 ? ["net", "ipv4", "ip_forward"] : ["net", "ipv6", "conf", "all", "forwarding"])
        }
    }

    private func add(_ gateway: IPNetwork, to bridge: LinkInfo) throws(CNIError) {
        do throws(NetlinkError) {
            try host.addAddress(gateway, index: bridge.index, name: bridge.name, noDAD: true)
        } catch {
            // Another ADD may have added it since.
            if error.errno != .exists { throw error.cni }
        }
        // A bridge takes the lowest MAC of its ports, and changes it as they come and go, unless it is set once.
        guard let mac = try attempt(try host.link(index: bridge.index))?.mac else { return }
        try attempt(try host.setLink(index: bridge.index, name: bridge.name, LinkChange(mac: mac)))
    }

    /// Another address of the bridge that the gateway clashes with: any of IPv4, an overlapping one of IPv6. It gives way to
    /// `forceAddress`, or is an error.
    private func makeRoom(for gateway: IPNetwork, among others: [IPNetwork], _ bridge: LinkInfo) throws(CNIError) {
        for other in others where other.address.family == gateway.address.family && !other.address.isLinkLocal {
            if gateway.address.family == .v6 && !other.overlaps(gateway) { continue }
            guard config.forceAddress else {
                throw CNIError(
                    "bridge \(bridge.name) already has an IP address different from \(gateway.text): \(other.text)",
                    details: "use another bridge, or forceAddress to replace the address")
            }
            try attempt(try host.deleteAddress(other, index: bridge.index, name: bridge.name))
        }
    }

    // MARK: Result

    /// The result, with the host's links as they are by now.
    private func report(_ hostName: String, _ result: CNIResult) throws(CNIError) -> CNIResult {
        if !config.disableContainerInterface {
            try attempt(try LinkWatch.waitUntilOperational(hostName, socket: host, timeoutMilliseconds: BridgeAdd.portLimit))
        }
        guard let bridge = try attempt(try host.link(named: config.bridge)), let link = try attempt(try host.link(named: hostName)) else {
            throw CNIError("bridge \(config.bridge) or host-side veth \(hostName) vanished")
        }
        var result = result
        result.interfaces =
            [CNIResult.Interface(name: bridge.name, mac: bridge.mac?.text), CNIResult.Interface(name: hostName, mac: link.mac?.text)]
            + result.interfaces
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
                !result.routes.contains(where: { $0.destination.address.family == family && $0.destination.isEverything })
            else { continue }
            result.routes.append(CNIResult.Route(destination: .everything(family), gateway: gateway))
        }
    }
}
