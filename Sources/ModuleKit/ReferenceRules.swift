import CNI
import Digest
import JSON

/// The rules that the reference plugins (containernetworking/plugins) made for an attachment, which our DEL has to remove where a node
/// has changed over to Catena with containers running.
///
/// Of NAT both of their backends: iptables as iptables-nft keeps it, in the nftables tables `ip nat` and `ip6 nat`; and nftables, in tables
/// of their own. Whether there is anything is asked by name, which costs the same whatever else there is; only then are chains listed.
public enum ReferenceRules {
    private static let families = ["ip", "ip6"]

    /// Queues the removal of the attachment's masquerading, as their `bridge` and `ptp` make it.
    ///
    /// - Parameters:
    ///   - addresses: the attachment's; empty where they are not known: then all of the container in this network counts.
    ///   - iptables: whether those of their iptables backend count too.
    static func queueRemoveMasquerade(_ call: ModuleCall, addresses: [IPNetwork], iptables: Bool) throws(CNIError) {
        let chain = chainName("CNI-", call)
        let own = addresses.map { $0.address.text }
        var commands: [String] = []
        for family in iptables ? families : [] where try call.hasNftChain(family: family, table: "nat", chain: chain) {
            let jumps = try rules(call, family, "nat", "POSTROUTING").filter { jumpTarget($0) == chain }
            let ours = jumps.filter { own.isEmpty || mentions(.object($0), own) }
            commands += ours.compactMap { deletion($0) }
            // Their chain is one for all interfaces of a container in a network: the last one takes it away.
            if ours.count == jumps.count { commands += removal(family, chain) }
        }
        if try call.hasNftChain(family: "inet", table: "cni_plugins_masquerade", chain: "masq_checks") {
            let instance =
                SHA512.text(of: call.network).prefix(16) + "-"
                + SHA512.text(of: "\(call.interfaceName):\(call.containerID)").prefix(16)
            commands += try rules(call, "inet", "cni_plugins_masquerade", "masq_checks")
                .filter { $0["comment"]?.string?.hasPrefix(String(instance)) ?? false }.compactMap { deletion($0) }
        }
        try queue(call, commands)
    }

    /// Queues the removal of the attachment's published ports, as their `portmap` makes them.
    ///
    /// - Parameters:
    ///   - addresses: as above. Their nftables rules name no network: the address tells which are of this one.
    ///   - iptables: whether those of their iptables backend count too.
    public static func queueRemovePorts(_ call: ModuleCall, addresses: [IPNetwork], iptables: Bool) throws(CNIError) {
        let own = addresses.map { $0.address.text }
        let parents = iptables ? [("CNI-DN-", "CNI-HOSTPORT-DNAT"), ("CNI-SN-", "CNI-HOSTPORT-SNAT")] : []
        var commands: [String] = []
        for family in families {
            for (prefix, parent) in parents {
                let chain = chainName(prefix, call)
                guard try call.hasNftChain(family: family, table: "nat", chain: chain) else { continue }
                commands += try rules(call, family, "nat", parent).filter { jumpTarget($0) == chain }.compactMap { deletion($0) }
                commands += removal(family, chain)
            }
            for chain in ["hostports", "hostip_hostports", "masquerading"]
            where try call.hasNftChain(family: family, table: "cni_hostport", chain: chain) {
                commands += try rules(call, family, "cni_hostport", chain)
                    .filter { $0["comment"]?.string == call.containerID && (own.isEmpty || mentions(.object($0), own)) }
                    .compactMap { deletion($0) }
            }
        }
        try queue(call, commands)
    }

    /// Queues the removal of the attachment's check of source addresses, as their `bridge` makes it.
    public static func queueRemoveSpoofCheck(_ call: ModuleCall) throws(CNIError) {
        let attachment = "\(call.containerID)-\(call.interfaceName)"
        let chain = "cni-br-iface-\(attachment)"
        // A chain of a name that nft can't be told is left alone.
        guard isWord(chain), try call.hasNftChain(family: "bridge", table: "nat", chain: chain) else { return }
        var commands = try rules(call, "bridge", "nat", "PREROUTING")
            .filter { $0["comment"]?.string == "macspoofchk-\(attachment)" }.compactMap { deletion($0) }
        // The first one jumps to the second one: this order.
        for name in [chain, "\(chain)-mac"] where try call.hasNftChain(family: "bridge", table: "nat", chain: name) {
            commands += removal("bridge", name)
        }
        try queue(call, commands)
    }

    private static func isWord(_ text: String) -> Bool { NftIdentity.encode(text) == text }

    private static func queue(_ call: ModuleCall, _ commands: [String]) throws(CNIError) {
        if commands.isEmpty { return }
        call.log(.info, "removing rules that the reference plugins made")
        try call.queueNft(commands.joined(separator: "\n"), purpose: "remove rules of the reference plugins")
    }

    /// Queues the removal of the rules that let the attachment's packets through, as their `firewall` makes them in iptables.
    public static func queueRemoveForwarding(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) {
        let own = addresses.map { $0.address.text }
        var commands: [String] = []
        for family in families where try call.hasNftChain(family: family, table: "filter", chain: "CNI-FORWARD") {
            commands += try rules(call, family, "filter", "CNI-FORWARD")
                .filter { mentions(.object($0), own) }.compactMap { deletion($0) }
        }
        try queue(call, commands)
    }

    // MARK: Rules

    private static func rules(_ call: ModuleCall, _ family: String, _ table: String, _ chain: String) throws(CNIError) -> [JSONObject] {
        let json = try call.queryNft("list chain \(family) \(table) \(chain)")
        return (json?.object?["nftables"]?.array ?? []).compactMap { $0.object?["rule"]?.object }
    }

    private static func jumpTarget(_ rule: JSONObject) -> String? {
        for part in rule["expr"]?.array ?? [] {
            if let target = part.object?["jump"]?.object?["target"]?.string { return target }
        }
        return nil
    }

    /// Whether one of these texts is a value somewhere in it.
    private static func mentions(_ json: JSON, _ texts: [String]) -> Bool {
        switch json {
        case .string(let text): texts.contains(text)
        case .array(let items): items.contains { mentions($0, texts) }
        case .object(let object): object.members.contains { mentions($0.value, texts) }
        default: false
        }
    }

    private static func deletion(_ rule: JSONObject) -> String? {
        guard let family = rule["family"]?.string, let table = rule["table"]?.string, let chain = rule["chain"]?.string,
            let handle = rule["handle"]?.integer
        else { return nil }
        return "delete rule \(family) \(table) \(chain) handle \(handle)"
    }

    private static func removal(_ family: String, _ chain: String) -> [String] {
        ["flush chain \(family) nat \(chain)", "delete chain \(family) nat \(chain)"]
    }

    // MARK: Names

    /// The reference's chain of a container in a network: 28 characters, of them as many of the hash as fit. It does not count the interface.
    public static func chainName(_ prefix: String, network: String, containerID: String) -> String {
        prefix + SHA512.text(of: network + containerID).prefix(28 - prefix.utf8.count)
    }

    private static func chainName(_ prefix: String, _ call: ModuleCall) -> String {
        chainName(prefix, network: call.network, containerID: call.containerID)
    }
}
