import CLinux
import CNI
import Linux

/// A veth pair to make: the near end here, the far end in another namespace.
public struct VethRequest: Sendable {
    /// The near end's name.
    public var name: String
    /// The near end's bridge; nil for none.
    public var master: Int32?
    /// MTU of both ends; nil for the kernel's.
    public var mtu: Int?
    /// The far end's name.
    public var peerName: String
    /// The far end's hardware address; nil for a random one.
    public var peerMAC: MACAddress?
    /// The far end's network namespace, open; nil for the same one.
    public var peerNamespace: Int32?
    /// What the near end is to be as a port of its bridge, VLANs apart.
    public var port: BridgePortChange

    /// Makes one of these parts.
    public init(
        name: String, master: Int32? = nil, mtu: Int? = nil, peerName: String, peerMAC: MACAddress? = nil, peerNamespace: Int32? = nil,
        port: BridgePortChange = BridgePortChange()
    ) {
        self.name = name
        self.master = master
        self.mtu = mtu
        self.peerName = peerName
        self.peerMAC = peerMAC
        self.peerNamespace = peerNamespace
        self.port = port
    }
}

/// What to change of a link; nil leaves it as it is.
public struct LinkChange: Sendable {
    /// Administratively up or down.
    public var up: Bool?
    /// The hardware address.
    public var mac: MACAddress?
    /// Promiscuous mode.
    public var promiscuous: Bool?
    /// MTU in bytes.
    public var mtu: Int?
    /// The index of the bridge or VRF that it becomes a port of; 0 for none.
    public var master: Int32?
    /// Whether it receives all multicast packets.
    public var allMulticast: Bool?
    /// How many packets may wait to be sent.
    public var txQueueLength: Int?
    /// Its alias, a text for people and programs.
    public var alias: String?

    /// A change of these, and nothing else.
    public init(
        up: Bool? = nil, mac: MACAddress? = nil, promiscuous: Bool? = nil, mtu: Int? = nil, master: Int32? = nil,
        allMulticast: Bool? = nil, txQueueLength: Int? = nil, alias: String? = nil
    ) {
        self.up = up
        self.mac = mac
        self.promiscuous = promiscuous
        self.mtu = mtu
        self.master = master
        self.allMulticast = allMulticast
        self.txQueueLength = txQueueLength
        self.alias = alias
    }
}

extension NetlinkMessage {
    /// A link request with its `ifinfomsg`.
    init(link type: Int, flags: Int32 = 0, index: Int32 = 0, set: UInt32 = 0, change: UInt32 = 0) {
        self.init(type: UInt16(type), flags: flags, acknowledged: type != RTM_GETLINK)
        appendLinkHeader(index: index, set: set, change: change)
    }

    /// A request that changes a link: of its IFF_… flags those that have a value.
    init(changing index: Int32, flags: [(net_device_flags, Bool?)]) {
        var set: UInt32 = 0
        var mask: UInt32 = 0
        for (flag, value) in flags {
            guard let value else { continue }
            mask |= UInt32(flag.rawValue)
            if value { set |= UInt32(flag.rawValue) }
        }
        self.init(link: RTM_NEWLINK, index: index, set: set, change: mask)
    }

    /// struct ifinfomsg: family, padding, device type, index, flags, which of them count.
    mutating func appendLinkHeader(family: UInt8 = UInt8(AF_UNSPEC), index: Int32 = 0, set: UInt32 = 0, change: UInt32 = 0) {
        append(family)
        append(UInt8(0))
        append(UInt16(0))
        append(index)
        append(set)
        append(change)
    }

    /// IFLA_LINKINFO of a new link.
    mutating func linkInfo(kind: String, _ data: ((inout NetlinkMessage) -> Void)? = nil) {
        nested(Int32(IFLA_LINKINFO)) { info in
            info.attribute(Int32(IFLA_INFO_KIND), kind)
            if let data { info.nested(Int32(IFLA_INFO_DATA), data) }
        }
    }
}

extension NetlinkSocket {
    /// The link of this name; nil where there is none. As `ip link show dev NAME`.
    public func link(named name: String) throws(NetlinkError) -> LinkInfo? {
        var message = NetlinkMessage(link: RTM_GETLINK)
        message.attribute(Int32(IFLA_IFNAME), name)
        return try ask(message, "look up link \(name)")
    }

    /// The link of this index; nil where there is none.
    public func link(index: Int32) throws(NetlinkError) -> LinkInfo? {
        try ask(NetlinkMessage(link: RTM_GETLINK, index: index), "look up link number \(index)")
    }

    private func ask(_ message: NetlinkMessage, _ operation: @autoclosure () -> String) throws(NetlinkError) -> LinkInfo? {
        do throws(NetlinkError) {
            var message = message
            // Nobody here looks at counters, and there are more of them than of all else.
            message.attribute(Int32(IFLA_EXT_MASK), UInt32(RTEXT_FILTER_SKIP_STATS))
            return try request(message, operation()).first.map { LinkInfo($0) }
        } catch {
            if error.errno == .noDevice { return nil }
            throw error
        }
    }

