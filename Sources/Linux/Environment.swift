import CLinux

/// The process environment.
public enum Environment {
    /// The value of a variable, nil where it is not set.
    public static func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The value of a variable; nil also where the process has privileges that its caller lacks (set-uid, file capabilities), so
    /// that a caller can't steer what such a process loads. The corresponding C function is `secure_getenv`.
    public static func trustedValue(_ name: String) -> String? { secure_getenv(name).map { String(cString: $0) } }

    /// Whether the process has privileges that its caller lacks. The corresponding C constant is `AT_SECURE`, getauxval(3).
    public static var hasElevatedPrivileges: Bool { getauxval(UInt(AT_SECURE)) != 0 }

    /// All variables as `NAME=value`.
    public static var all: [String] {
        var result: [String] = []
        guard var next = clinux_environment() else { return [] }
        while let entry = next.pointee {
            result.append(String(cString: entry))
            next += 1
        }
        return result
    }

    /// The arguments that the program was given, without its name.
    public static var arguments: [String] {
        guard let bytes = try? File.read("/proc/self/cmdline") else { return [] }
        let words = bytes.split(separator: 0, omittingEmptySubsequences: false).dropFirst()
        // A NUL ends each, the last one too.
        return words.dropLast().map { String(decoding: $0, as: UTF8.self) }
    }

    /// The last path component of argv[0]: a multi-call binary dispatches on it.
    public static var programName: String {
        let name = String(cString: clinux_program_name())
        guard let slash = name.utf8.lastIndex(of: UInt8(ascii: "/")) else { return name }
        return String(name[name.utf8.index(after: slash)...])
    }

    /// The directory of the running program's file, symbolic links resolved.
    public static var programDirectory: String? {
        guard let path = File.target(ofLink: "/proc/self/exe"), let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
