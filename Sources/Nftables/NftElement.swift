/// An element of a set or map, as the kernel has it.
public struct NftElement: Equatable, Sendable {
    /// The comment; nil where it has none.
    public let comment: String?
    /// A map's value, as bytes; nil for a set, and for a verdict.
    public let data: [UInt8]?

    /// Makes one of these parts.
    public init(comment: String?, data: [UInt8]?) {
        self.comment = comment
        self.data = data
    }
}
