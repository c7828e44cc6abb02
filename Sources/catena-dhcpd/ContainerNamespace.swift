import CLinux
import CNI
import Linux
import Namespace
import Netlink

/// Ways into a container's network namespace, which is opened anew each time: an open one could not go away.
enum ContainerNamespace {
    /// The interface that ADD is for, as it is found; it is set up where it is down.
    ///
    /// - Parameter ipv6: whether it is to get IPv6 addresses that it does not have yet.
    static func prepare(
        _ path: String, _ name: String, ipv6: Bool, number: (Int32) -> Int32
    ) throws(CNIError) -> (
        interface: LeaseFile.Interface, namespace: Int32, isOperational: Bool
    ) {
        guard let namespace = try NetworkNamespace.open(path) else {
            throw CNIError(
                .invalidNetns, "open network namespace \(path): it does not exist", details: "seen by catena-dhcpd: see -hostprefix")
        }
        let (device, inode) = try identity(namespace)
        // Before the link comes up, so that its coming up is not missed.
        let number = number(namespace.fd)
        let link = try NetworkNamespace.with(fd: namespace.fd) { () throws(CNIError) in try setUp(name, ipv6: ipv6) }
        guard let link else {
            throw CNIError("interface \(name) does not exist in \(path)", details: "the main plugin has to make it before IPAM")
        }
        guard let mac = link.mac, mac.bytes.contains(where: { $0 != 0 }) else {
            throw CNIError("interface \(name) has no Ethernet address: DHCP can't be used on it")
        }
        let shares = link.kind == "ipvlan"
        let interface = LeaseFile.Interface(
            device: device, inode: inode, index: link.index, mac: mac, sharesHardwareAddress: shares)
        return (interface, number, link.canSend)
    }

    /// Sets a link up that is down. Nil where there is none.
    private static func setUp(_ name: String, ipv6: Bool) throws(CNIError) -> LinkInfo? {
        guard let link = try link(name) else { return nil }
        if ipv6 { try setParameters(link) }
        if link.isUp { return link }
        do throws(NetlinkError) {
            let socket = try NetlinkSocket.open()
            try socket.setLink(index: link.index, name: name, LinkChange(up: true))
            return try socket.link(index: link.index)
        } catch { throw error.cni }
    }

    private static func link(_ name: String) throws(CNIError) -> LinkInfo? {
        do throws(NetlinkError) { return try NetlinkSocket.open().link(named: name) } catch { throw error.cni }
    }

    /// RFC 8200, section 5: the kernel has no IPv6 on a link with less.
    private static let leastMTU = 1280

    /// Kernel parameters of an interface that is to get IPv6 addresses: the kernel hears routers, whether it forwards or not, and makes routes
    /// of what they say; addresses it makes none.
    private static func setParameters(_ link: LinkInfo) throws(CNIError) {
        if link.mtu < leastMTU {
            throw CNIError("interface \(link.name), mtu \(link.mtu): IPv6 needs \(leastMTU) bytes", details: "use a larger mtu")
        }
        let parameters = ["net", "ipv6", "conf", link.name]
        guard Sysctl.exists(parameters + ["disable_ipv6"]) else {
            throw CNIError("interface \(link.name): this kernel has no IPv6", details: "leave the key ipv6 of ipam out")
        }
        try Sysctl.ensure("0", at: parameters + ["autoconf"])
        try Sysctl.ensure("2", at: parameters + ["accept_ra"])
        // Its link-local address is made of its hardware address, as all the others that hang on that being its own: it need not wait.
        if !link.isUp { try Sysctl.ensure("0", at: parameters + ["accept_dad"]) }
        try Sysctl.ensure("0", at: parameters + ["disable_ipv6"])
        try InterfaceAddresses(link.index).removeAutomatic(name: link.name)
    }

    /// Runs `body` with the thread in the namespace where the interface is. Nil where it is not there any more.
    static func enter<T>(
        _ path: String, _ name: String, _ interface: LeaseFile.Interface, _ body: () throws(CNIError) -> T
    ) throws(CNIError) -> T? {
        guard let namespace = try open(path, interface) else { return nil }
        return try NetworkNamespace.with(fd: namespace.fd) { () throws(CNIError) in
            guard try hasInterface(name, interface) else { return nil as T? }
            return try body()
        }
    }

    /// The namespace's number, where the interface is still in it; nil where it is not.
    static func number(
        _ path: String, _ name: String, _ interface: LeaseFile.Interface, _ number: (Int32) -> Int32
    ) throws(CNIError) -> Int32? {
        guard let namespace = try open(path, interface) else { return nil }
        let isThere = try NetworkNamespace.with(fd: namespace.fd) { () throws(CNIError) in try hasInterface(name, interface) }
        return isThere ? number(namespace.fd) : nil
    }

    /// The namespace at the path, where it is the same one still.
    private static func open(_ path: String, _ interface: LeaseFile.Interface) throws(CNIError) -> NetworkNamespace? {
        guard let namespace = try? NetworkNamespace.open(path) else { return nil }
        let found = try identity(namespace)
        return found == (interface.device, interface.inode) ? namespace : nil
    }

    private static func hasInterface(_ name: String, _ interface: LeaseFile.Interface) throws(CNIError) -> Bool {
        do throws(NetlinkError) {
            let link = try NetlinkSocket.open().link(index: interface.index)
            return link?.name == name && link?.mac == interface.mac
        } catch {
            throw error.cni
        }
    }

    private static func identity(_ namespace: NetworkNamespace) throws(CNIError) -> (device: Int, inode: Int) {
        var status = stat()
        if fstat(namespace.fd, &status) != 0 { throw CNIError(.invalidNetns, "examine a network namespace: \(Errno.current.text)") }
        return (Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino))
    }
}

extension LinkInfo {
    /// Whether what is sent goes out. Some kinds of links don't tell: those can.
    var canSend: Bool { isUp && (isOperational || operState == 0) }
}
