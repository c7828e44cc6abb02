import ModuleKit

/// The configuration of routed, read and checked.
struct RoutedConfig {
    /// MTU of both ends; nil for the kernel's.
    let mtu: Int?
    /// Whether what leaves the network is masqueraded.
    let ipMasq: Bool
    /// Nil where none is named, which only DEL and GC accept.
    let ipam: IPAMDelegate?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS

    init(_ config: ConfigReader) throws(CNIError) {
        let number = try config.unsigned("mtu") ?? 0
        mtu = number == 0 ? nil : number
        ipMasq = try config.bool("ipMasq")
        ipam = try IPAMDelegate(config)
        dns = try ResultFormat.decodeDNS(config)
    }

    /// The IPAM plugin: without addresses there is nothing to route.
    func requireIPAM() throws(CNIError) -> IPAMDelegate {
        guard let ipam else { throw CNIError(.invalidConfiguration, "ipam: is missing: routed requires an IPAM configuration") }
        return ipam
    }
}
