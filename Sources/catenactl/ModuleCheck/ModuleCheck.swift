import ArgumentParser
import CNI
import JSON
import Linux

struct ModuleCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Try a module out: what catena/module.h asks of it, in a network of its own.",
        discussion: """
            The file is looked at as the host would, and every verb is called with good, odd and hostile input, each call in a child process,
            in namespaces of their own: this machine's network and files stay as they are. No root needed.

            What a valid configuration is nobody can guess: give one by --config, the plugin's object or a whole conflist. The plugins before
            it in the conflist run too, so that it gets a prevResult; a plugin's object can hold one. A module of the kind "meta" gets one of
            an interface eth0 where there is none. The private host has a pair of links, check0 and check1, and lo.

            Exits with 1 where a check failed. Warnings do not count.
            Example: catenactl module check ./extra-dns.so --config extra-dns.json
            """)

    @Argument(help: "The module's file.") var file: String
    @Option(help: "A valid configuration: the plugin's object, or a conflist that has it.") var config: String?
    @Option(help: "How many seconds a call may take.") var timeout: Int = 10
    @Option(help: "catena-exec, to compare with (the one beside this program).") var exec: String?
    @Flag(help: "Print JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Show what the module logs.") var verbose = false

    func validate() throws {
        guard (1...600).contains(timeout) else { throw ValidationError("--timeout: expected 1 to 600 seconds") }
    }

    func run() throws {
        guard let (type, directories) = ModuleFile.split(file.contains("/") ? file : "./\(file)") else { throw ValidationError("no file") }
        var rows = FileChecks.rows(type, directories)
        if rows.contains(where: { $0.outcome == .failed && FileChecks.isDecisive($0.check) }) {
            rows.append(CheckRow("verbs", .skipped, "the module can't be opened as it is"))
        } else {
            let subject = try Failure.report { () throws(CNIError) -> CheckSubject in
                guard let module = try InstalledModule.read(type, in: directories) else { throw CNIError("\(file): no such file") }
                return try CheckSubject(module, directories, config: config, timeoutSeconds: timeout, verbose: verbose)
            }
            rows += MetadataChecks.rows(subject)
            rows += Scenarios.rows(subject, wrapper: exec)
        }
        let failed = rows.contains { $0.outcome == .failed }
        let text =
            json
            ? JSON.array(rows.map { .object($0.object) }).text(indented: true) + "\n"
            : Table.text([["CHECK", "OUTCOME", "FOUND"]] + rows.map { [$0.check, $0.outcome.rawValue, $0.found] }) + summary(rows)
        try StandardStream.writeOutput(text)
        if failed { throw ExitCode.failure }
    }

    private func summary(_ rows: [CheckRow]) -> String {
        func count(_ outcome: CheckRow.Outcome) -> Int { rows.filter { $0.outcome == outcome }.count }
        return "\n\(count(.ok)) ok, \(count(.warning)) warnings, \(count(.failed)) failed, \(count(.skipped)) not run\n"
    }
}
