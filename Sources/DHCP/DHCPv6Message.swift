/// A message of DHCPv6 between client and server: RFC 8415, section 8.
public struct DHCPv6Message: Equatable, Sendable {
    /// What a message is for.
    public enum Kind: UInt8, Sendable {
        case solicit = 1
        case advertise = 2
        case request = 3
        case confirm = 4
        case renew = 5
        case rebind = 6
        case reply = 7
        case release = 8
        case decline = 9
        case reconfigure = 10
        case informationRequest = 11
    }

    /// What it is for.
    public let kind: Kind
    /// The client's number for the exchange: 24 bits.
    public let transaction: UInt32
    /// The options.
    public var options = DHCPv6Options()

    /// A message without options.
    public init(_ kind: Kind, transaction: UInt32) {
        self.kind = kind
        self.transaction = transaction & 0xff_ffff
    }

    /// Reads a message. Nil where it is none: too short, of a kind that only relays or no one knows, an option cut short.
    public init?(_ bytes: ArraySlice<UInt8>) {
        guard let head = bytes.number(at: 0, as: UInt32.self), let kind = Kind(rawValue: UInt8(head >> 24)),
            let options = DHCPv6Options(bytes.dropFirst(4))
        else { return nil }
        self.init(kind, transaction: head)
        self.options = options
    }

    /// The message as it is sent.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: UInt32(kind.rawValue) << 24 | transaction)
        return bytes + options.encoded()
    }
}
