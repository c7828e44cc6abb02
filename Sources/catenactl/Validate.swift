import ArgumentParser
import CNI
import Linux

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check configuration files before a runtime reads them.",
        discussion: """
            Every problem is named with its place in the file. Plugins are looked for as at run time: as modules, then in CNI_PATH.
            Example: catenactl validate /etc/cni/net.d/*.conflist
            """)

    @Argument(help: "The files: .conflist, .conf or .json.") var files: [String]

    func run() throws {
        var failed = false
        let validator = ConfigurationValidator(InstalledModules())
        for file in files {
            let report = validator.check(file)
            for warning in report.warnings { try StandardStream.writeOutput("\(file): warning: \(warning)\n") }
            for problem in report.errors { try StandardStream.writeOutput("\(file): error: \(problem)\n") }
            if report.errors.isEmpty { try StandardStream.writeOutput("\(file): ok\n") } else { failed = true }
        }
        if failed { throw ExitCode.failure }
    }
}
