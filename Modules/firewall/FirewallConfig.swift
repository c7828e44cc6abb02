import ModuleKit

/// The configuration of firewall, read and checked.
struct FirewallConfig {
    /// What lets the container's packets through.
    enum Backend: Equatable {
        case nftables
        case iptables
        case firewalld
    }

    /// Who may reach the container from other networks of this host, and from its own.
    enum IngressPolicy: String {
        /// Everyone.
        case open
        /// No other bridge with a policy.
        case sameBridge = "same-bridge"
        /// Nor its own.
        case isolated
    }

    /// Nil where it is not said: firewalld where it runs, else nftables.
    let backend: Backend?
    /// A chain whose rules, the administrator's, come before all of ours.
    let adminChain: String
    let zone: String
    let policy: IngressPolicy

    init(_ config: ConfigReader) throws(CNIError) {
        let word = try config.string("backend") ?? ""
        switch word {
        case "": backend = nil
        case "nftables": backend = .nftables
        case "iptables": backend = .iptables
        case "firewalld": backend = .firewalld
        default: throw config.invalid("backend", "expected \"nftables\", \"iptables\" or \"firewalld\", found \"\(word)\"")
        }
        adminChain = try config.nonEmpty("iptablesAdminChainName") ?? "CNI-ADMIN"
        guard FirewallConfig.isChainName(adminChain) else {
            throw config.invalid("iptablesAdminChainName", "\"\(adminChain)\" can't be the name of a chain")
        }
        zone = try config.nonEmpty("firewalldZone") ?? "trusted"
        let policy = try config.nonEmpty("ingressPolicy") ?? "open"
        guard let known = IngressPolicy(rawValue: policy) else {
            throw config.invalid("ingressPolicy", "expected \"open\", \"same-bridge\" or \"isolated\", found \"\(policy)\"")
        }
        self.policy = known
    }

    /// What both nft and iptables take for a name: at most 28 characters, the first a letter.
    private static func isChainName(_ name: String) -> Bool {
        guard let first = name.utf8.first, (0x41...0x5a).contains(first & 0xdf), name.utf8.count <= 28 else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: "_.-".utf8.contains(byte)
            }
        }
    }

    /// The backend; where the configuration names none, firewalld if its chains are there: what it does not let through it rejects,
    /// whatever other tables say.
    func chosenBackend(_ call: ModuleCall) throws(CNIError) -> Backend {
        if let backend { return backend }
        let isThere =
            try call.hasNftChain(family: "inet", table: "firewalld", chain: "filter_FORWARD")
            ? true : call.hasNftChain(family: "ip", table: "filter", chain: "FORWARD_IN_ZONES")
        return isThere ? .firewalld : .nftables
    }
}
