/// A change of one element of a set or map: `catena_nft_change` in Swift.
public struct NftChange: Sendable {
    /// CATENA_NFT_ADD_ELEMENT, CATENA_NFT_DELETE_ELEMENT or CATENA_NFT_CREATE_ELEMENT.
    public var action: UInt32
    /// "inet".
    public var family: String
    /// The table's name.
    public var table: String
    /// The set's or map's name.
    public var set: String
    /// The key's bytes.
    public var key: [UInt8]
    /// The value's bytes; nil for none, and for a verdict.
    public var data: [UInt8]?
    /// "goto CHAIN"; nil for none.
    public var verdict: String?
    /// The name of the object that the element refers to; nil for none.
    public var object: String?
    /// The comment; nil for none.
    public var comment: String?
    /// The same in nft(8) syntax.
    public var command: String

    /// Makes one of these parts.
    public init(
        action: UInt32, family: String, table: String, set: String, key: [UInt8], data: [UInt8]? = nil, verdict: String? = nil,
        object: String? = nil, comment: String? = nil, command: String
    ) {
        self.action = action
        self.family = family
        self.table = table
        self.set = set
        self.key = key
        self.data = data
        self.verdict = verdict
        self.object = object
        self.comment = comment
        self.command = command
    }
}
