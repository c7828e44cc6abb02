import CNI

/// The family of a table: what packets it sees.
public enum NftFamily: String, Sendable {
    /// IPv4 and IPv6 packets.
    case inet
    /// Frames that pass a bridge.
    case bridge
}

/// The nftables tables that Catena's modules share: `inet catena`, and `bridge catena` for what is about frames.
///
/// What belongs to one attachment is an element of a map there, with a comment that says whose it is. Chains and rules are made once; so
/// neither looking up nor changing costs more with more containers. See docs/nftables.md.
public enum NftTable {
    /// The name.
    public static let name = "catena"

    /// The command that makes the table; no change where it is there.
    public static let add = "add table inet catena"

    /// The command that makes the table of frames; no change where it is there.
    public static let addBridge = "add table bridge catena"

    /// The commands that make a chain with exactly these rules. They are idempotent, so that two processes which find it missing at the
    /// same time do no harm.
    ///
    /// - Parameter hook: "type nat hook postrouting priority 100" for a base chain.
    public static func chain(_ chain: String, _ family: NftFamily = .inet, hook: String? = nil, rules: [String]) -> String {
        let place = "\(family.rawValue) catena \(chain)"
        let header = "add chain \(place)" + (hook.map { " { \($0); }" } ?? "")
        return ([header, "flush chain \(place)"] + rules.map { "add rule \(place) \($0)" }).joined(separator: "\n")
    }

    /// STATUS: throws code 50 where nftables can't be used: the kernel has to answer for a chain, there or not, and libnftables to be there.
    public static func checkAvailable(_ call: ModuleCall, chain: String, _ family: NftFamily = .inet) throws(CNIError) {
        try unavailable { () throws(CNIError) in
            _ = try call.hasNftChain(family: family.rawValue, table: name, chain: chain)
            _ = try call.queryNft("list chain \(family.rawValue) catena \(chain)")
        }
    }

    /// A network as part of a chain's name: "10.1.0.0/16", "fd00-1--/64".
    public static func word(_ network: IPNetwork) -> String {
        String(network.network.text.map { $0 == ":" ? "-" : $0 })
    }

    /// "ip" or "ip6", as rules name a family.
    public static func family(_ family: IPAddress.Family) -> String { family == .v4 ? "ip" : "ip6" }
}
