import ArgumentParser
import CNI
import Linux

/// How a command ends that failed: one message on standard error, exit status 1.
enum Failure {
    /// Runs `body`; its error becomes the message.
    static func report<T>(_ body: () throws(CNIError) -> T) throws -> T {
        do throws(CNIError) {
            return try body()
        } catch {
            let code = error.code == .internalFailure ? "" : " (CNI error code \(error.code.rawValue))"
            StandardStream.writeError("catenactl: \(error.message)\(code)\n")
            if !error.details.isEmpty { StandardStream.writeError("  \(error.details)\n") }
            throw ExitCode.failure
        }
    }

    /// Says something on standard error that is no failure.
    static func warn(_ text: String) { StandardStream.writeError("catenactl: warning: \(text)\n") }
}
