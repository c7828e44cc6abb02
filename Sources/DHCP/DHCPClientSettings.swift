/// How a client goes about it: what it says of itself, what it asks for, how long it waits. Times are in milliseconds.
public struct DHCPClientSettings: Equatable, Sendable {
    /// The interface's hardware address, six bytes.
    public var hardwareAddress: [UInt8]
    /// The value of option 61.
    public var clientIdentifier: [UInt8]
    /// Options to send besides.
    public var provided: [DHCPOptions.Entry] = []
    /// Options to ask for, in this order.
    public var requested: [UInt8] = []
    /// Whether servers are to broadcast their replies.
    public var broadcast = false
    /// How often an offered address is probed by ARP before it is used; 0 for not at all.
    public var probes = 3
    /// How long an answer to a probe may take.
    public var probeInterval = 100
    /// How long the server of an accepted offer may take to confirm it, before the search begins anew.
    public var confirmationLimit = 10_000
    /// The longest time between two attempts.
    public var resendMaximum = 62_000
    /// How long a first search may take; a later one, for a lease that was lost, goes on.
    public var searchLimit = 208_000

    /// Settings of a client with these names, else the usual ones.
    public init(hardwareAddress: [UInt8], clientIdentifier: [UInt8]) {
        self.hardwareAddress = hardwareAddress
        self.clientIdentifier = clientIdentifier
    }
}

extension DHCPOptions.Entry {
    /// An option of this number and value.
    public init(_ code: UInt8, _ value: [UInt8]) {
        self.code = code
        self.value = value
    }
}
