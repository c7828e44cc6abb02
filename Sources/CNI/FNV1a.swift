/// FNV-1a, 64 bits: the same in every process, unlike a Hasher's.
public enum FNV1a {
    /// The hash of a text.
    public static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
