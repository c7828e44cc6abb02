import CLinux
import CNI
import ChainEngine
import JSON
import Linux

/// The verbs of a module in all kinds of situations, each in a private host of its own.
enum Scenarios {
    private typealias Body = (ModuleTrial) -> Void
    /// The checks of what no call may do, in the order of the table.
    private static let habits = [
        ("left behind", "nothing, by DEL and by an ADD that failed"), ("errors", "each with a code and a reason"),
        ("standard output", "not written to"), ("descriptors", "none left open"), ("threads", "none left"),
        ("child processes", "none left"),
        ("network namespace", "as it was"), ("working directory", "as it was"), ("umask", "as it was"), ("signals", "as they were"),
    ]

    static func rows(_ subject: CheckSubject, wrapper: String?) -> [CheckRow] {
        var rows: [CheckRow] = []
        var findings: [(check: String, found: String)] = []
        func run(_ name: String, _ works: Bool, _ body: @escaping Body) {
            let (row, found) = inPrivateHost(name, subject, works, body)
            rows.append(row)
            findings += found
        }
        var works = subject.isConfigured
        run("ADD", works) { trial in Scenarios.first(trial) }
        if !subject.isConfigured { works = rows.last?.found.hasPrefix(succeeded) ?? false }
        if rows.last?.found.hasPrefix(untried) ?? false { return rows }
        let valid = works && rows.last?.outcome == .ok
        for (name, body) in all(subject) { run(name, valid, body) }
        if let wrapper = wrapper ?? standardWrapper {
            run("as an executable", valid) { trial in compare(trial, wrapper) }
        } else {
            rows.append(CheckRow("as an executable", .skipped, "catena-exec is not beside this program: give it by --exec"))
        }
        return rows
            + habits.map { check, well in
                let problems = findings.filter { $0.check == check }.map { $0.found }
                return CheckRow(check, problems: Array(Set(problems)).sorted(), else: well)
            }
    }

    private static let succeeded = "succeeded"
    private static let untried = "could not be tried: "

    private static func all(_ subject: CheckSubject) -> [(String, Body)] {
        var list: [(String, Body)] = []
        for version in subject.module.cniVersions where CNIVersion.released.contains(version) {
            list.append(("CNI \(version)", { trial in cycle(trial, version) }))
        }
        let others: [(String, Body)] = [
            ("repeated ADD", addTwice), ("DEL without ADD", deleteWithoutAdd), ("repeated DEL", deleteTwice),
            ("DEL without CNI_NETNS", deleteWithoutNamespace), ("namespace that is gone", missingNamespace),
            ("without prevResult", withoutPrevious), ("unknown keys", unknownKeys), ("wrong types", wrongTypes), ("CNI_ARGS", arguments),
            ("long names", longNames), ("GC", collect), ("STATUS", status), ("memory", memory),
        ]
        return list + others
    }

    // MARK: Running one

    private static func inPrivateHost(
        _ name: String, _ subject: CheckSubject, _ works: Bool, _ body: Body
    ) -> (CheckRow, [(check: String, found: String)]) {
        var files: [(type: String, path: String)] = []
        for type in subject.directories.types { if let file = try? subject.directories.file(of: type) { files.append((type, file)) } }
        let text: String
        do throws(CNIError) {
            text = try IsolatedOperation.run(.status, undo: nil) { (_) throws(CNIError) in
                let trial = try ModuleTrial(subject, files: files, works: works)
                body(trial)
                let row = CheckRow(name, problems: trial.problems, else: trial.notes.joined(separator: "; "))
                let findings = trial.findings.map { JSON.array([.string($0.check), .string($0.found)]) }
                return JSON.array([.object(row.object), .array(findings)]).text()
            }
        } catch {
            return (CheckRow(name, .failed, untried + error.text), [])
        }
        guard let parts = (try? JSON(parsing: text))?.array, parts.count == 2, let row = CheckRow(parts[0]) else {
            return (CheckRow(name, .failed, untried + "no answer"), [])
        }
        let findings = (parts[1].array ?? []).compactMap { item -> (check: String, found: String)? in
            guard let words = item.array?.compactMap({ $0.string }), words.count == 2 else { return nil }
            return (words[0], words[1])
        }
        return (row, findings)
    }

    // MARK: ADD and DEL

