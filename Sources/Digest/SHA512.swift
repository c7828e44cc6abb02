import CMd
import CNI

/// SHA-512, over libmd: what the reference plugins and cnitool name chains and containers by. sha512(3).
public enum SHA512 {
    /// The hash of a text, as 128 hexadecimal digits.
    public static func text(of text: String) -> String {
        let bytes = Array(text.utf8)
        var state = SHA2_CTX()
        SHA512Init(&state)
        SHA512Update(&state, bytes, bytes.count)
        var digest = [UInt8](repeating: 0, count: 64)
        SHA512Final(&digest, &state)
        return Hex.text(digest)
    }
}
