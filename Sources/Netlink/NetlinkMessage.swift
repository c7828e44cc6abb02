import CLinux

/// A netlink request being built: header, fixed part, attributes. See netlink(7).
///
/// All numbers are in the machine's byte order, as the kernel takes them; attributes are padded to four bytes.
public struct NetlinkMessage: Sendable {
    /// The message so far. Length and sequence number are set when it is sent.
    public private(set) var bytes: [UInt8] = []

    static let headerLength = 16

    /// A request of `type` (RTM_NEWLINK …); `flags` are added to NLM_F_REQUEST.
    ///
    /// - Parameter acknowledged: NLM_F_ACK: whether the kernel answers also where it has nothing to say. The question of one object does
    ///   without: the object is the answer.
    public init(type: UInt16, flags: Int32 = 0, acknowledged: Bool = true) {
        bytes.reserveCapacity(256)
        append(UInt32(0))
        append(type)
        append(UInt16(NLM_F_REQUEST | (acknowledged ? NLM_F_ACK : 0) | flags))
        append(UInt32(0))
        append(UInt32(0))
    }

    private func has(_ flag: Int32) -> Bool { bytes[...].number(at: 6, as: UInt16.self) & UInt16(flag) == UInt16(flag) }

    /// Whether the answer is a list, ended by NLMSG_DONE.
    var isDump: Bool { has(NLM_F_DUMP) }

    /// Whether there is an answer in any case.
    var isAcknowledged: Bool { has(NLM_F_ACK) }

    /// Whether it begins or ends a batch of nfnetlink. RTM_NEWLINK and RTM_DELLINK of rtnetlink have the same numbers, and are longer.
    var isBatchMark: Bool {
        let type = Int32(bytes[...].number(at: 4, as: UInt16.self))
        let isLink = bytes.count >= NetlinkMessage.headerLength + MemoryLayout<ifinfomsg>.size
        return !isLink && (type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END)
    }

    /// Appends a number.
    public mutating func append<T: FixedWidthInteger>(_ number: T) {
        withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
    }

    /// Appends an attribute with these bytes.
    public mutating func attribute(_ type: Int32, bytes value: [UInt8]) {
        append(UInt16(4 + value.count))
        append(UInt16(truncatingIfNeeded: type))
        bytes.append(contentsOf: value)
        pad()
    }

    /// Appends an attribute that is a number in the machine's byte order.
    public mutating func attribute<T: FixedWidthInteger>(_ type: Int32, _ number: T) {
        attribute(type, bytes: withUnsafeBytes(of: number) { Array($0) })
    }

    /// Appends an attribute that is a text, ended by NUL.
    public mutating func attribute(_ type: Int32, _ text: String) { attribute(type, bytes: Array(text.utf8) + [0]) }

    /// Appends an attribute that holds what `body` appends.
    public mutating func nested(_ type: Int32, _ body: (inout NetlinkMessage) -> Void) {
        let start = bytes.count
        append(UInt16(0))
        append(UInt16(truncatingIfNeeded: type) | UInt16(NLA_F_NESTED))
        body(&self)
        set(UInt16(bytes.count - start), at: start)
        pad()
    }

    /// The message as it is sent.
    ///
    /// - Parameter acknowledged: whether there is to be an answer in any case; nil for what the message was made with.
    func finished(sequence: UInt32, acknowledged: Bool? = nil) -> [UInt8] {
        var copy = self
        copy.set(UInt32(bytes.count), at: 0)
        copy.set(sequence, at: 8)
        if let acknowledged {
            let flags = bytes[...].number(at: 6, as: UInt16.self)
            copy.set(acknowledged ? flags | UInt16(NLM_F_ACK) : flags & ~UInt16(NLM_F_ACK), at: 6)
        }
        return copy.bytes
    }

    private mutating func set<T: FixedWidthInteger>(_ number: T, at offset: Int) {
        withUnsafeBytes(of: number) { raw in
            for index in raw.indices { bytes[offset + index] = raw[index] }
        }
    }

    private mutating func pad() {
        while bytes.count % 4 != 0 { bytes.append(0) }
    }
}
