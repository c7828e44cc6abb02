import CLinux
import CNI
import Linux

/// An address of a link, as the kernel describes it: RTM_NEWADDR of rtnetlink(7).
public struct AddressInfo: Sendable {
    /// The address, with its prefix length.
    public let address: IPNetwork
    /// IFA_F_… flags.
    public let flags: UInt32
    /// The scope as rtnetlink(7) numbers it: 0 is universe, 253 link.
    public let scope: UInt8
    /// The index of the link that has it.
    public let link: Int32

    /// Duplicate address detection is not done yet.
    public var isTentative: Bool { flags & UInt32(IFA_F_TENTATIVE) != 0 }
    /// Duplicate address detection found the address in use.
    public var isDuplicate: Bool { flags & UInt32(IFA_F_DADFAILED) != 0 }

    /// It went without duplicate address detection.
    public var isWithoutDAD: Bool { flags & UInt32(IFA_F_NODAD) != 0 }

    /// Whether it stays until someone removes it: neither a router's word nor a set time limits it.
    public var isPermanent: Bool { flags & UInt32(IFA_F_PERMANENT) != 0 }

    /// Whether it is a link-local address that can be used.
    public var isUsableLinkLocal: Bool { address.address.family == .v6 && address.address.isLinkLocal && !isTentative && !isDuplicate }

    /// Nil where the message holds no address.
    init?(_ reply: NetlinkReply) {
        let attributes = reply.attributes(after: 8)
        // IFA_LOCAL is the link's own address; IFA_ADDRESS the peer's, which is the same except on point-to-point links.
        guard let raw = attributes[Int32(IFA_LOCAL)] ?? attributes[Int32(IFA_ADDRESS)], let address = IPAddress(bytes: Array(raw)),
            let network = IPNetwork(address, prefix: Int(reply.number(at: 1, as: UInt8.self)))
        else { return nil }
        self.address = network
        flags = attributes.number(Int32(IFA_FLAGS), as: UInt32.self) ?? UInt32(reply.number(at: 2, as: UInt8.self))
        scope = reply.number(at: 3, as: UInt8.self)
        link = Int32(bitPattern: reply.number(at: 4, as: UInt32.self))
    }
}

extension IPAddress.Family {
    /// AF_INET or AF_INET6.
    var number: UInt8 { self == .v4 ? UInt8(AF_INET) : UInt8(AF_INET6) }
}

extension NetlinkSocket {
    /// Adds an address to a link. As `ip address add ADDRESS [brd +] dev NAME [nodad]`.
    ///
    /// An IPv4 network with room for one gets its broadcast address. With `noDAD` an IPv6 address is usable at once. With `noPrefixRoute`
    /// the kernel makes no route to the address's network (IPv4: since 4.18).
    public func addAddress(
        _ address: IPNetwork, index: Int32, name: String, noDAD: Bool = false, noPrefixRoute: Bool = false
    ) throws(NetlinkError) {
        try request(
            newAddress(address, index: index, noDAD: noDAD, noPrefixRoute: noPrefixRoute), "add address \(address.text) to \(name)")
    }

    func newAddress(_ address: IPNetwork, index: Int32, noDAD: Bool, noPrefixRoute: Bool) -> NetlinkMessage {
        let family = address.address.family
        var message = addressMessage(RTM_NEWADDR, address, index: index, flags: NLM_F_CREATE | NLM_F_EXCL)
        if family == .v4 && address.prefix < 31 {
            message.attribute(Int32(IFA_BROADCAST), bytes: address.lastAddress.bytes)
        }
        let flags = (family == .v6 && noDAD ? UInt32(IFA_F_NODAD) : 0) | (noPrefixRoute ? UInt32(IFA_F_NOPREFIXROUTE) : 0)
        if flags != 0 { message.attribute(Int32(IFA_FLAGS), flags) }
        return message
    }

    /// Sets how long an IPv6 address that a link has is preferred, and valid, in seconds from now; `UInt32.max` is for ever. After that the
    /// kernel itself uses it for nothing new, and removes it. False where the link does not have it.
    @discardableResult
    public func setLifetimes(_ info: AddressInfo, preferred: UInt32, valid: UInt32) throws(NetlinkError) -> Bool {
        var message = addressMessage(RTM_NEWADDR, info.address, index: info.link, flags: NLM_F_REPLACE)
        // The kernel takes these flags anew. That the address is there for ever is not among them: the times say it.
        message.attribute(Int32(IFA_FLAGS), info.flags & (UInt32(IFA_F_NODAD) | UInt32(IFA_F_NOPREFIXROUTE)))
        // struct ifa_cacheinfo: preferred, valid, and two times that the kernel fills in.
        var times: [UInt8] = []
        for time in [preferred, valid, 0, 0] { withUnsafeBytes(of: time) { times += $0 } }
        message.attribute(Int32(IFA_CACHEINFO), bytes: times)
        do throws(NetlinkError) {
            try request(message, "set the lifetimes of address \(info.address.text) of link number \(info.link)")
            return true
        } catch {
            if error.errno == .addressNotAvailable || error.errno == .noDevice { return false }
            throw error
        }
    }

    /// Removes an address from a link. False where the link does not have it.
    @discardableResult
    public func deleteAddress(_ address: IPNetwork, index: Int32, name: String) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            try request(addressMessage(RTM_DELADDR, address, index: index), "delete address \(address.text) from \(name)")
            return true
        } catch {
            if error.errno == .addressNotAvailable || error.errno == .noDevice { return false }
            throw error
        }
    }

    /// The addresses of a link.
    public func addresses(index: Int32) throws(NetlinkError) -> [AddressInfo] {
        var message = NetlinkMessage(type: UInt16(RTM_GETADDR), flags: NLM_F_DUMP)
        message.appendAddressHeader(family: UInt8(AF_UNSPEC), prefix: 0, index: index)
        // The kernel filters where it checks strictly; an older one lists all links' addresses.
        return try request(message, "list addresses of link number \(index)").compactMap { AddressInfo($0) }.filter { $0.link == index }
    }

    private func addressMessage(_ type: Int, _ address: IPNetwork, index: Int32, flags: Int32 = 0) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        message.appendAddressHeader(family: address.address.family.number, prefix: UInt8(address.prefix), index: index)
        message.attribute(Int32(IFA_LOCAL), bytes: address.address.bytes)
        message.attribute(Int32(IFA_ADDRESS), bytes: address.address.bytes)
        return message
    }
}

extension NetlinkMessage {
    /// struct ifaddrmsg: family, prefix length, flags, scope, index.
    mutating func appendAddressHeader(family: UInt8, prefix: UInt8, index: Int32) {
        append(family)
        append(prefix)
        append(UInt8(0))
        append(UInt8(0))
        append(index)
    }
}
