import ModuleKit

/// Walks the addresses of a range set once around, gateways left out, one at a time: a range may hold 2^64 of them and more.
///
/// The order is the reference's round robin: from the address after the last one that was handed out, where that lies in the set, else
/// from the first range's start; at a range's end on to the next range, after the last one to the first.
struct AddressCursor {
    private let ranges: [AddressRange]
    private var index = 0
    private var current: IPAddress?
    private var first: IPAddress?
    private var finished = false

    init(_ set: RangeSet, after last: IPAddress?) {
        ranges = set.ranges
        if let last, let index = ranges.firstIndex(where: { $0.contains(last) }) {
            self.index = index
            current = last
        }
    }

    /// The next address and its range; nil when every address was there once.
    mutating func next() -> (address: IPAddress, range: AddressRange)? {
        while !finished {
            let address = step()
            if first == nil {
                first = address
            } else if address == first {
                finished = true
                return nil
            }
            let range = ranges[index]
            if address != range.gateway { return (address, range) }
        }
        return nil
    }

    private mutating func step() -> IPAddress {
        var address = ranges[index].start
        if let current {
            if current != ranges[index].end, let next = current.next {
                address = next
            } else {
                index = (index + 1) % ranges.count
                address = ranges[index].start
            }
        }
        current = address
        return address
    }
}
