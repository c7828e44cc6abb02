import CLinux

/// How macvlan links of one master reach one another, named as in ip-link(8).
public enum MacvlanMode: String, Sendable {
    /// Directly.
    case bridge
    /// Not at all.
    case `private`
    /// Over the switch that the master is connected to.
    case vepa
    /// There is only one, which takes the master over.
    case passthru

    /// The kernel's number.
    var number: UInt32 {
        switch self {
        case .bridge: MACVLAN_MODE_BRIDGE.rawValue
        case .private: MACVLAN_MODE_PRIVATE.rawValue
        case .vepa: MACVLAN_MODE_VEPA.rawValue
        case .passthru: MACVLAN_MODE_PASSTHRU.rawValue
        }
    }

    /// Nil for a mode that is none of these.
    init?(number: UInt32) {
        let all: [MacvlanMode] = [.bridge, .private, .vepa, .passthru]
        guard let mode = all.first(where: { $0.number == number }) else { return nil }
        self = mode
    }
}
