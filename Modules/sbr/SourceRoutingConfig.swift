import ModuleKit

/// The configuration of sbr, read and checked.
struct SourceRoutingConfig {
    /// The table that someone else fills; nil for one of our own for each address.
    let table: Int?
    /// At most one of each family.
    let gateways: [IPAddress]
    /// Whether routes to the subnets stay in table main.
    let addSourceHints: Bool

    /// - Parameter lenient: whether gateways that can't be right are passed over (DEL does not need them).
    init(_ config: ConfigReader, lenient: Bool = false) throws(CNIError) {
        table = try config.unsigned("table")
        if table == 0 { throw config.invalid("table", "must be from 1 to \(UInt32.max), is 0") }
        addSourceHints = try config.bool("addSourceHints")
        gateways = lenient ? [] : try SourceRoutingConfig.gateways(config)
    }

    private static func gateways(_ config: ConfigReader) throws(CNIError) -> [IPAddress] {
        var gateways: [IPAddress] = []
        for text in try config.strings("gateways") {
            guard let gateway = IPAddress(text) else { throw config.invalid("gateways", "expected an IP address, found \"\(text)\"") }
            if let other = gateways.first(where: { $0.family == gateway.family }) {
                throw config.invalid(
                    "gateways", "expected at most one of IPv4 and one of IPv6, found \(other.text) and \(gateway.text)")
            }
            gateways.append(gateway)
        }
        return gateways
    }

    /// The configured gateway of a family.
    func gateway(_ family: IPAddress.Family) -> IPAddress? { gateways.first { $0.family == family } }
}
