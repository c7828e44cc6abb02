/// What CNI allows as names of containers, networks and interfaces.
public enum Names {
    /// Checks a container ID: a letter or digit, then letters, digits, `_`, `.`, `-`. CNI 1.1.0, section 2 "Parameters".
    public static func checkContainerID(_ id: String) throws(CNIError) {
        if id.isEmpty { throw CNIError(.unknownContainer, "missing container ID") }
        guard isIdentifier(id) else { throw CNIError(.invalidEnvironment, "invalid characters in container ID", details: id) }
    }

    /// Checks a network name: as a container ID. CNI 1.1.0, section 1.
    public static func checkNetwork(_ name: String) throws(CNIError) {
        if name.isEmpty { throw CNIError(.invalidConfiguration, "missing network name") }
        guard isIdentifier(name) else { throw CNIError(.invalidConfiguration, "invalid characters found in network name", details: name) }
    }

    /// Checks an interface name: 1 to 15 bytes, not `.` or `..`, without `/`, `:` and white space.
    public static func checkInterface(_ name: String) throws(CNIError) {
        if name.isEmpty { throw CNIError(.invalidEnvironment, "interface name is empty") }
        if name.utf8.count > 15 {
            throw CNIError(
                .invalidEnvironment, "interface name is too long: \(name)", details: "interface name should be less than 16 characters")
        }
        if name == "." || name == ".." { throw CNIError(.invalidEnvironment, "interface name is . or ..") }
        for character in name.unicodeScalars where character == "/" || character == ":" || character.properties.isWhitespace {
            throw CNIError(.invalidEnvironment, "interface name contains / or : or whitespace characters: \(name)")
        }
    }

    /// Whether `type` can name a plugin: `[A-Za-z0-9][A-Za-z0-9_.-]*`, never a path.
    public static func isPluginType(_ type: String) -> Bool { isIdentifier(type) }

    private static func isIdentifier(_ text: String) -> Bool {
        var first = true
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: break
            case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"): if first { return false }
            default: return false
            }
            first = false
        }
        return !first
    }
}
