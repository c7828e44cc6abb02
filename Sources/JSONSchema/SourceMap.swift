/// Where in a JSON text each value stands.
public struct SourceMap: Sendable {
    /// A place in a text, both counted from 1; columns in characters.
    public struct Place: Equatable, Sendable {
        /// The line.
        public let line: Int
        /// The column.
        public let column: Int
    }

    private var keys: [String: Place] = [:]
    private var values: [String: Place] = [:]
    private var text: ArraySlice<Character>
    private var line = 1
    private var column = 1

    /// Reads a text that is known to be JSON: of one that is not, the places up to the fault.
    public init(_ bytes: [UInt8]) {
        text = Array(String(decoding: bytes, as: UTF8.self))[...]
        value("")
        text = []
    }

    /// The place of the value at a pointer, or of its key; of the nearest one around it where it has none of its own.
    public func place(_ pointer: String, isKey: Bool = false) -> Place {
        if let place = (isKey ? keys[pointer] : nil) ?? values[pointer] { return place }
        guard let slash = pointer.lastIndex(of: "/") else { return Place(line: 1, column: 1) }
        return place(String(pointer[..<slash]))
    }

    private mutating func value(_ pointer: String) {
        skipSpace()
        values[pointer] = Place(line: line, column: column)
        switch text.first {
        case "{": object(pointer)
        case "[": list(pointer)
        case "\"": _ = string()
        default: while let next = text.first, !",]} \t\r\n".contains(next), next != "\r\n" { advance() }
        }
    }

    private mutating func object(_ pointer: String) {
        advance()
        skipSpace()
        while text.first == "\"" {
            let place = Place(line: line, column: column)
            let key = JSONPointer.join(pointer, string())
            keys[key] = place
            skipSpace()
            guard text.first == ":" else { return }
            advance()
            value(key)
            if !separator() { break }
        }
        if text.first == "}" { advance() }
    }

    private mutating func list(_ pointer: String) {
        advance()
        skipSpace()
        var index = 0
        while let next = text.first, next != "]" {
            value("\(pointer)/\(index)")
            index += 1
            if !separator() { break }
        }
        if text.first == "]" { advance() }
    }

    /// True where another element follows.
    private mutating func separator() -> Bool {
        skipSpace()
        guard text.first == "," else { return false }
        advance()
        skipSpace()
        return true
    }

    private mutating func string() -> String {
        var content = ""
        advance()
        while let next = text.first, next != "\"" {
            advance()
            guard next == "\\", let escape = text.first else {
                content.append(next)
                continue
            }
            advance()
            content.append(escaped(escape))
        }
        advance()
        return content
    }

    private mutating func escaped(_ escape: Character) -> Character {
        switch escape {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "b": return "\u{8}"
        case "f": return "\u{c}"
        case "u":
            let digits = String(text.prefix(4))
            for _ in 0..<min(4, text.count) { advance() }
            return UInt32(digits, radix: 16).flatMap { Unicode.Scalar($0) }.map { Character($0) } ?? "\u{fffd}"
        default: return escape
        }
    }

    private mutating func skipSpace() {
        while let next = text.first, next.isWhitespace { advance() }
    }

    private mutating func advance() {
        guard let next = text.popFirst() else { return }
        if next.isNewline {
            line += 1
            column = 1
        } else {
            column += 1
        }
    }
}
