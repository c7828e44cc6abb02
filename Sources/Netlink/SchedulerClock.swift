import CNI
import Linux

/// The clock of the kernel's packet scheduler, in whose ticks it takes times: /proc/net/psched.
public struct SchedulerClock: Sendable {
    /// Ticks in a microsecond.
    public let ticksPerMicrosecond: Double

    /// Reads it from the kernel.
    public init() throws(CNIError) {
        let path = "/proc/net/psched"
        do throws(Errno) {
            guard let clock = SchedulerClock(text: try File.readText(path, limit: 4096)) else { throw Errno.invalid }
            self = clock
        } catch {
            throw CNIError("read \(path): \(error.text)", details: "does this kernel have packet scheduling?")
        }
    }

    /// The clock of a text as the file has it: four hexadecimal numbers; nil for another.
    init?(text: String) {
        let words = text.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x0a }).map { UInt32(Substring($0), radix: 16) }
        guard words.count >= 3, let ticks = words[0], let microseconds = words[1], let resolution = words[2], microseconds != 0 else {
            return nil
        }
        // As tc(8) computes it: with a resolution of nanoseconds both numbers mean the same.
        let perMicrosecond = resolution == 1_000_000_000 ? 1 : Double(ticks) / Double(microseconds)
        ticksPerMicrosecond = perMicrosecond * Double(resolution) / 1_000_000
    }
}
