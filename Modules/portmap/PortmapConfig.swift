import ModuleKit

/// The configuration of portmap, read and checked.
struct PortmapConfig {
    /// What the ports are published by.
    enum Backend {
        case nftables
        case iptables
    }

    let backend: Backend
    /// Whether to masquerade what comes back to its own network, or from localhost.
    let snat: Bool
    /// Whether to masquerade whatever comes through a published port.
    let masqAll: Bool
    /// iptables: the bit of a packet's mark by which what is to be masqueraded is told.
    let markMasqBit: Int
    /// iptables: a chain of someone else's that marks in place of ours; nil for ours.
    let setMarkChain: String?
    /// Whether a host port that another attachment has is waited for, in place of an error.
    let allowPortConflicts: Bool
    /// The ports to publish; nil where the runtime gave none.
    let mappings: [PortMapping]?
    private let conditionsV4: [String]
    private let conditionsV6: [String]

    init(_ config: ConfigReader) throws(CNIError) {
        snat = try config.optionalBool("snat") ?? true
        masqAll = try config.bool("masqAll")
        allowPortConflicts = try config.bool("allowPortConflicts")
        mappings = try PortMapping.list(config)
        conditionsV4 = try config.strings("conditionsV4")
        conditionsV6 = try config.strings("conditionsV6")
        setMarkChain = try config.nonEmpty("externalSetMarkChain")
        markMasqBit = try config.integer("markMasqBit") ?? 13
        backend = try PortmapConfig.backend(config, usesIptables: setMarkChain != nil, conditionsV4 + conditionsV6)
        try validate(config)
    }

    /// What a packet of this family has to match besides port and address; empty for nothing.
    func conditions(_ family: IPAddress.Family) -> [String] { family == .v4 ? conditionsV4 : conditionsV6 }

    /// The backend that is asked for; else iptables where an option of it is used, else nftables.
    private static func backend(_ config: ConfigReader, usesIptables: Bool, _ conditions: [String]) throws(CNIError) -> Backend {
        let isIptables = usesIptables || conditions.first.map { hasIptablesSyntax($0) } ?? false
        switch try config.string("backend") ?? "" {
        case "": return isIptables ? .iptables : .nftables
        case "iptables": return .iptables
        case "nftables":
            if usesIptables {
                throw config.invalid("externalSetMarkChain", "is an option of the iptables backend, and backend is nftables")
            }
            return .nftables
        case let other: throw config.invalid("backend", "expected \"nftables\" or \"iptables\", found \"\(other)\"")
        }
    }

    /// Options and negations of iptables begin so; nothing of nft does. The reference tells them alike.
    private static func hasIptablesSyntax(_ condition: String) -> Bool { condition.hasPrefix("-") || condition.hasPrefix("!") }

    private func validate(_ config: ConfigReader) throws(CNIError) {
        if markMasqBit < 0 || markMasqBit > 31 { throw config.invalid("markMasqBit", "must be from 0 to 31, is \(markMasqBit)") }
        if config.has("markMasqBit") && setMarkChain != nil {
            throw config.invalid("markMasqBit", "can't be set together with externalSetMarkChain")
        }
        if let setMarkChain, !PortmapConfig.isChainName(setMarkChain) {
            throw config.invalid("externalSetMarkChain", "\"\(setMarkChain)\" can't be the name of a chain")
        }
        for (key, conditions) in [("conditionsV4", conditionsV4), ("conditionsV6", conditionsV6)] {
            guard let first = conditions.first else { continue }
            if PortmapConfig.hasIptablesSyntax(first) != (backend == .iptables) {
                throw config.invalid(key, "\"\(first)\" is not the syntax of the backend \(backend == .iptables ? "iptables" : "nftables")")
            }
            for condition in conditions {
                if let why = backend == .iptables ? PortmapConditions.faultOfWord(condition) : PortmapConditions.fault(condition) {
                    throw config.invalid(key, "\"\(condition)\": \(why)")
                }
            }
        }
    }

    /// iptables(8): at most 28 characters, no white space, no `!` or `-` at the beginning.
    private static func isChainName(_ name: String) -> Bool {
        name.utf8.count <= 28 && !name.hasPrefix("-")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
                default: "_.-:".utf8.contains(byte)
                }
            }
    }
}
