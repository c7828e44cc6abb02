import JSON

/// What one check of a module found.
struct CheckRow: Equatable {
    /// How a check went.
    enum Outcome: String {
        case ok = "ok"
        /// It works, but should be mended.
        case warning = "warning"
        case failed = "FAILED"
        /// It could not be looked at.
        case skipped = "not run"
    }

    let check: String
    let outcome: Outcome
    let found: String

    init(_ check: String, _ outcome: Outcome, _ found: String = "") {
        self.check = check
        self.outcome = outcome
        self.found = found
    }

    /// Failed with these problems, which are told one after the other; without any it is well.
    init(_ check: String, problems: [String], else found: String) {
        var shown = Array(problems.prefix(CheckRow.limit))
        if problems.count > CheckRow.limit { shown.append("and \(problems.count - CheckRow.limit) more") }
        self.init(check, problems.isEmpty ? .ok : .failed, problems.isEmpty ? found : shown.joined(separator: "; "))
    }

    private static let limit = 3

    /// For programs.
    var object: JSONObject {
        let word = outcome == .failed ? "failed" : outcome.rawValue
        return JSONObject([("check", .string(check)), ("outcome", .string(word)), ("found", .string(found))])
    }
}
