import CLinux
import CNI
import Linux

/// A queueing discipline of a link, as the kernel tells it: tc(8).
public struct QdiscInfo: Sendable {
    /// The kind: "tbf", "noqueue", "ingress".
    public let kind: String
    /// Nil for another kind.
    public let tokenBucket: TokenBucketInfo?

    init(_ reply: NetlinkReply) {
        let attributes = reply.attributes(after: 20)
        kind = attributes.text(Int32(TCA_KIND)) ?? ""
        tokenBucket = kind == "tbf" ? TokenBucketInfo(attributes.nested(Int32(TCA_OPTIONS))) : nil
    }
}

/// What a filter does with packets that a link receives: all of them, or some, go to another link.
public struct RedirectInfo: Equatable, Sendable {
    /// The index of the link that the packets go to.
    public let target: Int32
    /// Whether it does so with every packet.
    public let takesAll: Bool
}

/// Where a qdisc is attached to its link.
enum QdiscPlace {
    /// TC_H_ROOT: what the link sends.
    static let root: UInt32 = 0xffff_ffff
    /// TC_H_INGRESS: what the link receives.
    static let ingress: UInt32 = 0xffff_fff1
    /// The handle of an ingress qdisc, ffff:0, which filters hang on.
    static let ingressHandle: UInt32 = 0xffff_0000
}

extension NetlinkSocket {
    /// Limits what a link sends. Fails with EEXIST where something has set a root qdisc. As `tc qdisc add dev NAME root handle 1: tbf …`.
    public func addTokenBucket(_ bucket: TokenBucket, index: Int32, name: String) throws(NetlinkError) {
        var message = qdiscMessage(RTM_NEWQDISC, index, handle: 0x0001_0000, QdiscPlace.root, flags: NLM_F_CREATE | NLM_F_EXCL)
        message.attribute(Int32(TCA_KIND), "tbf")
        message.nested(Int32(TCA_OPTIONS)) { bucket.append(to: &$0) }
        try request(message, "limit what \(name) sends to \(bucket.rate) bytes a second")
    }

    /// Sends all that a link receives out of another one, as if it had been that one's to send. As `tc qdisc add dev NAME ingress` and
    /// `tc filter add … u32 match u32 0 0 action mirred egress redirect dev TARGET`.
    public func redirectIngress(index: Int32, name: String, to target: Int32) throws(NetlinkError) {
        var qdisc = qdiscMessage(
            RTM_NEWQDISC, index, handle: QdiscPlace.ingressHandle, QdiscPlace.ingress, flags: NLM_F_CREATE | NLM_F_EXCL)
        qdisc.attribute(Int32(TCA_KIND), "ingress")
        try request(qdisc, "add an ingress qdisc to \(name)")
        var filter = trafficMessage(RTM_NEWTFILTER, index, parent: QdiscPlace.ingressHandle, flags: NLM_F_CREATE | NLM_F_EXCL)
        // Priority 1, all protocols.
        filter.append(UInt32(1) << 16 | UInt32(UInt16(ETH_P_ALL).bigEndian))
        filter.attribute(Int32(TCA_KIND), "u32")
        filter.nested(Int32(TCA_OPTIONS)) { options in
            options.attribute(Int32(TCA_U32_CLASSID), UInt32(0x0001_0001))
            options.attribute(Int32(TCA_U32_SEL), bytes: matchAll)
            options.nested(Int32(TCA_U32_ACT)) { $0.nested(1) { $0.redirect(to: target) } }
        }
        try request(filter, "redirect what \(name) receives to link number \(target)")
    }

    /// The root qdisc of a link, asked of the kernel directly: listing them would list all links'. Nil where it is the kernel's own.
    public func rootQdisc(index: Int32) throws(NetlinkError) -> QdiscInfo? {
        // The answer comes to whoever asks for an echo.
        let message = qdiscMessage(RTM_GETQDISC, index, handle: 0, QdiscPlace.root, flags: NLM_F_ECHO)
        do throws(NetlinkError) {
            return try request(message, "look up the root qdisc of link number \(index)").first.map { QdiscInfo($0) }
        } catch {
            if error.errno == .noEntry { return nil }
            throw error
        }
    }

