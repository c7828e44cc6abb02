import CLinux
import CNI
import Linux

/// A routing rule as the kernel tells it, which says when which table counts: ip-rule(8).
public struct RouteRuleInfo: Equatable, Sendable {
    /// The addresses that packets must come from; nil for any.
    public let source: IPNetwork?
    /// The table that it leads to; 0 for another action.
    public let table: Int
    /// Its place among the rules: lower numbers come first.
    public let priority: Int
    /// Whether it asks for more than the source.
    public let hasOtherConditions: Bool

    init?(_ reply: NetlinkReply) {
        let attributes = reply.attributes(after: 12)
        source = attributes[Int32(FRA_SRC)].flatMap { bytes in
            IPAddress(bytes: Array(bytes)).flatMap { IPNetwork($0, prefix: Int(reply.number(at: 2, as: UInt8.self))) }
        }
        table = Int(attributes.number(Int32(FRA_TABLE), as: UInt32.self) ?? UInt32(reply.number(at: 4, as: UInt8.self)))
        priority = Int(attributes.number(Int32(FRA_PRIORITY), as: UInt32.self) ?? 0)
        let conditions = [
            FRA_DST, FRA_IIFNAME, FRA_OIFNAME, FRA_FWMARK, FRA_TUN_ID, FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE,
        ]
        let isInverted = reply.number(at: 8, as: UInt32.self) & UInt32(FIB_RULE_INVERT) != 0
        hasOtherConditions = isInverted || conditions.contains { attributes[Int32($0)] != nil }
    }
}

extension NetlinkSocket {
    /// Has a table count for packets from an address. Fails with EEXIST where the very same rule is there. As
    /// `ip rule add from ADDRESS table TABLE`.
    public func addRule(from source: IPAddress, table: Int) throws(NetlinkError) {
        let message = ruleMessage(RTM_NEWRULE, source, table, flags: NLM_F_CREATE | NLM_F_EXCL)
        try request(message, "add rule from \(source.text) to table \(table)")
    }

    /// Removes such a rule. False where there is none.
    @discardableResult
    public func deleteRule(from source: IPAddress, table: Int) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            try request(ruleMessage(RTM_DELRULE, source, table), "delete rule from \(source.text) to table \(table)")
            return true
        } catch {
            if error.errno == .noEntry { return false }
            throw error
        }
    }

    /// The rules of a family, in order.
    public func rules(_ family: IPAddress.Family) throws(NetlinkError) -> [RouteRuleInfo] {
        var message = NetlinkMessage(type: UInt16(RTM_GETRULE), flags: NLM_F_DUMP)
        message.appendRuleHeader(family: family.number)
        return try request(message, "list routing rules").compactMap { RouteRuleInfo($0) }
    }

    private func ruleMessage(_ type: Int, _ source: IPAddress, _ table: Int, flags: Int32 = 0) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        message.appendRuleHeader(family: source.family.number, sourceLength: UInt8(source.family.bits), action: UInt8(FR_ACT_TO_TBL))
        message.attribute(Int32(FRA_SRC), bytes: source.bytes)
        message.attribute(Int32(FRA_TABLE), UInt32(clamping: table))
        return message
    }
}

extension NetlinkMessage {
    /// struct fib_rule_hdr: family, prefix lengths, TOS, table, two reserved, action, flags. The table is told by FRA_TABLE.
    fileprivate mutating func appendRuleHeader(family: UInt8, sourceLength: UInt8 = 0, action: UInt8 = 0) {
        for byte in [family, 0, sourceLength, 0, UInt8(RT_TABLE_UNSPEC.rawValue), 0, 0, action] { append(byte) }
        append(UInt32(0))
    }
}
