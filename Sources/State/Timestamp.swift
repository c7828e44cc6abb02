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

    var raw: timespec { timespec(tv_sec: seconds, tv_nsec: nanoseconds) }

    /// Whether `left` is earlier.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}
