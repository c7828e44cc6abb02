import ModuleKit

/// Ranges of one family that serve together: an attachment gets one address from each set.
struct RangeSet: Equatable {
    /// At least one.
    let ranges: [AddressRange]

    /// Checks that there is a range, that all are of one family, and that none overlap.
    init(_ ranges: [AddressRange]) throws(CNIError) {
        guard let first = ranges.first else { throw CNIError(.invalidConfiguration, "empty range set") }
        for (index, range) in ranges.enumerated() {
            if range.start.family != first.start.family { throw CNIError(.invalidConfiguration, "mixed address families") }
            for other in ranges[..<index] where other.overlaps(range) {
                throw CNIError(.invalidConfiguration, "subnets \(other.text) and \(range.text) overlap")
            }
        }
        self.ranges = ranges
    }

    var family: IPAddress.Family { ranges[0].start.family }

    /// The range that an address lies in.
    func range(of address: IPAddress) -> AddressRange? { ranges.first { $0.contains(address) } }

    /// Whether an address of one lies in the other.
    func overlaps(_ other: RangeSet) -> Bool {
        ranges.contains { range in other.ranges.contains { $0.overlaps(range) } }
    }

    /// How many addresses can be handed out in all. `UInt64.max` stands for that many or more.
    var capacity: UInt64 {
        ranges.reduce(0) { sum, range in
            let (total, overflow) = sum.addingReportingOverflow(range.capacity)
            return overflow ? UInt64.max : total
        }
    }

    /// How many of `reserved` take an address that could be handed out.
    func count(of reserved: Set<IPAddress>) -> UInt64 {
        reserved.reduce(0) { count, address in
            guard let range = range(of: address), range.gateway != address else { return count }
            return count + 1
        }
    }

    /// "10.1.0.1-10.1.0.254,10.2.0.1-10.2.0.254".
    var text: String { ranges.map { $0.text }.joined(separator: ",") }
}
