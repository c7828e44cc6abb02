import CLinux
import CNI
import Linux
import Netlink

/// nf_tables by netlink, without libnftables: single questions, one message there and one back; and changes of elements, a batch there and
/// one message back.
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
        var message = try request(NFT_MSG_GETCHAIN.rawValue, family, acknowledged: false)
        message.attribute(Int32(NFTA_CHAIN_TABLE.rawValue), table)
        message.attribute(Int32(NFTA_CHAIN_NAME.rawValue), chain)
        return try ask(message, "look up chain \(family) \(table) \(chain)") != nil
    }

    func element(family: String, table: String, set: String, key: [UInt8]) throws(NftablesError) -> NftElement? {
        var message = try request(NFT_MSG_GETSETELEM.rawValue, family, acknowledged: false)
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

    // MARK: Changes

    /// What one datagram may hold: below the usual limit of a socket's send buffer.
    private static let batchLimit = 100_000

    /// Makes the changes as one transaction. False where they are too many for one datagram, and nothing was done.
    func commit(_ changes: [NftElementChange]) throws(NftablesError) -> Bool {
        var messages = [NftablesKernel.batchMark(NFNL_MSG_BATCH_BEGIN)]
        for change in changes { messages.append(try message(change)) }
        messages.append(NftablesKernel.batchMark(NFNL_MSG_BATCH_END))
        if messages.reduce(0, { $0 + $1.bytes.count }) > NftablesKernel.batchLimit { return false }
        do throws(NetlinkError) {
            try socket.request(all: messages) { changes.indices.contains($0 - 1) ? changes[$0 - 1].command : "change elements" }
        } catch {
            let line = changes.firstIndex { $0.command == error.operation }
            throw NftablesError(reason: error.errno.text, command: error.operation, line: line.map { $0 + 1 })
        }
        return true
    }

    private static func batchMark(_ type: Int32) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), acknowledged: false)
        message.append(UInt8(0))
        message.append(UInt8(NFNETLINK_V0))
        message.append(UInt16(NFNL_SUBSYS_NFTABLES).bigEndian)
        return message
    }

    private func message(_ change: NftElementChange) throws(NftablesError) -> NetlinkMessage {
        let (type, flags): (nf_tables_msg_types, Int32) =
            switch change.action {
            case .add: (NFT_MSG_NEWSETELEM, NLM_F_CREATE)
            case .create: (NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL)
            case .delete: (NFT_MSG_DELSETELEM, 0)
            }
        var message = try request(type.rawValue, change.family, flags: flags)
        message.attribute(Int32(NFTA_SET_ELEM_LIST_TABLE.rawValue), change.table)
        message.attribute(Int32(NFTA_SET_ELEM_LIST_SET.rawValue), change.set)
        message.nested(Int32(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)) { list in
            list.nested(Int32(NFTA_LIST_ELEM.rawValue)) { element in
                element.nested(Int32(NFTA_SET_ELEM_KEY.rawValue)) { $0.attribute(Int32(NFTA_DATA_VALUE.rawValue), bytes: change.key) }
                NftablesKernel.append(change.value, to: &element)
                if let comment = change.comment {
                    let text = Array(comment.utf8) + [0]
                    element.attribute(Int32(NFTA_SET_ELEM_USERDATA.rawValue), bytes: [0, UInt8(clamping: text.count)] + text)
                }
            }
        }
        return message
    }

    private static func append(_ value: NftElementChange.Value, to element: inout NetlinkMessage) {
        switch value {
        case .none: break
        case .data(let bytes):
            element.nested(Int32(NFTA_SET_ELEM_DATA.rawValue)) { $0.attribute(Int32(NFTA_DATA_VALUE.rawValue), bytes: bytes) }
        case .object(let name): element.attribute(Int32(NFTA_SET_ELEM_OBJREF.rawValue), name)
        case .verdict(let verdict):
            element.nested(Int32(NFTA_SET_ELEM_DATA.rawValue)) { data in
                data.nested(Int32(NFTA_DATA_VERDICT.rawValue)) { attributes in
                    attributes.attribute(Int32(NFTA_VERDICT_CODE.rawValue), UInt32(bitPattern: verdict.code).bigEndian)
                    if let chain = verdict.chain { attributes.attribute(Int32(NFTA_VERDICT_CHAIN.rawValue), chain) }
                }
            }
        }
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

    private func request(
        _ type: UInt32, _ family: String, flags: Int32 = 0, acknowledged: Bool = true
    ) throws(NftablesError) -> NetlinkMessage {
        guard let number = NftablesKernel.number(ofFamily: family) else { throw NftablesError(reason: "unknown family \"\(family)\"") }
        var message = NetlinkMessage(type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type), flags: flags, acknowledged: acknowledged)
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
