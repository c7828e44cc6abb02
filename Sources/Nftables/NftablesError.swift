import CNI

/// nftables commands that failed.
public struct NftablesError: Error, Equatable, Sendable {
    /// Why, in the words of libnftables or of the system: "Could not process rule: File exists".
    public let reason: String
    /// The command that it is about; empty where that is not known.
    public let command: String
    /// The line, from 1, of the commands that the failing one is in; nil where that is not known.
    public let line: Int?

    /// Makes one of these parts.
    public init(reason: String, command: String = "", line: Int? = nil) {
        self.reason = reason
        self.command = command
        self.line = line
    }

    /// Whether something that was named does not exist.
    public var isAbsence: Bool { reason.hasSuffix("No such file or directory") }

    /// Reads what libnftables prints: "PLACE:LINE:COLUMNS: Error: WHY", the line itself, and a line of carets.
    init(output: String, commands: String) {
        let lines = output.utf8.split(separator: UInt8(ascii: "\n")).map { String(Substring($0)) }
        let first = lines.first ?? "unknown error"
        let marker = "Error: "
        var head = first[...]
        var reason = first
        var index = head.startIndex
        while index < head.endIndex {
            if head[index...].hasPrefix(marker) {
                reason = String(head[head.index(index, offsetBy: marker.count)...])
                head = head[..<index]
                break
            }
            index = head.index(after: index)
        }
        self.reason = reason
        let parts = head.utf8.split(separator: UInt8(ascii: ":"))
        let number = parts.count >= 2 ? Int(String(Substring(parts[1]))) : nil
        line = number
        let all = commands.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        command =
            number.flatMap { all.indices.contains($0 - 1) ? String(Substring(all[$0 - 1])) : nil } ?? (lines.count > 1 ? lines[1] : "")
    }

    /// The error as a plugin reports it.
    public var cni: CNIError {
        CNIError("nftables: \(command.isEmpty ? "" : "\(command): ")\(reason)", details: hint)
    }

    var hint: String {
        if reason.hasSuffix("Operation not permitted") { return "CAP_NET_ADMIN is needed: run as root" }
        if reason.hasSuffix("File exists") { return "another attachment holds this: nft list table inet catena shows whose it is" }
        return ""
    }
}
