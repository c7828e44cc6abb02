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
    let ipMasq: Bool
    /// MTU of the veth, and of a new bridge; nil for the kernel's.
    let mtu: Int?
    let hairpinMode: Bool
    let promiscMode: Bool
    /// Whether IPv6 addresses go through duplicate address detection.
    let enableDAD: Bool
    /// Whether the container's end stays down.
    let disableContainerInterface: Bool
    let portIsolation: Bool
    /// The container's hardware address; nil for a random one.
    let mac: MACAddress?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS
    /// Nil for an interface without addresses.
    let ipam: IPAMDelegate?

    /// - Parameter arguments: CNI_ARGS; nil where they don't matter (DEL).
    init(_ config: ConfigReader, arguments: CNIArguments?) throws(CNIError) {
        let name = try config.string("bridge") ?? ""
        bridge = name.isEmpty ? "cni0" : name
        isDefaultGateway = try config.bool("isDefaultGateway")
        isGateway = try config.bool("isGateway") || isDefaultGateway
        forceAddress = try config.bool("forceAddress")
        ipMasq = try config.bool("ipMasq")
        let number = try config.unsigned("mtu") ?? 0
        mtu = number == 0 ? nil : number
        hairpinMode = try config.bool("hairpinMode")
        promiscMode = try config.bool("promiscMode")
        enableDAD = try config.bool("enabledad")
        disableContainerInterface = try config.bool("disableContainerInterface")
        portIsolation = try config.bool("portIsolation")
        mac = try arguments.map { (arguments) throws(CNIError) in try BridgeConfig.mac(config, arguments) } ?? nil
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate(config)
    }

    /// What ADD refuses: settings that contradict each other, and those that this version does not have.
    func validate(_ config: ConfigReader) throws(CNIError) {
        do throws(CNIError) { try Names.checkInterface(bridge) } catch { throw config.invalid("bridge", error.message) }
        if hairpinMode && promiscMode {
            throw config.invalid("hairpinMode", "can't be set together with promiscMode")
        }
        if disableContainerInterface && ipam != nil {
            throw config.invalid("disableContainerInterface", "can't be set together with ipam: the interface could not have addresses")
        }
        if let vlan = try config.integer("vlan"), vlan != 0 { throw BridgeConfig.unsupported("vlan", "\(vlan)") }
        if let trunk = try config.array("vlanTrunk"), !trunk.isEmpty {
            throw BridgeConfig.unsupported("vlanTrunk", JSON.array(trunk).text())
        }
        if try config.bool("macspoofchk") { throw BridgeConfig.unsupported("macspoofchk", "true") }
        try validateBackend(config)
    }

    private func validateBackend(_ config: ConfigReader) throws(CNIError) {
        guard ipMasq, let backend = try config.string("ipMasqBackend"), !backend.isEmpty, backend != "nftables" else { return }
        if backend == "iptables" { throw BridgeConfig.unsupported("ipMasqBackend", "\"iptables\"") }
        throw config.invalid("ipMasqBackend", "expected \"nftables\", found \"\(backend)\"")
    }

    private static func unsupported(_ key: String, _ value: String) -> CNIError {
        CNIError(.unsupportedField, "\(key): \(value) is not supported by this version of bridge")
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
