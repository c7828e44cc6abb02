/// A message that is sent until it is answered, after longer and longer times: RFC 8415, section 15.
struct DHCPv6Exchange: Sendable {
    /// What is sent.
    let kind: DHCPv6Message.Kind
    /// The number that answers have to have.
    let transaction: UInt32
    /// When it began.
    let began: Int
    /// How often it was sent.
    private(set) var count = 0
    private var timeout = 0

    /// An exchange in which nothing was sent yet.
    init(_ kind: DHCPv6Message.Kind, _ random: inout RandomNumbers, at now: Int) {
        self.kind = kind
        transaction = UInt32(truncatingIfNeeded: random.next()) & 0xff_ffff
        began = now
    }

    /// Counts a message that is about to be sent; how long an answer may take, in milliseconds.
    mutating func next(first: Int, maximum: Int, _ random: inout RandomNumbers) -> Int {
        // Of SOLICIT the first time is no shorter than it says: section 18.2.1.
        func spread(_ time: Int, _ from: Int) -> Int { from - (kind == .solicit && count == 0 ? 0 : time / 10) }
        func drawn(_ time: Int) -> Int {
            kind == .solicit && count == 0 ? 1 + random.upTo(time / 10 - 1) : random.upTo(time / 5)
        }
        let base = count == 0 ? first : timeout
        timeout = spread(base, count == 0 ? first : 2 * timeout) + drawn(base)
        if timeout > maximum { timeout = maximum - maximum / 10 + random.upTo(maximum / 5) }
        count += 1
        return timeout
    }

    /// Hundredths of a second since the exchange began, as the option for it has them.
    func elapsed(at now: Int) -> [UInt8] {
        let elapsed = UInt16(clamping: count == 0 ? 0 : (now - began) / 10)
        return [UInt8(elapsed >> 8), UInt8(elapsed & 0xff)]
    }
}
