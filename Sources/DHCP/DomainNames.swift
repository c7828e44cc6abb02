/// Domain names as options carry them.
enum DomainNames {
    /// Whether a text can go into a resolver's configuration as a domain: letters, digits, `-`, `_` and dots, 253 at most.
    static func isValid(_ name: String) -> Bool {
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard !name.isEmpty, name.utf8.count <= 253 else { return false }
        return labels.allSatisfy { label in
            !label.isEmpty && label.count <= 63
                && label.allSatisfy {
                    ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7a) || $0 == UInt8(ascii: "-")
                        || $0 == UInt8(ascii: "_")
                }
        }
    }

    /// The names of a list: option 119 of DHCP, where they are compressed as in DNS (RFC 3397, section 2); option 24 of DHCPv6 and that of
    /// router advertisements, where they are not, and where zeros may fill the end. Empty where it is not well-formed.
    static func parse(_ bytes: [UInt8], compressed: Bool = true) -> [String] {
        var names: [String] = []
        var offset = 0
        while offset < bytes.count {
            guard let (name, next) = name(bytes, offset, compressed) else { return [] }
            if isValid(name) { names.append(name) }
            offset = next
        }
        return names
    }

    /// The name at an offset, and where the next one begins.
    private static func name(_ bytes: [UInt8], _ start: Int, _ compressed: Bool) -> (name: String, next: Int)? {
        var labels: [String] = []
        var offset = start
        var next: Int?
        var length = 0
        while true {
            guard offset < bytes.count else { return nil }
            let count = Int(bytes[offset])
            if count == 0 { return (labels.joined(separator: "."), next ?? offset + 1) }
            if count & 0xc0 == 0xc0 {
                guard compressed, offset + 1 < bytes.count else { return nil }
                let target = (count & 0x3f) << 8 | Int(bytes[offset + 1])
                // Only backwards, so that it ends.
                guard target < offset else { return nil }
                next = next ?? offset + 2
                offset = target
            } else {
                guard count & 0xc0 == 0, offset + 1 + count <= bytes.count else { return nil }
                length += count + 1
                guard length <= 254 else { return nil }
                labels.append(String(decoding: bytes[offset + 1..<offset + 1 + count], as: UTF8.self))
                offset += 1 + count
            }
        }
    }
}
