import CLinux
import CNI

extension NetlinkSocket {
    /// Makes a VRF that is up: a link whose ports are routed by a table of their own. Fails with EEXIST where the name is taken. As
    /// `ip link add NAME up type vrf table TABLE`.
    public func createVRF(name: String, table: Int) throws(NetlinkError) {
        var message = newLink(up: true)
        message.attribute(Int32(IFLA_IFNAME), name)
        message.linkInfo(kind: "vrf") { $0.attribute(Int32(IFLA_VRF_TABLE), UInt32(clamping: table)) }
        try request(message, "create VRF \(name), table \(table)")
    }
}
