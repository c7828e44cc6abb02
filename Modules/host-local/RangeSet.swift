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

    /// A run of addresses that can be handed out, from `first` to `last`.
    struct Run: Equatable {
        let first: IPAddress
        let last: IPAddress
        let range: AddressRange
    }

    /// All addresses that can be handed out, gateways left out, in the order of the reference's round robin: from the one after `last`,
    /// where that lies in the set, else from the first range's start; at a range's end on to the next range, after the last one to the
    /// first, and once around.
    func runs(after last: IPAddress?) -> [Run] {
        guard let last, let index = ranges.firstIndex(where: { $0.contains(last) }) else {
            return ranges.flatMap { RangeSet.runs($0, $0.start, $0.end) }
        }
        let current = ranges[index]
        var runs: [Run] = []
        if last < current.end, let next = last.next { runs += RangeSet.runs(current, next, current.end) }
        for range in ranges[(index + 1)...] + ranges[..<index] { runs += RangeSet.runs(range, range.start, range.end) }
        return runs + RangeSet.runs(current, current.start, last)
    }

    /// From `first` to `last`, in two parts where the gateway lies between.
    private static func runs(_ range: AddressRange, _ first: IPAddress, _ last: IPAddress) -> [Run] {
        guard let gateway = range.gateway, gateway.family == first.family, first <= gateway, gateway <= last else {
            return [Run(first: first, last: last, range: range)]
        }
        var runs: [Run] = []
        if first < gateway, let before = gateway.previous { runs.append(Run(first: first, last: before, range: range)) }
        if gateway < last, let after = gateway.next { runs.append(Run(first: after, last: last, range: range)) }
        return runs
    }

    /// Whether an address is one that can be handed out.
    func gives(_ address: IPAddress) -> Bool { range(of: address).map { $0.gateway != address } ?? false }

    /// "10.1.0.1-10.1.0.254,10.2.0.1-10.2.0.254".
    var text: String { ranges.map { $0.text }.joined(separator: ",") }
}
