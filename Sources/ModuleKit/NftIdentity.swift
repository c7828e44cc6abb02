import CNI

/// The comment of an nftables element: whose it is, as "network/containerID/ifname".
///
/// Every byte that is not a letter, digit, `_`, `.` or `-` is written as `%` and two hexadecimal digits: nothing from outside can be
/// anything but a comment, and the three parts can be told apart.
public enum NftIdentity {
    /// libnftnl's limit for a comment is 128 bytes with its NUL.
    static let limit = 127

    /// The comment for an attachment.
    public static func comment(network: String, _ attachment: Attachment) -> String {
        let text = prefix(network) + encode(attachment.containerID) + "/" + encode(attachment.interfaceName)
        if text.utf8.count <= limit { return text }
        // What is cut off still counts, by its hash.
        let hash = "~" + String(FNV1a.hash(text), radix: 16)
        return String(decoding: text.utf8.prefix(limit - hash.utf8.count), as: UTF8.self) + hash
    }

    /// What the comments of a network begin with.
    public static func prefix(_ network: String) -> String { encode(network) + "/" }

    /// A text without anything that could be more than a part of a comment.
    public static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "%" + Hex.text(byte)
            }
        }
        return result
    }
}
