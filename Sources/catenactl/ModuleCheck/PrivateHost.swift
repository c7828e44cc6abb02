import CLinux
import CNI
import ChainEngine
import Linux
import Namespace
import Netlink

/// A host of its own, in which the calling process is from then on: user, network and mount namespaces, with empty /run and /var/lib, and
/// all other files read-only where the kernel can do that (Linux 5.12).
final class PrivateHost {
    /// A container's network namespace.
    static let container = "/run/netns/check"
    /// Where the module's files are linked or copied to.
    static let directory = "/run/catena-check"

    init() throws(CNIError) {
        let (user, group) = (geteuid(), getegid())
        if unshare(Int32(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)) == 0 {
            try PrivateHost.step("map users") { () throws(Errno) in
                try File.write("deny", to: "/proc/self/setgroups")
                try File.write("0 \(user) 1", to: "/proc/self/uid_map")
                try File.write("0 \(group) 1", to: "/proc/self/gid_map")
            }
        } else {
            // Where user namespaces are forbidden, root can do without.
            try PrivateHost.system("make namespaces", unshare(Int32(CLONE_NEWNET | CLONE_NEWNS)))
        }
        _ = clinux_adopt_orphans()
        try mountAll()
        try PrivateHost.makeNamespace(PrivateHost.container)
        try makeLinks()
    }

    private static func step(_ what: String, _ body: () throws(Errno) -> Void) throws(CNIError) {
        do throws(Errno) { try body() } catch { throw CNIError("private host: \(what): \(error.text)") }
    }

    private static func system(_ what: String, _ status: Int32) throws(CNIError) {
        if status != 0 { throw CNIError("private host: \(what): \(Errno.current.text)") }
    }

    private func mountAll() throws(CNIError) {
        try PrivateHost.system("make mounts private", mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil))
        if clinux_set_read_only("/", 1) == 0 { _ = clinux_set_read_only("/proc", 0) }
        for path in ["/run", "/var/lib"] {
            try PrivateHost.system("mount \(path)", mount("tmpfs", path, "tmpfs", UInt(MS_NOSUID | MS_NODEV), "mode=755"))
        }
        try PrivateHost.step("make directories") { () throws(Errno) in
            for path in ["/run/netns", "/var/lib/cni", PrivateHost.directory] { try File.makeDirectories(path, mode: 0o755) }
        }
    }

    /// A new network namespace at `path`, as `ip netns add` makes it.
    static func makeNamespace(_ path: String) throws(CNIError) {
        try step("make \(path)") { () throws(Errno) in _ = try FileDescriptor.open(path, O_WRONLY | O_CREAT, mode: 0o644) }
        let home = try NetworkNamespace.current()
        try system("make \(path)", unshare(Int32(CLONE_NEWNET)))
        let status = mount("/proc/thread-self/ns/net", path, nil, UInt(MS_BIND), nil)
        _ = try home.returnHere()
        try system("mount \(path)", status)
    }

    /// Takes the container's namespace away.
    static func removeContainer() throws(CNIError) {
        try system("unmount \(container)", umount2(container, Int32(MNT_DETACH)))
        unlink(container)
    }

    private func makeLinks() throws(CNIError) {
        do throws(NetlinkError) {
            let socket = try NetlinkSocket.open()
            try socket.createVeth(VethRequest(name: "check0", peerName: "check1"))
            for name in ["lo", "check0", "check1"] { try PrivateHost.setUp(name, socket) }
        } catch {
            throw error.cni
        }
    }

    /// An interface in the container with an address, as a plugin before a meta module makes it; the result of that plugin.
    func addInterface(_ name: String) throws(CNIError) -> CNIResult {
        guard let namespace = try NetworkNamespace.open(PrivateHost.container), let address = IPNetwork("10.88.0.2/24") else {
            throw CNIError("private host: the container is gone")
        }
        do throws(NetlinkError) {
            let host = try NetlinkSocket.open()
            try host.createVeth(VethRequest(name: "check-\(name)", peerName: name, peerNamespace: namespace.fd))
            try PrivateHost.setUp("check-\(name)", host)
            let inside = try NetlinkSocket.open(inNamespace: namespace.fd)
            try PrivateHost.setUp(name, inside)
            guard let link = try inside.link(named: name) else { return CNIResult() }
            try inside.addAddress(address, index: link.index, name: name)
            var result = CNIResult()
            result.interfaces = [CNIResult.Interface(name: name, mac: link.mac?.text, sandbox: PrivateHost.container)]
            result.ips = [CNIResult.IP(address: address, gateway: IPAddress("10.88.0.1"), interface: 0)]
            return result
        } catch {
            throw error.cni
        }
    }

    private static func setUp(_ name: String, _ socket: NetlinkSocket) throws(NetlinkError) {
        guard let link = try socket.link(named: name) else { return }
        try socket.setLink(index: link.index, name: name, LinkChange(up: true))
    }

    /// Links the trusted modules into one directory; copies those that, seen from a user namespace, belong to no one that is known.
    func install(_ files: [(type: String, path: String)]) throws(CNIError) -> ModuleDirectories {
        for (type, path) in files {
            let target = "\(PrivateHost.directory)/\(type).so"
            var status = stat()
            if stat(path, &status) == 0 && status.st_uid == geteuid() {
                if symlink(path, target) != 0 && Errno.current != .exists { try PrivateHost.system("link \(target)", -1) }
            } else {
                try PrivateHost.step("copy \(path)") { () throws(Errno) in
                    try File.replace(target, with: try File.read(path, limit: 256 << 20), mode: 0o755)
                }
            }
        }
        return ModuleDirectories([PrivateHost.directory])
    }
}
