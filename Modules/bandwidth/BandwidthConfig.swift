import ModuleKit

/// The configuration of bandwidth, read and checked.
struct BandwidthConfig {
    /// A limit in one direction.
    struct Limit: Equatable {
        /// Bits a second.
        let rate: UInt64
        /// How many bits may go at once.
        let burst: UInt64
    }

    /// Towards the container; nil for no limit.
    let ingress: Limit?
    /// From the container; nil for no limit.
    let egress: Limit?

    /// Where one of the four keys is there, they count; else those of the runtime.
    init(_ config: ConfigReader) throws(CNIError) {
        var source: ConfigReader? = config
        if !BandwidthConfig.keys.contains(where: { config.has($0) }) { source = try config.object("runtimeConfig")?.object("bandwidth") }
        ingress = try source.map { (source) throws(CNIError) in try BandwidthConfig.limit(source, "ingressRate", "ingressBurst") } ?? nil
        egress = try source.map { (source) throws(CNIError) in try BandwidthConfig.limit(source, "egressRate", "egressBurst") } ?? nil
    }

    /// Whether there is nothing to limit.
    var isEmpty: Bool { ingress == nil && egress == nil }

    private static let keys = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"]

    private static func limit(_ config: ConfigReader, _ rateKey: String, _ burstKey: String) throws(CNIError) -> Limit? {
        let rate = try number(config, rateKey)
        let burst = try number(config, burstKey)
        if rate == 0 && burst == 0 { return nil }
        if rate == 0 { throw config.invalid(rateKey, "must be set where \(burstKey) is") }
        if burst == 0 { throw config.invalid(burstKey, "must be set where \(rateKey) is") }
        if rate < 8 { throw config.invalid(rateKey, "must be at least 8 bits a second, is \(rate)") }
        if burst < 8 { throw config.invalid(burstKey, "must be at least 8 bits, is \(burst)") }
        // The kernel's field holds bytes.
        if burst / 8 >= UInt64(UInt32.max) { throw config.invalid(burstKey, "must be less than 4 GiB (34359738360 bits), is \(burst)") }
        return Limit(rate: rate, burst: burst)
    }

    private static func number(_ config: ConfigReader, _ key: String) throws(CNIError) -> UInt64 {
        let number = try config.integer(key) ?? 0
        guard let value = UInt64(exactly: number) else { throw config.invalid(key, "must not be negative, is \(number)") }
        return value
    }
}

extension TokenBucket {
    /// How long a packet may wait, in milliseconds.
    private static let latency: UInt64 = 25

    /// The bucket of a limit, with the reference's numbers: it computes the burst's time in whole microseconds, and lets as much wait as
    /// goes in 25 ms, and the burst.
    init(_ limit: BandwidthConfig.Limit, clock: SchedulerClock) {
        let rate = limit.rate / 8
        let burst = UInt32(clamping: limit.burst / 8)
        let microseconds = (Double(burst) * 1_000_000 / Double(rate)).rounded(.down)
        let waiting = Double(rate) * Double(TokenBucket.latency) / 1000
        self.init(
            rate: rate, burst: burst, limit: UInt32(clamping: UInt64(waiting) + UInt64(burst)),
            ticks: UInt64(microseconds * clock.ticksPerMicrosecond))
    }
}
