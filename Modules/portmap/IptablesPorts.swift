import ModuleKit

/// Ports by iptables, in the table nat: chains and rules of the reference plugin's names and shape, so that what people and tools look for
/// is there, and the reference's DEL finds it too.
struct IptablesPorts {
    private static let commentPrefix = "dnat "
    private static let entryChain = "CNI-HOSTPORT-DNAT"
    private static let markChain = "CNI-HOSTPORT-SETMARK"
    private static let masqueradeChain = "CNI-HOSTPORT-MASQ"
    /// What one multiport match can hold; a range counts twice.
    private static let multiportLimit = 15

    private let call: ModuleCall
    private let config: PortmapConfig
    private let owner: IptablesOwner

    init(_ call: ModuleCall, _ config: PortmapConfig) {
        self.call = call
        self.config = config
        owner = IptablesPorts.owner(call)
    }

    /// Whose a chain is, as the comment of its entry says it: `dnat name: "net" id: "0f3a" if: "eth0"`. The reference's has no `if`.
    private static func owner(_ call: ModuleCall) -> IptablesOwner {
        IptablesOwner(network: call.network, containerID: call.containerID, interfaceName: call.interfaceName)
    }

    private static func owner(of rule: IptablesRule) -> IptablesOwner? {
        rule.comment.flatMap { IptablesOwner(comment: $0, prefix: commentPrefix) }
    }

    // MARK: ADD

    /// Publishes the ports: for each family one change, that is made as a whole or not at all.
    func add(_ mappings: [PortMapping], _ result: CNIResult) throws(CNIError) {
        for family in [IPAddress.Family.v4, .v6] {
            let wanted = mappings.filter { $0.serves(family) }
            guard let target = result.containerAddress(family, on: call.interfaceName), !wanted.isEmpty else { continue }
            let iptables = try Iptables.require(family)
            try Iptables.locked { () throws(CNIError) in
                let table = try iptables.table("nat")
                let chain = IptablesPorts.freeChain(call, table, owner, target.address)
                if !config.allowPortConflicts { try refuseClashes(wanted, table, besides: chain) }
                let old = table.rules.filter { $0.target == chain }.map { $0.deletion }
                let lines =
                    shared(table) + old + [":\(chain) - [0:0]"] + rules(chain, wanted, target).map { $0.line }
                    + entries(chain, wanted, family).map { wanted.contains { $0.specificIP != nil } ? $0.insertion : $0.line }
                try iptables.change("nat", lines, purpose: "publish host ports \(wanted.map { $0.text }.joined(separator: ", "))")
            }
        }
    }

    /// Chains that all attachments share, where they are missing. Those of one rule are written anew: the mark may have changed.
    private func shared(_ table: IptablesTable) -> [String] {
        var lines: [String] = []
        if config.setMarkChain == nil {
            lines += markRules.flatMap { [":\($0.chain) - [0:0]", $0.line] }
            if !table.jumps(from: "POSTROUTING", to: IptablesPorts.masqueradeChain) {
                lines.append(
                    "-I POSTROUTING 1 -m comment --comment \"CNI portfwd requiring masquerade\" -j \(IptablesPorts.masqueradeChain)")
            }
        }
        if !table.has(IptablesPorts.entryChain) { lines.append(":\(IptablesPorts.entryChain) - [0:0]") }
        for chain in ["PREROUTING", "OUTPUT"] where !table.jumps(from: chain, to: IptablesPorts.entryChain) {
            lines.append("-A \(chain) -m addrtype --dst-type LOCAL -j \(IptablesPorts.entryChain)")
        }
        return lines
    }

    /// The chains of one rule: one gives what is to be masqueraded its mark, the other masquerades what has it.
    private var markRules: [IptablesRule] {
        let bit = "0x" + String(UInt32(1) << UInt32(config.markMasqBit), radix: 16)
        return [
            IptablesRule(
                IptablesPorts.markChain,
                ["-m", "comment", "--comment", "CNI portfwd masquerade mark", "-j", "MARK", "--set-xmark", "\(bit)/\(bit)"]),
            IptablesRule(IptablesPorts.masqueradeChain, ["-m", "mark", "--mark", "\(bit)/\(bit)", "-j", "MASQUERADE"]),
        ]
    }

