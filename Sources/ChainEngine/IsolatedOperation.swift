import CNI
import Linux

/// An operation whose modules run in a child process: what `catena`, the wrappers and catenactl have in common.
public enum IsolatedOperation {
    /// Returns what `body` returns, or throws what it throws, or an error that says how its process died.
    ///
    /// - Parameters:
    ///   - undo: after an ADD whose process died, undoes the given number of steps; nil where that is someone else's business.
    ///   - body: runs the operation; in the child.
    public static func run(
        _ operation: Operation, undo: ((ChildProgress, Int) throws(CNIError) -> Void)?,
        _ body: (ChildProgress) throws(CNIError) -> String
    ) throws(CNIError) -> String {
        let progress = try progress()
        do throws(CNIError) {
            return try IsolatedCall.run(progress) { () throws(CNIError) in try body(progress) }
        } catch {
            guard !progress.isComplete, operation == .add, let undo else { throw error }
            throw error.adding(undoAll(progress, undo))
        }
    }

    /// The same. Where all modules are Catena's own, which are trusted not to write where they should not, the child shares this process's
    /// memory. What is undone has memory of its own in any case.
    static func runBesideWherePossible(
        _ operation: Operation, undo: ((ChildProgress, Int) throws(CNIError) -> Void)?,
        _ body: @escaping (ChildProgress) throws(CNIError) -> String
    ) throws(CNIError) -> String {
        let progress = try progress(beside: true)
        do throws(CNIError) {
            return try IsolatedCall.runBeside(progress) { () throws(CNIError) in try body(progress) }
        } catch {
            if progress.needsOwnMemory { return try run(operation, undo: undo, body) }
            guard !progress.isComplete, operation == .add, let undo else { throw error }
            let second = try Self.progress()
            second.step = progress.step
            throw error.adding(undoAll(second, undo))
        }
    }

    private static func progress(beside: Bool = false) throws(CNIError) -> ChildProgress {
        do throws(Errno) {
            return try ChildProgress(beside: beside)
        } catch {
            throw CNIError("share memory with a child process: \(error.text)")
        }
    }

    /// Undoes the steps that were begun, each time in a child of its own: where DEL of one dies too, those before it still get theirs.
    private static func undoAll(_ progress: ChildProgress, _ undo: (ChildProgress, Int) throws(CNIError) -> Void) -> [String] {
        var left: [String] = []
        var steps = progress.step
        while steps > 0 {
            do throws(CNIError) {
                _ = try IsolatedCall.run(progress) { () throws(CNIError) in
                    try undo(progress, steps)
                    return ""
                }
                return left
            } catch {
                left.append("undo failed, something may be left: \(error.text)")
                if progress.isComplete { return left }
                steps = min(steps - 1, progress.step - 1)
            }
        }
        return left
    }
}
