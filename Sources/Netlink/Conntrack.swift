import CLinux
import CNI
import Linux

/// Entries of connection tracking, over ctnetlink.
public enum Conntrack {
    /// Deletes the entries whose original direction goes to one of these ports (and to this address, where one is given).
    ///
    /// The kernel filters by protocol and port where it can (since 5.8); what it lists all the same is filtered here. A kernel without
    /// connection tracking has none. Returns how many were deleted.
    public static func deleteEntries(
        _ family: IPAddress.Family, protocol transport: UInt8, originalPorts ports: ClosedRange<UInt16>,
        originalDestination: IPAddress? = nil
    ) throws(NetlinkError) -> Int {
        let socket = try NetlinkSocket.open(protocol: NETLINK_NETFILTER)
        let replies: [NetlinkReply]
        do throws(NetlinkError) {
            replies = try list(socket, family, transport, ports)
        } catch {
            if error.errno == .invalid || error.errno == .noEntry || error.errno == .notSupported { return 0 }
            throw error
        }
        var deleted = 0
        for reply in replies {
            guard let tuple = originalTuple(reply, transport, ports, originalDestination) else { continue }
            if try delete(socket, family, tuple) { deleted += 1 }
        }
        return deleted
    }

    private static func list(
        _ socket: NetlinkSocket, _ family: IPAddress.Family, _ transport: UInt8, _ ports: ClosedRange<UInt16>
    ) throws(NetlinkError) -> [NetlinkReply] {
        var message = NetlinkMessage(conntrack: IPCTNL_MSG_CT_GET.rawValue, family, flags: NLM_F_DUMP)
        message.nested(Int32(CTA_TUPLE_ORIG.rawValue)) { tuple in
            tuple.nested(Int32(CTA_TUPLE_PROTO.rawValue)) { proto in
                proto.attribute(Int32(CTA_PROTO_NUM.rawValue), transport)
                proto.attribute(Int32(CTA_PROTO_DST_PORT.rawValue), ports.lowerBound.bigEndian)
            }
        }
        // Which parts of the tuple count: protocol number, and the destination port where it is one (CTA_FILTER_F_… of the kernel's
        // nf_conntrack_netlink).
        message.nested(Int32(CTA_FILTER.rawValue)) { filter in
            filter.attribute(Int32(CTA_FILTER_ORIG_FLAGS.rawValue), UInt32(ports.count == 1 ? 1 << 3 | 1 << 5 : 1 << 3))
        }
        return try socket.request(message, "list connections to port \(ports.lowerBound)")
    }

    /// The original tuple, as it was sent, of an entry that matches; nil for another.
    private static func originalTuple(
        _ reply: NetlinkReply, _ transport: UInt8, _ ports: ClosedRange<UInt16>, _ destination: IPAddress?
    ) -> ArraySlice<UInt8>? {
        guard let raw = reply.attributes(after: 4)[Int32(CTA_TUPLE_ORIG.rawValue)] else { return nil }
        let tuple = NetlinkAttributes(raw)
        let proto = tuple.nested(Int32(CTA_TUPLE_PROTO.rawValue))
        guard proto.number(Int32(CTA_PROTO_NUM.rawValue), as: UInt8.self) == transport,
            proto.number(Int32(CTA_PROTO_DST_PORT.rawValue), as: UInt16.self).map({ ports.contains(UInt16(bigEndian: $0)) }) == true
        else { return nil }
        if let destination {
            let ip = tuple.nested(Int32(CTA_TUPLE_IP.rawValue))
            let bytes = ip[Int32(destination.family == .v4 ? CTA_IP_V4_DST.rawValue : CTA_IP_V6_DST.rawValue)]
            if bytes.map({ Array($0) }) != destination.bytes { return nil }
        }
        return raw
    }

    /// False where the entry is gone already.
    private static func delete(_ socket: NetlinkSocket, _ family: IPAddress.Family, _ tuple: ArraySlice<UInt8>) throws(NetlinkError) -> Bool
    {
        var message = NetlinkMessage(conntrack: IPCTNL_MSG_CT_DELETE.rawValue, family)
        message.attribute(Int32(CTA_TUPLE_ORIG.rawValue) | NLA_F_NESTED, bytes: Array(tuple))
        do throws(NetlinkError) {
            try socket.request(message, "delete a connection")
            return true
        } catch {
            if error.errno == .noEntry { return false }
            throw error
        }
    }
}

extension NetlinkMessage {
    /// A ctnetlink request with its `nfgenmsg`: family, version, resource.
    fileprivate init(conntrack type: UInt32, _ family: IPAddress.Family, flags: Int32 = 0) {
        self.init(type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(type), flags: flags)
        append(family.number)
        append(UInt8(NFNETLINK_V0))
        append(UInt16(0))
    }
}
