import CLinux
import Linux

/// How much of nftables refers to a chain: the kernel counts its rules, and the jumps and map elements that lead to it.
///
/// The kernel is so the reference count of what attachments share: a chain whose use is its rules alone is the last one's to delete.
public enum NftChainUse {
    /// The number of the chain's own rules and of what leads to it; nil where there is no such chain. It costs one message, whatever else
    /// there is.
    ///
    /// - Parameters:
    ///   - socket: one of netfilter.
    ///   - family: "inet", "ip", "ip6", "bridge".
    public static func count(_ socket: NetlinkSocket, family: String, table: String, chain: String) throws(NetlinkError) -> Int? {
        var message = request(NFT_MSG_GETCHAIN, family)
        message.attribute(Int32(NFTA_CHAIN_TABLE.rawValue), table)
        message.attribute(Int32(NFTA_CHAIN_NAME.rawValue), chain)
        return try use(socket, message, Int32(NFTA_CHAIN_USE.rawValue), "look up chain \(family) \(table) \(chain)")
    }

    /// The use that the answer to a question for one thing has as an attribute; nil where there is no such thing.
    static func use(
        _ socket: NetlinkSocket, _ message: NetlinkMessage, _ attribute: Int32, _ operation: @autoclosure () -> String
    ) throws(NetlinkError) -> Int? {
        do throws(NetlinkError) {
            let reply = try socket.request(message, operation()).first
            return reply?.attributes(after: 4).number(attribute, as: UInt32.self).map { Int(UInt32(bigEndian: $0)) }
        } catch {
            if error.errno == .noEntry { return nil }
            throw error
        }
    }

    /// The number of the chain's own rules; 0 where there is no such chain. It costs a message a rule, whatever else there is.
    public static func rules(_ socket: NetlinkSocket, family: String, table: String, chain: String) throws(NetlinkError) -> Int {
        var message = request(NFT_MSG_GETRULE, family, flags: NLM_F_DUMP)
        message.attribute(Int32(NFTA_RULE_TABLE.rawValue), table)
        message.attribute(Int32(NFTA_RULE_CHAIN.rawValue), chain)
        do throws(NetlinkError) {
            let replies = try socket.request(message, "list rules of chain \(family) \(table) \(chain)")
            return replies.count { $0.attributes(after: 4).text(Int32(NFTA_RULE_CHAIN.rawValue)) == chain }
        } catch {
            if error.errno == .noEntry { return 0 }
            throw error
        }
    }

    static func request(_ type: nf_tables_msg_types, _ family: String, flags: Int32 = 0) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type.rawValue), flags: flags)
        message.append(number(of: family))
        message.append(UInt8(NFNETLINK_V0))
        message.append(UInt16(0))
        return message
    }

    /// The families of nf_tables, which are not those of sockets: NFPROTO_… of <linux/netfilter.h>.
    private static func number(of family: String) -> UInt8 {
        switch family {
        case "ip": 2
        case "ip6": 10
        case "bridge": 7
        default: 1
        }
    }
}
