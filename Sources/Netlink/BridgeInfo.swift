import CLinux

/// What the kernel tells of a bridge beyond what all links have.
public struct BridgeInfo: Sendable {
    /// Whether it passes only frames of VLANs that its ports are members of.
    public let filtersVLANs: Bool
    /// The VLAN that a new port is made an untagged member of; nil for none, and where the kernel has no VLAN filtering.
    public let defaultVLAN: UInt16?
    /// Whether it runs the spanning tree protocol: a new port then carries nothing for half a minute.
    public let usesSTP: Bool

    init(_ data: NetlinkAttributes) {
        filtersVLANs = data.number(Int32(IFLA_BR_VLAN_FILTERING), as: UInt8.self) ?? 0 != 0
        usesSTP = data.number(Int32(IFLA_BR_STP_STATE), as: UInt32.self) ?? 0 != 0
        let number = data.number(Int32(IFLA_BR_VLAN_DEFAULT_PVID), as: UInt16.self) ?? 0
        defaultVLAN = number == 0 ? nil : number
    }
}
