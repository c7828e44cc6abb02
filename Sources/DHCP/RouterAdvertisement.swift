import CNI

/// What a router says of itself and its link: RFC 4861, section 4.2, with RFC 8106 for DNS. Times are in seconds; `UInt32.max` is for ever.
public struct RouterAdvertisement: Equatable, Sendable {
    /// A network that the router knows of: RFC 4861, section 4.6.2.
    public struct Prefix: Equatable, Sendable {
        /// The network.
        public let network: IPNetwork
        /// Whether all its addresses are on the link.
        public let isOnLink: Bool
        /// Whether hosts may make themselves addresses in it.
        public let isAutonomous: Bool
        /// How long such an address is valid.
        public let valid: UInt32
        /// How long it is preferred.
        public let preferred: UInt32
    }

    /// Addresses are to be had by DHCPv6: flag M.
    public let isManaged: Bool
    /// Other settings are: flag O.
    public let hasOtherSettings: Bool
    /// How long it is a default router; 0 for not at all.
    public let lifetime: UInt16
    /// The networks.
    public private(set) var prefixes: [Prefix] = []
    /// The link's MTU; nil where it is not told, or is less than IPv6 has to have.
    public private(set) var mtu: UInt32?
    /// Name servers.
    public private(set) var nameServers: [IPAddress] = []
    /// Domains to search.
    public private(set) var searchDomains: [String] = []
    /// The message as it came.
    public let bytes: [UInt8]

    private static let type: UInt8 = 134

    /// Reads an ICMPv6 message, whose checksum the kernel has looked at. Nil where it is no advertisement, or an option is cut short.
    public init?(_ message: ArraySlice<UInt8>) {
        bytes = Array(message)
        guard bytes.count >= 16, bytes[0] == RouterAdvertisement.type, bytes[1] == 0, let lifetime = message.number(at: 6, as: UInt16.self)
        else { return nil }
        isManaged = bytes[5] & 0x80 != 0
        hasOtherSettings = bytes[5] & 0x40 != 0
        self.lifetime = lifetime
        var rest = bytes[16...]
        while !rest.isEmpty {
            // Lengths are in units of eight bytes; one of none would never end: RFC 4861, section 6.1.2.
            guard rest.count >= 2, let units = rest.dropFirst().first, units > 0, rest.count >= Int(units) * 8 else { return nil }
            take(Array(rest.prefix(Int(units) * 8)))
            rest = rest.dropFirst(Int(units) * 8)
        }
    }

    /// Takes in an option. One that makes no sense is passed over.
    private mutating func take(_ option: [UInt8]) {
        switch option[0] {
        case 3 where option.count == 32: takePrefix(option)
        case 5: mtu = option[...].number(at: 4, as: UInt32.self).flatMap { $0 >= 1280 ? $0 : nil }
        case 25 where isInForce(option):
            nameServers += IPAddress.list(Array(option.dropFirst(8))).filter { !$0.isUnspecified && !$0.isMulticast }
        case 31 where isInForce(option):
            searchDomains += DomainNames.parse(Array(option.dropFirst(8)), compressed: false)
        default: break
        }
    }

    /// Whether an option of RFC 8106 has a lifetime left.
    private func isInForce(_ option: [UInt8]) -> Bool { option[...].number(at: 4, as: UInt32.self).map { $0 > 0 } ?? false }

    private mutating func takePrefix(_ option: [UInt8]) {
        guard let valid = option[...].number(at: 4, as: UInt32.self), let preferred = option[...].number(at: 8, as: UInt32.self),
            let address = IPAddress.v6(option[16..<32]), let network = IPNetwork(address, prefix: Int(option[2])), preferred <= valid,
            network.networkAddress.isGlobalUnicast
        else { return }
        prefixes.append(
            Prefix(
                network: network.network, isOnLink: option[3] & 0x80 != 0, isAutonomous: option[3] & 0x40 != 0, valid: valid,
                preferred: preferred))
    }

    /// The networks in which a host may make itself an address of 64 bits of its own: RFC 4862, section 5.5.3.
    public var autonomousPrefixes: [Prefix] { prefixes.filter { $0.isAutonomous && $0.network.prefix == 64 && $0.valid > 0 } }
}