    /// Whether ADD succeeds at all: with the given configuration it has to, with the shortest one an error is as good.
    private static func first(_ trial: ModuleTrial) {
        let before = trial.snapshot()
        let added = trial.addAndDelete(trial.request(.add), "")
        trial.expectGone(since: before, added.succeeded ? "DEL" : "ADD that failed")
        if added.succeeded {
            let result = added.result ?? CNIResult()
            trial.note("\(succeeded): \(result.interfaces.count) interfaces, \(result.ips.count) addresses, \(result.routes.count) routes")
        } else if trial.subject.isConfigured {
            if added.death == nil { trial.fail("ADD failed: \(added.text)") }
        } else {
            trial.note("without --config it fails: \(added.text)")
        }
    }

    /// ADD, CHECK and DEL in one version, for one container after the other: what the second leaves beyond the first is a leftover.
    private static func cycle(_ trial: ModuleTrial, _ version: String) {
        var states: [HostSnapshot?] = [trial.snapshot()]
        for _ in 0..<2 {
            let added = trial.call(trial.request(.add, version: version), "ADD in \(version)")
            // The oldest forms of a result can't hold what some configurations make.
            let isOld = CNIVersion(version).map { $0.family == .single } ?? false
            if !isOld { trial.expect(added, "ADD") }
            if added.succeeded && version != "0.1.0" && CNIVersion(version).map({ $0 >= Operation.check.since }) ?? false {
                var check = trial.request(.check, version: version)
                check.previousResult = added.result
                trial.expect(trial.call(check, "CHECK in \(version)"), "CHECK")
            }
            var delete = trial.request(.del, version: version)
            delete.previousResult = added.result
            trial.expect(trial.call(delete, "DEL in \(version)"), "DEL")
            trial.expectGone(since: states[0], "DEL in \(version)")
            states.append(trial.snapshot())
        }
        guard let first = states[0], let second = states[1], let third = states[2] else { return }
        let more = third.added(to: second)
        if !more.isEmpty { trial.fail("each attachment leaves something: \(more.prefix(3).joined(separator: ", "))") }
        let shared = second.added(to: first).filter { !$0.hasPrefix("directory ") }
        if shared.isEmpty || version != trial.subject.newestVersion { return }
        trial.note("stays for all: \(shared.map { String($0.prefix(40)) }.prefix(4).joined(separator: ", "))")
    }

    private static func addTwice(_ trial: ModuleTrial) {
        let before = trial.snapshot()
        let first = trial.call(trial.request(.add))
        let second = trial.call(trial.request(.add), "second ADD")
        var delete = trial.request(.del)
        delete.previousResult = first.result ?? second.result
        trial.expect(trial.call(delete, "DEL after two ADDs"), "DEL")
        trial.expectGone(since: before, "DEL after two ADDs")
        trial.note(first.succeeded && second.succeeded ? "succeeds" : "is refused: \(second.error?.message ?? "")")
    }

    private static func deleteWithoutAdd(_ trial: ModuleTrial) { trial.expect(trial.call(trial.request(.del), "DEL without ADD"), "DEL") }

    private static func deleteTwice(_ trial: ModuleTrial) {
        let added = trial.call(trial.request(.add))
        let calls: [(String, CNIResult?)] = [
            ("first DEL", added.result), ("second DEL", added.result), ("third DEL, without prevResult", nil),
        ]
        for (what, result) in calls {
            var delete = trial.request(.del)
            delete.previousResult = result
            trial.expect(trial.call(delete, what), what)
        }
    }

    private static func deleteWithoutNamespace(_ trial: ModuleTrial) {
        let before = trial.snapshot()
        let added = trial.call(trial.request(.add))
        do throws(CNIError) { try PrivateHost.removeContainer() } catch { return trial.fail(error.text) }
        var delete = trial.request(.del)
        (delete.netns, delete.previousResult) = ("", added.result)
        trial.expect(trial.call(delete, "DEL without CNI_NETNS"), "DEL")
        delete.previousResult = nil
        trial.expect(trial.call(delete, "DEL without CNI_NETNS and prevResult"), "DEL")
        guard let before, let now = trial.snapshot() else { return }
        let left = trial.mentions(now, since: before)
        if !left.isEmpty { trial.fail("left: \(left.prefix(3).joined(separator: ", "))") }
    }

