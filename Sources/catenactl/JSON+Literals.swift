import JSON

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
    ExpressibleByIntegerLiteral
{
    /// A schema's text.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A schema's truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A schema's list.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// A schema's number.
    public init(integerLiteral value: Int64) { self = .integer(value) }
}
