import ModuleKit

/// The configuration of vlan, read and checked.
struct VlanConfig {
    /// The link that it is made on.
    let master: MasterChoice
    /// The VLAN's number.
    let id: UInt16
    /// Which tag its frames carry.
    let `protocol`: VlanProtocol
    /// MTU; nil for the master's.
    let mtu: Int?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS
    /// Without addresses the interface would be good for nothing.
    let ipam: IPAMDelegate

    init(_ config: ConfigReader) throws(CNIError) {
        master = try MasterChoice(config)
        if master.name == nil {
            throw CNIError(.invalidConfiguration, "master: is missing: vlan requires the name of the interface that carries the VLAN")
        }
        let number = try config.integer("vlanId") ?? 0
        guard let id = UInt16(exactly: number), id <= 4094 else { throw config.invalid("vlanId", "must be from 0 to 4094, is \(number)") }
        self.id = id
        `protocol` = try VlanConfig.tag(config)
        mtu = try config.mtu()
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate.required(config, by: "vlan")
    }

    /// Makes such a link: ADD in the container, STATUS where it disturbs no one.
    func make(_ socket: NetlinkSocket, _ link: StackedLink) throws(NetlinkError) {
        try socket.createVlan(VlanRequest(link, id: id, protocol: `protocol`))
    }

    private static func tag(_ config: ConfigReader) throws(CNIError) -> VlanProtocol {
        guard let name = try config.nonEmpty("protocol") else { return .dot1q }
        switch name.lowercased() {
        case "802.1q": return .dot1q
        case "802.1ad": return .dot1ad
        default: throw config.invalid("protocol", "expected 802.1Q or 802.1ad, found \"\(name)\"")
        }
    }
}
