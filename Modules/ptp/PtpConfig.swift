import ModuleKit

/// The configuration of ptp, read and checked.
struct PtpConfig {
    /// How what leaves the container's network is masqueraded; nil where it is not.
    let masquerade: Masquerade?
    /// MTU of both ends; nil for the kernel's.
    let mtu: Int?
    /// The container's hardware address; nil for a random one.
    let mac: MACAddress?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS
    /// Nil where none is named, which only DEL and GC accept.
    let ipam: IPAMDelegate?

    /// - Parameter arguments: CNI_ARGS; nil where they don't matter (all but ADD).
    init(_ config: ConfigReader, arguments: CNIArguments?) throws(CNIError) {
        masquerade = try Masquerade(config)
        let number = try config.unsigned("mtu") ?? 0
        mtu = number == 0 ? nil : number
        mac = try arguments.map { (arguments) throws(CNIError) in try PtpConfig.mac(config, arguments) } ?? nil
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate(config)
    }

    /// Later wins: CNI_ARGS MAC, `runtimeConfig.mac`. Other arguments are no error: the reference's ptp does not look at any.
    private static func mac(_ config: ConfigReader, _ arguments: CNIArguments) throws(CNIError) -> MACAddress? {
        try MACAddress.requested(lastOf: [arguments["MAC"], try config.object("runtimeConfig")?.string("mac")])
    }

    /// The IPAM plugin: without addresses there is nothing to route.
    func requireIPAM() throws(CNIError) -> IPAMDelegate {
        guard let ipam else { throw CNIError(.invalidConfiguration, "ipam: is missing: ptp requires an IPAM configuration") }
        return ipam
    }
}
