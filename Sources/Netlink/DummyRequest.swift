import CLinux
import CNI

extension NetlinkSocket {
    /// Makes a dummy link that is down. Fails with EEXIST where the name is taken. As `ip link add NAME type dummy`.
    public func createDummy(name: String) throws(NetlinkError) {
        var message = newLink(up: false)
        message.attribute(Int32(IFLA_IFNAME), name)
        message.linkInfo(kind: "dummy")
        try request(message, "create dummy \(name)")
    }
}
