import CNI
import Linux
import Namespace
import Netlink

/// The netlink sockets of a chain: one in the host's namespace, one in the container's, each opened when it is first asked for.
struct NamespaceSockets {
    private let home: NetworkNamespace
    private let container: NetworkNamespace?
    private var host: NetlinkSocket?
    private var inside: NetlinkSocket?

    init(home: NetworkNamespace, container: NetworkNamespace?) {
        self.home = home
        self.container = container
    }

    mutating func hostSocket() throws(NetlinkError) -> NetlinkSocket {
        if let host { return host }
        let socket = try NetlinkSocket.open()
        host = socket
        return socket
    }

    mutating func containerSocket() throws(NetlinkError) -> NetlinkSocket {
        if let inside { return inside }
        guard let container else {
            throw NetlinkError(operation: "open a netlink socket in the container: no network namespace", errno: .noEntry)
        }
        let socket = try NetlinkSocket.open(inNamespace: container.fd, from: home)
        inside = socket
        return socket
    }
}
