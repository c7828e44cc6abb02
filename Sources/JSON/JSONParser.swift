import CJansson
import CLinux

/// Why a text is not JSON, and where.
public struct JSONError: Error, Equatable, Sendable {
    /// What is wrong: "'}' expected near end of file".
    public let text: String
    /// Line and column of the place, from 1.
    public let line: Int
    /// The column, from 1.
    public let column: Int

    /// Makes one of these parts.
    public init(text: String, line: Int, column: Int) {
        self.text = text
        self.line = line
        self.column = column
    }
}

extension JSON {
    /// Parses one JSON value that fills `bytes` (white space around it aside). Of a key given twice the last one counts.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        JSON.seed()
        var error = json_error_t()
        let root = bytes.withUnsafeBytes { buffer in
            json_loadb(buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count, Int(JSON_DECODE_ANY), &error)
        }
        guard let root else {
            throw JSONError(text: JSON.text(of: &error), line: Int(error.line), column: Int(error.column))
        }
        defer { json_decref(root) }
        self = JSON(copying: root)
    }

    /// Seeds jansson's hash tables, once, with what the kernel gave the process at its start (getauxval(3), AT_RANDOM): jansson itself would
    /// open /dev/urandom.
    private static func seed() {
        guard let random = UnsafeRawPointer(bitPattern: getauxval(UInt(AT_RANDOM))) else { return }
        json_object_seed(Int(random.loadUnaligned(fromByteOffset: 8, as: UInt32.self) | 1))
    }

    /// Parses a text.
    public init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }

    /// Copies a value out of jansson's tree. jansson refuses nesting deeper than 2,048, so the recursion is bounded.
    private init(copying value: UnsafeMutablePointer<json_t>) {
        switch value.pointee.type {
        case JSON_OBJECT:
            var members: [JSONObject.Member] = []
            var iterator = json_object_iter(value)
            while let current = iterator {
                if let key = json_object_iter_key(current), let item = json_object_iter_value(current) {
                    members.append(JSONObject.Member(key: String(cString: key), value: JSON(copying: item)))
                }
                iterator = json_object_iter_next(value, current)
            }
            self = .object(JSONObject(unique: members))
        case JSON_ARRAY:
            var items: [JSON] = []
            for index in 0..<json_array_size(value) {
                if let item = json_array_get(value, index) { items.append(JSON(copying: item)) }
            }
            self = .array(items)
        case JSON_STRING: self = .string(json_string_value(value).map { String(cString: $0) } ?? "")
        case JSON_INTEGER: self = .integer(Int64(json_integer_value(value)))
        case JSON_REAL: self = .real(json_real_value(value))
        case JSON_TRUE: self = .bool(true)
        case JSON_FALSE: self = .bool(false)
        default: self = .null
        }
    }

    private static func text(of error: inout json_error_t) -> String {
        withUnsafeBytes(of: &error.text) { raw in
            String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

extension JSONObject {
    /// Members whose keys are known to differ: jansson's objects have each key once.
    init(unique members: [Member]) { self.members = members }
}
