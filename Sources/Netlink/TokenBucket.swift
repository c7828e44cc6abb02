import CLinux

/// A token bucket filter, a queue that lets through so many bytes a second: tc-tbf(8).
public struct TokenBucket: Equatable, Sendable {
    /// Bytes a second.
    public var rate: UInt64
    /// How many bytes may go at once.
    public var burst: UInt32
    /// How many bytes may wait.
    public var limit: UInt32
    /// The time that `burst` takes at `rate`, in ticks of the packet scheduler (``SchedulerClock``). The kernel computes the burst from it,
    /// unless it is more than the field holds.
    public var ticks: UInt64

    /// Makes one of these parts.
    public init(rate: UInt64, burst: UInt32, limit: UInt32, ticks: UInt64) {
        self.rate = rate
        self.burst = burst
        self.limit = limit
        self.ticks = ticks
    }

    /// struct tc_tbf_qopt, and what does not fit into it.
    func append(to message: inout NetlinkMessage) {
        message.attribute(Int32(TCA_TBF_PARMS), bytes: parameters)
        if rate > UInt64(UInt32.max) { message.attribute(Int32(TCA_TBF_RATE64), rate) }
        if ticks > UInt64(UInt32.max) { message.attribute(Int32(TCA_TBF_BURST), burst) }
    }

    private var parameters: [UInt8] {
        // Two struct tc_ratespec (the second one, a peak rate, is not used), limit, buffer, mtu.
        var words = [UInt32](repeating: 0, count: 9)
        words[2] = UInt32(clamping: rate)
        words[6] = limit
        words[7] = UInt32(clamping: ticks)
        return words.withUnsafeBytes { Array($0) }
    }
}

/// A token bucket filter as the kernel tells it.
public struct TokenBucketInfo: Equatable, Sendable {
    /// Bytes a second.
    public let rate: UInt64
    /// How many bytes may wait.
    public let limit: UInt32
    /// The time that the burst takes, in ticks; of a larger number the lower 32 bits.
    public let ticks: UInt32

    init?(_ options: NetlinkAttributes) {
        guard let parameters = options[Int32(TCA_TBF_PARMS)], parameters.count >= 36 else { return nil }
        rate = options.number(Int32(TCA_TBF_RATE64), as: UInt64.self) ?? UInt64(parameters.number(at: 8, as: UInt32.self))
        limit = parameters.number(at: 24, as: UInt32.self)
        ticks = parameters.number(at: 28, as: UInt32.self)
    }

    /// Whether the burst is that of `wanted`. Where the kernel computed the time itself, its rounding does not count.
    public func hasBurst(of wanted: TokenBucket) -> Bool {
        if wanted.ticks <= UInt64(UInt32.max) { return UInt64(ticks) == wanted.ticks }
        let difference = Int32(bitPattern: ticks &- UInt32(truncatingIfNeeded: wanted.ticks))
        return difference.magnitude <= 64 + UInt32(clamping: wanted.ticks >> 24)
    }
}
