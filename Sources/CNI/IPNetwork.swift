/// An address with a prefix length, in CIDR notation: an interface's address ("10.1.0.5/16"), or a network ("10.1.0.0/16").
public struct IPNetwork: Hashable, Sendable {
    /// The address as written, host bits included.
    public let address: IPAddress
    /// Bits of the network part.
    public let prefix: Int

    /// Nil where the prefix is longer than the family's addresses.
    public init?(_ address: IPAddress, prefix: Int) {
        guard prefix >= 0, prefix <= address.family.bits else { return nil }
        self.address = address
        self.prefix = prefix
    }

    /// A network of this one address: /32 or /128.
    public init(host address: IPAddress) {
        self.address = address
        self.prefix = address.family.bits
    }

    /// Parses "address/prefix". Nil for anything else.
    public init?(_ text: String) {
        let bytes = text.utf8
        guard let slash = bytes.firstIndex(of: UInt8(ascii: "/")), let address = IPAddress(String(text[text.startIndex..<slash])) else {
            return nil
        }
        let digits = bytes[bytes.index(after: slash)...]
        guard !digits.isEmpty, digits.count <= 3, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        if digits.count > 1, digits.first == 0x30 { return nil }
        self.init(address, prefix: digits.reduce(0) { $0 * 10 + Int($1 - 0x30) })
    }

    /// The first address of the network: all host bits cleared.
    public var networkAddress: IPAddress { address.masked(prefix, hostBits: false) }

    /// The last address of the network: all host bits set (IPv4: the broadcast address).
    public var lastAddress: IPAddress { address.masked(prefix, hostBits: true) }

    /// The network that this address is in: host bits cleared.
    public var network: IPNetwork { IPNetwork(unchecked: networkAddress, prefix) }

    /// Whether `other` is in this network.
    public func contains(_ other: IPAddress) -> Bool {
        other.family == address.family && other.masked(prefix, hostBits: false) == networkAddress
    }

    /// Whether the two networks share an address.
    public func overlaps(_ other: IPNetwork) -> Bool { contains(other.networkAddress) || other.contains(networkAddress) }

    /// "10.1.0.5/16".
    public var text: String { "\(address.text)/\(prefix)" }

    private init(unchecked address: IPAddress, _ prefix: Int) {
        self.address = address
        self.prefix = prefix
    }

    /// 0.0.0.0/0 or ::/0: where a default route goes.
    public static func everything(_ family: IPAddress.Family) -> IPNetwork { IPNetwork(unchecked: .unspecified(family), 0) }

    /// Whether this is 0.0.0.0/0 or ::/0.
    public var isEverything: Bool { prefix == 0 }
}
