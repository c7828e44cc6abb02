import ModuleKit

/// Which clients of a container's published ports are masqueraded: an element of the container in one of four sets. Every container with
/// published ports has one, so that DEL can tell at once whether there are any.
///
/// Those of its own network have to be, with `snat`: its answers to them would take the short way, past the host that has to turn their
/// address back; and those to 127.0.0.1 would never leave the container.
enum Hairpin {
    /// Those of its network, and of localhost: where the container's network has a base chain of its own.
    case network(IPNetwork)
    /// The same for an address that is a network of its own: a chain for each would have packets meet as many rules as there are containers.
    case host(IPAddress)
    /// All of them (`masqAll`).
    case all(IPAddress)

    /// None of them.
    case none(IPAddress)

    init(_ target: IPNetwork, _ config: PortmapConfig) {
        if config.masqAll {
            self = .all(target.address)
        } else if !config.snat {
            self = .none(target.address)
        } else {
            self = target.prefix < target.address.family.bits ? .network(target) : .host(target.address)
        }
    }

    /// The elements that an address can have, the likeliest first.
    static func places(_ target: IPNetwork) -> [Place] {
        let address = target.address
        return [Hairpin.network(target), .all(address), .host(address), .none(address)].map { $0.place }
    }

    // MARK: Elements

    /// An element's set and key.
    typealias Place = (map: NftMap, element: NftMap.Element)

    var place: Place {
        switch self {
        case .network(let target): Hairpin.place("hairpin", target.address)
        case .all(let target): Hairpin.place("hairpin_all", target)
        case .host(let target): Hairpin.place("hairpin_hosts", target, twice: true)
        case .none(let target): Hairpin.place("hairpin_none", target)
        }
    }

    /// - Parameter twice: whether the key is the container and, as its only client, the container.
    private static func place(_ name: String, _ target: IPAddress, twice: Bool = false) -> Place {
        let element =
            twice
            ? NftMap.Element(key: "\(target.text) . \(target.text)", keyBytes: target.bytes + target.bytes)
            : NftMap.Element(key: target.text, keyBytes: target.bytes)
        return (set(name, target.family, twice: twice), element)
    }

    private static func set(_ name: String, _ family: IPAddress.Family, twice: Bool = false) -> NftMap {
        let type = family == .v4 ? "ipv4_addr" : "ipv6_addr"
        return NftMap(set: "\(name)\(family == .v4 ? 4 : 6)", type: twice ? "\(type) . \(type)" : type, .inet)
    }

    /// All sets.
    static var sets: [NftMap] {
        [IPAddress.Family.v4, .v6].flatMap {
            [set("hairpin", $0), set("hairpin_all", $0), set("hairpin_hosts", $0, twice: true), set("hairpin_none", $0)]
        }
    }

    /// The elements that an address has, each with its owner's comment.
    static func present(_ call: ModuleCall, _ target: IPNetwork) throws(CNIError) -> [(place: Place, comment: String?)] {
        var found: [(place: Place, comment: String?)] = []
        for place in places(target) {
            if let present = try place.map.present(call, place.element.keyBytes) { found.append((place, present.comment)) }
        }
        return found
    }

    // MARK: Chains

    /// Before the masquerading of what leaves a network: what a client of a published port gets is decided here.
    private static let hook = "type nat hook postrouting priority 99; policy accept"

    /// The chain of what is the same in all networks.
    static var chain: NftChain {
        let localhost = "ip saddr 127.0.0.0/8"
        return NftChain(
            "postrouting_ports", hook: hook,
            rules: [
                // Through a published port, or not at all.
                "ct status & dnat == 0 return",
                "ip daddr @hairpin_all4 masquerade", "ip6 daddr @hairpin_all6 masquerade",
                "\(localhost) ip daddr @hairpin4 masquerade", "\(localhost) ip daddr . ip daddr @hairpin_hosts4 masquerade",
                "ip daddr . ip saddr @hairpin_hosts4 masquerade", "ip6 daddr . ip6 saddr @hairpin_hosts6 masquerade",
            ])
    }

    /// The chain of the container's network; nil where it needs none.
    var networkChain: NftChain? {
        guard case .network(let target) = self else { return nil }
        let (family, network) = (NftTable.family(target.address.family), target.network.text)
        return NftChain(
            "hairpin_\(NftTable.word(target))", hook: Hairpin.hook,
            rules: ["ct status dnat \(family) saddr \(network) \(family) daddr \(network) \(family) daddr @\(place.map.name) masquerade"])
    }
}
