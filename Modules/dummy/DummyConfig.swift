import ModuleKit

/// The configuration of dummy.
struct DummyConfig {
    /// Nil where none is named, which only DEL and GC accept.
    let ipam: IPAMDelegate?
    /// The configuration's DNS settings: they replace those of IPAM where any is set.
    let dns: CNIResult.DNS

    init(_ config: ConfigReader) throws(CNIError) {
        ipam = try IPAMDelegate(config)
        dns = try ResultFormat.decodeDNS(config)
    }

    /// The IPAM plugin: without addresses the interface would be good for nothing.
    func requireIPAM() throws(CNIError) -> IPAMDelegate {
        guard let ipam else { throw CNIError(.invalidConfiguration, "ipam: is missing: dummy requires an IPAM configuration") }
        return ipam
    }
}
