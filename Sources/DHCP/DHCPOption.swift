/// Numbers of the options that this client knows: RFC 2132, and what is named with each later one.
public enum DHCPOption {
    /// Fills up.
    public static let pad: UInt8 = 0
    /// The network's mask.
    public static let subnetMask: UInt8 = 1
    /// Gateways, the preferred one first.
    public static let routers: UInt8 = 3
    /// Name servers.
    public static let nameServers: UInt8 = 6
    /// The client's name.
    public static let hostName: UInt8 = 12
    /// The local domain.
    public static let domainName: UInt8 = 15
    /// The link's MTU.
    public static let interfaceMTU: UInt8 = 26
    /// Routes to classful networks.
    public static let staticRoutes: UInt8 = 33
    /// Time servers (NTP).
    public static let timeServers: UInt8 = 42
    /// The address that the client asks for.
    public static let requestedAddress: UInt8 = 50
    /// The lease's length, in seconds.
    public static let leaseTime: UInt8 = 51
    /// Which of the header's fields hold options too.
    public static let overload: UInt8 = 52
    /// The message's kind.
    public static let messageType: UInt8 = 53
    /// The server's name for itself: an address.
    public static let serverIdentifier: UInt8 = 54
    /// The options that the client asks for.
    public static let parameterRequestList: UInt8 = 55
    /// Why a server refuses, in words.
    public static let message: UInt8 = 56
    /// The longest message that the client takes.
    public static let maximumSize: UInt8 = 57
    /// When to renew (T1), in seconds.
    public static let renewalTime: UInt8 = 58
    /// When to ask any server (T2), in seconds.
    public static let rebindingTime: UInt8 = 59
    /// The client's vendor class.
    public static let vendorClass: UInt8 = 60
    /// Who the client is; the server keeps leases by it.
    public static let clientIdentifier: UInt8 = 61
    /// The client's user class: RFC 3004.
    public static let userClass: UInt8 = 77
    /// Domains to search: RFC 3397.
    public static let domainSearch: UInt8 = 119
    /// Routes to networks of any length: RFC 3442.
    public static let classlessRoutes: UInt8 = 121
    /// Ends the options.
    public static let end: UInt8 = 255
}
