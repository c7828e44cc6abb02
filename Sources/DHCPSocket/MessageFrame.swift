import JSON

/// A message on the daemon's socket: its length in four bytes, the highest first, then that many bytes of JSON.
public struct MessageFrame: Sendable {
    /// The longest message that is taken, in bytes: GC of a large node names thousands of attachments.
    public static let limit = 16 << 20

    private var bytes: [UInt8] = []

    /// Makes one that has got nothing yet.
    public init() {}

    /// A message as it is sent.
    public static func encode(_ object: JSONObject) -> [UInt8] {
        let text = Array(JSON.object(object).text().utf8)
        let count = UInt32(truncatingIfNeeded: text.count)
        return [UInt8(count >> 24), UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff)] + text
    }

    /// Takes in what has come. False where it can't become a message: it is too long, or more than one.
    public mutating func append(_ more: some Collection<UInt8>) -> Bool {
        bytes += more
        guard let length else { return true }
        return length <= MessageFrame.limit && bytes.count <= 4 + length
    }

    private var length: Int? { bytes.count < 4 ? nil : bytes[0..<4].reduce(0) { $0 << 8 | Int($1) } }

    /// The message's text; nil as long as it is not complete.
    public var body: [UInt8]? {
        guard let length, bytes.count == 4 + length else { return nil }
        return Array(bytes[4...])
    }
}
