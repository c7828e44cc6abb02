import CLinux
import CNI
import JSON
import Linux

/// A program that a runtime executes as a CNI plugin: what `catena` and the wrappers share.
///
/// Modules run in a child process: one that crashes, hangs, exits or writes to standard output ends in one CNI error like any other.
public enum PluginProgram {
    /// Serves one invocation and returns the exit status.
    ///
    /// The parent process only reads the environment and standard input: all else is the child's.
    ///
    /// - Parameters:
    ///   - about: what to print on standard error where a person runs the program without CNI_COMMAND.
    ///   - undo: after an ADD whose process died, undoes the given number of steps; nil where that is the runtime's business.
    ///   - body: serves an operation other than VERSION; ADD returns the result.
    static func run(
        about: String, undo: ((PluginInvocation, ChildProgress, Int) throws(CNIError) -> Void)?,
        _ body: @escaping (PluginInvocation, ChildProgress) throws(CNIError) -> CNIResult?
    ) -> Int32 {
        var received: ReceivedInvocation?
        do throws(CNIError) {
            guard let command = Environment.value("CNI_COMMAND"), !command.isEmpty else {
                StandardStream.writeError("\(about)\nCNI protocol versions supported: \(CNIVersion.released.joined(separator: ", "))\n")
                return 0
            }
            if command == "VERSION" {
                try write(versions + "\n")
                return 0
            }
            guard let operation = Operation(command: command) else {
                // Found after the configuration was read, as the reference does it.
                _ = try PluginInput(try PluginInput.read())
                throw CNIError(.invalidEnvironment, "unknown CNI_COMMAND: \(command)")
            }
            let call = try ReceivedInvocation(operation)
            received = call
            let answer = try serve(call, undo, body)
            if !answer.isEmpty { try write(answer) }
            return 0
        } catch {
            try? StandardStream.writeOutput(error.json(version: received?.version).text(indented: true))
            return 1
        }
    }

    /// Serves the invocation in a child process, and returns what is to be printed.
    private static func serve(
        _ received: ReceivedInvocation, _ undo: ((PluginInvocation, ChildProgress, Int) throws(CNIError) -> Void)?,
        _ body: @escaping (PluginInvocation, ChildProgress) throws(CNIError) -> CNIResult?
    ) throws(CNIError) -> String {
        func serve(_ progress: ChildProgress) throws(CNIError) -> String {
            let invocation = try received.decoded()
            guard let result = try body(invocation, progress) else { return "" }
            return try ResultFormat.encode(result, version: invocation.cniVersion).text(indented: true)
        }
        guard let undo else { return try IsolatedOperation.runBesideWherePossible(received.operation, undo: nil, serve) }
        return try IsolatedOperation.runBesideWherePossible(
            received.operation, undo: { (progress, steps) throws(CNIError) in try undo(try received.decoded(), progress, steps) }, serve)
    }

    /// The answer to VERSION: CNI 1.1.0, section 5 "Version".
    private static var versions: String {
        JSON.object(
            JSONObject([
                ("cniVersion", .string(CNIVersion.current)), ("supportedVersions", .array(CNIVersion.released.map { .string($0) })),
            ])
        ).text()
    }

    private static func write(_ text: String) throws(CNIError) {
        do throws(Errno) {
            try StandardStream.writeOutput(text)
        } catch {
            throw CNIError(.ioFailure, "write to standard output: \(error.text)")
        }
    }
}
