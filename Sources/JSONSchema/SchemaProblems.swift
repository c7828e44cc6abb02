import JSON

extension JSONSchema {
    /// What is wrong with the schema itself: a keyword with a value that it can't have, a reference that leads nowhere, a pattern that
    /// is none. Each with the place in the schema.
    public var problems: [String] {
        guard root.object != nil else { return ["the schema is \(root.kind): expected an object"] }
        return problems(root, "")
    }

    private static let schemas = [
        "not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems",
        "unevaluatedProperties",
    ]
    private static let lists = ["allOf", "anyOf", "oneOf", "prefixItems"]
    private static let maps = ["properties", "patternProperties", "$defs", "dependentSchemas"]
    private static let numbers = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
    private static let counts = [
        "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains",
    ]

    private func problems(_ schema: JSON, _ at: String) -> [String] {
        if schema.bool != nil { return [] }
        guard let keywords = schema.object else { return ["\(at.isEmpty ? "/" : at): expected a schema, found \(schema.kind)"] }
        var found: [String] = []
        for member in keywords.members {
            let place = JSONPointer.join(at, member.key)
            if let wrong = wrong(member.key, member.value) { found.append("\(place): \(wrong)") }
            if JSONSchema.schemas.contains(member.key) { found += problems(member.value, place) }
            if JSONSchema.lists.contains(member.key) {
                for (index, part) in (member.value.array ?? []).enumerated() { found += problems(part, "\(place)/\(index)") }
            }
            if JSONSchema.maps.contains(member.key) {
                for part in member.value.object?.members ?? [] { found += problems(part.value, JSONPointer.join(place, part.key)) }
            }
        }
        return found
    }

    private func wrong(_ keyword: String, _ value: JSON) -> String? {
        func expect(_ holds: Bool, _ words: String) -> String? { holds ? nil : "expected \(words), found \(Values.shown(value))" }
        switch keyword {
        case "$ref": return expect(value.string.flatMap { resolve($0) } != nil, "a reference to a place in this schema")
        case "type":
            let names = value.string.map { [$0] } ?? value.array?.compactMap { $0.string } ?? []
            return expect(!names.isEmpty && names.allSatisfy { Values.typeWords[$0] != nil }, "a type's name, or a list of them")
        case "enum", "examples": return expect(value.array != nil, "a list")
        case "required": return expect(value.array?.allSatisfy { $0.string != nil } == true, "a list of keys")
        case "pattern": return expect(value.string.map { Pattern.compiles($0) } == true, "a regular expression")
        case "uniqueItems": return expect(value.bool != nil, "true or false")
        case "title", "description", "$schema", "$id", "$anchor", "$comment": return expect(value.string != nil, "a string")
        case _ where JSONSchema.numbers.contains(keyword): return expect(Numbers.value(value) != nil, "a number")
        case _ where JSONSchema.counts.contains(keyword): return expect((Numbers.count(value) ?? -1) >= 0, "a number that is not negative")
        case _ where JSONSchema.lists.contains(keyword): return expect(value.array?.isEmpty == false, "a list of schemas")
        case _ where JSONSchema.maps.contains(keyword): return expect(value.object != nil, "an object of schemas")
        default: return nil
        }
    }
}
