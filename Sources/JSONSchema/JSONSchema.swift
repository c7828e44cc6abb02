import JSON

/// A JSON Schema, draft 2020-12: what modules describe their configuration with.
///
/// All of the assertion and applicator keywords of the draft, with references within the document (`#`, `#/…`, `#anchor`); `format` and
/// the like are annotations, as the draft has it by default. Besides errors it finds keys that no part of the schema knows: CNI lets a
/// plugin ignore them, but most are misspelt.
public struct JSONSchema: Sendable {
    let root: JSON

    /// A schema of this document.
    public init(_ root: JSON) { self.root = root }

    /// What is wrong with a value, in the order of the schema; and the keys of objects that the schema describes, which it does not know.
    public func examine(_ value: JSON) -> (errors: [SchemaFinding], unknownKeys: [SchemaFinding]) {
        let outcome = evaluate(root, value, "", depth: 0)
        return (outcome.errors, unknownKeys(outcome, value))
    }

    private func unknownKeys(_ outcome: Outcome, _ value: JSON) -> [SchemaFinding] {
        var found: [SchemaFinding] = []
        for (pointer, known) in outcome.known.sorted(by: { $0.key < $1.key }) {
            guard let object = JSONPointer.value(pointer, in: value)?.object else { continue }
            for member in object.members where !(outcome.evaluated[pointer] ?? []).contains(member.key) {
                let hint = Spelling.nearest(to: member.key, among: known.sorted()).map { ": did you mean \"\($0)\"?" } ?? ""
                let place = JSONPointer.join(pointer, member.key)
                found.append(SchemaFinding(pointer: place, text: "unknown key \"\(member.key)\"\(hint)", isKey: true))
            }
        }
        return found
    }

    /// What one schema says of one value.
    struct Outcome {
        var errors: [SchemaFinding] = []
        /// By the pointer of an object or list: the keys (or indexes) that some part of the schema has looked at.
        var evaluated: [String: Set<String>] = [:]
        /// By the pointer of an object: the keys that its schema names.
        var known: [String: Set<String>] = [:]

        mutating func merge(_ other: Outcome) {
            errors += other.errors
            evaluated.merge(other.evaluated) { $0.union($1) }
            known.merge(other.known) { $0.union($1) }
        }
    }

    /// A schema that refers to itself without an end is given up at this depth.
    static let depthLimit = 128

    func evaluate(_ schema: JSON, _ value: JSON, _ at: String, depth: Int) -> Outcome {
        var outcome = Outcome()
        if case .bool(let allowed) = schema {
            if !allowed { outcome.errors.append(SchemaFinding(pointer: at, text: "nothing is allowed here")) }
            return outcome
        }
        guard let keywords = schema.object, depth < JSONSchema.depthLimit else { return outcome }
        for name in ["$ref", "$dynamicRef"] {
            guard let reference = keywords[name]?.string, let target = resolve(reference) else { continue }
            outcome.merge(evaluate(target, value, at, depth: depth + 1))
        }
        if let wrong = ValueAssertions.check(keywords, value) { outcome.errors.append(SchemaFinding(pointer: at, text: wrong)) }
        combine(keywords, value, at, depth, &outcome)
        switch value {
        case .object(let object): members(keywords, object, at, depth, &outcome)
        case .array(let items): elements(keywords, items, at, depth, &outcome)
        default: break
        }
        return outcome
    }

    /// The schema that a reference within this document leads to.
    func resolve(_ reference: String) -> JSON? {
        guard reference.first == "#" else { return nil }
        let fragment = String(reference.dropFirst())
        if fragment.isEmpty || fragment.first == "/" { return JSONPointer.value(JSONPointer.decoded(fragment), in: root) }
        return anchored(fragment, in: root)
    }

    private func anchored(_ name: String, in schema: JSON) -> JSON? {
        switch schema {
        case .object(let object):
            if object["$anchor"]?.string == name || object["$dynamicAnchor"]?.string == name { return schema }
            for member in object.members where member.key != "enum" && member.key != "const" {
                if let found = anchored(name, in: member.value) { return found }
            }
        case .array(let items):
            for item in items { if let found = anchored(name, in: item) { return found } }
        default: break
        }
        return nil
    }
}
