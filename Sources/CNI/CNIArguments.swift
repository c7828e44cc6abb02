/// CNI_ARGS: pairs `K=V` with `;` between.
///
/// Read as the reference plugins that parse it do: names are case-sensitive, each part holds exactly one `=`, and a name that the plugin
/// does not know is an error unless `IgnoreUnknown` is true.
public struct CNIArguments: Equatable, Sendable {
    /// The pairs, in order.
    public let pairs: [(key: String, value: String)]

    /// Splits the text. An empty one has no pairs.
    public init(_ text: String) throws(CNIError) {
        var pairs: [(key: String, value: String)] = []
        if !text.isEmpty {
            for part in text.utf8.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false) {
                let words = part.split(separator: UInt8(ascii: "="), omittingEmptySubsequences: false)
                guard words.count == 2, !words[0].isEmpty else {
                    throw CNIError(.invalidEnvironment, "CNI_ARGS: invalid pair \"\(Substring(part))\"", details: "expected K=V;K=V")
                }
                pairs.append((String(Substring(words[0])), String(Substring(words[1]))))
            }
        }
        self.pairs = pairs
    }

    /// The value of a name; of several the last one.
    public subscript(key: String) -> String? { pairs.last { $0.key == key }?.value }

    /// Throws unless every name is in `known`, or `IgnoreUnknown` is true.
    public func require(only known: [String]) throws(CNIError) {
        var ignoreUnknown = false
        if let flag = self["IgnoreUnknown"] {
            switch flag.lowercased() {
            case "1", "true": ignoreUnknown = true
            case "0", "false": break
            default: throw CNIError(.invalidEnvironment, "CNI_ARGS: IgnoreUnknown must be true or false, is \"\(flag)\"")
            }
        }
        if ignoreUnknown { return }
        for pair in pairs where pair.key != "IgnoreUnknown" && !known.contains(pair.key) {
            throw CNIError(
                .invalidEnvironment, "CNI_ARGS: unknown argument \"\(pair.key)\"",
                details: "known are \(known.joined(separator: ", ")); IgnoreUnknown=1 passes over others")
        }
    }

    /// Whether both have the same pairs, in the same order.
    public static func == (left: CNIArguments, right: CNIArguments) -> Bool {
        left.pairs.count == right.pairs.count && zip(left.pairs, right.pairs).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    }
}
