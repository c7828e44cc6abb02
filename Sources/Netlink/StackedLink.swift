import CLinux
import CNI

/// A link to make on top of another one, its master: what macvlan, ipvlan and vlan links have in common.
public struct StackedLink: Sendable {
    /// The name.
    public var name: String
    /// The master, in the namespace of the socket that sends the request.
    public var master: LinkInfo
    /// The network namespace that the link is made in, open; nil for the socket's own.
    public var namespace: Int32?
    /// MTU in bytes; nil for the master's.
    public var mtu: Int?
    /// The hardware address; nil for the kernel's choice.
    public var mac: MACAddress?

    /// Makes one of these parts.
    public init(name: String, master: LinkInfo, namespace: Int32? = nil, mtu: Int? = nil, mac: MACAddress? = nil) {
        self.name = name
        self.master = master
        self.namespace = namespace
        self.mtu = mtu
        self.mac = mac
    }
}

extension NetlinkSocket {
    /// Makes the link, down, in its namespace and under its final name, all in one message: nobody sees it elsewhere. Fails with EEXIST
    /// where the name is taken there.
    ///
    /// - Parameters:
    ///   - kind: the kind of link, for the kernel and for errors.
    ///   - data: appends the attributes of the kind.
    func create(_ link: StackedLink, kind: String, _ data: @escaping (inout NetlinkMessage) -> Void) throws(NetlinkError) {
        var message = newLink(up: false)
        message.attribute(Int32(IFLA_IFNAME), link.name)
        message.attribute(Int32(IFLA_LINK), link.master.index)
        if let mtu = link.mtu { message.attribute(Int32(IFLA_MTU), UInt32(clamping: mtu)) }
        if let mac = link.mac { message.attribute(Int32(IFLA_ADDRESS), bytes: mac.bytes) }
        if let namespace = link.namespace { message.attribute(Int32(IFLA_NET_NS_FD), namespace) }
        message.linkInfo(kind: kind, data)
        let options = (link.mtu.map { ", mtu \($0)" } ?? "") + (link.mac.map { ", address \($0.text)" } ?? "")
        try request(message, "create \(kind) \(link.name) on \(link.master.name)\(options)")
    }
}
