import CLinux
import CNI

/// A link's new place, name and state, all in one message to the kernel: nobody sees it half-way, and no name service can rename it
/// in between.
public struct LinkMove: Sendable {
    /// The network namespace it goes to, open; nil where it stays.
    public var namespace: Int32?
    /// The name it gets there.
    public var name: String
    /// Its alias, a text for people and programs; an empty one removes it.
    public var alias: String
    /// Administratively up; nil leaves it as the move does, which is down.
    public var up: Bool?
    /// The flag IFF_NOTRAILERS, which has no meaning to the kernel: netdevice(7). Nil leaves it.
    public var noTrailers: Bool?

    /// Makes one of these parts.
    public init(namespace: Int32?, name: String, alias: String, up: Bool? = nil, noTrailers: Bool? = nil) {
        self.namespace = namespace
        self.name = name
        self.alias = alias
        self.up = up
        self.noTrailers = noTrailers
    }
}

extension LinkInfo {
    /// The flag IFF_NOTRAILERS, which has no meaning to the kernel.
    public var hasNoTrailers: Bool { flags & UInt32(IFF_NOTRAILERS.rawValue) != 0 }
}

extension NetlinkSocket {
    /// Moves and renames a link of this socket's namespace. As `ip link set dev NAME netns … name … alias …`.
    ///
    /// The kernel does this in order: move, name, alias, flags. After a failure the link may be at its new place already.
    public func move(_ link: LinkInfo, _ move: LinkMove) throws(NetlinkError) {
        var message = NetlinkMessage(changing: link.index, flags: [(IFF_UP, move.up), (IFF_NOTRAILERS, move.noTrailers)])
        if let namespace = move.namespace { message.attribute(Int32(IFLA_NET_NS_FD), namespace) }
        message.attribute(Int32(IFLA_IFNAME), move.name)
        message.attribute(Int32(IFLA_IFALIAS), move.alias)
        let place = move.namespace == nil ? "" : " to another network namespace"
        try request(message, "move link \(link.name)\(place) as \(move.name)")
    }

    /// All links of the namespace, as the kernel lists them.
    public func links() throws(NetlinkError) -> [LinkInfo] {
        try request(NetlinkMessage(link: RTM_GETLINK, flags: NLM_F_DUMP), "list links").map { LinkInfo($0) }
    }
}
