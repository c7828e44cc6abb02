import CNI

/// What CHECK finds: every difference between what ADD made and what is there, reported together.
public struct Differences {
    private var found: [String] = []

    /// All that was noted, in order.
    public var lines: [String] { found }

    /// Makes an empty one.
    public init() {}

    /// Notes a difference.
    public mutating func add(_ difference: String) { found.append(difference) }

    /// Notes differences.
    public mutating func add(_ differences: [String]) { found += differences }

    /// Notes a difference unless what was found is what was expected.
    public mutating func expect<T: Equatable>(_ what: @autoclosure () -> String, _ expected: T, _ actual: T, _ text: (T) -> String) {
        if expected != actual { found.append("\(what()): expected \(text(expected)), found \(text(actual))") }
    }

    /// Throws one error with all that was noted; nothing was, nothing happens.
    public func throwIfAny(_ subject: String) throws(CNIError) {
        guard let first = found.first else { return }
        let message = found.count == 1 ? "check \(subject): \(first)" : "check \(subject): \(found.count) differences; the first: \(first)"
        throw CNIError(message, details: found.count == 1 ? "" : found.joined(separator: "; "))
    }
}
