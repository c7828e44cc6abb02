/// A change of one element of a set or map, as bytes for the kernel and as text for people and for libnftables.
public struct NftElementChange: Equatable, Sendable {
    /// What is done.
    public enum Action: UInt32, Sendable {
        /// As `add element`: no change where the same is there, a failure where its value is another.
        case add = 1
        /// As `delete element`: a failure where it is not there.
        case delete = 2
        /// As `create element`: a failure where its key is there.
        case create = 3
    }

    /// A map's value.
    public enum Value: Equatable, Sendable {
        /// None: an element of a set, or one that is deleted.
        case none
        /// Bytes: numbers in network order, each part of a concatenation padded to four bytes.
        case data([UInt8])
        /// What becomes of the packet.
        case verdict(NftVerdict)
        /// The name of an object of the table, such as a counter.
        case object(String)
    }

    /// What is done.
    public let action: Action
    /// "inet".
    public let family: String
    /// The table's name.
    public let table: String
    /// The set's or map's name.
    public let set: String
    /// The key's bytes, as ``Value/data(_:)`` has them.
    public let key: [UInt8]
    /// The value of an element that is added to a map.
    public let value: Value
    /// The comment of an element that is added.
    public let comment: String?
    /// The same in nft(8) syntax, one line.
    public let command: String

    /// Makes one of these parts.
    public init(
        action: Action, family: String, table: String, set: String, key: [UInt8], value: Value, comment: String?, command: String
    ) {
        self.action = action
        self.family = family
        self.table = table
        self.set = set
        self.key = key
        self.value = value
        self.comment = comment
        self.command = command
    }
}
