import CLinux

/// At which layer an ipvlan link's packets meet those of its master, named as in ip-link(8).
public enum IpvlanMode: String, Sendable {
    /// Layer 2: in the network of the master.
    case l2
    /// Layer 3: the master's namespace routes.
    case l3
    /// Layer 3 with netfilter of the master's namespace seeing the packets.
    case l3s

    /// The kernel's number.
    var number: UInt16 {
        switch self {
        case .l2: UInt16(IPVLAN_MODE_L2.rawValue)
        case .l3: UInt16(IPVLAN_MODE_L3.rawValue)
        case .l3s: UInt16(IPVLAN_MODE_L3S.rawValue)
        }
    }

    init?(number: UInt16) {
        let all: [IpvlanMode] = [.l2, .l3, .l3s]
        guard let mode = all.first(where: { $0.number == number }) else { return nil }
        self = mode
    }
}
