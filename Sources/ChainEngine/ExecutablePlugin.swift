import CLinux
import CNI
import JSON
import Linux

/// A plugin that runs as an executable: the CNI exec contract, seen from the runtime's side.
///
/// CNI 1.1.0, sections 2 and 4; what the text leaves open is done as libcni does it.
struct ExecutablePlugin {
    /// The executable.
    let file: String
    let plugin: ChainPlugin

    /// How long a plugin may take.
    private static let timeoutMilliseconds = 60_000

    /// Runs one operation. ADD returns the plugin's result.
    func run(_ operation: Operation, _ request: ChainRequest, previous: CNIResult?) throws(CNIError) -> CNIResult? {
        let input = try configuration(operation, request, previous)
        let outcome: Subprocess.Outcome
        do throws(Subprocess.Failure) {
            outcome = try Subprocess.run(
                file, environment: environment(operation, request), input: input,
                timeoutMilliseconds: ExecutablePlugin.timeoutMilliseconds)
        } catch {
            throw describe(error)
        }
        // A plugin may write to standard error and still succeed: it is for whoever reads the log.
        if !outcome.errors.isEmpty { StandardStream.writeError(String(decoding: outcome.errors, as: UTF8.self)) }
        guard outcome.status == 0 else { return try fail(outcome, operation) }
        return operation == .add ? try result(outcome.output, request.cniVersion) : nil
    }

    /// The configuration on standard input, with prevResult in its own version, and for GC the attachments in use.
    private func configuration(_ operation: Operation, _ request: ChainRequest, _ previous: CNIResult?) throws(CNIError) -> String {
        var config = plugin.config
        if let previous { config["prevResult"] = try ResultFormat.encode(previous, version: request.cniVersion) }
        if operation == .gc {
            let list = JSON.array(
                (request.validAttachments ?? []).map {
                    .object(JSONObject([("containerID", .string($0.containerID)), ("ifname", .string($0.interfaceName))]))
                })
            config["cni.dev/valid-attachments"] = list
            // libcni sends this older name too: plugins were built that read it.
            config["cni.dev/attachments"] = list
        }
        return JSON.object(config).text()
    }

    /// This process's environment with the six variables of CNI in place of any that were there.
    private func environment(_ operation: Operation, _ request: ChainRequest) -> [String] {
        let own = [
            ("CNI_COMMAND", operation.command), ("CNI_CONTAINERID", request.containerID), ("CNI_NETNS", request.netns),
            ("CNI_IFNAME", request.interfaceName), ("CNI_ARGS", request.arguments), ("CNI_PATH", request.path),
        ]
        let inherited = Environment.all.filter { variable in !own.contains { variable.hasPrefix($0.0 + "=") } }
        return inherited + own.map { "\($0.0)=\($0.1)" }
    }

    private func result(_ output: [UInt8], _ version: String) throws(CNIError) -> CNIResult {
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: output)
        } catch {
            throw CNIError(.decodingFailure, "decode result of \(file): \(error.text)")
        }
        do throws(CNIError) {
            return try ResultFormat.decode(json, defaultVersion: version)
        } catch {
            throw error.prefixed("result of \(file)")
        }
    }

    /// The plugin's own error object; else what can be said of how it ended.
    private func fail(_ outcome: Subprocess.Outcome, _ operation: Operation) throws(CNIError) -> CNIResult? {
        if let json = try? JSON(parsing: outcome.output), let error = CNIError(json) {
            // A plugin older than the operation: not there is not broken.
            if (operation == .gc || operation == .status) && error.message == "unknown CNI_COMMAND: \(operation.command)" { return nil }
            throw error
        }
        let ending = outcome.status.map { "exit status \($0)" } ?? "signal \(outcome.signal)"
        let said = outcome.output.isEmpty ? outcome.errors : outcome.output
        throw CNIError(
            "\(file) failed with \(ending)"
                + (said.isEmpty ? " and no error message" : ": \(String(decoding: said.prefix(2000), as: UTF8.self))"))
    }

    private func describe(_ failure: Subprocess.Failure) -> CNIError {
        switch failure {
        case .start(let error):
            CNIError("run \(file): \(error.text)", details: error == .access ? "is it executable?" : "")
        case .timeout:
            CNIError(.tryAgainLater, "\(file) did not end within \(ExecutablePlugin.timeoutMilliseconds / 1000) s and was killed")
        case .outputTooLong: CNIError("\(file) wrote more than a result can be, and was killed")
        }
    }
}
