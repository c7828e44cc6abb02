import ModuleKit

/// Picks addresses for attachments: one from each range set, all or none.
struct Allocator {
    let sets: [RangeSet]
    let requested: [IPAddress]
    let store: AddressStore

    /// So many addresses in a row are tried one by one, before the names of all reservations are read.
    private static let quickTries = 32

    /// Reserves an address from each set. On failure those of this call are released again, and no others.
    func allocate(for attachment: Attachment) throws(CNIError) -> [CNIResult.IP] {
        let wishes = try assignRequested()
        var held: [Reservation] = []
        if wishes.contains(where: { $0 == nil }) {
            let reservations = try store.reservations(of: attachment)
            held = reservations.present + reservations.old
        }
        var chosen: [(address: IPAddress, range: AddressRange)] = []
        do throws(CNIError) {
            for (index, set) in sets.enumerated() {
                do throws(CNIError) {
                    chosen.append(try reserve(from: set, index, wishes[index], attachment, held: held))
                } catch {
                    throw error.prefixed("failed to allocate for range \(index)")
                }
            }
        } catch {
            for (address, _) in chosen { try? store.release(address, of: attachment) }
            throw error
        }
        var ips: [CNIResult.IP] = []
        for (index, (address, range)) in chosen.enumerated() {
            store.setLastReserved(address, set: index)
            guard let network = IPNetwork(address, prefix: range.subnet.prefix) else { continue }
            ips.append(CNIResult.IP(address: network, gateway: range.gateway))
        }
        return ips
    }

    /// The requested address for each set: the first that lies in it. One that no set takes is an error.
    private func assignRequested() throws(CNIError) -> [IPAddress?] {
        var left = requested
        var wishes: [IPAddress?] = []
        for set in sets {
            let position = left.firstIndex { set.range(of: $0) != nil }
            wishes.append(position.map { left.remove(at: $0) })
        }
        guard left.isEmpty else {
            throw CNIError(
                "failed to allocate all requested IPs: \(left.map { $0.text }.joined(separator: " "))",
                details: "each range set gives one address; the sets are \(sets.map { $0.text }.joined(separator: " and "))")
        }
        return wishes
    }

    private func reserve(
        from set: RangeSet, _ index: Int, _ wish: IPAddress?, _ attachment: Attachment, held: [Reservation]
    ) throws(CNIError) -> (address: IPAddress, range: AddressRange) {
        if let wish, let range = set.range(of: wish) { return try reserve(requested: wish, range, set, attachment) }
        try refuseDuplicate(set, attachment, held)
        var cursor = AddressCursor(set, after: store.lastReserved(set: index))
        for _ in 0..<Allocator.quickTries {
            guard let next = cursor.next() else { throw exhausted(set, try store.reservedAddresses()) }
            if try store.reserve(next.address, for: attachment) { return next }
        }
        // Many in a row are taken: reading all names once is cheaper than going on.
        let taken = try store.reservedAddresses()
        if set.count(of: taken) >= set.capacity { throw exhausted(set, taken) }
        while let next = cursor.next() {
            if !taken.contains(next.address), try store.reserve(next.address, for: attachment) { return next }
        }
        throw exhausted(set, taken)
    }

    private func reserve(
        requested address: IPAddress, _ range: AddressRange, _ set: RangeSet, _ attachment: Attachment
    ) throws(CNIError) -> (address: IPAddress, range: AddressRange) {
        if address == range.gateway { throw CNIError("requested ip \(address.text) is subnet's gateway") }
        guard try store.reserve(address, for: attachment) else {
            throw CNIError(
                "requested IP address \(address.text) is not available in range set \(set.text)", details: "it is reserved already")
        }
        return (address, range)
    }

    /// CNI 1.1.0, section 4: ADD is not repeated for an attachment without a DEL in between.
    private func refuseDuplicate(_ set: RangeSet, _ attachment: Attachment, _ held: [Reservation]) throws(CNIError) {
        for reservation in held where set.range(of: reservation.address) != nil {
            throw CNIError(
                "\(reservation.address.text) has been allocated to \(attachment.containerID), duplicate allocation is not allowed",
                details: "run DEL for \(attachment.containerID) \(attachment.interfaceName) first")
        }
    }

    private func exhausted(_ set: RangeSet, _ taken: Set<IPAddress>) -> CNIError {
        CNIError(
            "no IP addresses available in range set: \(set.text)", details: "\(set.count(of: taken)) of \(set.capacity) are reserved")
    }
}
