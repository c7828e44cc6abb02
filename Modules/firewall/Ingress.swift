import ModuleKit

/// The policy of an attachment's network for who may reach it, where it has one: it is the bridge's.
struct Ingress {
    let policy: FirewallConfig.IngressPolicy
    /// The interface of the host that the network's containers are behind: a bridge, or with ptp the host's end.
    let bridge: String
    private let ports: [String]

    /// Nil where the policy is open. Throws where the result tells no interface of the host.
    init?(_ config: FirewallConfig, _ result: CNIResult) throws(CNIError) {
        if config.policy == .open { return nil }
        let names = result.interfaces.filter { ($0.sandbox ?? "").isEmpty }.map { $0.name }
        guard let first = names.first else {
            throw CNIError(
                .invalidConfiguration, "ingressPolicy: \(config.policy.rawValue) needs an interface of the host, and prevResult has none",
                details: "chain firewall after bridge or ptp")
        }
        guard !first.utf8.contains(where: { "\"\\*".utf8.contains($0) || $0 < 0x21 }) else {
            throw CNIError(.invalidConfiguration, "ingressPolicy: can't be had for a bridge of the name \(first)")
        }
        policy = config.policy
        bridge = first
        ports = Array(names.dropFirst())
    }

    /// The attachment's ports of the bridge: frames between them are switched, and meet no forward hook of IP.
    private func bridgePorts(_ call: ModuleCall) throws(CNIError) -> [LinkInfo] {
        if policy != .isolated { return [] }
        let socket = try call.hostNetlink()
        guard let master = try attempt(try socket.link(named: bridge)), master.kind == "bridge" else { return [] }
        var found: [LinkInfo] = []
        for name in ports {
            if let link = try attempt(try socket.link(named: name)), link.master == master.index { found.append(link) }
        }
        return found
    }

    /// Isolates the attachment's ports of the bridge from other isolated ones. The kernel keeps that with the port: it ends with it.
    func isolatePorts(_ call: ModuleCall) throws(CNIError) {
        let socket = try call.hostNetlink()
        for port in try bridgePorts(call) {
            try attempt(try socket.setBridgePort(index: port.index, name: port.name, BridgePortChange(isolated: true)))
        }
    }

    /// The ports that are not isolated, and should be.
    func checkPorts(_ call: ModuleCall) throws(CNIError) -> [String] {
        try bridgePorts(call).filter { $0.isolated != true }.map {
            "bridge port \($0.name): expected it to be isolated, found that it is not"
        }
    }
}
