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
    let log: Logger
    /// The record whose lock the chain has: ``RecordedAttachment/variable``; nil where there is none.
    let lockMarker: String?

    /// Runs one operation. ADD returns the plugin's result.
    ///
    /// A plugin that refuses the configuration's version (code 1) is asked which it speaks, and run again with the newest of those that is
    /// older: only then, since asking every time would double the processes.
    func run(_ operation: Operation, _ request: ChainRequest, previous: CNIResult?) throws(CNIError) -> CNIResult? {
        do throws(CNIError) {
            return try run(operation, request, previous, version: request.cniVersion)
        } catch {
            let cameLater = operation.since > CNIVersion(0, 1, 0)
            // A plugin older than the operation: not there is not broken.
            if cameLater && error.message == "unknown CNI_COMMAND: \(operation.command)" {
                return skip(operation, request, "the plugin does not know it")
            }
            guard cameLater || error.code == .incompatibleVersion else { throw error }
            let versions = supportedVersions()
            if let newest = versions.max(), newest < operation.since {
                return skip(operation, request, "the plugin's newest version is \(newest.text)")
            }
            guard error.code == .incompatibleVersion, let limit = CNIVersion(request.cniVersion),
                let version = versions.filter({ $0 < limit }).max()
            else { throw error }
            return try run(operation, request, previous, version: version.text)
        }
    }

    private func skip(_ operation: Operation, _ request: ChainRequest, _ reason: String) -> CNIResult? {
        log.write(.info, request.fields + [LogField("plugin", plugin.type)], "\(operation.command) of \(file) is left out: \(reason)")
        return nil
    }

    private func run(
        _ operation: Operation, _ request: ChainRequest, _ previous: CNIResult?, version: String
    ) throws(CNIError) -> CNIResult? {
        let input = try configuration(operation, request, previous, version)
        let outcome: Subprocess.Outcome
        do throws(Subprocess.Failure) {
            outcome = try Subprocess.run(
                file, environment: environment(operation, request), input: input, timeoutMilliseconds: plugin.timeoutSeconds * 1000)
        } catch {
            throw describe(error)
        }
        // A plugin may write to standard error and still succeed: it is for whoever reads the log.
        if !outcome.errors.isEmpty { StandardStream.writeError(String(decoding: outcome.errors, as: UTF8.self)) }
        guard outcome.status == 0 else { throw failure(outcome) }
        guard operation == .add else { return nil }
        let result = try result(outcome.output, version)
        return CNIVersion(version).map { result.carryingOver(previous, through: $0) } ?? result
    }

    /// The configuration on standard input, with prevResult in its own version, and for GC the attachments in use.
    private func configuration(
        _ operation: Operation, _ request: ChainRequest, _ previous: CNIResult?, _ version: String
    ) throws(CNIError) -> String {
        var config = plugin.config
        config["cniVersion"] = .string(version)
        if let previous, let encoded = try encode(previous, version, request) { config["prevResult"] = encoded }
        if operation == .gc, let valid = request.validAttachments {
            let list = JSON.array(
                valid.map {
                    .object(JSONObject([("containerID", .string($0.containerID)), ("ifname", .string($0.interfaceName))]))
                })
            config["cni.dev/valid-attachments"] = list
            // libcni sends this older name too: plugins were built that read it.
            config["cni.dev/attachments"] = list
        }
        return JSON.object(config).text()
    }

    /// The result in `version`; nil where this is an older version than the configuration's, and can't hold a result without addresses.
    private func encode(_ result: CNIResult, _ version: String, _ request: ChainRequest) throws(CNIError) -> JSON? {
        do throws(CNIError) {
            return try ResultFormat.encode(result, version: version)
        } catch {
            if version != request.cniVersion { return nil }
            throw error
        }
    }

    /// This process's environment with the six variables of CNI in place of any that were there.
    private func environment(_ operation: Operation, _ request: ChainRequest) -> [String] {
        let own = [
            ("CNI_COMMAND", operation.command), ("CNI_CONTAINERID", request.containerID), ("CNI_NETNS", request.netns),
            ("CNI_IFNAME", request.interfaceName), ("CNI_ARGS", request.arguments), ("CNI_PATH", request.path),
        ]
        var variables = Environment.all.filter { variable in !own.contains { variable.hasPrefix($0.0 + "=") } }
        if let lockMarker {
            variables.removeAll { $0.hasPrefix("\(RecordedAttachment.variable)=") }
            variables.append("\(RecordedAttachment.variable)=\(lockMarker)")
        }
        return variables + own.map { "\($0.0)=\($0.1)" }
    }

    private func result(_ output: [UInt8], _ version: String) throws(CNIError) -> CNIResult {
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: output)
        } catch {
            throw CNIError(.decodingFailure, "decode result of \(file): \(output.isEmpty ? "it printed none" : error.text)")
        }
        do throws(CNIError) {
            return try ResultFormat.decode(json, defaultVersion: version)
        } catch {
            throw error.prefixed("result of \(file)")
        }
    }

    /// The plugin's own error object; else what can be said of how it ended.
    private func failure(_ outcome: Subprocess.Outcome) -> CNIError {
        if let json = try? JSON(parsing: outcome.output), let error = CNIError(json) { return error }
        let ending = outcome.status.map { "exit status \($0)" } ?? "signal \(outcome.signal)"
        let said = outcome.output.isEmpty ? outcome.errors : outcome.output
        return CNIError(
            "\(file) failed with \(ending)"
                + (said.isEmpty ? " and no error message" : ": \(String(decoding: said.prefix(2000), as: UTF8.self))"))
    }

    private func describe(_ failure: Subprocess.Failure) -> CNIError {
        switch failure {
        case .start(let error):
            return CNIError("run \(file): \(error.text)", details: error == .access ? "is it executable?" : "")
        case .timeout(let errors):
            if !errors.isEmpty { StandardStream.writeError(String(decoding: errors, as: UTF8.self)) }
            return CNIError(
                .tryAgainLater, "\(file) did not end within \(plugin.timeoutSeconds) s and was killed",
                details: ChainPlugin.timeoutAdvice)
        case .outputTooLong: return CNIError("\(file) wrote more than a result can be, and was killed")
        }
    }

    // MARK: Versions

    /// The versions that VERSION tells, without those that we don't know; none where it fails.
    private func supportedVersions() -> [CNIVersion] {
        versionAnswer().compactMap { CNIVersion.released.contains($0) ? CNIVersion($0) : nil }
    }

    /// The call is libcni's, with values that are not used.
    private func versionAnswer() -> [String] {
        let dummy = ["CNI_COMMAND=VERSION", "CNI_NETNS=dummy", "CNI_IFNAME=dummy", "CNI_PATH=dummy"]
        let inherited = Environment.all.filter { !$0.hasPrefix("CNI_") }
        guard
            let outcome = try? Subprocess.run(
                file, environment: inherited + dummy, input: "{\"cniVersion\":\"\(CNIVersion.current)\"}",
                timeoutMilliseconds: plugin.timeoutSeconds * 1000),
            let answer = (try? JSON(parsing: outcome.output))?.object
        else { return [] }
        // Before VERSION there was one version only.
        if outcome.status != 0 { return answer["msg"]?.string == "unknown CNI_COMMAND: VERSION" ? ["0.1.0"] : [] }
        if let list = answer["supportedVersions"]?.array { return list.compactMap { $0.string } }
        return answer["cniVersion"]?.string == "0.2.0" ? ["0.1.0", "0.2.0"] : []
    }
}
