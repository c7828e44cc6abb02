/// A JSON value. Objects keep the order of their members, so that what is passed on looks like what came in.
public enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case real(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)

    /// What kind of value this is, in the words of an error message: "a string", "an object".
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .real: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// The members, where this is an object.
    public var object: JSONObject? {
        if case .object(let object) = self { return object }
        return nil
    }

    /// The elements, where this is a list.
    public var array: [JSON]? {
        if case .array(let array) = self { return array }
        return nil
    }

    /// The text, where this is a string.
    public var string: String? {
        if case .string(let string) = self { return string }
        return nil
    }

    /// The number, where this is an integer.
    public var integer: Int64? {
        if case .integer(let integer) = self { return integer }
        return nil
    }

    /// The truth value, where this is a boolean.
    public var bool: Bool? {
        if case .bool(let bool) = self { return bool }
        return nil
    }

    /// The value without members that are null: in a configuration they count as absent.
    public var withoutNulls: JSON {
        switch self {
        case .object(let object):
            .object(JSONObject(object.members.filter { !$0.value.isNull }.map { ($0.key, $0.value.withoutNulls) }))
        case .array(let items): .array(items.map { $0.withoutNulls })
        default: self
        }
    }

    /// Whether this is null.
    public var isNull: Bool { self == .null }
}
