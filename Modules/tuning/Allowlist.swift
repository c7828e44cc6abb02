import CLinux
import ModuleKit

/// The kernel parameters that a node's administrator allows: regular expressions, one a line, of which one has to match a key somewhere.
///
/// The reference reads them as RE2 does, here they are POSIX extended ones (regex(7)): what is written differently there and can be put
/// into their form is, and the rest is refused, so that no line means something else than it did.
struct Allowlist {
    /// Where it is looked for; without the file everything is allowed.
    static let path = "/etc/cni/tuning/allowlist.conf"

    private let lines: [String]

    /// Nil where there is no such file.
    init?() throws(CNIError) {
        let text: String
        do throws(Errno) {
            text = try File.readText(Allowlist.path, limit: 1 << 20)
        } catch {
            if error == .noEntry || error == .notDirectory { return nil }
            throw CNIError(.ioFailure, "read \(Allowlist.path): \(error.text)")
        }
        lines = text.utf8.split(separator: 0x0a).map { Allowlist.trimmed($0) }.filter { !$0.isEmpty }
    }

    private static func trimmed(_ line: Substring.UTF8View) -> String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
        var bytes = Array(line.drop(while: isBlank))
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Throws unless each key is allowed.
    func require(_ keys: [String]) throws(CNIError) {
        for key in keys {
            var isAllowed = false
            for line in lines where try Allowlist.matches(line, key) { isAllowed = true }
            if !isAllowed {
                throw CNIError(
                    .invalidConfiguration, "sysctl.\(key): is not allowed on this node",
                    details: "\(Allowlist.path) allows \(lines.isEmpty ? "none" : lines.joined(separator: ", "))")
            }
        }
    }

    /// Whether an expression matches somewhere in a text.
    static func matches(_ expression: String, _ text: String) throws(CNIError) -> Bool {
        let posix = try PosixExpression(expression)
        var compiled = regex_t()
        let status = regcomp(&compiled, posix.text, REG_EXTENDED | REG_NOSUB)
        if status != 0 { throw PosixExpression.invalid(expression, reason(status, &compiled)) }
        defer { regfree(&compiled) }
        return regexec(&compiled, text, 0, nil, 0) == 0
    }

    private static func reason(_ status: Int32, _ compiled: inout regex_t) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        regerror(status, &compiled, &buffer, buffer.count)
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
