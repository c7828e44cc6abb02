import CNI
import JSON
import Testing

@testable import BandwidthModule
@testable import Netlink

@Suite struct BandwidthTests {
    private let clock = SchedulerClock(text: "000003e8 00000040 000f4240 3b9aca00\n")

    private func config(_ text: String) throws -> BandwidthConfig {
        try BandwidthConfig(ConfigReader(try #require(try JSON(parsing: text).object)))
    }

    @Test func theClockIsRead() {
        #expect(clock?.ticksPerMicrosecond == 15.625)
        #expect(SchedulerClock(text: "000f4240 000f4240 3b9aca00 3b9aca00")?.ticksPerMicrosecond == 1000)
        for text in ["", "x y z", "1 0 1 1", "1 2"] { #expect(SchedulerClock(text: text) == nil) }
    }

    @Test(
        arguments: [
            (20_000_000, 2_000_000, 2_500_000, 312_500, 1_562_500), (1_234_567, 98_765, 154_320, 16_203, 1_249_937),
            (8_000, 80_000, 1_000, 10_025, 156_250_000),
        ] as [(UInt64, UInt64, UInt64, UInt32, UInt64)])
    func numbersAreTheReferences(rate: UInt64, burst: UInt64, bytes: UInt64, limit: UInt32, ticks: UInt64) throws {
        let bucket = TokenBucket(BandwidthConfig.Limit(rate: rate, burst: burst), clock: try #require(clock))
        #expect(bucket == TokenBucket(rate: bytes, burst: UInt32(burst / 8), limit: limit, ticks: ticks))
    }

    @Test func numbersThatDoNotFitIntoTheStruct() {
        var message = NetlinkMessage(type: 1)
        TokenBucket(rate: 1 << 33, burst: 7, limit: 9, ticks: 1 << 32).append(to: &message)
        let attributes = NetlinkAttributes(message.bytes.dropFirst(16))
        #expect(attributes.values.map { $0.type } == [1, 4, 6])
        #expect(attributes.number(4, as: UInt64.self) == 1 << 33 && attributes.number(6, as: UInt32.self) == 7)
        let told = TokenBucketInfo(attributes)
        #expect(told?.rate == 1 << 33 && told?.limit == 9 && told?.ticks == UInt32.max)
    }

    @Test func theRuntimesLimitsCountWhereThereIsNoKey() throws {
        let runtime = #""runtimeConfig":{"bandwidth":{"ingressRate":80,"ingressBurst":160}}"#
        #expect(try config("{\(runtime)}").ingress == BandwidthConfig.Limit(rate: 80, burst: 160))
        #expect(try config(#"{"egressRate":0,\#(runtime)}"#).isEmpty)
        #expect(try config(#"{"egressRate":null,\#(runtime)}"#).ingress != nil)
    }
}
