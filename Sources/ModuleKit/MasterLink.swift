import CLinux
import CNI
import Linux
import Netlink

/// The link that a macvlan, ipvlan or vlan is made on.
public struct MasterLink {
    /// As it is.
    public let link: LinkInfo
    /// Whether it is in the container's network namespace; else in the host's.
    public let isInContainer: Bool

    /// Makes one of these parts.
    public init(_ link: LinkInfo, isInContainer: Bool) {
        self.link = link
        self.isInContainer = isInContainer
    }

    /// Whether it is wireless: an access point lets through frames of the one hardware address that it knows.
    public var isWireless: Bool { !isInContainer && File.exists("/sys/class/net/\(link.name)/phy80211") }

    /// What to do where the kernel does not know a kind of link.
    public static func advice(_ kind: String) -> String {
        "the module \(kind == "vlan" ? "8021q" : kind) is not in this kernel, or could not be loaded: see modprobe(8)"
    }

    /// Throws where an MTU is larger than this link's.
    public func checkMTU(_ mtu: Int?) throws(CNIError) {
        guard let mtu, mtu > link.mtu else { return }
        throw CNIError(.invalidConfiguration, "mtu: \(mtu) is more than the \(link.mtu) of the master \(link.name)")
    }

    /// Makes the container's interface on this link, in place and under its final name.
    ///
    /// - Parameter make: sends the request for the kind of link.
    public func makeInterface(
        _ call: ModuleCall, kind: String, mtu: Int?, mac: MACAddress? = nil,
        _ make: (NetlinkSocket, StackedLink) throws(NetlinkError) -> Void
    ) throws(CNIError) {
        let socket = isInContainer ? try call.containerNetlink() : try call.hostNetlink()
        let request = StackedLink(
            name: call.interfaceName, master: link, namespace: isInContainer ? nil : try call.requireNetns(), mtu: mtu, mac: mac)
        do throws(NetlinkError) {
            try make(socket, request)
        } catch {
            if error.errno == .exists, try call.containerInterface() != nil { throw call.interfaceExists(kind: kind) }
            throw CNIError(error.cni.message, details: try hint(error, kind, socket))
        }
    }

    private func hint(_ error: NetlinkError, _ kind: String, _ socket: NetlinkSocket) throws(CNIError) -> String {
        switch error.errno.rawValue {
        case EOPNOTSUPP where error.kernelMessage == nil || error.kernelMessage == "Unknown device type": return MasterLink.advice(kind)
        case EOPNOTSUPP: return ""
        case EEXIST: return "a master has one link for a VLAN: is there one in another container? To share it, use macvlan or ipvlan on it"
        case EBUSY:
            if let index = link.master, let owner = try attempt(try socket.link(index: index)) {
                return "\(link.name) belongs to \(owner.name): take that as the master"
            }
            return "a link can't be master of both ipvlan and macvlan: does \(link.name) have links of the other kind?"
        case EINVAL where link.isLoopback: return "the loopback interface can't be a master"
        case EINVAL where kind == "macvlan":
            return "a passthru macvlan has to be the only one of its master: does \(link.name) have another?"
        default: return kind == "macvlan" && isWireless ? MasterLink.wireless(link.name) : error.cni.details
        }
    }

    /// Why nobody answers through a macvlan of this link.
    static func wireless(_ name: String) -> String {
        "\(name) is wireless, and wireless masters don't work with macvlan: the access point drops frames of other hardware addresses"
    }

    /// Warns where the link is wireless: the kernel makes a macvlan on it, and nobody answers.
    public func warnOfWireless(_ call: ModuleCall) {
        if isWireless { call.log(.warning, "master: \(MasterLink.wireless(link.name)); use ipvlan") }
    }
}
