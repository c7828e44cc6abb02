import JSON

/// Keywords that assert something of one value: JSON Schema 2020-12 validation, section 6.
enum ValueAssertions {
    /// The first assertion that does not hold, in words; nil where all do.
    static func check(_ keywords: JSONObject, _ value: JSON) -> String? {
        if let wrong = type(keywords, value) { return wrong }
        if let allowed = keywords["enum"]?.array, !allowed.contains(where: { Values.same($0, value) }) { return among(allowed, value) }
        if let constant = keywords["const"], !Values.same(constant, value) {
            return "expected \(constant.text()), found \(Values.shown(value))"
        }
        switch value {
        case .integer, .real: return number(keywords, value)
        case .string(let text): return string(keywords, text)
        case .array(let items): return list(keywords, items)
        case .object(let object): return members(keywords, object)
        default: return nil
        }
    }

    private static func type(_ keywords: JSONObject, _ value: JSON) -> String? {
        guard let wanted = keywords["type"] else { return nil }
        let names = wanted.string.map { [$0] } ?? wanted.array?.compactMap { $0.string } ?? []
        if names.isEmpty || names.contains(where: { Values.isOf($0, value) }) { return nil }
        let words = names.map { Values.typeWords[$0] ?? $0 }.joined(separator: " or ")
        return "expected \(words), found \(Values.shown(value))"
    }

    private static func among(_ allowed: [JSON], _ value: JSON) -> String {
        let words = allowed.filter { $0 != .string("") }.map { $0.text() }
        let hint = value.string.flatMap { Spelling.nearest(to: $0, among: allowed.compactMap { $0.string }) }.map {
            ": did you mean \"\($0)\"?"
        }
        return "expected \(words.count == 1 ? "" : "one of ")\(words.joined(separator: ", ")), found \(Values.shown(value))\(hint ?? "")"
    }

    private static func number(_ keywords: JSONObject, _ value: JSON) -> String? {
        guard let number = Numbers.value(value) else { return nil }
        let limits: [(String, String, (Double, Double) -> Bool)] = [
            ("minimum", "at least", { $0 >= $1 }), ("maximum", "at most", { $0 <= $1 }), ("exclusiveMinimum", "more than", { $0 > $1 }),
            ("exclusiveMaximum", "less than", { $0 < $1 }), ("multipleOf", "a multiple of", { Numbers.isMultiple($0, of: $1) }),
        ]
        for (keyword, words, holds) in limits {
            guard let json = keywords[keyword], let limit = Numbers.value(json), !holds(number, limit) else { continue }
            return "expected \(words) \(json.text()), found \(value.text())"
        }
        return nil
    }

    private static func string(_ keywords: JSONObject, _ text: String) -> String? {
        let length = text.unicodeScalars.count
        if let wrong = count(keywords, "minLength", "maxLength", length, "characters") { return wrong }
        guard let pattern = keywords["pattern"]?.string, !Pattern.matches(pattern, text) else { return nil }
        let example = keywords["examples"]?.array?.first.map { " like \($0.text())" } ?? ""
        return "expected text\(example) that matches \(pattern), found \(Values.shown(.string(text)))"
    }

    private static func list(_ keywords: JSONObject, _ items: [JSON]) -> String? {
        if let wrong = count(keywords, "minItems", "maxItems", items.count, "elements") { return wrong }
        guard keywords["uniqueItems"]?.bool == true else { return nil }
        for (index, item) in items.enumerated() where items[..<index].contains(where: { Values.same($0, item) }) {
            return "element \(index) is there twice"
        }
        return nil
    }

    private static func members(_ keywords: JSONObject, _ object: JSONObject) -> String? {
        for key in keywords["required"]?.array?.compactMap({ $0.string }) ?? [] where object[key] == nil {
            return "key \"\(key)\" is missing"
        }
        for member in keywords["dependentRequired"]?.object?.members ?? [] where object[member.key] != nil {
            for key in member.value.array?.compactMap({ $0.string }) ?? [] where object[key] == nil {
                return "key \"\(key)\" is missing: \"\(member.key)\" needs it"
            }
        }
        return count(keywords, "minProperties", "maxProperties", object.members.count, "keys")
    }

    private static func count(_ keywords: JSONObject, _ least: String, _ most: String, _ count: Int, _ what: String) -> String? {
        if let limit = keywords[least].flatMap(Numbers.count), count < limit { return "expected at least \(limit) \(what), found \(count)" }
        if let limit = keywords[most].flatMap(Numbers.count), count > limit { return "expected at most \(limit) \(what), found \(count)" }
        return nil
    }
}
