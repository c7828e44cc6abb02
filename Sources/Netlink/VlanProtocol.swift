/// Which tag a VLAN's frames carry, named as in ip-link(8).
public enum VlanProtocol: String, Sendable {
    /// The usual one: a customer's tag, C-VLAN.
    case dot1q = "802.1Q"
    /// A provider's tag, S-VLAN: the outer one of QinQ.
    case dot1ad = "802.1ad"

    /// The EtherType: ETH_P_8021Q, ETH_P_8021AD.
    var number: UInt16 { self == .dot1q ? 0x8100 : 0x88a8 }

    init?(number: UInt16) {
        switch number {
        case 0x8100: self = .dot1q
        case 0x88a8: self = .dot1ad
        default: return nil
        }
    }
}
