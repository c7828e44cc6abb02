import JSON

/// The keys of a configuration as a module's schema has them, for people.
enum SchemaKeys {
    /// Key, type, default and description of each; of objects within, and of the elements of lists, too. Empty where it is no schema.
    static func rows(_ schema: String) -> [[String]] {
        guard let root = try? JSON(parsing: schema) else { return [] }
        return rows(root, root, "", depth: 0)
    }

    private static func rows(_ schema: JSON, _ root: JSON, _ place: String, depth: Int) -> [[String]] {
        guard depth < 8, let object = resolved(schema, root).object else { return [] }
        if let items = object["items"] { return rows(items, root, "\(place)[]", depth: depth + 1) }
        let required = object["required"]?.array?.compactMap { $0.string } ?? []
        return (object["properties"]?.object?.members ?? []).flatMap { member -> [[String]] in
            let key = place.isEmpty ? member.key : "\(place).\(member.key)"
            let value = resolved(member.value, root).object ?? JSONObject()
            let standard = value["default"].map { $0.text() } ?? (required.contains(member.key) ? "(required)" : "-")
            let row = [key, type(value, root), standard, value["description"]?.string ?? ""]
            return [row] + rows(member.value, root, key, depth: depth + 1)
        }
    }

    private static func type(_ schema: JSONObject, _ root: JSON) -> String {
        if let constant = schema["const"] { return constant.text() }
        if let values = schema["enum"]?.array { return values.map { $0.text() }.joined(separator: "|") }
        let name = schema["type"]?.string ?? schema["type"]?.array?.compactMap { $0.string }.joined(separator: "|") ?? "any"
        guard name == "array", let items = schema["items"].flatMap({ resolved($0, root).object }) else { return name }
        return "\(type(items, root))[]"
    }

    private static func resolved(_ schema: JSON, _ root: JSON) -> JSON {
        var schema = schema
        for _ in 0..<8 {
            guard let reference = schema.object?["$ref"]?.string, reference.hasPrefix("#/") else { return schema }
            var place = root
            for part in reference.dropFirst(2).split(separator: "/") { place = place.object?[String(part)] ?? .null }
            schema = place
        }
        return schema
    }
}
