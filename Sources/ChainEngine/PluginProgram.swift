import CLinux
import CNI
import JSON
import Linux

/// A program that a runtime executes as a CNI plugin: what `catena` and the wrappers share.
public enum PluginProgram {
    /// Serves one invocation and returns the exit status.
    ///
    /// - Parameters:
    ///   - about: what to print on standard error where a person runs the program without CNI_COMMAND.
    ///   - body: serves an operation other than VERSION; ADD returns the result.
    public static func run(about: String, _ body: (PluginInvocation) throws(CNIError) -> CNIResult?) -> Int32 {
        var version: String?
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
                _ = try PluginInput()
                throw CNIError(.invalidEnvironment, "unknown CNI_COMMAND: \(command)")
            }
            let invocation = try PluginInvocation(operation) { version = $0 }
            if let result = try body(invocation) {
                try write(try ResultFormat.encode(result, version: invocation.cniVersion).text(indented: true))
            }
            return 0
        } catch {
            try? StandardStream.writeOutput(error.json(version: version).text(indented: true))
            return 1
        }
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
