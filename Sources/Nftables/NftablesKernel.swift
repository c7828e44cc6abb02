import CLinux
import CNI
import Linux
import Netlink

/// Questions to nf_tables by netlink, without libnftables: one message there, one back.
final class NftablesKernel {
    private let socket: NetlinkSocket

    init() throws(NftablesError) {
        do throws(NetlinkError) {
            socket = try NetlinkSocket.open(protocol: NETLINK_NETFILTER)
        } catch {
            throw NftablesError(reason: error.cni.message)
        }
    }

    func hasChain(family: String, table: String, chain: String) throws(NftablesError) -> Bool {
        var message = try request(NFT_MSG_GETCHAIN.rawValue, family)
        message.attribute(Int32(NFTA_CHAIN_TABLE.rawValue), table)
        message.attribute(Int32(NFTA_CHAIN_NAME.rawValue), chain)
        return try ask(message, "look up chain \(family) \(table) \(chain)") != nil
    }

    func element(family: String, table: String, set: String, key: [UInt8]) throws(NftablesError) -> NftElement? {
        var message = try request(NFT_MSG_GETSETELEM.rawValue, family)
        message.attribute(Int32(NFTA_SET_ELEM_LIST_TABLE.rawValue), table)
        message.attribute(Int32(NFTA_SET_ELEM_LIST_SET.rawValue), set)
        message.nested(Int32(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)) { list in
            list.nested(Int32(NFTA_LIST_ELEM.rawValue)) { element in
                element.nested(Int32(NFTA_SET_ELEM_KEY.rawValue)) { $0.attribute(Int32(NFTA_DATA_VALUE.rawValue), bytes: key) }
            }
        }
        guard let reply = try ask(message, "look up an element of \(family) \(table) \(set)") else { return nil }
        let list = NetlinkAttributes(reply.payload.dropFirst(4)).nested(Int32(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue))
        guard let element = list.values.first.map({ NetlinkAttributes($0.value) }) else { return nil }
        let data = element.nested(Int32(NFTA_SET_ELEM_DATA.rawValue))[Int32(NFTA_DATA_VALUE.rawValue)]
        return NftElement(
            comment: NftablesKernel.comment(element[Int32(NFTA_SET_ELEM_USERDATA.rawValue)] ?? []), data: data.map { Array($0) })
    }

    /// User data is a list of type, length, value, a byte each for the first two; type 0 is the comment, ended by NUL (libnftnl's udata).
    static func comment(_ userData: ArraySlice<UInt8>) -> String? {
        var rest = userData
        while rest.count >= 2 {
            let type = rest[rest.startIndex]
            let length = Int(rest[rest.startIndex + 1])
            guard rest.count >= 2 + length else { return nil }
            if type == 0 { return String(decoding: rest.dropFirst(2).prefix(length).prefix { $0 != 0 }, as: UTF8.self) }
            rest = rest.dropFirst(2 + length)
        }
        return nil
    }

    private func request(_ type: UInt32, _ family: String) throws(NftablesError) -> NetlinkMessage {
        guard let number = NftablesKernel.number(ofFamily: family) else { throw NftablesError(reason: "unknown family \"\(family)\"") }
        var message = NetlinkMessage(type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type))
        message.append(number)
        message.append(UInt8(NFNETLINK_V0))
        message.append(UInt16(0))
        return message
    }

    private static func number(ofFamily family: String) -> UInt8? {
        switch family {
        case "ip": 2
        case "ip6": 10
        case "inet": 1
        case "arp": 3
        case "bridge": 7
        case "netdev": 5
        default: nil
        }
    }

    /// Nil where what is asked for does not exist.
    private func ask(_ message: NetlinkMessage, _ operation: @autoclosure () -> String) throws(NftablesError) -> NetlinkReply? {
        do throws(NetlinkError) {
            return try socket.request(message, operation()).first
        } catch {
            if error.errno == .noEntry { return nil }
            throw NftablesError(reason: error.errno.text, command: error.operation)
        }
    }
}
