import CNI

/// Addresses for one interface: the option IA_NA, RFC 8415, section 21.4.
public struct IdentityAssociation: Equatable, Sendable {
    /// An address: section 21.6. Times are in seconds; `UInt32.max` is for ever.
    public struct Address: Equatable, Sendable {
        /// The address.
        public let address: IPAddress
        /// How long it is to be used for what is new.
        public let preferred: UInt32
        /// How long it is to be used at all.
        public let valid: UInt32

        /// Makes one of these parts.
        public init(_ address: IPAddress, preferred: UInt32, valid: UInt32) {
            self.address = address
            self.preferred = preferred
            self.valid = valid
        }
    }

    /// The client's number for it.
    public let identifier: UInt32
    /// When to ask the server (T1), in seconds; 0 leaves it to the client.
    public var t1: UInt32 = 0
    /// When to ask any server (T2), in seconds; 0 leaves it to the client.
    public var t2: UInt32 = 0
    /// The addresses that can be used: RFC 8415 has the client pass over those that are to be preferred for longer than they are valid.
    public var addresses: [Address] = []
    /// How it went.
    public private(set) var status = DHCPv6Status.success

    /// One with these addresses.
    public init(_ identifier: UInt32, addresses: [Address] = []) {
        self.identifier = identifier
        self.addresses = addresses
    }

    /// Reads the option's value. Nil where it is too short, an option in it is cut short, or T1 is after T2.
    public init?(_ value: [UInt8]) {
        let bytes = value[...]
        guard let identifier = bytes.number(at: 0, as: UInt32.self), let t1 = bytes.number(at: 4, as: UInt32.self),
            let t2 = bytes.number(at: 8, as: UInt32.self), let options = DHCPv6Options(bytes.dropFirst(12)), t1 <= t2 || t2 == 0
        else { return nil }
        self.identifier = identifier
        self.t1 = t1
        self.t2 = t2
        status = options.status
        addresses = options.all(DHCPv6Option.address).compactMap { IdentityAssociation.address($0[...]) }
    }

    private static func address(_ value: ArraySlice<UInt8>) -> Address? {
        guard let address = IPAddress.v6(value.prefix(16)), let preferred = value.number(at: 16, as: UInt32.self),
            let valid = value.number(at: 20, as: UInt32.self), let options = DHCPv6Options(value.dropFirst(24)), preferred <= valid,
            address.isGlobalUnicast, options.status.isSuccess
        else { return nil }
        return Address(address, preferred: preferred, valid: valid)
    }

    /// The option's value.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        for number in [identifier, t1, t2] { bytes.append(bigEndian: number) }
        var options = DHCPv6Options()
        for entry in addresses {
            var value = entry.address.bytes
            value.append(bigEndian: entry.preferred)
            value.append(bigEndian: entry.valid)
            options.append(DHCPv6Option.address, value)
        }
        return bytes + options.encoded()
    }
}

extension DHCPv6Message {
    /// What the message says of an IA_NA; nil where it does not, or what it says makes no sense.
    public func association(_ identifier: UInt32) -> IdentityAssociation? {
        for value in options.all(DHCPv6Option.identityAssociation) {
            if let association = IdentityAssociation(value), association.identifier == identifier { return association }
        }
        return nil
    }
}
