/// One message of an answer: its type and what follows the header.
public struct NetlinkReply: Sendable {
    /// The message's type (RTM_NEWLINK …).
    public let type: UInt16
    /// The fixed part and the attributes.
    public let payload: ArraySlice<UInt8>

    /// The attributes after a fixed part of `length` bytes.
    func attributes(after length: Int) -> NetlinkAttributes { NetlinkAttributes(payload.dropFirst((length + 3) & ~3)) }

    /// A number of the fixed part; 0 where the message is too short.
    func number<T: FixedWidthInteger & UnsignedInteger>(at offset: Int, as type: T.Type) -> T { payload.number(at: offset, as: type) }
}

/// The attributes in a stretch of bytes. What the kernel did not send, or sent cut short, is simply not there.
public struct NetlinkAttributes: Sendable {
    private let bytes: ArraySlice<UInt8>

    /// The attributes that these bytes are; what follows the first whose length can't be is none.
    public init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// The bytes of an attribute; nil where it is not there.
    public subscript(type: Int32) -> ArraySlice<UInt8>? {
        var found: ArraySlice<UInt8>?
        visit { number, value in
            if Int32(number) != type { return true }
            found = bytes[value]
            return false
        }
        return found
    }

    /// All attributes, in order: for lists.
    public var values: [(type: UInt16, value: ArraySlice<UInt8>)] {
        var entries: [(type: UInt16, value: ArraySlice<UInt8>)] = []
        visit { number, value in
            entries.append((number, bytes[value]))
            return true
        }
        return entries
    }

    /// Goes along the attributes, until `body`, which gets each one's type and place, says that it is enough: false.
    private func visit(_ body: (UInt16, Range<Int>) -> Bool) {
        var next = bytes.startIndex
        while bytes.endIndex - next >= 4 {
            let rest = bytes[next...]
            let length = Int(rest.number(at: 0, as: UInt16.self))
            guard length >= 4, length <= rest.count else { return }
            // The upper two bits are flags (nested, byte order), not part of the type.
            if !body(rest.number(at: 2, as: UInt16.self) & 0x3fff, next + 4..<next + length) { return }
            next = min(next + (length + 3) & ~3, bytes.endIndex)
        }
    }

    /// An attribute that is a number in the machine's byte order; nil where it is not there or too short.
    public func number<T: FixedWidthInteger & UnsignedInteger>(_ type: Int32, as kind: T.Type) -> T? {
        guard let value = self[type], value.count >= MemoryLayout<T>.size else { return nil }
        return value.number(at: 0, as: kind)
    }

    /// An attribute that is a text.
    public func text(_ type: Int32) -> String? { self[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } }

    /// The attributes inside an attribute; empty where it is not there.
    public func nested(_ type: Int32) -> NetlinkAttributes { NetlinkAttributes(self[type] ?? []) }
}

extension ArraySlice<UInt8> {
    /// A number in the machine's byte order at an offset from the slice's start; 0 where the slice is too short.
    func number<T: FixedWidthInteger & UnsignedInteger>(at offset: Int, as type: T.Type) -> T {
        let size = MemoryLayout<T>.size
        guard offset >= 0, count >= offset + size else { return 0 }
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
    }
}
