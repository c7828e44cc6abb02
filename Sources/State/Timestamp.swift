import CLinux

/// A point in time, as file systems stamp files with it: seconds and nanoseconds since 1970, by the clock people set.
///
/// The corresponding C type is `struct timespec`.
public struct Timestamp: Equatable, Comparable, Sendable {
    /// Whole seconds.
    public let seconds: Int
    /// 0 to 999,999,999.
    public let nanoseconds: Int

    /// Makes one of these parts.
    public init(seconds: Int, nanoseconds: Int = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    init(_ time: timespec) { self.init(seconds: Int(time.tv_sec), nanoseconds: Int(time.tv_nsec)) }

    /// Now. The corresponding C constant is `CLOCK_REALTIME`.
    public static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(time)
    }

    /// The same point some seconds before.
    public func before(seconds count: Int) -> Timestamp { Timestamp(seconds: seconds &- count, nanoseconds: nanoseconds) }

    /// "2026-01-31T12:00:00Z": RFC 3339, to the second, in UTC.
    public var text: String {
        var time = time_t(seconds)
        var parts = tm()
        guard gmtime_r(&time, &parts) != nil else { return "\(seconds)" }
        func digits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(digits(parts.tm_mon + 1))-\(digits(parts.tm_mday))T"
            + "\(digits(parts.tm_hour)):\(digits(parts.tm_min)):\(digits(parts.tm_sec))Z"
    }

    var raw: timespec { timespec(tv_sec: seconds, tv_nsec: nanoseconds) }

    /// Whether `left` is earlier.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}
