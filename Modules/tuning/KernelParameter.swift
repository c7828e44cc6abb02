import ModuleKit

/// A kernel parameter to set, under /proc/sys/net of the container.
struct KernelParameter: Equatable {
    /// As the configuration has it: "net.ipv4.conf.IFNAME.arp_filter".
    let key: String
    /// The value, as it is written.
    let value: String
    /// Where it is below /proc/sys: ["net", "ipv4", "conf", "eth0", "arp_filter"].
    let parts: [String]

    /// The reference's rules: every dot of the key separates, then the first IFNAME stands for the interface, whose name may hold dots.
    init(key: String, value: String, interface: String, place: ConfigReader) throws(CNIError) {
        self.key = key
        self.value = value
        let separated = String(decoding: key.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "/") : $0 }, as: UTF8.self)
        let path = KernelParameter.replacingFirst("IFNAME", in: separated, with: interface)
        parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        guard KernelParameter.isBelowNet(parts) else {
            throw place.invalid(key, "is not below net: only parameters of the network namespace can be set")
        }
    }

    /// One that a file holds, by its path below /proc/sys; nil where that leads elsewhere.
    init?(path: String, value: String) {
        key = path
        self.value = value
        parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        if !KernelParameter.isBelowNet(parts) { return nil }
    }

    /// The path below /proc/sys.
    var path: String { parts.joined(separator: "/") }

    private static func isBelowNet(_ parts: [String]) -> Bool {
        parts.count > 1 && parts[0] == "net" && !parts.contains("..") && !parts.contains(".") && !parts.contains { $0.utf8.contains(0) }
    }

    private static func replacingFirst(_ word: String, in text: String, with other: String) -> String {
        let bytes = Array(text.utf8)
        let wanted = Array(word.utf8)
        guard bytes.count >= wanted.count else { return text }
        for start in 0...(bytes.count - wanted.count) where Array(bytes[start..<(start + wanted.count)]) == wanted {
            return String(decoding: bytes[..<start], as: UTF8.self) + other
                + String(decoding: bytes[(start + wanted.count)...], as: UTF8.self)
        }
        return text
    }

    /// Whether the kernel's value is this one. It separates numbers by tabs, whatever was written.
    func matches(_ found: String) -> Bool { KernelParameter.words(value) == KernelParameter.words(found) }

    private static func words(_ text: String) -> [String] {
        text.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 || $0 == 0x0a }).map { String(Substring($0)) }
    }
}
