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
    /// Nil where none is named, which only DEL and GC accept.
    let ipam: IPAMDelegate?

    init(_ config: ConfigReader) throws(CNIError) {
        master = try MasterChoice(config)
        let number = try config.integer("vlanId") ?? 0
        guard let id = UInt16(exactly: number), id <= 4094 else { throw config.invalid("vlanId", "must be from 0 to 4094, is \(number)") }
        self.id = id
        `protocol` = try VlanConfig.tag(config)
        let mtu = try config.unsigned("mtu") ?? 0
        self.mtu = mtu == 0 ? nil : mtu
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate(config)
    }

    private static func tag(_ config: ConfigReader) throws(CNIError) -> VlanProtocol {
        guard let name = try config.nonEmpty("protocol") else { return .dot1q }
        switch name.lowercased() {
        case "802.1q": return .dot1q
        case "802.1ad": return .dot1ad
        default: throw config.invalid("protocol", "expected 802.1Q or 802.1ad, found \"\(name)\"")
        }
    }

    /// What must be there. The IPAM plugin: without addresses the interface would be good for nothing.
    @discardableResult
    func validate() throws(CNIError) -> IPAMDelegate {
        if master.name == nil {
            throw CNIError(.invalidConfiguration, "master: is missing: vlan requires the name of the interface that carries the VLAN")
        }
        guard let ipam else { throw CNIError(.invalidConfiguration, "ipam: is missing: vlan requires an IPAM configuration") }
        return ipam
    }
}
