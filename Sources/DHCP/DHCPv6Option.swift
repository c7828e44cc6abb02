/// Numbers of the options of DHCPv6 that this client knows: RFC 8415, section 21, and what is named with each later one.
public enum DHCPv6Option {
    /// Who the client is: its DUID.
    public static let clientIdentifier: UInt16 = 1
    /// Who the server is: its DUID.
    public static let serverIdentifier: UInt16 = 2
    /// Addresses for an interface: IA_NA.
    public static let identityAssociation: UInt16 = 3
    /// One of these addresses.
    public static let address: UInt16 = 5
    /// The options that the client asks for.
    public static let optionRequest: UInt16 = 6
    /// How much a server wants to be chosen, from 0 to 255.
    public static let preference: UInt16 = 7
    /// Hundredths of a second since the client began.
    public static let elapsedTime: UInt16 = 8
    /// How it went.
    public static let statusCode: UInt16 = 13
    /// The exchange may be, or is, one of two messages.
    public static let rapidCommit: UInt16 = 14
    /// Name servers: RFC 3646.
    public static let nameServers: UInt16 = 23
    /// Domains to search: RFC 3646.
    public static let domainList: UInt16 = 24
    /// The longest time between two SOLICIT, in seconds.
    public static let solicitMaximum: UInt16 = 82
}
