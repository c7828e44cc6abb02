import Linux

/// The daemon's log: lines on standard error, which systemd takes to the journal.
enum Log {
    /// How much a line matters.
    enum Level: Int {
        case debug
        case info
        case warning
        case error

        var text: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .warning: "warning"
            case .error: "error"
            }
        }
    }

    /// Lines below it are left out: CATENA_LOG, else info.
    private static let threshold: Level = {
        switch Environment.value("CATENA_LOG") {
        case "debug": .debug
        case "warning": .warning
        case "error": .error
        default: .info
        }
    }()

    /// Writes a line.
    static func write(_ level: Level, _ text: @autoclosure () -> String) {
        if level.rawValue < threshold.rawValue { return }
        StandardStream.writeError("catena-dhcpd: \(level.text): \(text())\n")
    }
}
