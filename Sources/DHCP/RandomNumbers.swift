/// Random numbers from a seed (SplitMix64): they spread retransmissions and number exchanges, and a test knows them beforehand.
public struct RandomNumbers: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The sequence of this seed.
    public init(seed: UInt64) { state = seed }

    /// The next number.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit`, both included.
    mutating func upTo(_ limit: Int) -> Int { limit <= 0 ? 0 : Int(next() % UInt64(limit + 1)) }
}
