import CJansson
import CLinux

extension JSON {
    /// The value as text: on one line, or indented by four spaces as CNI plugins print results. No newline at the end.
    public func text(indented: Bool = false) -> String {
        guard let tree = makeTree() else { return "null" }
        defer { json_decref(tree) }
        let flags = JSON_ENCODE_ANY | (indented ? 4 : JSON_COMPACT)
        guard let text = json_dumps(tree, Int(flags)) else { return "null" }
        defer { free(text) }
        return String(cString: text)
    }

    /// The value as a tree of jansson's; the caller owns the reference. Nil only when memory runs out or a string is not UTF-8.
    private func makeTree() -> UnsafeMutablePointer<json_t>? {
        switch self {
        case .null: return json_null()
        case .bool(let value): return value ? json_true() : json_false()
        case .integer(let value): return json_integer(json_int_t(value))
        case .real(let value): return json_real(value)
        case .string(let value): return json_string(value)
        case .array(let items):
            guard let list = json_array() else { return nil }
            for item in items { json_array_append_new(list, item.makeTree()) }
            return list
        case .object(let object):
            guard let tree = json_object() else { return nil }
            for member in object.members { json_object_set_new(tree, member.key, member.value.makeTree()) }
            return tree
        }
    }
}
