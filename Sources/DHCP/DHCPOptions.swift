import CNI

/// The options of a message, in order. An option that came in parts is one here: RFC 3396.
public struct DHCPOptions: Equatable, Sendable {
    /// One option.
    public struct Entry: Equatable, Sendable {
        /// Its number.
        public let code: UInt8
        /// Its value.
        public internal(set) var value: [UInt8]
    }

    /// The options.
    public private(set) var entries: [Entry] = []

    /// Makes an empty list.
    public init() {}

    /// The value of an option. Setting one anew keeps its place; nil removes it.
    public subscript(code: UInt8) -> [UInt8]? {
        get {
            for entry in entries where entry.code == code { return entry.value }
            return nil
        }
        set {
            for index in entries.indices where entries[index].code == code {
                if let newValue { entries[index].value = newValue } else { entries.remove(at: index) }
                return
            }
            if let newValue { entries.append(Entry(code: code, value: newValue)) }
        }
    }

    // MARK: The wire

    /// Adds the options in a field of a message. False where one runs past the field's end: the message is no good then.
    mutating func append(parsing field: ArraySlice<UInt8>) -> Bool {
        var rest = field
        while let code = rest.first {
            rest = rest.dropFirst()
            if code == DHCPOption.end { return true }
            if code == DHCPOption.pad { continue }
            guard let length = rest.first, rest.count > Int(length) else { return false }
            self[code] = (self[code] ?? []) + rest.dropFirst().prefix(Int(length))
            rest = rest.dropFirst(1 + Int(length))
        }
        // Some servers leave the end option out.
        return true
    }

    /// The options as they are sent, with the end option. What is longer than 255 bytes goes in parts.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        for entry in entries {
            var rest = entry.value[...]
            repeat {
                let part = rest.prefix(255)
                bytes += [entry.code, UInt8(part.count)]
                bytes += part
                rest = rest.dropFirst(part.count)
            } while !rest.isEmpty
        }
        return bytes + [DHCPOption.end]
    }

    // MARK: Values: an option of another length than its kind has counts as absent

    /// One IPv4 address.
    public func address(_ code: UInt8) -> IPAddress? { self[code].flatMap { $0.count == 4 ? IPAddress(bytes: $0) : nil } }

    /// A list of IPv4 addresses.
    public func addresses(_ code: UInt8) -> [IPAddress] {
        guard let value = self[code], value.count % 4 == 0 else { return [] }
        return stride(from: 0, to: value.count, by: 4).compactMap { IPAddress(bytes: Array(value[$0..<$0 + 4])) }
    }

    /// A number of two or four bytes.
    public func number<T: FixedWidthInteger & UnsignedInteger>(_ code: UInt8, as type: T.Type) -> T? {
        guard let value = self[code], value.count == MemoryLayout<T>.size else { return nil }
        return value.reduce(0) { $0 << 8 | T($1) }
    }

    /// A text, without NUL bytes at its end; nil where it is empty or has control characters in it.
    public func text(_ code: UInt8) -> String? {
        guard var value = self[code] else { return nil }
        while value.last == 0 { value.removeLast() }
        if value.isEmpty || value.contains(where: { $0 < 0x20 || $0 == 0x7f }) { return nil }
        return String(decoding: value, as: UTF8.self)
    }
}
