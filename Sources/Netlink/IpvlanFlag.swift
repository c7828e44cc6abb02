import CLinux

/// How ipvlan links of one master reach one another, named as in ip-link(8).
public enum IpvlanFlag: String, Sendable {
    /// Directly.
    case bridge
    /// Not at all.
    case `private`
    /// Over the switch that the master is connected to.
    case vepa

    /// The kernel's flags.
    var number: UInt16 {
        switch self {
        case .bridge: 0
        case .private: UInt16(IPVLAN_F_PRIVATE)
        case .vepa: UInt16(IPVLAN_F_VEPA)
        }
    }

    init?(number: UInt16) {
        let all: [IpvlanFlag] = [.bridge, .private, .vepa]
        guard let flag = all.first(where: { $0.number == number }) else { return nil }
        self = flag
    }
}
