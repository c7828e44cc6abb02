/// How a client of IPv6 goes about it: what it says of itself, what it is to get, how long it waits. Times are in milliseconds.
public struct IPv6ClientSettings: Equatable, Sendable {
    /// Where addresses come from.
    public enum Mode: String, Sendable {
        /// From a DHCPv6 server, whatever routers say.
        case dhcp
        /// Made from a router's network.
        case slaac
        /// As the router says: from a DHCPv6 server where it sets the flag M, else made from its network.
        case auto
    }

    /// Where addresses come from.
    public var mode: Mode
    /// The lower half of addresses of one's own making: that of the link-local address.
    public var interfaceIdentifier: UInt64
    /// The client's DUID.
    public var clientIdentifier: [UInt8]
    /// The number of the IA_NA.
    public var association: UInt32
    /// Whether a server may grant an address at once.
    public var rapidCommit = false
    /// How often an address is probed before it is used; 0 for not at all.
    public var probes = 3
    /// How long an answer to a probe may take.
    public var probeInterval = 100
    /// How long the chosen server may take to confirm, before the search begins anew.
    public var confirmationLimit = 10_000
    /// The longest time between two attempts, unless a server sets another by SOL_MAX_RT.
    public var resendMaximum = 62_000
    /// How long a first search may take; a later one, for a lease that was lost, goes on.
    public var searchLimit = 208_000
    /// How long a router is waited for where addresses are to be had without one too, or where there need be none.
    public var routerLimit: Int { mode == .dhcp ? 2000 : 5000 }

    /// Settings of a client with these names, else the usual ones.
    public init(_ mode: Mode, interfaceIdentifier: UInt64, clientIdentifier: [UInt8], association: UInt32) {
        self.mode = mode
        self.interfaceIdentifier = interfaceIdentifier
        self.clientIdentifier = clientIdentifier
        self.association = association
    }
}
