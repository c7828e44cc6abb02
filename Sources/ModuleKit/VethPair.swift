import CLinux
import CNI
import Linux
import Namespace
import Netlink

/// The veth pair of an attachment: one end is the container's interface, the other one is in the host.
public enum VethPair {
    /// Makes the pair in one message: the host's end up and in its bridge, the container's in its namespace under CNI_IFNAME, down. Returns
    /// the host's name, which is chosen at random.
    ///
    /// - Parameters:
    ///   - master: the index of the host end's bridge; nil for none.
    ///   - mtu: of both ends; nil for the kernel's.
    ///   - mac: the container's hardware address; nil for a random one.
    ///   - port: what the host's end is to be as a port of its bridge, VLANs apart.
    public static func make(
        _ call: ModuleCall, master: Int32? = nil, mtu: Int?, mac: MACAddress?, port: BridgePortChange = BridgePortChange()
    ) throws(CNIError) -> String {
        let host = try call.hostNetlink()
        var attempts = 0
        while true {
            let name = "veth" + Hex.text(try RandomBytes.make(4))
            let veth = VethRequest(
                name: name, master: master, mtu: mtu, peerName: call.interfaceName, peerMAC: mac, peerNamespace: try call.requireNetns(),
                port: port)
            do throws(NetlinkError) {
                try host.createVeth(veth)
                try? Sysctl.set("0", at: ["net", "ipv6", "conf", name, "accept_ra"])
                return name
            } catch {
                attempts += 1
                // Either end's name may be the one that is taken.
                if error.errno != .exists || attempts == 10 {
                    // The pair may be there, with a port that can't be as it is to be. A name that is taken is someone else's.
                    if error.errno != .exists { _ = try? host.deleteLink(named: name) }
                    throw error.cni
                }
                if try call.containerInterface() != nil { throw call.interfaceExists(kind: "veth") }
            }
        }
    }

    /// Where later plugins have queued links for deletion, deletes the pair in one message with them, by its host's end. False where there
    /// are none, or where it isn't certain which link that end is: nothing is done then.
    public static func deleteWithQueued(_ call: ModuleCall) throws(CNIError) -> Bool {
        guard call.hasQueuedLinks, call.netnsDescriptor != nil, let inside = try call.containerInterface(), inside.kind == "veth",
            let index = inside.link
        else { return false }
        let host = try call.hostNetlink()
        // The number could be one of another namespace, and a veth of the host have it, too: prevResult tells.
        guard let end = try attempt(try host.link(index: index)), end.kind == "veth", end.link == inside.index,
            call.previousResult?.interfaces.contains(where: { isHostEnd($0, end) }) ?? false
        else { return false }
        try call.queueLinkDeletion(of: end)
        try call.deleteQueuedLinks()
        return true
    }

    /// Whether an entry of a result tells of this link of the host. Its name could be someone else's by now: the hardware address tells.
    private static func isHostEnd(_ entry: CNIResult.Interface, _ link: LinkInfo) -> Bool {
        (entry.sandbox ?? "").isEmpty && entry.name == link.name && entry.mac == link.mac?.text
    }

    /// Deletes the pair: by the container's end; where that is out of reach, by the host's end that prevResult names.
    public static func delete(_ call: ModuleCall) throws(CNIError) {
        if try deleteWithQueued(call) { return }
        try call.deleteContainerInterface(kind: "veth", named: "veth")
        let host = try call.hostNetlink()
        for entry in call.previousResult?.interfaces ?? [] where (entry.sandbox ?? "").isEmpty {
            guard let link = try attempt(try host.link(named: entry.name)), link.kind == "veth", isHostEnd(entry, link) else { continue }
            try call.queueLinkDeletion(of: link)
        }
        try call.deleteQueuedLinks()
    }

    /// The addresses of the attachment whose rules DEL has to remove: as prevResult has them, else as the container's end has them. Empty
    /// where neither is left.
    public static func addresses(_ call: ModuleCall) throws(CNIError) -> [IPNetwork] {
        let known = call.previousResult?.containerAddresses(on: call.interfaceName) ?? []
        if !known.isEmpty || call.netnsDescriptor == nil { return known }
        guard let link = try call.containerInterface() else { return [] }
        let socket = try call.containerNetlink()
        return try attempt(try socket.addresses(index: link.index)).map { $0.address }.filter { !$0.address.isLinkLocal }
    }
}
