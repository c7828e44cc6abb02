/// One thing that is wrong, and where.
public struct SchemaFinding: Equatable, Sendable {
    /// The place in the value, a JSON Pointer (RFC 6901); empty for the whole.
    public let pointer: String
    /// What was expected and what was found.
    public let text: String
    /// Whether it is the key at the place that is wrong, not its value.
    public let isKey: Bool

    init(pointer: String, text: String, isKey: Bool = false) {
        self.pointer = pointer
        self.text = text
        self.isKey = isKey
    }
}
