import CNI

/// The options of a message of DHCPv6, or of another option, in order: RFC 8415, section 21.1. One may be there several times.
public struct DHCPv6Options: Equatable, Sendable {
    /// One option.
    public struct Entry: Equatable, Sendable {
        /// Its number.
        public let code: UInt16
        /// Its value.
        public let value: [UInt8]
    }

    /// The options.
    public private(set) var entries: [Entry] = []

    /// Makes an empty list.
    public init() {}

    /// Reads a field. Nil where an option runs past its end.
    init?(_ field: some Collection<UInt8>) {
        var rest = Array(field)[...]
        while !rest.isEmpty {
            guard let code = rest.number(at: 0, as: UInt16.self), let length = rest.number(at: 2, as: UInt16.self),
                rest.count >= 4 + Int(length)
            else { return nil }
            entries.append(Entry(code: code, value: Array(rest.dropFirst(4).prefix(Int(length)))))
            rest = rest.dropFirst(4 + Int(length))
        }
    }

    /// The options as they are sent.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        for entry in entries {
            bytes.append(bigEndian: entry.code)
            bytes.append(bigEndian: UInt16(truncatingIfNeeded: entry.value.count))
            bytes += entry.value
        }
        return bytes
    }

    /// Adds an option.
    public mutating func append(_ code: UInt16, _ value: [UInt8]) { entries.append(Entry(code: code, value: value)) }

    /// The value of the first option of this number.
    public subscript(code: UInt16) -> [UInt8]? { entries.first { $0.code == code }?.value }

    /// The values of all options of this number.
    public func all(_ code: UInt16) -> [[UInt8]] { entries.filter { $0.code == code }.map { $0.value } }

    /// A list of addresses; empty where it is none.
    public func addresses(_ code: UInt16) -> [IPAddress] { IPAddress.list(self[code] ?? []) }

    /// What the status option says; without one all is well.
    public var status: DHCPv6Status { self[DHCPv6Option.statusCode].flatMap { DHCPv6Status($0) } ?? .success }
}

extension IPAddress {
    /// IPv6 addresses, one after the other. Empty where the bytes are no whole number of them; what stands for IPv4 is left out.
    static func list(_ bytes: [UInt8]) -> [IPAddress] {
        guard bytes.count % 16 == 0 else { return [] }
        return stride(from: 0, to: bytes.count, by: 16).compactMap { v6(bytes[$0..<$0 + 16]) }
    }

    /// The IPv6 address of 16 bytes. Nil for another count, and for one that stands for an IPv4 address.
    static func v6(_ bytes: ArraySlice<UInt8>) -> IPAddress? {
        guard bytes.count == 16, let address = IPAddress(bytes: Array(bytes)), address.family == .v6 else { return nil }
        return address
    }

    /// Whether it is a group's address: ff00::/8.
    var isMulticast: Bool { family == .v6 && high >> 56 == 0xff }

    /// Whether an interface can have it, and use it beyond its link.
    var isGlobalUnicast: Bool { family == .v6 && !isUnspecified && !isLoopback && !isLinkLocal && !isMulticast }
}

extension ArraySlice<UInt8> {
    /// The number in network order at an offset from the start; nil where it runs past the end.
    func number<T: FixedWidthInteger & UnsignedInteger>(at offset: Int, as type: T.Type) -> T? {
        guard count >= offset + MemoryLayout<T>.size else { return nil }
        return dropFirst(offset).prefix(MemoryLayout<T>.size).reduce(0) { $0 << 8 | T($1) }
    }
}
