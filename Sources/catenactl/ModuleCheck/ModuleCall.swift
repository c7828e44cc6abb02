import CLinux
import CNI
import ChainEngine
import JSON
import Linux

/// One or more requests to the engine in a child process, where whatever a module does is seen from both sides.
struct ModuleCall {
    /// How it ended, and what the module should not have done.
    struct Outcome {
        var operation = Operation.add
        var result: CNIResult?
        var error: CNIError?
        /// How the process died; nil where it did not.
        var death: String?
        var findings: [(check: String, found: String)] = []
        /// Bytes of the heap that each round of a repetition left.
        var growth = 0

        var succeeded: Bool { error == nil && death == nil }
        /// Why it did not succeed.
        var text: String { death ?? error.map { "\($0.text) (code \($0.code.rawValue))" } ?? "ok" }
    }

    /// Where modules are; none where all plugins are to run as executables.
    let directories: ModuleDirectories
    let verbose: Bool
    let progress: ChildProgress

    /// Runs one request.
    func run(_ request: ChainRequest) -> Outcome {
        isolated { findings in
            let before = ProcessSnapshot()
            let answer = answer(request)
            _ = progress.output?.misuse()
            findings += (progress.output?.seen ?? []).map { (check: "standard output", found: $0) }
            findings += ModuleCall.ownChildren
            findings += ProcessSnapshot().differences(from: before)
            return answer
        }
    }

    /// Runs the requests over and over; ``Outcome/growth`` tells what stays of each round.
    func repeated(_ requests: [ChainRequest], rounds: Int) -> Outcome {
        isolated { _ in
            let engine = engine
            var marks: [Int64] = []
            for round in 0..<3 * rounds {
                if round % rounds == 0 { marks.append(clinux_heap_in_use()) }
                for request in requests { _ = try? engine.run(request) }
            }
            marks.append(clinux_heap_in_use())
            // The first third fills caches; a leak shows in both of the others.
            let growth = min(marks[2] - marks[1], marks[3] - marks[2])
            return JSONObject([("growth", .integer(growth / Int64(rounds)))])
        }
    }

    private var engine: ChainEngine {
        ChainEngine(
            directories: directories, log: Logger(level: verbose ? .debug : .error), isChain: false, records: nil, progress: progress)
    }

    private func answer(_ request: ChainRequest) -> JSONObject {
        do throws(CNIError) {
            guard let result = try engine.run(request) else { return JSONObject() }
            return JSONObject([("result", try ResultFormat.encode(result, version: CNIVersion.current))])
        } catch {
            return JSONObject([("error", error.json(version: nil))])
        }
    }

    private static var ownChildren: [(check: String, found: String)] {
        var status: Int32 = 0
        let child = waitpid(-1, &status, WNOHANG)
        if child < 0 { return [] }
        return [("child processes", child == 0 ? "left one running" : "left one that nobody waited for")]
    }

    private func isolated(_ body: (inout [(check: String, found: String)]) -> JSONObject) -> Outcome {
        let ending: ChildProcess.Ending
        do throws(Errno) {
            ending = try ChildProcess.run(progress) {
                if !verbose { dup2(clinux_open("/dev/null", O_WRONLY, 0), 2) }
                var findings: [(check: String, found: String)] = []
                var answer = body(&findings)
                answer["findings"] = .array(findings.map { .array([.string($0.check), .string($0.found)]) })
                return Array(JSON.object(answer).text().utf8)
            }
        } catch {
            return Outcome(death: "no child process: \(error.text)")
        }
        var outcome = Outcome()
        switch ending {
        case .answer(let bytes): outcome = ModuleCall.decode(bytes)
        case .ended(.signal(let signal)): outcome.death = "crashed: signal \(signal), \(String(cString: strsignal(signal)))"
        case .ended(.exited(let status)): outcome.death = "ended the process with exit status \(status)"
        case .timeout: outcome.death = "did not end within its limit and was killed"
        }
        outcome.findings += ModuleCall.orphans()
        return outcome
    }

    private static func decode(_ bytes: [UInt8]) -> Outcome {
        guard let answer = (try? JSON(parsing: bytes))?.object else { return Outcome(death: "gave no answer that can be read") }
        var outcome = Outcome()
        outcome.result = answer["result"].flatMap { try? ResultFormat.decode($0, defaultVersion: CNIVersion.current) }
        outcome.error = answer["error"].flatMap { CNIError($0) }
        outcome.growth = Int(answer["growth"]?.integer ?? 0)
        for finding in answer["findings"]?.array ?? [] {
            guard let words = finding.array?.compactMap({ $0.string }), words.count == 2 else { continue }
            outcome.findings.append((words[0], words[1]))
        }
        return outcome
    }

    /// Processes that outlived the call's: they are this process's children now, and are ended.
    private static func orphans() -> [(check: String, found: String)] {
        var found: [(check: String, found: String)] = []
        while true {
            var status: Int32 = 0
            let child = waitpid(-1, &status, WNOHANG)
            if child < 0 { return found }
            if child > 0 { continue }
            let own = children()
            if own.isEmpty { return found }
            for pid in own {
                let name = (try? File.readText("/proc/\(pid)/comm"))?.filter { !$0.isNewline } ?? "?"
                found.append(("child processes", "left \(name) running"))
                kill(pid, SIGKILL)
                waitpid(pid, &status, 0)
            }
        }
    }

    private static func children() -> [pid_t] {
        let own = "\(getpid())"
        return ((try? File.list("/proc")) ?? []).compactMap { name in
            guard let pid = pid_t(name), let text = try? File.readText("/proc/\(name)/stat"),
                let rest = text.split(separator: ")").last?.split(separator: " "), rest.count > 1, rest[1] == own
            else { return nil }
            return pid
        }
    }
}
