import CLinux
import Linux

/// Where the log goes besides standard error.
public enum LogDestination: Equatable, Sendable {
    /// A file, to which lines are appended; each with one write(2), so that the lines of parallel calls stay whole.
    case file(String)
    /// The system's log: datagrams to /dev/log, as syslog(3) sends them; facility daemon.
    case syslog
    /// systemd's journal, in its own protocol: each field can be searched for (`journalctl CNI_CONTAINERID=…`).
    case journald

    /// The destination of a configuration: "syslog", "journald", or the absolute path of a file; nil for another text.
    public init?(_ text: String) {
        switch text {
        case "syslog": self = .syslog
        case "journald": self = .journald
        default:
            guard text.hasPrefix("/") else { return nil }
            self = .file(text)
        }
    }

    /// Writes one line. Throws where it can't be written.
    func write(_ level: Logger.Level, _ fields: [LogField], _ message: String) throws(Errno) {
        switch self {
        case .file(let path):
            let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o640)
            try file.writeAll("\(LogDestination.timestamp) \(Logger.line(level, fields, message))\n")
        case .syslog:
            let priority = 3 << 3 | level.priority
            try LogDestination.send("<\(priority)>catena[\(getpid())]: \(Logger.line(level, fields, message))", to: "/dev/log")
        case .journald: try LogDestination.send(LogDestination.journal(level, fields, message), to: "/run/systemd/journal/socket")
        }
    }

    /// An entry in the journal's native protocol: `NAME=value` lines. What a line can't hold is not in our values.
    private static func journal(_ level: Logger.Level, _ fields: [LogField], _ message: String) -> String {
        var text = "MESSAGE=\(Logger.line(level, fields, message))\nPRIORITY=\(level.priority)\nSYSLOG_IDENTIFIER=catena\n"
        for field in fields { text += "\(journalName(field.name))=\(oneLine(field.value))\n" }
        return text
    }

    private static func journalName(_ name: String) -> String {
        switch name {
        case "net": "CNI_NETWORK"
        case "container": "CNI_CONTAINERID"
        case "ifname": "CNI_IFNAME"
        case "plugin": "CNI_PLUGIN"
        case "verb": "CNI_COMMAND"
        default: "CATENA_\(name.uppercased())"
        }
    }

    private static func oneLine(_ text: String) -> String {
        String(decoding: text.utf8.map { $0 == 0x0a || $0 == 0x0d ? 0x20 : $0 }, as: UTF8.self)
    }

    private static func send(_ text: String, to path: String) throws(Errno) {
        let bytes = Array(text.utf8)
        if clinux_send_unix(path, bytes, bytes.count) < 0 { throw Errno.current }
    }

    /// The time as RFC 3339 has it, in UTC with microseconds.
    private static var timestamp: String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
        }
        let date = "\(Int(parts.tm_year) + 1900)-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
        let time = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
        return "\(date)T\(time).\(padded(Int(now.tv_nsec) / 1000, 6))Z"
    }
}
