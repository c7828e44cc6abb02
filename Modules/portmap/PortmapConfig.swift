import ModuleKit

/// The configuration of portmap, read and checked.
struct PortmapConfig {
    /// Whether to masquerade what comes back to its own network, or from localhost.
    let snat: Bool
    /// Whether to masquerade whatever comes through a published port.
    let masqAll: Bool
    /// The ports to publish; nil where the runtime gave none.
    let mappings: [PortMapping]?

    init(_ config: ConfigReader) throws(CNIError) {
        snat = try config.optionalBool("snat") ?? true
        masqAll = try config.bool("masqAll")
        mappings = try PortMapping.list(config)
        try PortmapConfig.validate(config)
    }

    /// What of the reference's keys this version does not have: with a value that would have an effect they are an error.
    private static func validate(_ config: ConfigReader) throws(CNIError) {
        let backend = try config.string("backend") ?? ""
        if backend == "iptables" { throw unsupported("backend", "\"iptables\"") }
        if !backend.isEmpty && backend != "nftables" { throw config.invalid("backend", "expected \"nftables\", found \"\(backend)\"") }
        for key in ["conditionsV4", "conditionsV6"] {
            let conditions = try config.strings(key)
            if !conditions.isEmpty { throw unsupported(key, JSON.array(conditions.map { .string($0) }).text()) }
        }
        if let chain = try config.string("externalSetMarkChain"), !chain.isEmpty {
            throw unsupported("externalSetMarkChain", "\"\(chain)\"")
        }
        // Nothing is marked here: the bit is read only so that a wrong one is told.
        if let bit = try config.integer("markMasqBit"), bit < 0 || bit > 31 {
            throw config.invalid("markMasqBit", "must be from 0 to 31, is \(bit)")
        }
    }

    private static func unsupported(_ key: String, _ value: String) -> CNIError {
        CNIError(
            .unsupportedField, "\(key): \(value) is not supported by this version of portmap", details: "it works with nftables maps only")
    }
}
