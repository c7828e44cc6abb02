import CNI

/// Masquerading by iptables, in the table nat: chains and rules of the reference plugins' names and shape, so that what people and tools
/// look for is there, and the reference's DEL finds it too.
struct IptablesMasquerade {
    private static let parent = "POSTROUTING"

    private let call: ModuleCall
    /// The names that the attachment's chain may have, and what its rules say: the reference's, which does not count the interface; and,
    /// for a container that has another interface in the same network, one that does.
    private let candidates: [(chain: String, owner: IptablesOwner)]

    init(_ call: ModuleCall) {
        self.call = call
        let (network, container, interface) = (call.network, call.containerID, call.interfaceName)
        candidates = [
            (
                ReferenceRules.chainName("CNI-", network: network, containerID: container),
                IptablesOwner(network: network, containerID: container, interfaceName: nil)
            ),
            (
                ReferenceRules.chainName("CNI-", network: network, containerID: "\(container):\(interface)"),
                IptablesOwner(network: network, containerID: container, interfaceName: interface)
            ),
        ]
    }

    // MARK: Rules

    /// What the attachment's chain has: what stays in its networks passes, the rest is masqueraded but for multicast. The words are those that
    /// iptables-save writes, so that CHECK can compare.
    private func rules(_ index: Int, _ addresses: [IPNetwork]) -> [IptablesRule] {
        let (chain, owner) = candidates[index]
        let comment = ["-m", "comment", "--comment", owner.comment()]
        var networks: [String] = []
        for address in addresses where !networks.contains(address.network.text) { networks.append(address.network.text) }
        let multicast = addresses.first?.address.family == .v6 ? "ff00::/8" : "224.0.0.0/4"
        return networks.map { IptablesRule(chain, ["-d", $0] + comment + ["-j", "ACCEPT"]) }
            + [IptablesRule(chain, ["!", "-d", multicast] + comment + ["-j", "MASQUERADE"])]
    }

    /// What leads an address to the attachment's chain.
    private func jump(_ index: Int, _ address: IPNetwork) -> IptablesRule {
        let (chain, owner) = candidates[index]
        return IptablesRule(
            IptablesMasquerade.parent,
            ["-s", IPNetwork(host: address.address).text, "-m", "comment", "--comment", owner.comment(), "-j", chain])
    }

    private static func isOwn(_ rule: IptablesRule, _ addresses: [IPNetwork]) -> Bool {
        guard let source = rule.value("-s") else { return false }
        // Old versions of the reference have the network with it.
        return addresses.contains { IPNetwork(host: $0.address).text == source || $0.network.text == source }
    }

    /// The lines that remove these jumps, and each chain that nothing else leads to.
    private static func removal(_ table: IptablesTable, _ jumps: [IptablesRule]) -> [String] {
        let chains = Set(jumps.compactMap { $0.target }).filter { chain in
            table.has(chain) && !table.rules.contains { $0.target == chain && !jumps.contains($0) }
        }
        return jumps.map { $0.deletion } + chains.sorted().flatMap { ["-F \($0)", "-X \($0)"] }
    }

    // MARK: ADD

    /// Has these addresses masqueraded: for each family one change, that is made as a whole or not at all.
    func add(_ addresses: [IPNetwork]) throws(CNIError) {
        for family in [IPAddress.Family.v4, .v6] {
            let own = addresses.filter { $0.address.family == family }
            if own.isEmpty { continue }
            let iptables = try Iptables.require(family)
            try Iptables.locked { () throws(CNIError) in
                try iptables.change(
                    "nat", addition(try iptables.table("nat"), own),
                    purpose: "masquerade \(own.map { $0.address.text }.joined(separator: ", "))")
            }
        }
    }

    private func addition(_ table: IptablesTable, _ addresses: [IPNetwork]) -> [String] {
        let isOthers = table.rules(in: IptablesMasquerade.parent).contains {
            $0.target == candidates[0].chain && !IptablesMasquerade.isOwn($0, addresses)
        }
        let index = isOthers ? 1 : 0
        let jumps = addresses.map { jump(index, $0) }
        // IPAM gave the addresses to this attachment: what another one left behind for them is stale.
        let stale = table.rules(in: IptablesMasquerade.parent).filter { rule in
            rule.target != candidates[index].chain && rule.comment.flatMap { IptablesOwner(comment: $0) } != nil
                && jumps.contains { $0.value("-s") == rule.value("-s") }
        }
        return IptablesMasquerade.removal(table, stale) + [":\(candidates[index].chain) - [0:0]"] + rules(index, addresses).map { $0.line }
            + jumps.filter { !table.contains($0) }.map { $0.line }
    }

    // MARK: DEL, GC

    /// Removes the attachment's rules; where its addresses are not known, those of its own chain.
    func remove(_ addresses: [IPNetwork]) throws(CNIError) {
        try Iptables.remove(call, from: "nat", purpose: "remove masquerading") { table, family in
            let known = addresses.filter { $0.address.family == family }
            let chains = candidates.map { $0.chain }.filter { table.has($0) }
            let own = addresses.isEmpty ? chains.suffix(1) : chains[...]
            let jumps = table.rules(in: IptablesMasquerade.parent).filter { rule in
                own.contains(rule.target ?? "") && (addresses.isEmpty || IptablesMasquerade.isOwn(rule, known))
            }
            let orphans = own.filter { chain in !table.rules.contains { $0.target == chain } }
            return IptablesMasquerade.removal(table, jumps) + orphans.flatMap { ["-F \($0)", "-X \($0)"] }
        }
    }

    /// GC: removes the rules of this network's containers that are not in use.
    static func collect(_ call: ModuleCall) throws(CNIError) {
        let network = NftIdentity.encode(call.network)
        let valid = call.validAttachments.map {
            IptablesOwner(network: call.network, containerID: $0.containerID, interfaceName: $0.interfaceName)
        }
        try Iptables.remove(call, from: "nat", purpose: "remove masquerading that is not in use") { table, _ in
            removal(
                table,
                table.rules(in: parent).filter { rule in
                    guard let owner = rule.comment.flatMap({ IptablesOwner(comment: $0) }), owner.network == network else { return false }
                    return !valid.contains {
                        $0.containerID == owner.containerID && (owner.interfaceName == nil || owner.interfaceName == $0.interfaceName)
                    }
                })
        }
    }

    // MARK: CHECK

    /// The differences between what ADD made for these addresses and what is there.
    func check(_ addresses: [IPNetwork]) throws(CNIError) -> [String] {
        var lines: [String] = []
        for family in [IPAddress.Family.v4, .v6] {
            let own = addresses.filter { $0.address.family == family }
            if own.isEmpty { continue }
            let table = try Iptables.require(family).table("nat")
            let index = own.contains { table.contains(jump(1, $0)) } ? 1 : 0
            for rule in rules(index, own) + own.map({ jump(index, $0) }) where !table.contains(rule) {
                lines.append("\(family == .v4 ? "iptables" : "ip6tables"): expected rule \"\(rule.line)\" in table nat, found none")
            }
        }
        return lines
    }
}
