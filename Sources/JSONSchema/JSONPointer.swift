import JSON

/// Places in a JSON value: RFC 6901.
public enum JSONPointer {
    /// The pointer of a member.
    public static func join(_ pointer: String, _ key: String) -> String {
        var escaped = ""
        for character in key {
            switch character {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.append(character)
            }
        }
        return "\(pointer)/\(escaped)"
    }

    /// The value at a pointer; nil where there is none.
    public static func value(_ pointer: String, in root: JSON) -> JSON? {
        var value = root
        for part in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let key = unescaped(part)
            switch value {
            case .object(let object):
                guard let next = object[key] else { return nil }
                value = next
            case .array(let items):
                guard let index = Int(key), items.indices.contains(index) else { return nil }
                value = items[index]
            default: return nil
            }
        }
        return value
    }

    private static func unescaped(_ part: Substring) -> String {
        var text = ""
        var rest = part[...]
        while let character = rest.popFirst() {
            if character == "~", let code = rest.first, code == "0" || code == "1" {
                rest.removeFirst()
                text.append(code == "0" ? "~" : "/")
            } else {
                text.append(character)
            }
        }
        return text
    }

    /// A pointer as a URI fragment has it, without its percent signs.
    static func decoded(_ fragment: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(fragment.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
