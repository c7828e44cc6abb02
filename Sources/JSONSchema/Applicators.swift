import JSON

/// Keywords that apply other schemas: JSON Schema 2020-12, section 10 and 11.
extension JSONSchema {
    /// allOf, anyOf, oneOf, not, if/then/else, dependentSchemas.
    func combine(_ keywords: JSONObject, _ value: JSON, _ at: String, _ depth: Int, _ outcome: inout Outcome) {
        for part in keywords["allOf"]?.array ?? [] { outcome.merge(evaluate(part, value, at, depth: depth + 1)) }
        for (name, most) in [("anyOf", Int.max), ("oneOf", 1)] {
            guard let parts = keywords[name]?.array else { continue }
            let results = parts.map { evaluate($0, value, at, depth: depth + 1) }
            let passing = results.filter { $0.errors.isEmpty }
            for result in passing { outcome.merge(result) }
            if passing.count > most {
                outcome.errors.append(SchemaFinding(pointer: at, text: "\(passing.count) forms fit, expected one"))
            } else if passing.isEmpty, let nearest = results.min(by: { $0.errors.count < $1.errors.count }) {
                outcome.merge(nearest)
            }
        }
        if let part = keywords["not"], evaluate(part, value, at, depth: depth + 1).errors.isEmpty {
            outcome.errors.append(SchemaFinding(pointer: at, text: JSONSchema.forbidden(part)))
        }
        if let condition = keywords["if"] {
            let result = evaluate(condition, value, at, depth: depth + 1)
            if result.errors.isEmpty { outcome.merge(result) }
            if let part = keywords[result.errors.isEmpty ? "then" : "else"] { outcome.merge(evaluate(part, value, at, depth: depth + 1)) }
        }
        guard let object = value.object else { return }
        for member in keywords["dependentSchemas"]?.object?.members ?? [] where object[member.key] != nil {
            outcome.merge(evaluate(member.value, value, at, depth: depth + 1))
        }
    }

    /// What a `not` forbids, in words where its schema tells: its description, else the keys that can't be together.
    private static func forbidden(_ schema: JSON) -> String {
        if let text = schema.object?["description"]?.string { return text }
        let keys = schema.object?["required"]?.array?.compactMap { $0.string } ?? []
        if keys.count > 1 { return "\(keys.map { "\"\($0)\"" }.joined(separator: " and ")) can't be set so together" }
        return "this value is excluded"
    }

    /// properties, patternProperties, additionalProperties, propertyNames, unevaluatedProperties.
    func members(_ keywords: JSONObject, _ object: JSONObject, _ at: String, _ depth: Int, _ outcome: inout Outcome) {
        let properties = keywords["properties"]?.object
        if let properties { outcome.known[at, default: []].formUnion(properties.members.map { $0.key }) }
        for member in object.members {
            let place = JSONPointer.join(at, member.key)
            var seen = false
            func apply(_ schema: JSON) {
                outcome.merge(evaluate(schema, member.value, place, depth: depth + 1))
                seen = true
            }
            if let schema = properties?[member.key] { apply(schema) }
            for pattern in keywords["patternProperties"]?.object?.members ?? [] where Pattern.matches(pattern.key, member.key) {
                apply(pattern.value)
            }
            if !seen, let schema = keywords["additionalProperties"] { apply(schema) }
            if seen { outcome.evaluated[at, default: []].insert(member.key) }
            if let names = keywords["propertyNames"], !evaluate(names, .string(member.key), place, depth: depth + 1).errors.isEmpty {
                outcome.errors.append(SchemaFinding(pointer: place, text: "\"\(member.key)\" can't be a key here", isKey: true))
            }
        }
        guard let rest = keywords["unevaluatedProperties"] else { return }
        for member in object.members where !(outcome.evaluated[at] ?? []).contains(member.key) {
            outcome.merge(evaluate(rest, member.value, JSONPointer.join(at, member.key), depth: depth + 1))
            outcome.evaluated[at, default: []].insert(member.key)
        }
    }

    /// prefixItems, items, contains with its limits, unevaluatedItems.
    func elements(_ keywords: JSONObject, _ items: [JSON], _ at: String, _ depth: Int, _ outcome: inout Outcome) {
        let prefix = keywords["prefixItems"]?.array ?? []
        for (index, item) in items.enumerated() {
            guard let schema = index < prefix.count ? prefix[index] : keywords["items"] else { continue }
            outcome.merge(evaluate(schema, item, "\(at)/\(index)", depth: depth + 1))
            outcome.evaluated[at, default: []].insert("\(index)")
        }
        if let schema = keywords["contains"] {
            let fitting = items.indices.filter { evaluate(schema, items[$0], "\(at)/\($0)", depth: depth + 1).errors.isEmpty }
            outcome.evaluated[at, default: []].formUnion(fitting.map { "\($0)" })
            let least = keywords["minContains"].flatMap(Numbers.count) ?? 1
            let most = keywords["maxContains"].flatMap(Numbers.count) ?? .max
            if fitting.count < least || fitting.count > most {
                outcome.errors.append(
                    SchemaFinding(
                        pointer: at,
                        text:
                            "\(fitting.count) elements are of the kind wanted: expected \(least) to \(most == .max ? "any number" : "\(most)")"
                    ))
            }
        }
        guard let rest = keywords["unevaluatedItems"] else { return }
        for (index, item) in items.enumerated() where !(outcome.evaluated[at] ?? []).contains("\(index)") {
            outcome.merge(evaluate(rest, item, "\(at)/\(index)", depth: depth + 1))
            outcome.evaluated[at, default: []].insert("\(index)")
        }
    }
}
