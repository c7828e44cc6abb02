import ModuleKit

/// The host's side of an attachment, compared with what ADD made: bridge, port, gateway, check of source addresses.
struct BridgeCheck {
    private let call: ModuleCall
    private let config: BridgeConfig
    private let result: CNIResult
    private let socket: NetlinkSocket

    init(_ call: ModuleCall, _ config: BridgeConfig, _ result: CNIResult) throws(CNIError) {
        self.call = call
        self.config = config
        self.result = result
        socket = try call.hostNetlink()
    }

    /// All differences, one line each.
    func differences() throws(CNIError) -> [String] {
        guard let bridge = try attempt(try socket.link(named: config.bridge)) else { return ["bridge \(config.bridge): found none"] }
        guard bridge.kind == "bridge" else { return ["\(config.bridge): expected a bridge, found \(bridge.kind ?? "a device")"] }
        var differences = Differences()
        differences.add(self.bridge(bridge))
        differences.add(try port(bridge))
        if config.isGateway && config.ipam != nil { differences.add(try gateway(bridge)) }
        return differences.lines
    }

    private func expectedMAC(_ name: String) -> String? {
        result.interfaces.first { $0.name == name && ($0.sandbox ?? "").isEmpty }?.mac
    }

    private func bridge(_ bridge: LinkInfo) -> [String] {
        var differences = Differences()
        if !bridge.isUp { differences.add("\(bridge.name): expected up, found down") }
        // ADD pins it with the gateway's address; without one it may change as ports come and go.
        if config.isGateway, let mac = expectedMAC(bridge.name), mac != bridge.mac?.text {
            differences.add("\(bridge.name): expected MAC \(mac), found \(bridge.mac?.text ?? "none")")
        }
        if config.promiscMode && !bridge.isPromiscuous { differences.add("\(bridge.name): expected promiscuous mode, found none") }
        // A smaller one is that of another port, and harms no one.
        if let mtu = config.mtu, bridge.mtu > mtu {
            differences.add("\(bridge.name): expected MTU \(mtu) at most, found \(bridge.mtu): the port loses what is larger")
        }
        if !config.vlans.isEmpty && bridge.bridge?.filtersVLANs == false {
            differences.add("\(bridge.name): expected VLAN filtering, found none: the port is not kept in its VLANs")
        }
        return differences.lines
    }

    // MARK: Port

    /// The host-side veth: the one of prevResult's host interfaces that is the container interface's other end.
    private func port(_ bridge: LinkInfo) throws(CNIError) -> [String] {
        guard let inside = try call.containerInterface(), let peer = inside.link else { return [] }
        guard let link = try attempt(try socket.link(index: peer)), link.kind == "veth" else {
            return ["host-side veth of \(call.interfaceName): found none"]
        }
        var differences = Differences()
        if !result.interfaces.contains(where: { $0.name == link.name && ($0.sandbox ?? "").isEmpty }) {
            differences.add("host-side veth: found \(link.name), which prevResult does not have")
        }
        if !config.disableContainerInterface && !link.isOperational {
            differences.add("\(link.name): expected up, found state \(link.operState)")
        }
        if let mtu = config.mtu, mtu != link.mtu { differences.add("\(link.name): expected MTU \(mtu), found \(link.mtu)") }
        if link.master == bridge.index {
            differences.add(flags(link))
            differences.add(try portVLANs(link, bridge))
        } else {
            differences.add("\(link.name): expected in bridge \(bridge.name), found outside of it")
        }
        if config.macSpoofCheck, let mac = inside.mac { differences.add(try SpoofCheck(port: link.name, mac: mac).differences(call)) }
        return differences.lines
    }

    private func flags(_ port: LinkInfo) -> [String] {
        var differences = Differences()
        // Others turn hairpin on for their own purposes, which does no harm.
        if port.hairpin == false && config.hairpinMode { differences.add("\(port.name): expected hairpin on, found off") }
        if let isolated = port.isolated, config.portIsolation || !isolated {
            // One that is isolated without `portIsolation`: a later plugin may want that, as firewall does.
            differences.expect(port.name, config.portIsolation, isolated) { $0 ? "isolated" : "not isolated" }
        }
        return differences.lines
    }

    private func portVLANs(_ port: LinkInfo, _ bridge: LinkInfo) throws(CNIError) -> [String] {
        if config.vlans.isEmpty { return [] }
        let expected = config.vlans.expected(bridge.bridge)
        guard let found = try vlans(port), found != expected else { return [] }
        return ["\(port.name): expected VLAN \(text(expected)), found \(text(found))"]
    }

    /// Nil where the kernel can't tell.
    private func vlans(_ port: LinkInfo) throws(CNIError) -> [BridgeVLAN]? {
        do throws(NetlinkError) {
            return try socket.bridgeVLANs(index: port.index, name: port.name)
        } catch {
            guard error.errno == .notSupported else { throw error.cni }
            call.log(.warning, "this kernel can't tell the VLANs of one port: those of \(port.name) were not compared")
            return nil
        }
    }

    private func text(_ list: [BridgeVLAN]) -> String { list.isEmpty ? "none" : list.map { $0.text }.joined(separator: ", ") }

    // MARK: Gateway

    private func gateway(_ bridge: LinkInfo) throws(CNIError) -> [String] {
        guard let vlan = config.vlans.access else { return try gatewayAddresses(bridge) }
        guard let link = try attempt(try socket.link(named: config.gatewayName)) else {
            return BridgeGateway.isBridge(bridge, vlan) ? try gatewayAddresses(bridge) : ["gateway \(config.gatewayName): found none"]
        }
        var differences = Differences()
        if !link.isUp { differences.add("\(link.name): expected up, found down") }
        if let mtu = config.mtu, link.mtu > mtu { differences.add("\(link.name): expected MTU \(mtu) at most, found \(link.mtu)") }
        if let mac = expectedMAC(link.name), mac != link.mac?.text {
            differences.add("\(link.name): expected MAC \(mac), found \(link.mac?.text ?? "none")")
        }
        if link.isVLANDevice(vlan, of: bridge) {
            differences.add(try gatewayVLAN(bridge, vlan))
        } else if let port = try BridgeGateway.port(of: link, in: bridge, socket) {
            differences.add(try gatewayVLAN(port, vlan))
        } else {
            differences.add("\(link.name): expected to lead into bridge \(bridge.name), found another place")
        }
        differences.add(try gatewayAddresses(link))
        return differences.lines
    }

    private func gatewayAddresses(_ link: LinkInfo) throws(CNIError) -> [String] {
        let present = try attempt(try socket.addresses(index: link.index)).map { $0.address }
        return result.gatewayAddresses(of: call.interfaceName).filter { !present.contains($0) }.map {
            "\(link.name): expected gateway address \($0.text), found none"
        }
    }

    /// - Parameter port: what the gateway's frames go through: the bridge itself, or the port of a veth that the reference has made. It may
    ///   be in other VLANs too.
    private func gatewayVLAN(_ port: LinkInfo, _ vlan: UInt16) throws(CNIError) -> [String] {
        guard let found = try vlans(port), !found.contains(where: { $0.ids.contains(vlan) }) else { return [] }
        return ["\(port.name): expected VLAN \(vlan) for gateway \(config.gatewayName), found \(text(found))"]
    }
}

extension CNIResult {
    /// The gateways of the addresses of this interface of the container.
    fileprivate func gatewayAddresses(of name: String) -> [IPNetwork] {
        let own = containerAddresses(on: name)
        return CNIResult(ips: ips.filter { own.contains($0.address) }).gatewayAddresses
    }
}
