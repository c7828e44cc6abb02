import DHCPSocket

/// The command line: the flags of the reference's `dhcp daemon`, in the forms that Go's flag package takes (`-x v`, `-x=v`, `--x …`).
struct DaemonOptions: Equatable {
    /// Where to write the process ID; empty for nowhere.
    var pidFile = ""
    /// Goes before the paths of network namespaces, of the socket, and of the leases.
    var hostPrefix = ""
    /// Where to listen, unless systemd hands a socket over.
    var socketPath = DaemonConnection.defaultPath
    /// Whether to ask servers to broadcast their replies.
    var broadcast = false
    /// How long a server may take to confirm its offer, in milliseconds.
    var timeout = 10_000
    /// The longest time between two attempts, in milliseconds.
    var resendMaximum = 62_000
    /// How long ADD waits for a lease, in milliseconds.
    var resendTimeout = 208_000
    /// Where leases are kept.
    var stateDirectory = LeaseDirectory.standard

    /// What a command line asks for.
    enum Parsed: Equatable {
        case run(DaemonOptions)
        case help
        case version
        case wrong(String)
    }

    static let usage = """
        Usage of catena-dhcpd:
          -pidfile string
                optional path to write daemon PID to
          -hostprefix string
                optional prefix to host root: of the socket, of network namespaces, of leases
          -socketpath string
                optional dhcp server socketpath (default "/run/cni/dhcp.sock")
          -broadcast
                broadcast DHCP leases: ask servers to broadcast their replies
          -timeout duration
                optional dhcp client timeout duration for each request (default 10s)
          -resendmax duration
                optional dhcp client resend max duration between requests (default 62s)
          -resendtimeout duration
                optional dhcp client resend timeout, no more retries after this timeout (default 208s)
          -statedir string
                optional directory of leases (default "/var/lib/cni/catena/dhcp")
          -version
                print the version

        """

    /// Reads a command line without the program's name. A leading word `daemon`, as the reference's program has it, may be there.
    static func parse(_ arguments: [String]) -> Parsed {
        var options = DaemonOptions()
        var rest = arguments[...]
        if rest.first == "daemon" { rest = rest.dropFirst() }
        while let word = rest.first, word.utf8.first == UInt8(ascii: "-"), word.utf8.count > 1 {
            rest = rest.dropFirst()
            if word == "--" { break }
            var (name, value) = split(word)
            switch name {
            case "h", "help": return .help
            case "version": return .version
            case "broadcast":
                guard let flag = boolean(value ?? "true") else { return invalid(value, name) }
                options.broadcast = flag
                continue
            default: break
            }
            if value == nil {
                guard known.contains(name) else { return .wrong("flag provided but not defined: -\(name)") }
                guard let next = rest.first else { return .wrong("flag needs an argument: -\(name)") }
                value = next
                rest = rest.dropFirst()
            }
            if let problem = options.set(name, value ?? "") { return problem }
        }
        if let word = rest.first { return .wrong("unexpected argument: \(word)") }
        return .run(options)
    }

    private static let known = ["pidfile", "hostprefix", "socketpath", "timeout", "resendmax", "resendtimeout", "statedir"]

    private mutating func set(_ name: String, _ value: String) -> Parsed? {
        switch name {
        case "pidfile": pidFile = value
        case "hostprefix": hostPrefix = value
        case "socketpath": socketPath = value
        case "statedir": stateDirectory = value
        case "timeout", "resendmax", "resendtimeout":
            guard let duration = DaemonOptions.duration(value), duration > 0 else { return DaemonOptions.invalid(value, name) }
            if name == "timeout" { timeout = duration }
            if name == "resendmax" { resendMaximum = duration }
            if name == "resendtimeout" { resendTimeout = duration }
        default: return .wrong("flag provided but not defined: -\(name)")
        }
        return nil
    }

    private static func invalid(_ value: String?, _ name: String) -> Parsed {
        .wrong("invalid value \"\(value ?? "")\" for flag -\(name): parse error")
    }

    /// "-name=value", with one dash or two.
    private static func split(_ word: String) -> (name: String, value: String?) {
        var text = word.utf8[...].dropFirst()
        if text.first == UInt8(ascii: "-") { text = text.dropFirst() }
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else { return (String(Substring(text)), nil) }
        return (String(Substring(text[..<equals])), String(Substring(text[text.index(after: equals)...])))
    }

    private static func boolean(_ text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }

    /// A duration as Go writes it, "1m30s", "500ms", "1.5h", in milliseconds, a day at most.
    static func duration(_ text: String) -> Int? {
        var total = 0.0
        var rest = text.utf8[...]
        if rest.isEmpty { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: ".") }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0 >= 0x61 && $0 <= 0x7a }
            rest = rest.dropFirst(unit.count)
            guard let number = decimal(digits), let factor = milliseconds(String(Substring(unit))) else { return nil }
            total += number * factor
        }
        return total > 86_400_000 ? nil : Int(total)
    }

    private static func decimal(_ digits: Substring.UTF8View) -> Double? {
        var value = 0.0
        var scale = 0.0
        if digits.isEmpty || digits.count > 12 { return nil }
        for digit in digits {
            if digit == UInt8(ascii: ".") {
                if scale != 0 { return nil }
                scale = 1
            } else {
                value = value * 10 + Double(digit - 0x30)
                scale *= 10
            }
        }
        return scale == 0 ? value : value / scale
    }

    private static func milliseconds(_ unit: String) -> Double? {
        switch unit {
        case "ns": 0.000001
        case "us": 0.001
        case "ms": 1
        case "s": 1000
        case "m": 60_000
        case "h": 3_600_000
        default: nil
        }
    }
}