    /// Where filters send what a link receives.
    public func ingressRedirects(index: Int32) throws(NetlinkError) -> [RedirectInfo] {
        var message = trafficMessage(RTM_GETTFILTER, index, parent: QdiscPlace.ingressHandle, flags: NLM_F_DUMP)
        message.append(UInt32(0))
        return try request(message, "list ingress filters of link number \(index)").compactMap { RedirectInfo($0) }
    }

    /// Removes the root qdisc that someone set. False where there is none.
    @discardableResult
    public func deleteRootQdisc(index: Int32) throws(NetlinkError) -> Bool { try deleteQdisc(index, handle: 0, QdiscPlace.root) }

    /// Removes the ingress qdisc and its filters. False where there is none.
    @discardableResult
    public func deleteIngressQdisc(index: Int32) throws(NetlinkError) -> Bool {
        try deleteQdisc(index, handle: QdiscPlace.ingressHandle, QdiscPlace.ingress)
    }

    private func deleteQdisc(_ index: Int32, handle: UInt32, _ place: UInt32) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            try request(qdiscMessage(RTM_DELQDISC, index, handle: handle, place), "delete a qdisc of link number \(index)")
            return true
        } catch {
            if error.errno == .noEntry || error.errno == .invalid || error.errno == .noDevice { return false }
            throw error
        }
    }

    // MARK: Messages

    private func qdiscMessage(_ type: Int, _ index: Int32, handle: UInt32, _ place: UInt32, flags: Int32 = 0) -> NetlinkMessage {
        var message = trafficMessage(type, index, handle: handle, parent: place, flags: flags)
        message.append(UInt32(0))
        return message
    }

    /// A request with its struct tcmsg, but for the last member.
    private func trafficMessage(_ type: Int, _ index: Int32, handle: UInt32 = 0, parent: UInt32, flags: Int32) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        message.append(UInt32(0))  // family and padding
        message.append(index)
        message.append(handle)
        message.append(parent)
        return message
    }

    /// struct tc_u32_sel with one key that every packet matches.
    private var matchAll: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 32)
        bytes[0] = UInt8(TC_U32_TERMINAL)
        bytes[2] = 1
        return bytes
    }
}

extension NetlinkMessage {
    /// The action mirred: redirect to a link's egress.
    fileprivate mutating func redirect(to target: Int32) {
        attribute(Int32(TCA_ACT_KIND), "mirred")
        nested(Int32(TCA_ACT_OPTIONS)) { options in
            // struct tc_mirred: index, capabilities, action, two counters, what it does, with which link.
            let words: [Int32] = [0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, target]
            options.attribute(Int32(TCA_MIRRED_PARMS), bytes: words.withUnsafeBytes { Array($0) })
        }
    }
}

extension RedirectInfo {
    /// Nil for a filter that does something else.
    init?(_ reply: NetlinkReply) {
        let attributes = reply.attributes(after: 20)
        guard attributes.text(Int32(TCA_KIND)) == "u32" else { return nil }
        let options = attributes.nested(Int32(TCA_OPTIONS))
        let action = options.nested(Int32(TCA_U32_ACT)).nested(1)
        guard action.text(Int32(TCA_ACT_KIND)) == "mirred",
            let parameters = action.nested(Int32(TCA_ACT_OPTIONS))[Int32(TCA_MIRRED_PARMS)], parameters.count >= 28,
            parameters.number(at: 20, as: UInt32.self) == UInt32(TCA_EGRESS_REDIR), let selector = options[Int32(TCA_U32_SEL)]
        else { return nil }
        target = Int32(bitPattern: parameters.number(at: 24, as: UInt32.self))
        // One key, whose mask lets everything through.
        takesAll = selector.number(at: 2, as: UInt8.self) == 1 && selector.number(at: 16, as: UInt32.self) == 0
    }
}
