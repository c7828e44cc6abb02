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
    /// Without addresses there is nothing to route.
    let ipam: IPAMDelegate

    /// - Parameter arguments: CNI_ARGS; nil where they don't matter (all but ADD).
    init(_ config: ConfigReader, arguments: CNIArguments?) throws(CNIError) {
        masquerade = try Masquerade(config)
        mtu = try config.mtu()
        mac = try arguments.map { (arguments) throws(CNIError) in try PtpConfig.mac(config, arguments) } ?? nil
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate.required(config, by: "ptp")
    }

    /// Later wins: CNI_ARGS MAC, `runtimeConfig.mac`. Other arguments are no error: the reference's ptp does not look at any.
    private static func mac(_ config: ConfigReader, _ arguments: CNIArguments) throws(CNIError) -> MACAddress? {
        try MACAddress.requested(lastOf: [arguments["MAC"], try config.object("runtimeConfig")?.string("mac")])
    }
}
