import ModuleKit

/// The configuration of ipvlan, read and checked.
struct IpvlanConfig {
    /// The link that it is made on, as far as the configuration tells.
    let master: MasterChoice
    let mode: IpvlanMode
    /// How such links of one master reach one another.
    let flag: IpvlanFlag
    /// MTU; nil for the master's.
    let mtu: Int?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS
    /// Nil where the plugin before gives the addresses.
    let ipam: IPAMDelegate?

    init(_ config: ConfigReader) throws(CNIError) {
        master = try MasterChoice(config)
        mode = try IpvlanConfig.mode(config)
        flag = try IpvlanConfig.flag(config)
        mtu = try config.mtu()
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate(config)
    }

    private static func mode(_ config: ConfigReader) throws(CNIError) -> IpvlanMode {
        guard let name = try config.nonEmpty("mode") else { return .l2 }
        guard let mode = IpvlanMode(rawValue: name) else { throw config.invalid("mode", "expected l2, l3 or l3s, found \"\(name)\"") }
        return mode
    }

    private static func flag(_ config: ConfigReader) throws(CNIError) -> IpvlanFlag {
        guard let name = try config.nonEmpty("flag") else { return .bridge }
        guard let flag = IpvlanFlag(rawValue: name) else {
            throw config.invalid("flag", "expected bridge, private or vepa, found \"\(name)\"")
        }
        return flag
    }

    /// The link that it is made on. Where the configuration names none, the one interface that the plugin before made.
    func master(after previous: CNIResult?) throws(CNIError) -> MasterChoice {
        guard master.name == nil, let interfaces = previous?.interfaces else { return master }
        guard interfaces.count == 1, let interface = interfaces.first, !interface.name.isEmpty else {
            throw CNIError(
                .invalidConfiguration, "prevResult: has \(interfaces.count) interfaces, expected the one to take as the master",
                details: "set the key master to a name")
        }
        return MasterChoice(name: interface.name, isInContainer: master.isInContainer || !(interface.sandbox ?? "").isEmpty)
    }

    /// The addresses that the plugin before gives, where there is no IPAM plugin. None at all is an error.
    func given(_ previous: CNIResult?) throws(CNIError) -> CNIResult {
        if ipam != nil { return CNIResult() }
        guard let previous, !previous.ips.isEmpty else {
            throw CNIError(
                .invalidConfiguration, "ipam: is missing: ipvlan requires an IPAM configuration, or addresses in prevResult",
                details: "chain it after a plugin that gives addresses, or set ipam")
        }
        return CNIResult(ips: previous.ips, routes: previous.routes, dns: previous.dns)
    }

    /// Makes such a link: ADD in the container, STATUS where it disturbs no one.
    func make(_ socket: NetlinkSocket, _ link: StackedLink) throws(NetlinkError) {
        try socket.createIpvlan(IpvlanRequest(link, mode: mode, flag: flag))
    }
}
