import Linux

/// The engine's log: lines on standard error, as CNI wants it (section 2: standard output is for the result).
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
    }

    /// Lines below this level are left out.
    public let threshold: Level

    /// Makes one of these parts.
    public init(threshold: Level) { self.threshold = threshold }

    /// The log as the environment variable CATENA_LOG sets it: debug, info, warning (where it is not set) or error.
    public static var fromEnvironment: Logger { Logger(threshold: Environment.value("CATENA_LOG").flatMap { Level(name: $0) } ?? .warning) }

    /// Writes one line. `context` tells whose it is: "net=… container=… ifname=… plugin=…".
    public func write(_ level: Level, _ context: @autoclosure () -> String, _ message: @autoclosure () -> String) {
        if level < threshold { return }
        let line = message().utf8.map { $0 == 0x0a || $0 == 0x0d ? 0x20 : $0 }
        StandardStream.writeError("catena: level=\(level.name) \(context()): \(String(decoding: line, as: UTF8.self))\n")
    }
}
