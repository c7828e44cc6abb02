import CLinux
import CNI
import Linux
import State

/// iptables of one family, by its own programs: a table is read by iptables-save(8), and changed by one iptables-restore(8) --noflush,
/// which is atomic. For modules whose configuration asks for iptables; nothing else here starts a process.
public struct Iptables: Sendable {
    /// IPv4 or IPv6.
    public let family: IPAddress.Family
    private let save: String
    private let restore: String

    private static let timeoutMilliseconds = 30_000
    /// Changing a table is reading, then writing: one at a time. (The programs' own lock is held during each of both alone.)
    private static let lockDirectory = "/run/catena"

    /// The programs of a family; nil where they are not installed.
    public init?(_ family: IPAddress.Family) {
        let name = family == .v4 ? "iptables" : "ip6tables"
        guard let save = Iptables.find("\(name)-save"), let restore = Iptables.find("\(name)-restore") else { return nil }
        self.family = family
        self.save = save
        self.restore = restore
    }

    /// The programs of a family. Throws where they are not installed.
    public static func require(_ family: IPAddress.Family) throws(CNIError) -> Iptables {
        if let found = Iptables(family) { return found }
        let name = family == .v4 ? "iptables" : "ip6tables"
        throw CNIError("find \(name)-save and \(name)-restore: No such file or directory", details: "install iptables")
    }

    private static func find(_ program: String) -> String? {
        // What runs plugins may have a PATH without the directories of system programs.
        let list = (Environment.trustedValue("PATH") ?? "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
        for directory in list.split(separator: ":") where directory.hasPrefix("/") {
            let path = "\(directory)/\(program)"
            if access(path, X_OK) == 0 { return path }
        }
        return nil
    }

    /// Runs `body` while no other process of ours changes tables.
    public static func locked<T>(_ body: () throws(CNIError) -> T) throws(CNIError) -> T {
        let lock = try takeLock()
        let result = try body()
        lock.release()
        return result
    }

    private static func takeLock() throws(CNIError) -> FileLock {
        do throws(Errno) {
            try File.makeDirectories(lockDirectory, mode: 0o700)
            return try FileLock("\(lockDirectory)/iptables.lock", mode: 0o600)
        } catch {
            throw CNIError(.ioFailure, "lock \(lockDirectory)/iptables.lock: \(error.text)")
        }
    }

    /// What a table ("nat", "filter") has.
    public func table(_ name: String) throws(CNIError) -> IptablesTable {
        let outcome = try Iptables.run(save, ["-t", name], input: "")
        guard outcome.status == 0 else { throw Iptables.failure("\(save) -t \(name)", outcome) }
        return IptablesTable(String(decoding: outcome.output, as: UTF8.self))
    }

    /// Makes all changes to a table, or none: lines as iptables-restore reads them. `purpose` begins the error.
    public func change(_ table: String, _ lines: [String], purpose: String) throws(CNIError) {
        if lines.isEmpty { return }
        let text = (["*\(table)"] + lines + ["COMMIT"]).joined(separator: "\n") + "\n"
        let outcome = try Iptables.run(restore, ["--noflush", "--wait", "20"], input: text)
        if outcome.status == 0 { return }
        let error = Iptables.failure(restore, outcome)
        // It tells the line's number, of which the first one is "*table".
        let number = Iptables.lineNumber(error.message)
        let command = number.flatMap { lines.indices.contains($0 - 2) ? " (\(lines[$0 - 2]))" : nil } ?? ""
        throw CNIError(error.code, "\(purpose): \(error.message)\(command)", details: error.details)
    }

    /// Removes from a table of each family what `lines` says (DEL, GC). A family whose iptables can't be used has nothing; where neither can,
    /// that is an error.
    public static func remove(
        _ call: ModuleCall, from name: String, purpose: String, _ lines: (IptablesTable, IPAddress.Family) -> [String]
    ) throws(CNIError) {
        var failures: [CNIError] = []
        var usable = 0
        for family in [IPAddress.Family.v4, .v6] {
            guard let iptables = Iptables(family) else { continue }
            try locked { () throws(CNIError) in
                let table: IptablesTable
                do throws(CNIError) {
                    table = try iptables.table(name)
                } catch {
                    return failures.append(error)
                }
                usable += 1
                try iptables.change(name, lines(table, family), purpose: purpose)
            }
        }
        if usable == 0, let failure = failures.first { throw failure }
        for failure in failures { call.log(.debug, failure.text) }
    }

    private static func run(_ program: String, _ arguments: [String], input: String) throws(CNIError) -> Subprocess.Outcome {
        do throws(Subprocess.Failure) {
            return try Subprocess.run(
                program, arguments, environment: Environment.all, input: input, timeoutMilliseconds: timeoutMilliseconds)
        } catch {
            switch error {
            case .start(let errno): throw CNIError("run \(program): \(errno.text)")
            case .timeout: throw CNIError(.tryAgainLater, "\(program) did not end within \(timeoutMilliseconds / 1000) s and was killed")
            case .outputTooLong: throw CNIError("\(program) wrote more than a table can be, and was killed")
            }
        }
    }

    private static func failure(_ what: String, _ outcome: Subprocess.Outcome) -> CNIError {
        let said = String(decoding: outcome.errors.prefix(2000), as: UTF8.self).split(separator: "\n").joined(separator: "; ")
        let ending = outcome.status.map { "exit status \($0)" } ?? "signal \(outcome.signal)"
        return CNIError("\(what): \(said.isEmpty ? ending : said)")
    }

    /// The number in "line 4 failed" or "line: 4".
    static func lineNumber(_ message: String) -> Int? {
        let words = message.split { $0 == " " || $0 == ":" }
        guard let index = words.firstIndex(of: "line"), index + 1 < words.count else { return nil }
        return Int(words[index + 1].prefix { $0.isASCII && $0.isNumber })
    }
}
