import ModuleKit

/// The host's side of an attachment, compared with what ADD made: bridge, port, gateway.
struct BridgeCheck {
    private let call: ModuleCall
    private let config: BridgeConfig
    private let result: CNIResult

    init(_ call: ModuleCall, _ config: BridgeConfig, _ result: CNIResult) {
        self.call = call
        self.config = config
        self.result = result
    }

    /// All differences, one line each.
    func differences() throws(CNIError) -> [String] {
        let socket = try call.hostNetlink()
        guard let bridge = try attempt(try socket.link(named: config.bridge)) else { return ["bridge \(config.bridge): found none"] }
        guard bridge.kind == "bridge" else { return ["\(config.bridge): expected a bridge, found \(bridge.kind ?? "a device")"] }
        var differences = Differences()
        if !bridge.isUp { differences.add("\(bridge.name): expected up, found down") }
        // ADD pins it with the gateway's address; without one it changes as ports come and go.
        if config.isGateway, let mac = expectedMAC(bridge.name), mac != bridge.mac?.text {
            differences.add("\(bridge.name): expected MAC \(mac), found \(bridge.mac?.text ?? "none")")
        }
        if config.promiscMode && !bridge.isPromiscuous { differences.add("\(bridge.name): expected promiscuous mode, found none") }
        differences.add(try port(bridge, socket))
        if config.isGateway { differences.add(try gateways(bridge, socket)) }
        return differences.lines
    }

    private func expectedMAC(_ name: String) -> String? {
        result.interfaces.first { $0.name == name && ($0.sandbox ?? "").isEmpty }?.mac
    }

    /// The host-side veth: the one of prevResult's host interfaces that is the container interface's other end.
    private func port(_ bridge: LinkInfo, _ socket: NetlinkSocket) throws(CNIError) -> [String] {
        let container = try call.containerNetlink()
        guard let inside = try attempt(try container.link(named: call.interfaceName)), let peer = inside.link else { return [] }
        guard let link = try attempt(try socket.link(index: peer)), link.kind == "veth" else {
            return ["host-side veth of \(call.interfaceName): found none"]
        }
        var differences = Differences()
        if !result.interfaces.contains(where: { $0.name == link.name && ($0.sandbox ?? "").isEmpty }) {
            differences.add("host-side veth: found \(link.name), which prevResult does not have")
        }
        if link.master != bridge.index { differences.add("\(link.name): expected in bridge \(bridge.name), found outside of it") }
        if !config.disableContainerInterface && !link.isOperational {
            differences.add("\(link.name): expected up, found state \(link.operState)")
        }
        if let mtu = config.mtu, mtu != link.mtu { differences.add("\(link.name): expected MTU \(mtu), found \(link.mtu)") }
        if link.hairpin == false && config.hairpinMode { differences.add("\(link.name): expected hairpin on, found off") }
        if link.isolated == false && config.portIsolation { differences.add("\(link.name): expected isolated, found not isolated") }
        return differences.lines
    }

    private func gateways(_ bridge: LinkInfo, _ socket: NetlinkSocket) throws(CNIError) -> [String] {
        let present = try attempt(try socket.addresses(index: bridge.index)).map { $0.address }
        var lines: [String] = []
        for ip in result.ips where ip.interface == 2 || ip.interface == nil {
            guard let gateway = ip.gateway, let address = IPNetwork(gateway, prefix: ip.address.prefix), !present.contains(address) else {
                continue
            }
            lines.append("\(bridge.name): expected gateway address \(address.text), found none")
        }
        return lines
    }
}
