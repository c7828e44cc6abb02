/// A 48-bit hardware address.
public struct MACAddress: Hashable, Sendable {
    /// The six bytes, first one first.
    public let bytes: [UInt8]

    /// Nil unless there are six bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 6 else { return nil }
        self.bytes = bytes
    }

    /// Parses "0a:58:0a:01:00:05", with colons or dashes, in either case. Nil for anything else.
    public init?(_ text: String) {
        let separator = text.utf8.contains(UInt8(ascii: "-")) ? UInt8(ascii: "-") : UInt8(ascii: ":")
        var bytes: [UInt8] = []
        for part in text.utf8.split(separator: separator, omittingEmptySubsequences: false) {
            guard part.count == 2, let byte = Hex.byte(part) else { return nil }
            bytes.append(byte)
        }
        self.init(bytes: bytes)
    }

    /// "0a:58:0a:01:00:05".
    public var text: String {
        var result = ""
        for byte in bytes {
            if !result.isEmpty { result += ":" }
            result += Hex.text(byte)
        }
        return result
    }
}

/// Bytes as hexadecimal digits.
public enum Hex {
    /// Two lower-case digits.
    public static func text(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    /// Two lower-case digits a byte.
    public static func text(_ bytes: some Sequence<UInt8>) -> String {
        var result = ""
        for byte in bytes { result += text(byte) }
        return result
    }

    static func byte(_ digits: Substring.UTF8View) -> UInt8? {
        var value = 0
        for digit in digits {
            switch digit {
            case 0x30...0x39: value = value * 16 + Int(digit - 0x30)
            case 0x41...0x46: value = value * 16 + Int(digit - 0x41) + 10
            case 0x61...0x66: value = value * 16 + Int(digit - 0x61) + 10
            default: return nil
            }
        }
        return UInt8(exactly: value)
    }
}
