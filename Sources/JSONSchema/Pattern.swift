/// Regular expressions of schemas. One that can't be compiled matches everything: it is the schema that is wrong then, not the value.
enum Pattern {
    static func compiles(_ pattern: String) -> Bool { (try? Regex(pattern)) != nil }

    static func matches(_ pattern: String, _ text: String) -> Bool {
        guard let regex = try? Regex(pattern) else { return true }
        return (try? regex.firstMatch(in: text)) ?? nil != nil
    }
}