    private static func missingNamespace(_ trial: ModuleTrial) {
        var add = trial.request(.add)
        add.netns = "/run/netns/gone"
        let before = trial.snapshot()
        let added = trial.call(add, "ADD without a namespace")
        var delete = add
        (delete.operation, delete.previousResult) = (.del, added.result)
        trial.expect(trial.call(delete, "DEL in a namespace that is gone"), "DEL")
        trial.expectGone(since: before, "DEL in a namespace that is gone")
        trial.note(added.succeeded ? "ADD succeeds, DEL too" : "ADD fails, DEL succeeds")
    }

    private static func withoutPrevious(_ trial: ModuleTrial) {
        var add = trial.request(.add)
        add.previousResult = nil
        let added = trial.addAndDelete(add, "without prevResult")
        if trial.subject.module.kind != "meta" && trial.previous == nil { trial.expect(added, "ADD") }
        let check = trial.call(trial.request(.check), "CHECK without prevResult")
        trial.note("ADD: \(added.succeeded ? "ok" : "an error"), CHECK: \(check.succeeded ? "ok" : "an error")")
    }

    // MARK: Input

    private static func unknownKeys(_ trial: ModuleTrial) {
        var config = trial.subject.config
        config["org.example.unknown"] = .object(JSONObject([("a", .array([.integer(1), .null]))]))
        let added = trial.addAndDelete(trial.request(.add, config: config), "with unknown keys")
        trial.note(added.succeeded ? "are ignored" : "are an error: \(added.error?.message ?? "")")
        if trial.works && !added.succeeded && added.error?.blamesConfiguration == false { trial.expect(added, "ADD") }
    }

    private static func wrongTypes(_ trial: ModuleTrial) {
        let keys = (try? JSON(parsing: trial.subject.module.schema))?.object?["properties"]?.object?.members.map { $0.key } ?? []
        let configurations = WrongInput.configurations(trial.subject.config, keys: keys)
        var refused = 0
        let before = trial.snapshot()
        for (place, config) in configurations {
            let added = trial.addAndDelete(trial.request(.add, config: config), "with \(place)")
            if !added.succeeded { refused += 1 }
            trial.expectGone(since: before, added.succeeded ? "DEL with \(place)" : "ADD that failed, with \(place)")
            // What a DEL with the wrong configuration could not find.
            _ = trial.call(trial.request(.del), "DEL after wrong types")
        }
        trial.note("\(configurations.count) configurations, \(refused) refused")
    }

    private static func arguments(_ trial: ModuleTrial) {
        let huge = String(repeating: "x", count: 100_000)
        let texts = [
            "IgnoreUnknown=1", "IgnoreUnknown=1;K8S_POD_NAME=a;K8S_POD_NAMESPACE=b", "A=\(huge)", "IgnoreUnknown=1;A=\(huge)", "A", "=",
            ";;=;",
            "A=B=C", "IP=nonsense;MAC=nonsense", "IgnoreUnknown=1;A=\u{fffd}\u{1}\n%s%n",
        ]
        var accepted = 0
        for text in texts {
            var add = trial.request(.add)
            add.arguments = text
            if trial.addAndDelete(add, "with CNI_ARGS \(text.prefix(24))").succeeded { accepted += 1 }
            _ = trial.call(trial.request(.del), "DEL after CNI_ARGS")
        }
        trial.note("\(texts.count) texts, \(accepted) taken")
    }

    private static func longNames(_ trial: ModuleTrial) {
        for (count, interface) in [(64, "a23456789012345"), (200, "eth0"), (4000, "eth0"), (1, "%s%n$(x)`;'\"")] {
            var add = trial.request(.add)
            (add.containerID, add.interfaceName) = (String(repeating: "c", count: count), interface)
            _ = trial.addAndDelete(add, "with a container ID of \(count) and interface \(interface)")
        }
        var add = trial.request(.add)
        add.network = String(repeating: "n", count: 200)
        _ = trial.addAndDelete(add, "with a network name of 200")
    }

    // MARK: GC and STATUS

