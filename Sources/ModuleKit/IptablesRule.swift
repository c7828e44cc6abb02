/// One rule of a table, as iptables-save(8) writes it.
public struct IptablesRule: Equatable, Sendable {
    /// The chain that it is in.
    public let chain: String
    /// What follows the chain's name, its quotes and backslashes resolved.
    public let words: [String]
    /// The whole line, "-A CHAIN …".
    public let line: String

    /// A rule of these words.
    public init(_ chain: String, _ words: [String]) {
        self.chain = chain
        self.words = words
        line = "-A \(chain) " + words.map { IptablesRule.quoted($0) }.joined(separator: " ")
    }

    /// Reads a line of iptables-save; nil for one that is no rule.
    init?(line: String) {
        let words = IptablesRule.split(line)
        guard words.count >= 2, words[0] == "-A" else { return nil }
        chain = words[1]
        self.words = Array(words[2...])
        self.line = line
    }

    /// The word after an option ("-s", "--dport"); nil where the rule does not have it.
    public func value(_ option: String) -> String? {
        guard let index = words.firstIndex(of: option), index + 1 < words.count else { return nil }
        return words[index + 1]
    }

    /// Where it jumps to: a chain, or what is done with the packet ("ACCEPT").
    public var target: String? { value("-j") ?? value("-g") }

    /// Its comment.
    public var comment: String? { value("--comment") }

    /// The line that deletes it.
    public var deletion: String { "-D" + String(line.dropFirst(2)) }

    /// The line that puts it before all others of its chain.
    public var insertion: String { "-I" + String(line.dropFirst(2)) }

    /// A word as iptables-restore reads it: in quotes where it has anything but letters, digits and the signs of options and addresses.
    static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: "_./:,%+=-![]".utf8.contains(byte)
            }
        }
        if plain && !word.isEmpty { return word }
        var text = "\""
        for scalar in word.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { text.unicodeScalars.append("\\") }
            text.unicodeScalars.append(scalar)
        }
        return text + "\""
    }

    /// Splits a line at its white space; what stands in quotes is one word.
    static func split(_ line: String) -> [String] {
        var words: [String] = []
        var word: [UInt8] = []
        var (isQuoted, isEscaped, isWord) = (false, false, false)
        for byte in line.utf8 {
            if isEscaped {
                word.append(byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") && isQuoted {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
                isWord = true
            } else if byte == UInt8(ascii: " ") && !isQuoted {
                if isWord { words.append(String(decoding: word, as: UTF8.self)) }
                (word, isWord) = ([], false)
            } else {
                word.append(byte)
                isWord = true
            }
        }
        if isWord { words.append(String(decoding: word, as: UTF8.self)) }
        return words
    }
}
