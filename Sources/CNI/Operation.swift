/// An operation on a chain: those of CNI 1.1.0, section 2, and one of our own.
public enum Operation: UInt32, Sendable {
    case add = 1
    case del = 2
    case check = 3
    case gc = 4
    case status = 5
    /// Makes anew what others may have taken away: firewall rules. Asked for by `catenactl repair`, never by CNI_COMMAND.
    case repair = 6

    /// The value of CNI_COMMAND.
    public var command: String {
        switch self {
        case .add: "ADD"
        case .del: "DEL"
        case .check: "CHECK"
        case .gc: "GC"
        case .status: "STATUS"
        case .repair: "REPAIR"
        }
    }

    /// The operation of a CNI_COMMAND; nil for another word.
    public init?(command: String) {
        switch command {
        case "ADD": self = .add
        case "DEL": self = .del
        case "CHECK": self = .check
        case "GC": self = .gc
        case "STATUS": self = .status
        default: return nil
        }
    }
}
