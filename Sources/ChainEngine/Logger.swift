import Linux

/// The engine's log: lines on standard error, as CNI wants it (section 2: standard output is for the result), and where it is so
/// configured in a file, syslog or the journal too.
public struct Logger: Sendable {
    /// How much a line matters.
    public enum Level: UInt32, Comparable, Sendable {
        case debug = 1
        case info = 2
        case warning = 3
        case error = 4

        /// Whether `left` matters less.
        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

        /// The level of a name as CATENA_LOG holds it; nil for another word.
        public init?(name: String) {
            switch name {
            case "debug": self = .debug
            case "info": self = .info
            case "warning": self = .warning
            case "error": self = .error
            default: return nil
            }
        }

        var name: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .warning: "warning"
            case .error: "error"
            }
        }

        /// The level as syslog(3) numbers it.
        var priority: Int {
            switch self {
            case .debug: 7
            case .info: 6
            case .warning: 4
            case .error: 3
            }
        }
    }

    /// Lines below this level are not written to standard error.
    public let threshold: Level
    /// Where lines go besides standard error; nil for nowhere.
    public let destination: LogDestination?
    /// Lines below this level are not written to the destination.
    public let destinationThreshold: Level

    /// Makes one of these parts. Without a level, standard error gets warnings and errors, a destination every step (`info`).
    public init(level: Level? = nil, destination: LogDestination? = nil) {
        // With a destination the level is the destination's: standard error ends in the runtime's log, where a line a step is noise.
        threshold = destination == nil ? level ?? .warning : .warning
        self.destination = destination
        destinationThreshold = level ?? .info
    }

    /// The log as the environment sets it: CATENA_LOG is the level, debug, info, warning (where it is not set) or error; CATENA_LOG_TO
    /// the destination, a file's absolute path, `syslog` or `journald`.
    public static var fromEnvironment: Logger {
        Logger(level: environmentLevel, destination: environmentDestination)
    }

    static var environmentLevel: Level? { Environment.value("CATENA_LOG").flatMap { Level(name: $0) } }

    // Not for a process with more privileges than its caller: it would append to a file of the caller's choice.
    static var environmentDestination: LogDestination? { Environment.trustedValue("CATENA_LOG_TO").flatMap { LogDestination($0) } }

    /// Writes one line. `fields` tells whose it is: net, container, ifname, plugin.
    public func write(_ level: Level, _ fields: @autoclosure () -> [LogField], _ message: @autoclosure () -> String = "") {
        let there = destination != nil && level >= destinationThreshold
        guard there || level >= threshold else { return }
        let (fields, message) = (fields(), message())
        if level >= threshold { StandardStream.writeError("catena: \(Logger.line(level, fields, message))\n") }
        guard there, let destination else { return }
        do throws(Errno) {
            try destination.write(level, fields, message)
        } catch {
            StandardStream.writeError("catena: \(Logger.line(.warning, [], "write log: \(error.text)"))\n")
        }
    }

    /// `level=… name=value … msg="…"`.
    static func line(_ level: Level, _ fields: [LogField], _ message: String) -> String {
        var words = ["level=\(level.name)"] + fields.map { $0.text }
        if !message.isEmpty { words.append(LogField("msg", message).text) }
        return words.joined(separator: " ")
    }
}
