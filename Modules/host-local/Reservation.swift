import ModuleKit

/// A reserved address: a file that is named after it and holds who it is for.
///
/// The format is the reference's, byte for byte: the container ID, a carriage return, a line feed and the ifname, with nothing after
/// it. Versions before 0.8 of the reference wrote the container ID alone; such files are still honoured.
struct Reservation: Equatable {
    /// Who an address is reserved for.
    struct Owner: Equatable {
        let containerID: String
        /// Nil in the old form.
        let interfaceName: String?

        /// "<container ID> <ifname>", or the container ID alone.
        var text: String { interfaceName.map { "\(containerID) \($0)" } ?? containerID }

        init(containerID: String, interfaceName: String?) {
            self.containerID = containerID
            self.interfaceName = interfaceName
        }

        /// An attachment, in the present form.
        init(_ attachment: Attachment) { self.init(containerID: attachment.containerID, interfaceName: attachment.interfaceName) }

        /// Whether this is that attachment in the present form.
        func matches(_ attachment: Attachment) -> Bool {
            containerID == attachment.containerID && interfaceName == attachment.interfaceName
        }

        /// Whether this is that container in the old form.
        func matchesOldForm(_ attachment: Attachment) -> Bool { containerID == attachment.containerID && interfaceName == nil }
    }

    /// The file's name.
    let name: String
    let address: IPAddress
    /// Nil where the file is empty, damaged, or can't be read: the address is taken, nobody knows by whom.
    let owner: Owner?
    /// When the file was last modified, which is when it was made.
    var modified = Timestamp(seconds: 0)

    /// What a file for this attachment holds.
    static func bytes(for attachment: Attachment) -> [UInt8] {
        Array("\(attachment.containerID)\r\n\(attachment.interfaceName)".utf8)
    }

    /// Reads what a file holds; white space around it does not count, as in the reference. Nil where that is all there is, or where a
    /// name holds a control character: what a crash of the machine can leave, often zeros.
    static func owner(of bytes: [UInt8]) -> Owner? {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
        guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) }) else { return nil }
        func name(_ bytes: ArraySlice<UInt8>) -> String? {
            bytes.contains { $0 < 0x20 || $0 == 0x7f } ? nil : String(decoding: bytes, as: UTF8.self)
        }
        let content = bytes[first...last]
        for index in content.indices.dropLast() where content[index] == 0x0d && content[index + 1] == 0x0a {
            guard let container = name(content[first..<index]), let interface = name(content[(index + 2)...last]) else { return nil }
            return Owner(containerID: container, interfaceName: interface)
        }
        return name(content).map { Owner(containerID: $0, interfaceName: nil) }
    }

    /// The file name of an address, and its text in `last_reserved_ip.<n>`.
    ///
    /// IPv6 is written in groups of hexadecimal digits throughout (RFC 5952, section 4), as Go does; the C library's inet_ntop(3) writes
    /// the last 32 bits of addresses in ::/96 with dots, and the reference would not find the file.
    static func fileName(of address: IPAddress) -> String {
        if address.family == .v4 { return address.text }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? address.high : address.low) >> UInt64(48 - 16 * ($0 % 4))) }
        let gap = longestRunOfZeros(groups)
        func join(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        if gap.count < 2 { return join(groups[...]) }
        return "\(join(groups[..<gap.lowerBound]))::\(join(groups[gap.upperBound...]))"
    }

    private static func longestRunOfZeros(_ groups: [UInt16]) -> Range<Int> {
        var best = 0..<0
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 { start = index + 1 }
            if index + 1 - start > best.count { best = start..<(index + 1) }
        }
        return best
    }
}
