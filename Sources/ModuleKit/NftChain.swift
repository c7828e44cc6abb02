import CNI
import Netlink

/// A chain of a table `catena` that attachments share, with the rules that belong in it.
///
/// ADD asks only whether a chain is there, which is one message to the kernel. CHECK and REPAIR also ask whether rules of it are gone.
public struct NftChain: Sendable {
    /// The name.
    public let name: String
    private let family: NftFamily
    private let hook: String?
    private let rules: [String]

    /// - Parameters:
    ///   - hook: "type nat hook postrouting priority 100" for a base chain.
    ///   - rules: in the words of nft(8).
    public init(_ name: String, _ family: NftFamily = .inet, hook: String? = nil, rules: [String]) {
        self.name = name
        self.family = family
        self.hook = hook
        self.rules = rules
    }

    /// The commands that make it with exactly its rules.
    public var commands: String { NftTable.chain(name, family, hook: hook, rules: rules) }

    /// Whether it is there.
    public func exists(_ call: ModuleCall) throws(CNIError) -> Bool {
        try call.hasNftChain(family: family.rawValue, table: NftTable.name, chain: name)
    }

    /// The number of rules that it has; 0 where it is not there.
    public func ruleCount(_ call: ModuleCall) throws(CNIError) -> Int {
        // Nothing leads to a base chain: what the kernel counts of it are its rules.
        if hook != nil { return try use(call) }
        let socket = try call.netfilter()
        return try attempt(try NftChainUse.rules(socket, family: family.rawValue, table: NftTable.name, chain: name))
    }

    /// How many rules and elements of others lead to it; 0 where it is not there.
    public func jumpCount(_ call: ModuleCall) throws(CNIError) -> Int { try use(call) - ruleCount(call) }

    private func use(_ call: ModuleCall) throws(CNIError) -> Int {
        let socket = try call.netfilter()
        return try attempt(try NftChainUse.count(socket, family: family.rawValue, table: NftTable.name, chain: name)) ?? 0
    }

    /// Whether it has to be made: it is not there; in REPAIR also, rules of it are gone.
    public func isLacking(_ call: ModuleCall) throws(CNIError) -> Bool {
        try call.operation == .repair ? !differences(call).isEmpty : !exists(call)
    }

    /// CHECK: what is missing of it.
    public func differences(_ call: ModuleCall) throws(CNIError) -> [String] {
        let count = try ruleCount(call)
        if count >= rules.count && count > 0 { return [] }
        let place = "\(name) in table \(family.rawValue) catena"
        guard try exists(call) else { return ["nftables: expected chain \(place), found none"] }
        return rules.isEmpty ? [] : ["nftables: expected \(rules.count) rules in chain \(place), found \(count)"]
    }

    /// Queues chains that are made together, where they are missing: ADD where the last one is, which leads to the others; REPAIR each one
    /// that is lacking.
    ///
    /// - Parameters:
    ///   - last: the last one's name.
    ///   - sets: the commands that make table, sets and maps, which the chains' rules name.
    ///   - chains: the chains, each behind those that it leads to; asked for where they are needed.
    public static func queueMissing(
        _ call: ModuleCall, last: String, _ family: NftFamily = .inet, purpose: @autoclosure () -> String,
        sets: @autoclosure () -> [String] = [], _ chains: () throws(CNIError) -> [NftChain]
    ) throws(CNIError) {
        let isThere = try call.hasNftChain(family: family.rawValue, table: NftTable.name, chain: last)
        if isThere && call.operation != .repair { return }
        var lacking = try chains()
        if isThere {
            var found: [NftChain] = []
            for chain in lacking where try chain.isLacking(call) { found.append(chain) }
            lacking = found
        }
        if lacking.isEmpty { return }
        try call.queueNft((sets() + lacking.map { $0.commands }).joined(separator: "\n"), purpose: purpose())
    }

    /// What is missing of all of these.
    public static func differences(_ call: ModuleCall, _ chains: [NftChain]) throws(CNIError) -> [String] {
        var lines: [String] = []
        for chain in chains { lines += try chain.differences(call) }
        return lines
    }
}
