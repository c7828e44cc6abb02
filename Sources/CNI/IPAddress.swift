import CLinux

/// An IPv4 or IPv6 address.
public struct IPAddress: Hashable, Sendable {
    /// The address family.
    public enum Family: UInt8, Sendable {
        case v4 = 4
        case v6 = 6

        /// Bits in an address of this family.
        public var bits: Int { self == .v4 ? 32 : 128 }
    }

    /// IPv4 or IPv6.
    public let family: Family
    /// The upper 64 bits of an IPv6 address; 0 for IPv4.
    public let high: UInt64
    /// The lower 64 bits of an IPv6 address, or the 32 of an IPv4 address, as a number.
    public let low: UInt64

    /// Makes one of these parts.
    public init(family: Family, high: UInt64, low: UInt64) {
        self.family = family
        self.high = high
        self.low = low
    }

    /// Parses the usual text forms (inet_pton(3)). An IPv4 address mapped into IPv6 becomes that IPv4 address. Nil for anything else.
    public init?(_ text: String) {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            self.init(family: .v4, high: 0, low: UInt64(UInt32(bigEndian: v4.s_addr)))
            return
        }
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
        self.init(bytes: withUnsafeBytes(of: &v6) { Array($0) })
    }

    /// An address from its 4 or 16 bytes in network order. Nil for another count. An IPv4 address mapped into IPv6 becomes that IPv4 address.
    public init?(bytes: [UInt8]) {
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        if bytes.count == 4 {
            self.init(family: .v4, high: 0, low: number(0..<4))
        } else if bytes.count == 16 {
            let high = number(0..<8)
            let low = number(8..<16)
            if high == 0 && low >> 32 == 0xffff {
                self.init(family: .v4, high: 0, low: low & 0xffff_ffff)
            } else {
                self.init(family: .v6, high: high, low: low)
            }
        } else {
            return nil
        }
    }

    /// The address in network order: 4 or 16 bytes.
    public var bytes: [UInt8] {
        func split(_ number: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (count - 1 - $0))) }
        }
        return family == .v4 ? split(low, 4) : split(high, 8) + split(low, 8)
    }

    /// The usual text form (inet_ntop(3)): "10.1.0.5", "fd00::5".
    public var text: String {
        // inet_ntop writes the lowest addresses of IPv6 with an IPv4 tail, "::0.1.0.5", which no one else does (RFC 5952, section 5).
        if family == .v6 && high == 0 && low >> 32 == 0 && low > 0xffff {
            return "::\(String(low >> 16, radix: 16)):\(String(low & 0xffff, radix: 16))"
        }
        let raw = bytes
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let done = inet_ntop(family == .v4 ? AF_INET : AF_INET6, raw, &buffer, socklen_t(buffer.count))
        return done == nil ? "" : String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The address after this one; nil after the last one of the family.
    public var next: IPAddress? {
        if family == .v4 { return low == 0xffff_ffff ? nil : IPAddress(family: .v4, high: 0, low: low + 1) }
        if low < UInt64.max { return IPAddress(family: .v6, high: high, low: low + 1) }
        return high == UInt64.max ? nil : IPAddress(family: .v6, high: high + 1, low: 0)
    }

    /// The address before this one; nil before the first one of the family.
    public var previous: IPAddress? {
        if low > 0 { return IPAddress(family: family, high: high, low: low - 1) }
        return family == .v4 || high == 0 ? nil : IPAddress(family: .v6, high: high - 1, low: UInt64.max)
    }

    /// Whether this is 0.0.0.0 or ::.
    public var isUnspecified: Bool { high == 0 && low == 0 }

    /// Whether this is in 127.0.0.0/8 or is ::1.
    public var isLoopback: Bool { family == .v4 ? low >> 24 == 127 : high == 0 && low == 1 }

    /// Whether this is a link-local unicast address: 169.254.0.0/16, fe80::/10.
    public var isLinkLocal: Bool { family == .v4 ? low >> 16 == 0xa9fe : high >> 54 == 0x3fa }

    /// The unspecified address of a family.
    public static func unspecified(_ family: Family) -> IPAddress { IPAddress(family: family, high: 0, low: 0) }

    /// The address with every bit after the first `prefix` cleared, or set.
    func masked(_ prefix: Int, hostBits ones: Bool) -> IPAddress {
        func mask(_ bits: Int, of width: Int) -> UInt64 {
            let kept = max(0, min(width, bits))
            let all: UInt64 = width == 64 ? UInt64.max : (1 << UInt64(width)) - 1
            return kept == width ? 0 : all >> UInt64(kept)
        }
        if family == .v4 {
            let host = mask(prefix, of: 32)
            return IPAddress(family: .v4, high: 0, low: ones ? low | host : low & ~host)
        }
        let hostHigh = mask(prefix, of: 64)
        let hostLow = mask(prefix - 64, of: 64)
        return IPAddress(
            family: .v6, high: ones ? high | hostHigh : high & ~hostHigh, low: ones ? low | hostLow : low & ~hostLow)
    }
}

extension IPAddress: Comparable {
    /// IPv4 before IPv6, then by number.
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        (left.family.rawValue, left.high, left.low) < (right.family.rawValue, right.high, right.low)
    }
}
