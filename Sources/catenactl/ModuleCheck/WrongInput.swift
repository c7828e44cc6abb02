import JSON

/// Configurations in which one value is not what it should be.
enum WrongInput {
    private static let values: [JSON] = [
        .bool(true), .integer(-1), .integer(.max), .real(1.5), .string(""), .string("\u{fffd}\u{1}\n'\"; %s%n"),
        .string(String(repeating: "x", count: 70_000)), .array([]), .object(JSONObject()), .array([.null, .integer(1), .array([])]),
    ]
    /// So many are tried: of a long configuration each key gets some of the values.
    private static let limit = 240
    /// Keys that are the engine's, or that lead to another plugin.
    private static let kept = [["type"], ["ipam", "type"]]

    /// Each with the place of the value: "ipam.subnet".
    static func configurations(_ config: JSONObject, keys: [String]) -> [(place: String, config: JSONObject)] {
        var start = config
        // Without any key there is none to get wrong: those of the schema are there too.
        for key in keys where start[key] == nil { start[key] = .null }
        let places = paths(.object(start)).filter { !kept.contains($0) }
        let each = max(1, min(values.count, limit / max(places.count, 1)))
        var found: [(place: String, config: JSONObject)] = []
        for (index, path) in places.enumerated() {
            for turn in 0..<each {
                let value = values[(index + turn) % values.count]
                guard let changed = replaced(.object(config), path[...], value).object else { continue }
                found.append(("\(path.joined(separator: ".")) = \(value.text().prefix(24))", changed))
            }
        }
        return found
    }

    /// The way to each value within: keys, and numbers of list elements.
    private static func paths(_ value: JSON) -> [[String]] {
        var inner: [(key: String, value: JSON)] = []
        switch value {
        case .object(let object): for member in object.members { inner.append((member.key, member.value)) }
        case .array(let items): for (index, item) in items.enumerated() { inner.append(("\(index)", item)) }
        default: break
        }
        var found: [[String]] = []
        for (key, value) in inner {
            found.append([key])
            for rest in paths(value) { found.append([key] + rest) }
        }
        return found
    }

    private static func replaced(_ value: JSON, _ path: ArraySlice<String>, _ new: JSON) -> JSON {
        guard let key = path.first else { return new }
        switch value {
        case .object(var object):
            object[key] = replaced(object[key] ?? .null, path.dropFirst(), new)
            return .object(object)
        case .array(var items):
            if let index = Int(key), items.indices.contains(index) { items[index] = replaced(items[index], path.dropFirst(), new) }
            return .array(items)
        default: return path.isEmpty ? new : value
        }
    }
}