    /// The rules of the attachment's chain: what is to be masqueraded gets its mark, then the destination is changed. The words are those
    /// that iptables-save writes, so that CHECK can compare.
    private func rules(_ chain: String, _ mappings: [PortMapping], _ target: IPNetwork) -> [IptablesRule] {
        let sources =
            !config.snat
            ? []
            : config.masqAll ? [[]] : [["-s", target.network.text]] + (target.address.family == .v4 ? [["-s", "127.0.0.1/32"]] : [])
        return mappings.flatMap { mapping in
            let transport = mapping.transport.name
            let match =
                (mapping.specificIP.map { ["-d", IPNetwork(host: $0).text] } ?? [])
                + ["-p", transport, "-m", transport, "--dport", PortMapping.text(mapping.hostPorts, ":")]
            let marks = sources.map { IptablesRule(chain, $0 + match + ["-j", config.setMarkChain ?? IptablesPorts.markChain]) }
            return marks + [IptablesRule(chain, match + ["-j", "DNAT", "--to-destination", destination(mapping, target.address)])]
        }
    }

    /// "10.1.0.2:80", "[fd00::2]:80"; of a range "10.1.0.2:9000-9010/8000", which keeps the distance to the first port.
    private func destination(_ mapping: PortMapping, _ target: IPAddress) -> String {
        let host = target.family == .v4 ? target.text : "[\(target.text)]"
        let ports = PortMapping.text(mapping.containerPorts, "-")
        return "\(host):\(ports)" + (mapping.hostPorts.count == 1 ? "" : "/\(mapping.hostPorts.lowerBound)")
    }

    /// The rules that lead to the attachment's chain: for each protocol, and as many ports as one rule can have.
    private func entries(_ chain: String, _ mappings: [PortMapping], _ family: IPAddress.Family) -> [IptablesRule] {
        var entries: [IptablesRule] = []
        let comment = ["-m", "comment", "--comment", owner.comment(prefix: IptablesPorts.commentPrefix)]
        for transport in [PortMapping.Transport.sctp, .tcp, .udp] {
            for ports in IptablesPorts.chunks(mappings.filter { $0.transport == transport }) {
                entries.append(
                    IptablesRule(
                        IptablesPorts.entryChain,
                        ["-p", transport.name] + comment + ["-m", "multiport", "--dports", ports]
                            + config.conditions(family) + ["-j", chain]))
            }
        }
        return entries
    }

    private static func chunks(_ mappings: [PortMapping]) -> [String] {
        var chunks: [String] = []
        var room = 0
        for mapping in mappings {
            let size = mapping.hostPorts.count == 1 ? 1 : 2
            let text = PortMapping.text(mapping.hostPorts, ":")
            if room < size {
                chunks.append(text)
                room = multiportLimit
            } else {
                chunks[chunks.count - 1] += ",\(text)"
            }
            room -= size
        }
        return chunks
    }

    /// A port that another attachment has is an error that names it.
    private func refuseClashes(_ mappings: [PortMapping], _ table: IptablesTable, besides chain: String) throws(CNIError) {
        for rule in table.rules where rule.target == "DNAT" && rule.chain != chain && rule.chain.hasPrefix("CNI-DN-") {
            guard let ports = IptablesPorts.ports(rule.value("--dport") ?? ""), let transport = rule.value("-p") else { continue }
            let address = rule.value("-d").flatMap { IPNetwork($0)?.address }
            let clash = mappings.first {
                $0.transport.name == transport && $0.specificIP == address && $0.hostPorts.overlaps(ports)
            }
            guard let clash else { continue }
            let entry = table.rules.first { $0.target == rule.chain }
            let owner = entry.flatMap { IptablesPorts.owner(of: $0)?.text } ?? "chain \(rule.chain)"
            throw CNIError(
                "publish host port \(clash.text): it is in use by \(owner)",
                details: "choose another host port, or remove the other attachment; iptables-save -t nat shows all")
        }
    }

