/// Whose a rule of iptables is, as its comment says it in the reference plugins' words: `name: "net" id: "0f3a"`. Where the container has
/// more than one interface in the network, ours also says which: `if: "eth1"`.
public struct IptablesOwner: Equatable, Sendable {
    /// The network.
    public let network: String
    /// The container.
    public let containerID: String
    /// The interface; nil where the comment does not say it.
    public let interfaceName: String?

    /// The owner of these parts.
    public init(network: String, containerID: String, interfaceName: String?) {
        self.network = NftIdentity.encode(network)
        self.containerID = NftIdentity.encode(containerID)
        self.interfaceName = interfaceName.map { NftIdentity.encode($0) }
    }

    /// Reads a comment; nil for one in other words.
    ///
    /// - Parameter prefix: what it begins with: "dnat ", or nothing.
    public init?(comment: String, prefix: String = "") {
        let parts = comment.split(separator: "\"", omittingEmptySubsequences: false).map { String($0) }
        guard parts.count >= 5, parts[0] == "\(prefix)name: ", parts[2] == " id: " else { return nil }
        (network, containerID) = (parts[1], parts[3])
        interfaceName = parts.count >= 7 && parts[4] == " if: " ? parts[5] : nil
    }

    /// The comment; xt_comment has room for 255 bytes.
    public func comment(prefix: String = "") -> String {
        let text = "\(prefix)name: \"\(network)\" id: \"\(containerID)\"" + (interfaceName.map { " if: \"\($0)\"" } ?? "")
        return String(decoding: text.utf8.prefix(255), as: UTF8.self)
    }

    /// "net/0f3a/eth0".
    public var text: String { [network, containerID, interfaceName ?? ""].joined(separator: "/") }
}
