import CLinux

/// VLANs that a bridge port is a member of, in one way.
public struct BridgeVLAN: Equatable, Sendable {
    /// Their IDs, 1 to 4094.
    public let ids: ClosedRange<UInt16>
    /// Whether frames that come in without a tag are of this VLAN.
    public let isPVID: Bool
    /// Whether frames go out without a tag.
    public let isUntagged: Bool

    /// VLANs whose frames carry a tag.
    public init(tagged ids: ClosedRange<UInt16>) {
        self.init(ids, isPVID: false, isUntagged: false)
    }

    /// The VLAN of frames without a tag, both ways.
    public init(native id: UInt16) {
        self.init(id...id, isPVID: true, isUntagged: true)
    }

    /// Makes one of these parts.
    public init(_ ids: ClosedRange<UInt16>, isPVID: Bool, isUntagged: Bool) {
        self.ids = ids
        self.isPVID = isPVID
        self.isUntagged = isUntagged
    }

    /// "100 untagged", "200-210".
    public var text: String {
        let range = ids.count == 1 ? "\(ids.lowerBound)" : "\(ids.lowerBound)-\(ids.upperBound)"
        return range + (isPVID ? " pvid" : "") + (isUntagged ? " untagged" : "")
    }

    /// Sorted, and what adjoins and is alike as one: the same VLANs are then the same list.
    public static func normalized(_ list: [BridgeVLAN]) -> [BridgeVLAN] {
        var result: [BridgeVLAN] = []
        for next in list.sorted(by: { $0.ids.lowerBound < $1.ids.lowerBound }) {
            if let last = result.last, last.isPVID == next.isPVID, last.isUntagged == next.isUntagged,
                Int(next.ids.lowerBound) <= Int(last.ids.upperBound) + 1
            {
                let upper = max(last.ids.upperBound, next.ids.upperBound)
                result[result.count - 1] = BridgeVLAN(last.ids.lowerBound...upper, isPVID: last.isPVID, isUntagged: last.isUntagged)
            } else {
                result.append(next)
            }
        }
        return result
    }
}

extension NetlinkMessage {
    /// IFLA_BRIDGE_VLAN_INFO: struct bridge_vlan_info, flags and ID; a range is one for each end of it.
    mutating func attribute(_ vlan: BridgeVLAN) {
        let flags = (vlan.isPVID ? BRIDGE_VLAN_INFO_PVID : 0) | (vlan.isUntagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0)
        func entry(_ message: inout NetlinkMessage, _ id: UInt16, _ place: Int32) {
            message.attribute(Int32(IFLA_BRIDGE_VLAN_INFO), UInt32(flags | place) | UInt32(id) << 16)
        }
        if vlan.ids.count == 1 { return entry(&self, vlan.ids.lowerBound, 0) }
        entry(&self, vlan.ids.lowerBound, BRIDGE_VLAN_INFO_RANGE_BEGIN)
        entry(&self, vlan.ids.upperBound, BRIDGE_VLAN_INFO_RANGE_END)
    }
}

extension BridgeVLAN {
    /// BRIDGE_VLANDB_ENTRY of an answer; nil where the kernel sent none.
    init?(_ entry: NetlinkAttributes) {
        guard let info = entry[Int32(BRIDGE_VLANDB_ENTRY_INFO)] else { return nil }
        let flags = Int32(info.number(at: 0, as: UInt16.self))
        let first = info.number(at: 2, as: UInt16.self)
        let last = entry.number(Int32(BRIDGE_VLANDB_ENTRY_RANGE), as: UInt16.self) ?? first
        guard first <= last else { return nil }
        self.init(first...last, isPVID: flags & BRIDGE_VLAN_INFO_PVID != 0, isUntagged: flags & BRIDGE_VLAN_INFO_UNTAGGED != 0)
    }
}
