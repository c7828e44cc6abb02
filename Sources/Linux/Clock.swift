import CLinux

/// Time that only goes forward, for durations and limits.
public enum Clock {
    /// Milliseconds since an arbitrary point. The corresponding C constant is `CLOCK_MONOTONIC`.
    public static var milliseconds: Int { microseconds / 1000 }

    /// Milliseconds since the boot, those that the machine slept included. The corresponding C constant is `CLOCK_BOOTTIME`.
    public static var millisecondsSinceBoot: Int {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int(time.tv_sec) * 1000 + Int(time.tv_nsec) / 1_000_000
    }

    /// Microseconds since an arbitrary point.
    public static var microseconds: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int(time.tv_sec) * 1_000_000 + Int(time.tv_nsec) / 1000
    }
}
