import ModuleKit

/// A run of addresses in one subnet, from which addresses are handed out.
struct AddressRange: Equatable {
    /// The network; its prefix length goes into results.
    let subnet: IPNetwork
    /// The first address that may be handed out.
    let start: IPAddress
    /// The last one.
    let end: IPAddress
    /// Goes into results as the gateway, and is never handed out from this range. Nil only for networks of one or two addresses.
    let gateway: IPAddress?

    /// Reads `subnet`, `rangeStart`, `rangeEnd`, `gateway` of one object.
    init(_ reader: ConfigReader) throws(CNIError) {
        try self.init(
            subnet: try reader.requiredNetwork("subnet"), start: try reader.address("rangeStart"), end: try reader.address("rangeEnd"),
            gateway: try reader.address("gateway"))
    }

    /// Fills in what is not given, and checks what is.
    ///
    /// As the reference's `Range.Canonicalize` does: the gateway is the network's first address, the range the rest but the broadcast
    /// address. Point-to-point networks (/31 of RFC 3021, /127 of RFC 6164) and single addresses have neither network, broadcast nor gateway
    /// address of their own: all of theirs can be handed out.
    init(subnet: IPNetwork, start: IPAddress? = nil, end: IPAddress? = nil, gateway: IPAddress? = nil) throws(CNIError) {
        let first = subnet.networkAddress
        guard subnet.address == first else {
            throw AddressRange.invalid(
                "Network has host bits set. For a subnet mask of length \(subnet.prefix) the network address is \(first.text)")
        }
        let isSmall = subnet.prefix >= subnet.address.family.bits - 1
        let last = subnet.lastAddress
        for (key, address) in [("RangeStart", start), ("RangeEnd", end)] {
            if let address, !subnet.contains(address) {
                throw AddressRange.invalid("\(key) \(address.text) not in network \(subnet.text)")
            }
        }
        self.subnet = subnet
        self.start = start ?? (isSmall ? first : first.next ?? first)
        self.end = end ?? (isSmall || first.family == .v6 ? last : last.previous ?? last)
        self.gateway = gateway ?? (isSmall ? nil : first.next)
        guard self.start <= self.end else {
            throw AddressRange.invalid("RangeEnd \(self.end.text) is before RangeStart \(self.start.text) in network \(subnet.text)")
        }
    }

    private static func invalid(_ why: String) -> CNIError { CNIError(.invalidConfiguration, why) }

    /// Whether an address lies from start to end.
    func contains(_ address: IPAddress) -> Bool { address.family == start.family && start <= address && address <= end }

    /// Whether two ranges share an address.
    func overlaps(_ other: AddressRange) -> Bool {
        start.family == other.start.family && start <= other.end && other.start <= end
    }

    /// How many addresses can be handed out: the gateway is not one of them. `UInt64.max` stands for that many or more.
    var capacity: UInt64 {
        let borrow: UInt64 = end.low < start.low ? 1 : 0
        if end.high - start.high - borrow > 0 { return UInt64.max }
        let steps = end.low &- start.low
        if steps == UInt64.max { return UInt64.max }
        return steps + (holdsGateway ? 0 : 1)
    }

    /// Whether the gateway is one of the range's addresses.
    var holdsGateway: Bool { gateway.map(contains) ?? false }

    /// "10.1.0.1-10.1.0.254".
    var text: String { "\(start.text)-\(end.text)" }
}
