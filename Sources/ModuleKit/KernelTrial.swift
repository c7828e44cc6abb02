import CNI
import Namespace
import Netlink

/// Finds out for STATUS whether the kernel can make a kind of link, where it disturbs no one: a kernel that can't says so now, not at the
/// first ADD.
public enum KernelTrial {
    /// Runs `body`, which makes a link, in a network namespace that is gone afterwards. Throws "not available" where it fails.
    ///
    /// - Parameters:
    ///   - links: what is made, in words: "bridges".
    ///   - advice: what to do where it can't be.
    public static func make(_ links: String, advice: String, _ body: () throws(CNIError) -> Void) throws(CNIError) {
        do throws(CNIError) {
            _ = try NetworkNamespace.withTemporary(body)
        } catch {
            throw CNIError(.notAvailable, "the kernel can't make \(links): \(error.message)", details: advice)
        }
    }

    /// The same with an Ethernet link to make others on.
    public static func make(
        _ links: String, advice: String, on body: (NetlinkSocket, StackedLink) throws(NetlinkError) -> Void
    ) throws(CNIError) {
        try make(links, advice: advice) { () throws(CNIError) in
            let socket = try attempt(try NetlinkSocket.open())
            try attempt(try socket.createVeth(VethRequest(name: "trial0", peerName: "trial1")))
            guard let master = try attempt(try socket.link(named: "trial0")) else { throw CNIError("link trial0 vanished") }
            do throws(NetlinkError) { try body(socket, StackedLink(name: "trial2", master: master)) } catch { throw error.cni }
        }
    }
}
