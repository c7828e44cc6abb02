import ModuleKit

/// conditionsV4 and conditionsV6: what packets have to match besides the port, as free text in the words of nft(8) or iptables(8).
///
/// Ports with conditions are no plain map elements: each attachment has a chain for them, which one element a port leads to.
enum PortmapConditions {
    /// The chain that looks up ports with conditions, before the others; it is made when the first such port is published.
    static let chain = "conditional_ports"

    /// Ports with conditions on all of the host's addresses: protocol and port lead to the attachment's chain.
    static func ports(_ family: IPAddress.Family) -> NftMap {
        NftMap("conditional_ports\(family.rawValue)", type: "inet_proto . inet_service : verdict")
    }

    /// Those on one of the host's addresses.
    static func hostPorts(_ family: IPAddress.Family) -> NftMap {
        NftMap(
            "conditional_host_ports\(family.rawValue)",
            type: "\(family == .v4 ? "ipv4" : "ipv6")_addr . inet_proto . inet_service : verdict")
    }

    /// All maps.
    static let maps: [NftMap] = [.v4, .v6].flatMap { [ports($0), hostPorts($0)] }

    /// The chain itself.
    static var lookUps: NftChain {
        NftChain(
            chain,
            rules: [
                "ip daddr . meta l4proto . th dport vmap @conditional_host_ports4",
                "ip6 daddr . meta l4proto . th dport vmap @conditional_host_ports6",
                "meta nfproto ipv4 meta l4proto . th dport vmap @conditional_ports4",
                "meta nfproto ipv6 meta l4proto . th dport vmap @conditional_ports6",
            ])
    }

    /// The commands that make maps and chain, and have `ports` ask them first.
    static var setUp: String {
        (maps.map { $0.add } + [lookUps.commands, PortmapRules.ports(conditional: true).commands]).joined(separator: "\n")
    }

    /// The chain of an attachment, by the comment of its elements.
    static func chain(of comment: String, _ family: IPAddress.Family) -> String {
        "conditions\(family.rawValue)_\(String(FNV1a.hash(comment), radix: 16))"
    }

    /// The attachment's chain: packets that match the conditions go to the container.
    static func chain(of mappings: [PortMapping], to target: IPAddress, _ conditions: [String], comment: String) -> NftChain {
        let family = target.family
        var rules: [String] = []
        for isSpecific in [true, false] {
            let elements = mappings.filter { ($0.specificIP != nil) == isSpecific }.map { PortmapRules.element($0, to: target).element }
            if elements.isEmpty { continue }
            let key = (isSpecific ? "\(NftTable.family(family)) daddr . " : "") + "meta l4proto . th dport"
            let pairs = elements.map { "\($0.key) : \($0.value)" }.joined(separator: ", ")
            rules.append(
                conditions.joined(separator: " ") + " dnat \(NftTable.family(family)) to \(key) map { \(pairs) } comment \"\(comment)\"")
        }
        return NftChain(chain(of: comment, family), rules: rules)
    }

    /// The map and element of one port.
    static func element(_ mapping: PortMapping, to target: IPAddress, comment: String) -> (map: NftMap, element: NftMap.Element) {
        let plain = PortmapRules.element(mapping, to: target).element
        let verdict = "jump \(chain(of: comment, target.family))"
        return (
            mapping.specificIP == nil ? ports(target.family) : hostPorts(target.family),
            NftMap.Element(key: plain.key, keyBytes: plain.keyBytes, value: verdict, valueBytes: nil)
        )
    }

    /// The commands that delete the chains of an attachment; none where it has none.
    static func chainRemoval(_ call: ModuleCall, of comment: String) throws(CNIError) -> [String] {
        var commands: [String] = []
        for family in [IPAddress.Family.v4, .v6] {
            let chain = chain(of: comment, family)
            guard try call.hasNftChain(family: "inet", table: NftTable.name, chain: chain) else { continue }
            commands += ["flush chain inet catena \(chain)", "delete chain inet catena \(chain)"]
        }
        return commands
    }

    /// The commands that delete the chains of elements whose comment is wanted (GC): the maps tell the chains.
    static func chainRemoval(_ call: ModuleCall, where wanted: (String) -> Bool) throws(CNIError) -> [String] {
        var comments: Set<String> = []
        for map in maps {
            // The keys are not needed: what is asked of each is the comment.
            _ = try map.keys(call) { comment in
                if wanted(comment) { comments.insert(comment) }
                return false
            }
        }
        var commands: [String] = []
        for comment in comments.sorted() { commands += try chainRemoval(call, of: comment) }
        return commands
    }

    // MARK: Text

    /// What ends a match, or does something with the packet: only matches are conditions.
    private static let statements: Set<String> = [
        "accept", "drop", "reject", "queue", "continue", "return", "jump", "goto", "dnat", "snat", "masquerade", "redirect", "tproxy",
        "synproxy", "dup", "fwd", "notrack", "log", "set", "add", "update", "delete", "flow", "map", "vmap", "comment", "counter",
        "quota", "last", "xt", "include", "define", "rule", "chain", "table",
    ]

    /// Why a text can't be a condition of nft; nil where it can: libnftables says the rest when it reads it. Nothing in it can end the rule
    /// that it is part of, or the command.
    static func fault(_ text: String) -> String? {
        var depth = 0
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: break
            case UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "}"):
                depth -= 1
                if depth < 0 { return "braces must be in pairs" }
            default:
                guard " _.:/,-+*!=<>&|^~()%@".utf8.contains(byte) else {
                    return "the character \(Unicode.Scalar(byte).escaped(asASCII: true)) can't be in a condition"
                }
            }
        }
        if depth != 0 { return "braces must be in pairs" }
        if text.utf8.allSatisfy({ $0 == UInt8(ascii: " ") }) { return "is empty" }
        let words = text.split { !($0.isASCII && ($0.isLetter || $0.isNumber)) && $0 != "_" && $0 != "-" }
        if let word = words.first(where: { statements.contains(String($0)) }) { return "\"\(word)\" is no match: a condition only matches" }
        return nil
    }

    /// Why a text can't be a word for iptables-restore; nil where it can.
    static func faultOfWord(_ text: String) -> String? {
        if text.isEmpty { return "is empty" }
        if text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) { return "control characters can't be in a condition" }
        // Where a packet goes, and in which table, is not for a condition to say.
        let refused = ["-j", "--jump", "-g", "--goto", "-t", "--table"]
        return refused.contains(text) ? "a condition only matches" : nil
    }
}
