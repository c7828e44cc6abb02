import CLinux
import CNI
import ChainEngine
import JSON
import Linux

/// Calls of the module in a private host, and what was wrong with them.
final class ModuleTrial {
    let subject: CheckSubject
    /// What does not hold of this scenario.
    private(set) var problems: [String] = []
    /// What else is to be told of it.
    private(set) var notes: [String] = []
    /// What the module should not have done in any call, by check.
    private(set) var findings: [(check: String, found: String)] = []
    /// Whether a valid configuration is known: what fails with it is the module's fault.
    let works: Bool
    /// What the plugins before it gave.
    private(set) var previous: CNIResult?

    private let host: PrivateHost
    private let modules: ModuleDirectories
    private let progress: ChildProgress
    private let snapshots = SnapshotTaker()
    static let containerID = "check-a"
    static let interface = "eth0"

    /// Makes the private host, and runs the plugins that come before the module.
    init(_ subject: CheckSubject, files: [(type: String, path: String)], works: Bool) throws(CNIError) {
        self.subject = subject
        self.works = works
        host = try PrivateHost()
        modules = try host.install(files)
        do throws(Errno) { progress = try ChildProgress() } catch { throw CNIError("share memory: \(error.text)") }
        previous = try before()
    }

    private func before() throws(CNIError) -> CNIResult? {
        if let json = subject.previous { return try ResultFormat.decode(json, defaultVersion: CNIVersion.current) }
        if subject.before.isEmpty { return subject.module.kind == "meta" ? try host.addInterface(ModuleTrial.interface) : nil }
        let version = subject.newestVersion
        var request = request(.add)
        request.plugins = try PluginConfiguration.plugins(
            subject.before, place: "plugins", network: CheckSubject.network, cniVersion: version,
            capabilityArguments: JSONObject(), args: nil)
        let outcome = ModuleCall(directories: modules, verbose: subject.verbose, progress: progress).run(request)
        guard outcome.succeeded else { throw CNIError("the plugins before it: \(outcome.text)") }
        return outcome.result
    }

    // MARK: Calls

    /// A request for the module alone, with what is usual of everything.
    func request(_ operation: Operation, config: JSONObject? = nil, version: String? = nil) -> ChainRequest {
        let version = version ?? subject.newestVersion
        let attached = operation != .gc && operation != .status
        return ChainRequest(
            operation: operation, network: CheckSubject.network, cniVersion: version,
            containerID: attached ? ModuleTrial.containerID : "", interfaceName: attached ? ModuleTrial.interface : "",
            netns: attached ? PrivateHost.container : "", arguments: "", path: PrivateHost.directory,
            plugins: [subject.plugin(subject.module.type, config ?? subject.config, version: version)],
            previousResult: operation == .add ? previous : nil)
    }

    /// Calls the module, and looks at what it did beside.
    ///
    /// - Parameter what: what it is called, in findings.
    func call(_ request: ChainRequest, _ what: String? = nil, asExecutable: Bool = false) -> ModuleCall.Outcome {
        let what = what ?? request.operation.command
        var outcome = ModuleCall(
            directories: asExecutable ? ModuleDirectories([]) : modules, verbose: subject.verbose, progress: progress
        ).run(request)
        outcome.operation = request.operation
        if let death = outcome.death { problems.append("\(what) \(death)") }
        for finding in outcome.findings { findings.append((finding.check, "\(what): \(finding.found)")) }
        if let fault = outcome.error.flatMap(ModuleTrial.fault) { findings.append((fault.check, "\(what) \(fault.words)")) }
        return outcome
    }

    /// ADD, and DEL with its result; ADD's outcome.
    func addAndDelete(_ add: ChainRequest, _ what: String) -> ModuleCall.Outcome {
        let suffix = what.isEmpty ? "" : " \(what)"
        let outcome = call(add, "ADD\(suffix)")
        var delete = add
        delete.operation = .del
        delete.previousResult = outcome.result
        let deleted = call(delete, "DEL\(suffix)")
        if outcome.succeeded { expect(deleted, "DEL\(suffix)") } else { expectErrorAtMost(deleted, "DEL\(suffix)") }
        return outcome
    }

    /// Runs the requests again and again; the bytes that each round leaves.
    func growth(_ requests: [ChainRequest], rounds: Int) -> Int {
        let outcome = ModuleCall(directories: modules, verbose: subject.verbose, progress: progress).repeated(requests, rounds: rounds)
        if let death = outcome.death { problems.append("repeated calls: \(death)") }
        return outcome.growth
    }

    /// What is wrong with an error: no words, a code that means nothing; or that it is about the thread's namespace.
    private static func fault(_ error: CNIError) -> (check: String, words: String)? {
        if error.message.contains("left the thread in another network namespace") { return ("network namespace", "changed it") }
        if error.message.hasSuffix("and without a reason") { return ("errors", "failed without a call of host->fail") }
        if error.message.isEmpty { return ("errors", "failed with an empty message") }
        let code = error.code.rawValue
        if (1...8).contains(code) || [11, 50, 51, 999].contains(code) || code >= 100 { return nil }
        return ("errors", "failed with code \(code), which the specification does not give a meaning")
    }

    // MARK: Expectations

    /// A problem of the scenario.
    func fail(_ text: String) { problems.append(text) }

    /// Something to tell where all is well.
    func note(_ text: String) { notes.append(text) }

    /// It has to succeed. Without a configuration that works, an error of ADD and CHECK will do, and of the others one about it.
    func expect(_ outcome: ModuleCall.Outcome, _ what: String) {
        guard let error = outcome.error else { return }
        if !works && (error.blamesConfiguration || outcome.operation == .add || outcome.operation == .check) { return }
        problems.append("\(what) failed: \(outcome.text)")
    }

    /// It may fail where it is the configuration that is wrong.
    func expectErrorAtMost(_ outcome: ModuleCall.Outcome, _ what: String) {
        guard works, let error = outcome.error, !error.blamesConfiguration else { return }
        problems.append("\(what) failed: \(outcome.text)")
    }

    // MARK: What is there

    /// A snapshot; nil, with a problem, where there can be none.
    func snapshot() -> HostSnapshot? {
        do throws(CNIError) {
            return try snapshots.take()
        } catch {
            problems.append("look at the private host: \(error.text)")
            return nil
        }
    }

    /// What speaks of the container now and did not earlier: the plugins before the module have their own.
    func mentions(_ now: HostSnapshot, since earlier: HostSnapshot) -> [String] {
        let before = Set(HostSnapshot.mentions(ModuleTrial.containerID, earlier))
        return HostSnapshot.mentions(ModuleTrial.containerID, now).filter { !before.contains($0) }
    }

    /// A failed ADD, or a DEL, leaves nothing in the container, and nothing that speaks of it.
    func expectGone(since earlier: HostSnapshot?, _ what: String) {
        guard let earlier, let now = snapshot() else { return }
        let inside = now.container.subtracting(earlier.container).sorted().map { "in the container: \($0)" }
        let left = inside + mentions(now, since: earlier)
        if !left.isEmpty { findings.append(("left behind", "\(what): \(left.prefix(3).joined(separator: ", "))")) }
    }
}