    private static func collect(_ trial: ModuleTrial) {
        guard trial.subject.serves(.gc) else { return trial.note("it has none") }
        let before = trial.snapshot()
        let added = trial.call(trial.request(.add, version: "1.1.0"))
        let own = Attachment(containerID: ModuleTrial.containerID, interfaceName: ModuleTrial.interface)
        let many = (0..<1000).map { Attachment(containerID: "other-\($0)", interfaceName: "eth0") }
        for (what, valid) in [("with it in use", [own]), ("with 1001 in use", many + [own])] {
            var gc = trial.request(.gc, version: "1.1.0")
            gc.validAttachments = valid
            trial.expect(trial.call(gc, "GC \(what)"), "GC \(what)")
            if added.succeeded && trial.subject.serves(.check) {
                var check = trial.request(.check, version: "1.1.0")
                check.previousResult = added.result
                trial.expect(trial.call(check, "CHECK after GC \(what)"), "CHECK after GC \(what)")
            }
        }
        for what in ["of all", "of all, again"] {
            var gc = trial.request(.gc, version: "1.1.0")
            gc.validAttachments = []
            trial.expect(trial.call(gc, "GC \(what)"), "GC \(what)")
        }
        if let before, let now = trial.snapshot() {
            // What is in the container is gone with it, where GC is right.
            let left = trial.mentions(now, since: before).filter { now.host.contains($0) }
            if !left.isEmpty { trial.fail("GC of all left: \(left.prefix(3).joined(separator: ", "))") }
        }
        var delete = trial.request(.del, version: "1.1.0")
        delete.previousResult = added.result
        trial.expect(trial.call(delete, "DEL after GC"), "DEL after GC")
    }

    private static func status(_ trial: ModuleTrial) {
        guard trial.subject.serves(.status) else { return trial.note("it has none") }
        let outcome = trial.call(trial.request(.status, version: "1.1.0"))
        trial.note(outcome.succeeded ? "ready" : "not ready: \(outcome.text)")
    }

    // MARK: Memory

    private static func memory(_ trial: ModuleTrial) {
        if clinux_heap_in_use() < 0 { return trial.note("this libc can't tell (mallinfo2)") }
        let rounds = 30
        var requests = [trial.request(.add), trial.request(.del)]
        if trial.subject.serves(.status) { requests.append(trial.request(.status, version: "1.1.0")) }
        let growth = trial.growth(requests, rounds: rounds)
        if growth >= 16 { trial.fail("each round of ADD and DEL leaves \(growth) bytes") }
        trial.note("\(3 * rounds) rounds of ADD and DEL")
    }

    // MARK: As an executable

    private static var standardWrapper: String? {
        guard let directory = Environment.programDirectory else { return nil }
        return ["\(directory)/../lib/cni/catena-exec", "\(directory)/catena-exec"].first { File.exists($0) }
    }

    private static func compare(_ trial: ModuleTrial, _ wrapper: String) {
        let link = "\(PrivateHost.directory)/\(trial.subject.module.type)"
        if symlink(Target.absolute(wrapper), link) != 0 { return trial.fail("link \(link): \(Errno.current.text)") }
        setenv("CATENA_MODULE_PATH", PrivateHost.directory, 1)
        var bad = trial.subject.config
        bad["type"] = .integer(5)
        for (what, config) in [("", trial.subject.config), (" with a wrong type", bad)] {
            let inside = trial.addAndDelete(trial.request(.add, config: config), "in-process\(what)")
            let add = trial.call(trial.request(.add, config: config), "ADD as an executable\(what)", asExecutable: true)
            var delete = trial.request(.del, config: config)
            delete.previousResult = add.result
            let deleted = trial.call(delete, "DEL as an executable\(what)", asExecutable: true)
            if inside.succeeded { trial.expect(deleted, "DEL as an executable\(what)") }
            if summary(inside) != summary(add) {
                trial.fail("ADD\(what): in-process \(summary(inside)), as an executable \(summary(add))")
            }
        }
        trial.note("the same outcome")
    }

    /// What has to be the same: not random names and hardware addresses, nor which of a range's addresses it is.
    private static func summary(_ outcome: ModuleCall.Outcome) -> String {
        guard let result = outcome.result, outcome.succeeded else { return outcome.text }
        let interfaces = result.interfaces.map { $0.sandbox == nil ? "host" : $0.name }
        let addresses = result.ips.map { "\($0.address.address.family)/\($0.address.prefix)" }
        let routes = result.routes.map { $0.destination.text }
        return "\(interfaces) \(addresses) \(routes) \(result.dns.nameservers)"
    }
}