    /// "8080", "8000:8010".
    private static func ports(_ text: String) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: ":").compactMap { UInt16($0) }
        guard let first = ends.first, let last = ends.last, ends.count <= 2, first <= last else { return nil }
        return first...last
    }

    // MARK: Chains

    /// The names that the attachment's chain may have: the reference's, which does not count the interface, and, for a container that has
    /// another interface in the same network, one that does.
    private static func chains(_ call: ModuleCall) -> [String] {
        [
            ReferenceRules.chainName("CNI-DN-", network: call.network, containerID: call.containerID),
            ReferenceRules.chainName("CNI-DN-", network: call.network, containerID: "\(call.containerID):\(call.interfaceName)"),
        ]
    }

    private static func freeChain(_ call: ModuleCall, _ table: IptablesTable, _ owner: IptablesOwner, _ address: IPAddress) -> String {
        let chains = chains(call)
        return !table.has(chains[0]) || belongs(chains[0], to: owner, [address], table) ? chains[0] : chains[1]
    }

    /// Whether a chain is the attachment's: its entry says so; else, as with the reference's, it leads to one of the attachment's addresses
    /// (none: they are not known).
    private static func belongs(_ chain: String, to owner: IptablesOwner, _ addresses: [IPAddress], _ table: IptablesTable) -> Bool {
        let owners = table.rules.filter { $0.target == chain }.compactMap { IptablesPorts.owner(of: $0) }
        if owners.contains(owner) { return true }
        if owners.contains(where: { $0.interfaceName != nil }) || !table.has(chain) { return false }
        return addresses.isEmpty
            || table.rules(in: chain).contains { rule in
                guard let destination = rule.value("--to-destination") else { return false }
                return addresses.contains { destination.hasPrefix($0.family == .v4 ? "\($0.text):" : "[\($0.text)]:") }
            }
    }

    // MARK: DEL, GC

    /// Removes the attachment's chain and what leads to it. A family whose iptables can't be used has none.
    static func remove(_ call: ModuleCall, _ addresses: [IPNetwork]) throws(CNIError) {
        let owner = IptablesPorts.owner(call)
        try Iptables.remove(call, from: "nat", purpose: "remove published ports") { table, family in
            let known = addresses.map { $0.address }.filter { $0.family == family }
            return chains(call).filter { belongs($0, to: owner, known, table) }.flatMap { table.removal(of: $0) }
        }
    }

    /// GC: removes the chains of this network's containers that are not in use.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        let valid = call.validAttachments.map {
            IptablesOwner(network: call.network, containerID: $0.containerID, interfaceName: $0.interfaceName)
        }
        try Iptables.remove(call, from: "nat", purpose: "remove published ports that are not in use") { table, _ in
            var unused: Set<String> = []
            for rule in table.rules(in: entryChain) {
                guard let chain = rule.target, let owner = IptablesPorts.owner(of: rule),
                    owner.network == NftIdentity.encode(call.network)
                else { continue }
                let isUsed = valid.contains {
                    $0.containerID == owner.containerID && (owner.interfaceName == nil || owner.interfaceName == $0.interfaceName)
                }
                if !isUsed { unused.insert(chain) }
            }
            return unused.sorted().flatMap { table.removal(of: $0) }
        }
    }

    // MARK: CHECK

    /// The differences between these ports and what is there.
    func check(_ mappings: [PortMapping], _ result: CNIResult) throws(CNIError) -> [String] {
        var lines: [String] = []
        for family in [IPAddress.Family.v4, .v6] {
            let wanted = mappings.filter { $0.serves(family) }
            guard let target = result.containerAddress(family, on: call.interfaceName), !wanted.isEmpty else { continue }
            lines += try differences(try Iptables.require(family).table("nat"), wanted, target)
        }
        return lines
    }

    private func differences(_ table: IptablesTable, _ mappings: [PortMapping], _ target: IPNetwork) throws(CNIError) -> [String] {
        let program = target.address.family == .v4 ? "iptables" : "ip6tables"
        guard let chain = IptablesPorts.chains(call).first(where: { IptablesPorts.belongs($0, to: owner, [target.address], table) }) else {
            return ["\(program): expected chain \(IptablesPorts.chains(call)[0]) in table nat, found none of \(owner.text)"]
        }
        var lines: [String] = []
        for rule in rules(chain, mappings, target) where !table.contains(rule) {
            lines.append("\(program): expected rule \"\(rule.line)\" in table nat, found none")
        }
        for entry in entries(chain, mappings, target.address.family) {
            let isThere = table.rules(in: IptablesPorts.entryChain).contains {
                $0.target == chain && $0.value("-p") == entry.value("-p") && $0.value("--dports") == entry.value("--dports")
            }
            if !isThere { lines.append("\(program): expected rule \"\(entry.line)\" in table nat, found none") }
        }
        for parent in ["PREROUTING", "OUTPUT"] where !table.jumps(from: parent, to: IptablesPorts.entryChain) {
            lines.append("\(program): expected a jump from \(parent) to \(IptablesPorts.entryChain) in table nat, found none")
        }
        guard config.snat && config.setMarkChain == nil else { return lines }
        for rule in markRules where !table.contains(rule) {
            lines.append("\(program): expected rule \"\(rule.line)\" in table nat, found none")
        }
        if !table.jumps(from: "POSTROUTING", to: IptablesPorts.masqueradeChain) {
            lines.append("\(program): expected a jump from POSTROUTING to \(IptablesPorts.masqueradeChain) in table nat, found none")
        }
        return lines
    }
}
