import CLinux
import CNI

extension NetlinkSocket {
    /// Makes an intermediate functional block that is up: a link to which what another one receives is redirected, so that it can be
    /// shaped. Fails with EEXIST where the name is taken. As `ip link add NAME up mtu MTU txqueuelen 0 type ifb`.
    public func createIfb(name: String, mtu: Int? = nil) throws(NetlinkError) {
        var message = newLink(up: true)
        message.attribute(Int32(IFLA_IFNAME), name)
        if let mtu { message.attribute(Int32(IFLA_MTU), UInt32(clamping: mtu)) }
        message.attribute(Int32(IFLA_TXQLEN), UInt32(0))
        message.linkInfo(kind: "ifb")
        try request(message, "create ifb \(name)")
    }
}
