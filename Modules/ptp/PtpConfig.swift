import ModuleKit

/// The configuration of ptp, read and checked.
struct PtpConfig {
    /// Whether what leaves the container's network is masqueraded.
    let ipMasq: Bool
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
        ipMasq = try config.bool("ipMasq")
        if ipMasq { try PtpConfig.checkBackend(config) }
        mtu = try config.mtu()
        mac = try arguments.map { (arguments) throws(CNIError) in try PtpConfig.mac(config, arguments) } ?? nil
        dns = try ResultFormat.decodeDNS(config)
        ipam = try IPAMDelegate.required(config, by: "ptp")
    }

    private static func checkBackend(_ config: ConfigReader) throws(CNIError) {
        guard let backend = try config.nonEmpty("ipMasqBackend"), backend != "nftables" else { return }
        if backend == "iptables" {
            throw CNIError(.unsupportedField, "ipMasqBackend: \"iptables\" is not supported by this version of ptp")
        }
        throw config.invalid("ipMasqBackend", "expected \"nftables\", found \"\(backend)\"")
    }

    /// Later wins: CNI_ARGS MAC, `runtimeConfig.mac`. Other arguments are no error: the reference's ptp does not look at any.
    private static func mac(_ config: ConfigReader, _ arguments: CNIArguments) throws(CNIError) -> MACAddress? {
        try MACAddress.requested(lastOf: [arguments["MAC"], try config.object("runtimeConfig")?.string("mac")])
    }
}
