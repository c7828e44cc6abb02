import CLinux

/// What becomes of a packet: the value of a verdict map's element.
public struct NftVerdict: Equatable, Sendable {
    /// NF_ACCEPT, NFT_GOTO …: linux/netfilter/nf_tables.h.
    let code: Int32
    /// The chain of a jump or goto.
    let chain: String?

    /// Reads "accept", "drop", "return", "continue", "goto CHAIN" or "jump CHAIN"; nil for anything else.
    public init?(_ text: String) {
        let words = text.utf8.split(separator: UInt8(ascii: " ")).map { String(Substring($0)) }
        guard let word = words.first else { return nil }
        switch (word, words.count) {
        case ("accept", 1): code = 1
        case ("drop", 1): code = 0
        case ("continue", 1): code = NFT_CONTINUE.rawValue
        case ("return", 1): code = NFT_RETURN.rawValue
        case ("goto", 2): code = NFT_GOTO.rawValue
        case ("jump", 2): code = NFT_JUMP.rawValue
        default: return nil
        }
        chain = words.count == 2 ? words[1] : nil
    }
}
