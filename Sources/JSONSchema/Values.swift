import JSON

/// Values and types as JSON Schema sees them.
enum Values {
    static let typeWords = [
        "null": "null", "boolean": "true or false", "integer": "an integer", "number": "a number", "string": "a string", "array": "a list",
        "object": "an object",
    ]

    static func isOf(_ type: String, _ value: JSON) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .bool), ("integer", .integer), ("number", .integer), ("number", .real), ("string", .string),
            ("array", .array), ("object", .object):
            true
        case ("integer", .real(let number)): number == number.rounded()
        default: false
        }
    }

    /// Equal without regard to the order of members, and to how a number is written.
    static func same(_ left: JSON, _ right: JSON) -> Bool {
        if let a = Numbers.value(left), let b = Numbers.value(right) { return a == b }
        switch (left, right) {
        case (.array(let a), .array(let b)): return a.count == b.count && zip(a, b).allSatisfy { same($0, $1) }
        case (.object(let a), .object(let b)):
            return a.members.count == b.members.count
                && a.members.allSatisfy { member in b[member.key].map { same(member.value, $0) } ?? false }
        default: return left == right
        }
    }

    /// The value itself where it is short, else what it is.
    static func shown(_ value: JSON) -> String {
        let text = value.text()
        if text.utf8.count <= 60, value.array == nil, value.object == nil { return value.string == nil ? text : "the string \(text)" }
        return value.kind
    }
}
