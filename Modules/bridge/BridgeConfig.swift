import ModuleKit

/// The configuration of bridge, read and checked.
struct BridgeConfig {
    /// The bridge's name.
    let bridge: String
    /// Whether the bridge gets the gateway's address.
    let isGateway: Bool
    /// Whether the container's default route leads over the bridge.
    let isDefaultGateway: Bool
    /// Whether another address of the bridge gives way to the gateway's.
    let forceAddress: Bool
    /// How what leaves the container's network is masqueraded; nil where it is not.
    let masquerade: Masquerade?
    /// MTU of the veth, and the most that the bridge may have; nil for the kernel's.
    let mtu: Int?
    let hairpinMode: Bool
    let promiscMode: Bool
    /// Whether IPv6 addresses go through duplicate address detection.
    let enableDAD: Bool
    /// Whether the container's end stays down.
    let disableContainerInterface: Bool
    let portIsolation: Bool
    /// The port's VLANs.
    let vlans: PortVLANs
    /// Whether frames from the container have to have its hardware address as their source.
    let macSpoofCheck: Bool
    /// The container's hardware address; nil for a random one.
    let mac: MACAddress?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS
    /// Nil for an interface without addresses.
    let ipam: IPAMDelegate?

    /// - Parameter arguments: CNI_ARGS; nil where neither they nor the port's settings matter (DEL, GC): then they may be wrong.
    init(_ config: ConfigReader, arguments: CNIArguments?) throws(CNIError) {
        let name = try config.string("bridge") ?? ""
        bridge = name.isEmpty ? "cni0" : name
        isDefaultGateway = try config.bool("isDefaultGateway")
        isGateway = try config.bool("isGateway") || isDefaultGateway
        forceAddress = try config.bool("forceAddress")
        let number = try config.unsigned("mtu") ?? 0
        mtu = number == 0 ? nil : number
        hairpinMode = try config.bool("hairpinMode")
        promiscMode = try config.bool("promiscMode")
        enableDAD = try config.bool("enabledad")
        disableContainerInterface = try config.bool("disableContainerInterface")
        portIsolation = try config.bool("portIsolation")
        vlans = arguments == nil ? PortVLANs() : try PortVLANs(config)
        macSpoofCheck = try config.bool("macspoofchk")
        mac = try arguments.map { (arguments) throws(CNIError) in try BridgeConfig.mac(config, arguments) } ?? nil
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate(config)
        let wanted = try Masquerade(config, strict: arguments != nil)
        // Without IPAM there are no addresses.
        masquerade = ipam == nil ? nil : wanted
    }

    /// The link of the host that has the gateways' addresses: the bridge, or with `vlan` a veth into that VLAN, as the reference names it.
    var gatewayName: String { vlans.access.map { "\(bridge).\($0)" } ?? bridge }

    /// What ADD refuses: settings that contradict each other.
    func validate(_ config: ConfigReader) throws(CNIError) {
        do throws(CNIError) { try Names.checkInterface(bridge) } catch { throw config.invalid("bridge", error.message) }
        if hairpinMode && promiscMode {
            throw config.invalid("hairpinMode", "can't be set together with promiscMode")
        }
        if disableContainerInterface && ipam != nil {
            throw config.invalid("disableContainerInterface", "can't be set together with ipam: the interface could not have addresses")
        }
        if isGateway && gatewayName.utf8.count > 15 {
            throw config.invalid("bridge", "with vlan the gateway is \(gatewayName), longer than 15 characters: choose a shorter name")
        }
    }

    /// Later wins: CNI_ARGS MAC, `args.cni.mac`, `runtimeConfig.mac`.
    private static func mac(_ config: ConfigReader, _ arguments: CNIArguments) throws(CNIError) -> MACAddress? {
        try arguments.require(only: ["MAC"])
        return try MACAddress.requested(
            lastOf: [
                arguments["MAC"], try config.object("args")?.object("cni")?.string("mac"),
                try config.object("runtimeConfig")?.string("mac"),
            ])
    }
}
