import CLinux
import CNI
import Linux
import ModuleABI

/// The program: reads its command line, runs the daemon, and says what went wrong.
enum DaemonProgram {
    /// Runs until SIGTERM or SIGINT and returns the exit status.
    static func main() -> Int32 {
        let options: DaemonOptions
        switch DaemonOptions.parse(Environment.arguments) {
        case .run(let parsed): options = parsed
        case .help:
            StandardStream.writeError(DaemonOptions.usage)
            return 0
        case .version:
            try? StandardStream.writeOutput("catena-dhcpd \(CatenaVersion.text)\n")
            return 0
        case .wrong(let problem):
            StandardStream.writeError("\(problem)\n\(DaemonOptions.usage)")
            return 2
        }
        do throws(CNIError) {
            try Daemon(options).run()
            return 0
        } catch {
            Log.write(.error, error.text)
            return 1
        }
    }
}
