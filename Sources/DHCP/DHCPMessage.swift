import CNI

/// A message of DHCP for IPv4: RFC 2131, section 2.
public struct DHCPMessage: Equatable, Sendable {
    /// What a message is for: option 53.
    public enum Kind: UInt8, Sendable {
        case discover = 1
        case offer = 2
        case request = 3
        case decline = 4
        case ack = 5
        case nak = 6
        case release = 7
        case inform = 8
    }

    /// Whether it comes from a server.
    public var isReply = false
    /// The client's number for the exchange.
    public var transaction: UInt32
    /// Seconds since the client began.
    public var seconds: UInt16 = 0
    /// Whether replies are to be broadcast, since the client can't receive unicast before it has an address.
    public var broadcast = false
    /// The address that the client has.
    public var clientAddress = IPAddress.unspecified(.v4)
    /// The address that the server gives.
    public var yourAddress = IPAddress.unspecified(.v4)
    /// The relay that the message went through.
    public var relayAddress = IPAddress.unspecified(.v4)
    /// The client's hardware address.
    public var hardwareAddress: [UInt8]
    /// The options.
    public var options = DHCPOptions()

    private static let cookie: [UInt8] = [99, 130, 83, 99]
    private static let headerLength = 236
    // BOOTP relays and servers of old want 300 bytes: RFC 1542, section 2.1.
    private static let minimumLength = 300

    /// A client's message.
    public init(_ kind: Kind, transaction: UInt32, hardwareAddress: [UInt8]) {
        self.transaction = transaction
        self.hardwareAddress = hardwareAddress
        options[DHCPOption.messageType] = [kind.rawValue]
    }

    /// The kind; nil where it has none, as in BOOTP.
    public var kind: Kind? { options.number(DHCPOption.messageType, as: UInt8.self).flatMap { Kind(rawValue: $0) } }

    /// Reads a message. Nil where it is none: too short, no magic cookie, an impossible header, an option cut short.
    public init?(_ bytes: ArraySlice<UInt8>) {
        let bytes = Array(bytes)
        func address(_ offset: Int) -> IPAddress { IPAddress(bytes: Array(bytes[offset..<offset + 4])) ?? .unspecified(.v4) }
        let start = DHCPMessage.headerLength + 4
        guard bytes.count >= start, Array(bytes[DHCPMessage.headerLength..<start]) == DHCPMessage.cookie, bytes[0] == 1 || bytes[0] == 2,
            bytes[2] <= 16
        else { return nil }
        isReply = bytes[0] == 2
        transaction = bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
        seconds = UInt16(bytes[8]) << 8 | UInt16(bytes[9])
        broadcast = bytes[10] & 0x80 != 0
        clientAddress = address(12)
        yourAddress = address(16)
        relayAddress = address(24)
        hardwareAddress = Array(bytes[28..<28 + Int(bytes[2])])
        guard options.append(parsing: bytes[start...]) else { return nil }
        // RFC 2132, section 9.3: first the field `file`, then `sname`.
        let overload = options.number(DHCPOption.overload, as: UInt8.self) ?? 0
        if overload & 1 != 0, !options.append(parsing: bytes[108..<236]) { return nil }
        if overload & 2 != 0, !options.append(parsing: bytes[44..<108]) { return nil }
    }

    /// The message as it is sent.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = [isReply ? 2 : 1, 1, UInt8(truncatingIfNeeded: hardwareAddress.count), 0]
        bytes.append(bigEndian: transaction)
        bytes.append(bigEndian: seconds)
        bytes.append(bigEndian: UInt16(broadcast ? 0x8000 : 0))
        bytes += clientAddress.bytes + yourAddress.bytes + [0, 0, 0, 0] + relayAddress.bytes
        bytes += hardwareAddress.prefix(16)
        bytes += [UInt8](repeating: 0, count: DHCPMessage.headerLength - bytes.count)
        bytes += DHCPMessage.cookie + options.encoded()
        bytes += [UInt8](repeating: DHCPOption.pad, count: max(0, DHCPMessage.minimumLength - bytes.count))
        return bytes
    }
}

extension [UInt8] {
    /// Appends a number in network order.
    mutating func append<T: FixedWidthInteger>(bigEndian number: T) {
        for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) { append(UInt8(truncatingIfNeeded: number >> T(shift))) }
    }
}
