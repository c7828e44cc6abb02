/// A table of iptables, as iptables-save(8) lists it.
public struct IptablesTable: Sendable {
    /// Its rules, in the order of their chains.
    public let rules: [IptablesRule]
    private let chains: Set<String>

    /// Reads what iptables-save wrote of one table.
    init(_ text: String) {
        var rules: [IptablesRule] = []
        var chains: Set<String> = []
        for part in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let line = String(Substring(part))
            if line.hasPrefix(":") {
                chains.insert(String(line.dropFirst().prefix { $0 != " " }))
            } else if let rule = IptablesRule(line: line) {
                rules.append(rule)
            }
        }
        self.rules = rules
        self.chains = chains
    }

    /// Whether the chain is there.
    public func has(_ chain: String) -> Bool { chains.contains(chain) }

    /// The rules of a chain.
    public func rules(in chain: String) -> [IptablesRule] { rules.filter { $0.chain == chain } }

    /// Whether a rule of these very words is there.
    public func contains(_ rule: IptablesRule) -> Bool { rules.contains { $0.chain == rule.chain && $0.words == rule.words } }

    /// Whether a rule of `chain` leads to `target`.
    public func jumps(from chain: String, to target: String) -> Bool { rules.contains { $0.chain == chain && $0.target == target } }

    /// The lines that remove a chain, and what leads to it.
    public func removal(of chain: String) -> [String] {
        rules.filter { $0.target == chain && $0.chain != chain }.map { $0.deletion } + ["-F \(chain)", "-X \(chain)"]
    }
}
