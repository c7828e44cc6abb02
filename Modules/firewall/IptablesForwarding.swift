import ModuleKit

/// Accepts and ingress policies by iptables, in the table filter: chains and rules of the reference plugin's names and shape.
struct IptablesForwarding {
    private static let chain = "CNI-FORWARD"
    private static let stages = ["CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2"]
    private static let comment = "CNI firewall plugin rules"

    private let call: ModuleCall
    private let config: FirewallConfig

    init(_ call: ModuleCall, _ config: FirewallConfig) {
        self.call = call
        self.config = config
    }

    /// The rules of one address.
    private func rules(_ address: IPAddress) -> [IptablesRule] {
        let host = IPNetwork(host: address).text
        return [
            IptablesRule(
                IptablesForwarding.chain, ["-d", host, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"]),
            IptablesRule(IptablesForwarding.chain, ["-s", host, "-j", "ACCEPT"]),
        ]
    }

    /// The rules of a bridge with a policy.
    private func rules(_ ingress: Ingress) -> [IptablesRule] {
        let (bridge, stages) = (ingress.bridge, IptablesForwarding.stages)
        let own = IptablesForwarding.words("\(IptablesForwarding.comment) (ingressPolicy: \(ingress.policy.rawValue))")
        let shared = IptablesForwarding.words(IptablesForwarding.sharedComment)
        let drop = IptablesRule(stages[0], ["-i", bridge, "-o", bridge] + own + ["-j", "DROP"])
        return (ingress.policy == .isolated ? [drop] : []) + [
            IptablesRule(stages[0], ["-i", bridge, "!", "-o", bridge] + own + ["-j", stages[1]]),
            IptablesRule(stages[1], ["-o", bridge] + shared + ["-j", "DROP"]),
        ]
    }

    private static var sharedComment: String { "\(comment) (ingressPolicy: same-bridge|isolated)" }

    private static func words(_ comment: String) -> [String] { ["-m", "comment", "--comment", comment] }

    // MARK: ADD

    /// Adds the rules of these addresses: for each family one change, that is made as a whole or not at all.
    func add(_ addresses: [IPNetwork], _ ingress: Ingress?) throws(CNIError) {
        for family in [IPAddress.Family.v4, .v6] {
            let own = addresses.map { $0.address }.filter { $0.family == family }
            if own.isEmpty { continue }
            let iptables = try Iptables.require(family)
            try Iptables.locked { () throws(CNIError) in
                let table = try iptables.table("filter")
                let missing = own.flatMap { rules($0) }.filter { !table.contains($0) }.map { $0.line }
                let lines = shared(table) + missing + (ingress.map { isolation(table, $0) } ?? [])
                try iptables.change("filter", lines, purpose: "let packets of \(own.map { $0.text }.joined(separator: ", ")) through")
            }
        }
    }

    /// Chains that all attachments share, and the jumps to them, where they are missing.
    private func shared(_ table: IptablesTable) -> [String] {
        let chain = IptablesForwarding.chain
        var lines = [chain, config.adminChain].filter { !table.has($0) }.map { ":\($0) - [0:0]" }
        if !table.jumps(from: "FORWARD", to: chain) {
            lines.append(IptablesRule("FORWARD", IptablesForwarding.words(IptablesForwarding.comment) + ["-j", chain]).insertion)
        }
        if !table.jumps(from: chain, to: config.adminChain) {
            let words = IptablesForwarding.words("CNI firewall plugin admin overrides") + ["-j", config.adminChain]
            lines.append(IptablesRule(chain, words).insertion)
        }
        return lines
    }

    /// What is missing of a bridge's policy. Each rule goes before those that are there: a RETURN is the last one.
    private func isolation(_ table: IptablesTable, _ ingress: Ingress) -> [String] {
        let comment = IptablesForwarding.words(IptablesForwarding.sharedComment)
        var lines: [String] = []
        for stage in IptablesForwarding.stages where !table.has(stage) {
            lines += [":\(stage) - [0:0]", IptablesRule(stage, comment + ["-j", "RETURN"]).line]
        }
        if !table.jumps(from: "FORWARD", to: IptablesForwarding.stages[0]) {
            lines.append(IptablesRule("FORWARD", comment + ["-j", IptablesForwarding.stages[0]]).insertion)
        }
        return lines + rules(ingress).filter { !table.contains($0) }.map { $0.insertion }
    }

    // MARK: DEL

    /// Removes the rules of these addresses; with the last one of a bridge its policy, and with the last of all the chains.
    func remove(_ addresses: [IPNetwork], _ ingress: Ingress?) throws(CNIError) {
        for family in [IPAddress.Family.v4, .v6] {
            let own = addresses.filter { $0.address.family == family }
            guard !own.isEmpty, let iptables = Iptables(family) else { continue }
            try Iptables.locked { () throws(CNIError) in
                let lines = removal(try iptables.table("filter"), own, ingress)
                try iptables.change("filter", lines, purpose: "remove accepts")
            }
        }
    }

    private func removal(_ table: IptablesTable, _ addresses: [IPNetwork], _ ingress: Ingress?) -> [String] {
        let own = addresses.map { IPNetwork(host: $0.address).text }
        let accepts = table.rules(in: IptablesForwarding.chain).filter { $0.target == "ACCEPT" }
        func isOwn(_ rule: IptablesRule) -> Bool { own.contains(rule.value("-s") ?? "") || own.contains(rule.value("-d") ?? "") }
        var lines = accepts.filter(isOwn).map { $0.deletion }
        let others = accepts.filter { !isOwn($0) }
        // The rules name no bridge: what is of the same subnet is on the same one.
        let isLast = !others.contains { rule in
            guard let source = rule.value("-s").flatMap({ IPNetwork($0) }) else { return false }
            return addresses.contains { $0.contains(source.address) }
        }
        if others.isEmpty && !lines.isEmpty {
            lines += removal(table, ofBridge: { _ in true })
        } else if let ingress, isLast {
            lines += removal(table, ofBridge: { $0 == ingress.bridge })
        }
        guard others.isEmpty, table.has(IptablesForwarding.chain) else { return lines }
        lines = lines.filter { !$0.hasPrefix("-D \(IptablesForwarding.chain) ") } + table.removal(of: IptablesForwarding.chain)
        // One with rules is the administrator's.
        let isUsed = table.rules.contains { $0.target == config.adminChain && $0.chain != IptablesForwarding.chain }
        if table.has(config.adminChain) && table.rules(in: config.adminChain).isEmpty && !isUsed {
            lines.append("-X \(config.adminChain)")
        }
        return lines
    }

    /// The policies of bridges; with the last of them the chains.
    private func removal(_ table: IptablesTable, ofBridge wanted: (String) -> Bool) -> [String] {
        let stages = IptablesForwarding.stages
        func isOwn(_ rule: IptablesRule) -> Bool { (rule.value("-i") ?? rule.value("-o")).map { wanted($0) } ?? false }
        let rules = stages.flatMap { table.rules(in: $0) }
        let left = rules.filter { $0.target != "RETURN" && !isOwn($0) }
        if !left.isEmpty { return rules.filter(isOwn).map { $0.deletion } }
        // The first one leads to the second.
        return stages.filter { table.has($0) }.flatMap { stage in
            table.rules.filter { $0.target == stage && !stages.contains($0.chain) }.map { $0.deletion } + ["-F \(stage)"]
        } + stages.filter { table.has($0) }.map { "-X \($0)" }
    }

    // MARK: CHECK

    /// The differences between what ADD made and what is there.
    func check(_ addresses: [IPNetwork], _ ingress: Ingress?) throws(CNIError) -> [String] {
        var lines: [String] = []
        for family in [IPAddress.Family.v4, .v6] {
            let own = addresses.map { $0.address }.filter { $0.family == family }
            if own.isEmpty { continue }
            let table = try Iptables.require(family).table("filter")
            let program = family == .v4 ? "iptables" : "ip6tables"
            for rule in own.flatMap({ rules($0) }) + (ingress.map { rules($0) } ?? []) where !table.contains(rule) {
                lines.append("\(program): expected rule \"\(rule.line)\" in table filter, found none")
            }
            var jumps = [("FORWARD", IptablesForwarding.chain), (IptablesForwarding.chain, config.adminChain)]
            if ingress != nil { jumps.append(("FORWARD", IptablesForwarding.stages[0])) }
            for (from, to) in jumps where !table.jumps(from: from, to: to) {
                lines.append("\(program): expected a jump from \(from) to \(to) in table filter, found none")
            }
        }
        return lines
    }
}
