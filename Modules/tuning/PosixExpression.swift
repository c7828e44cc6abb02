import ModuleKit

/// A regular expression as RE2 writes it, in the form of POSIX extended ones.
struct PosixExpression {
    /// The expression for regcomp(3).
    private(set) var text = ""

    init(_ expression: String) throws(CNIError) {
        let bytes = Array(expression.utf8)
        var result: [UInt8] = []
        var bracket: Int?
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            let next = index + 1 < bytes.count ? bytes[index + 1] : nil
            if byte == UInt8(ascii: "\\") {
                guard let next else { throw PosixExpression.invalid(expression, "a backslash at its end") }
                result += try PosixExpression.escape(next, inBracket: bracket != nil, expression)
                index += 2
                continue
            }
            if let start = bracket {
                // A bracket that is first in the list belongs to it, as does the name of a class.
                let isFirst = index == start + 1 || (index == start + 2 && bytes[start + 1] == UInt8(ascii: "^"))
                if byte == UInt8(ascii: "["), next == UInt8(ascii: ":"), let end = PosixExpression.endOfClass(bytes, from: index + 2) {
                    result += bytes[index..<end]
                    index = end
                    continue
                }
                if byte == UInt8(ascii: "]") && !isFirst { bracket = nil }
            } else if byte == UInt8(ascii: "[") {
                bracket = index
            } else if byte == UInt8(ascii: "(") && next == UInt8(ascii: "?") {
                throw PosixExpression.invalid(expression, "(?…) is not known")
            } else if "*+?}".utf8.contains(byte) && (next == UInt8(ascii: "?") || next == UInt8(ascii: "+") || next == UInt8(ascii: "*")) {
                throw PosixExpression.invalid(expression, "one repetition follows another")
            }
            result.append(byte)
            index += 1
        }
        text = String(decoding: result, as: UTF8.self)
    }

    /// What a backslash and this byte stand for.
    private static func escape(_ byte: UInt8, inBracket: Bool, _ expression: String) throws(CNIError) -> [UInt8] {
        let isLetterOrDigit = (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        if !isLetterOrDigit {
            // In a list POSIX knows no escapes; these three would be at the wrong place.
            if inBracket && "]^-\\".utf8.contains(byte) { throw invalid(expression, "an escape in [ ] that can't be told otherwise") }
            return inBracket ? [byte] : [UInt8(ascii: "\\"), byte]
        }
        let meaning: String? =
            switch (byte, inBracket) {
            case (UInt8(ascii: "d"), false): "[0-9]"
            case (UInt8(ascii: "D"), false): "[^0-9]"
            case (UInt8(ascii: "w"), false): "[0-9A-Za-z_]"
            case (UInt8(ascii: "W"), false): "[^0-9A-Za-z_]"
            case (UInt8(ascii: "s"), false): "[[:space:]]"
            case (UInt8(ascii: "S"), false): "[^[:space:]]"
            case (UInt8(ascii: "A"), false): "^"
            case (UInt8(ascii: "z"), false): "$"
            case (UInt8(ascii: "b"), false): "\\b"
            case (UInt8(ascii: "d"), true): "0-9"
            case (UInt8(ascii: "w"), true): "0-9A-Za-z_"
            case (UInt8(ascii: "s"), true): "[:space:]"
            default: nil
            }
        guard let meaning else { throw invalid(expression, "\\\(Character(Unicode.Scalar(byte))) is not known") }
        return Array(meaning.utf8)
    }

    private static func endOfClass(_ bytes: [UInt8], from start: Int) -> Int? {
        var index = start
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: ":") && bytes[index + 1] == UInt8(ascii: "]") { return index + 2 }
            index += 1
        }
        return nil
    }

    static func invalid(_ expression: String, _ why: String) -> CNIError {
        CNIError(.invalidConfiguration, "\(Allowlist.path): expression \(expression): \(why)", details: "see regex(7)")
    }
}