    /// Makes a veth pair in one message: the near end up and in its bridge, the far end in its namespace under its final name, down
    /// (a peer can't be made up: ENOTCONN). Fails with EEXIST where one of the names is taken; where the bridge's port can't be as it is
    /// to be, the pair is there when this throws another error.
    public func createVeth(_ veth: VethRequest) throws(NetlinkError) {
        var message = newLink(up: true)
        message.attribute(Int32(IFLA_IFNAME), veth.name)
        if let mtu = veth.mtu { message.attribute(Int32(IFLA_MTU), UInt32(clamping: mtu)) }
        if let master = veth.master { message.attribute(Int32(IFLA_MASTER), master) }
        message.linkInfo(kind: "veth") { data in
            data.nested(Int32(VETH_INFO_PEER)) { peer in
                peer.appendLinkHeader()
                peer.attribute(Int32(IFLA_IFNAME), veth.peerName)
                if let mtu = veth.mtu { peer.attribute(Int32(IFLA_MTU), UInt32(clamping: mtu)) }
                if let mac = veth.peerMAC { peer.attribute(Int32(IFLA_ADDRESS), bytes: mac.bytes) }
                if let namespace = veth.peerNamespace { peer.attribute(Int32(IFLA_NET_NS_FD), namespace) }
            }
        }
        try request(all: [message] + (veth.port.settings(named: veth.name).map { [$0] } ?? [])) {
            $0 == 0
                ? "create veth \(veth.name) with peer \(veth.peerName)" + (veth.mtu.map { ", mtu \($0)" } ?? "")
                : "set \(veth.port.text) on bridge port \(veth.name)"
        }
    }

    /// The beginning of a request for a new link.
    func newLink(up: Bool) -> NetlinkMessage {
        let flag = up ? UInt32(IFF_UP.rawValue) : 0
        return NetlinkMessage(link: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, set: flag, change: flag)
    }

    /// Changes a link, all in one message; without a change there is none. `name` is for errors.
    public func setLink(index: Int32, name: String, _ change: LinkChange) throws(NetlinkError) {
        let description = NetlinkSocket.describe(change)
        if description.isEmpty { return }
        var message = NetlinkMessage(
            changing: index, flags: [(IFF_UP, change.up), (IFF_PROMISC, change.promiscuous), (IFF_ALLMULTI, change.allMulticast)])
        if let mtu = change.mtu { message.attribute(Int32(IFLA_MTU), UInt32(clamping: mtu)) }
        if let mac = change.mac { message.attribute(Int32(IFLA_ADDRESS), bytes: mac.bytes) }
        if let master = change.master { message.attribute(Int32(IFLA_MASTER), master) }
        if let length = change.txQueueLength { message.attribute(Int32(IFLA_TXQLEN), UInt32(clamping: length)) }
        if let alias = change.alias { message.attribute(Int32(IFLA_IFALIAS), alias) }
        try request(message, "set \(description) on \(name)")
    }

    private static func describe(_ change: LinkChange) -> String {
        var parts: [String] = []
        if let up = change.up { parts.append(up ? "up" : "down") }
        if let mtu = change.mtu { parts.append("mtu \(mtu)") }
        if let mac = change.mac { parts.append("address \(mac.text)") }
        if let promiscuous = change.promiscuous { parts.append("promisc \(promiscuous ? "on" : "off")") }
        if let master = change.master { parts.append(master == 0 ? "nomaster" : "master number \(master)") }
        if let allMulticast = change.allMulticast { parts.append("allmulticast \(allMulticast ? "on" : "off")") }
        if let length = change.txQueueLength { parts.append("txqueuelen \(length)") }
        if let alias = change.alias { parts.append("alias \(alias)") }
        return parts.joined(separator: ", ")
    }

    /// Deletes a link. False where there is none of this name.
    @discardableResult
    public func deleteLink(named name: String) throws(NetlinkError) -> Bool {
        var message = NetlinkMessage(link: RTM_DELLINK)
        message.attribute(Int32(IFLA_IFNAME), name)
        return try delete(message, "delete link \(name)")
    }

    /// Deletes a link. False where there is none of this index.
    @discardableResult
    public func deleteLink(index: Int32) throws(NetlinkError) -> Bool {
        try delete(NetlinkMessage(link: RTM_DELLINK, index: index), "delete link number \(index)")
    }

    @discardableResult
    func delete(_ message: NetlinkMessage, _ operation: @autoclosure () -> String) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            try request(message, operation())
            return true
        } catch {
            if error.errno == .noDevice { return false }
            throw error
        }
    }
}
