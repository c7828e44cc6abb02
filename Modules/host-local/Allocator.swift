import ModuleKit

/// Picks addresses for attachments: one from each range set, all or none.
struct Allocator {
    let sets: [RangeSet]
    let requested: [IPAddress]
    let store: AddressStore

    /// So many of the oldest reservations are named where none is left.
    private static let named = 3

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
        if let found = try reserveFree(set, index, attachment) { return found }
        throw try Allocator.exhausted(set, store)
    }

    private func reserveFree(
        _ set: RangeSet, _ index: Int, _ attachment: Attachment
    ) throws(CNIError) -> (address: IPAddress, range: AddressRange)? {
        try Allocator.firstFree(set, after: store.lastReserved(set: index), in: store) { (address) throws(CNIError) in
            try store.reserve(address, for: attachment)
        }
    }

    /// The first free address of a set, in its order, of which `take` says true.
    static func firstFree(
        _ set: RangeSet, after last: IPAddress?, in store: AddressStore, take: (IPAddress) throws(CNIError) -> Bool
    ) throws(CNIError) -> (address: IPAddress, range: AddressRange)? {
        var indexSaidNone = false
        repeat {
            for run in set.runs(after: last) {
                var next: IPAddress? = run.first
                while let from = next, from <= run.last, let address = try store.firstFree(from: from, through: run.last) {
                    let isFree = try take(address)
                    if !isFree || indexSaidNone { store.distrustIndex() }
                    if isFree { return (address, run.range) }
                    next = address.next
                }
            }
            indexSaidNone = true
        } while try store.lookAtNames()
        return nil
    }

    private func reserve(
        requested address: IPAddress, _ range: AddressRange, _ set: RangeSet, _ attachment: Attachment
    ) throws(CNIError) -> (address: IPAddress, range: AddressRange) {
        if address == range.gateway { throw CNIError("requested ip \(address.text) is subnet's gateway") }
        guard try store.reserve(address, for: attachment) else {
            let holder = try store.reservation(of: address).map { "reserved \(Allocator.text($0))" } ?? "reserved already"
            throw CNIError("requested IP address \(address.text) is not available in range set \(set.text)", details: "it is \(holder)")
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

    /// The error for a set of which all addresses are reserved.
    static func exhausted(_ set: RangeSet, _ store: AddressStore) throws(CNIError) -> CNIError {
        let (addresses, attachments, oldest) = try store.holders(of: set, naming: named)
        let names = oldest.map { "\($0.address.text) \(text($0))" }.joined(separator: ", ")
        return CNIError(
            "no IP addresses available in range set: \(set.text)",
            details: "\(addresses) of \(set.capacity) are reserved, by \(attachments) attachments"
                + (names.isEmpty ? "" : "; oldest first: \(names)\(addresses > oldest.count ? ", …" : "")")
                + "; catenactl ipam list tells all, and which are leaked")
    }

    /// "by c1 eth0 since 2026-01-31T12:00:00Z".
    private static func text(_ reservation: Reservation) -> String {
        "by \(reservation.owner?.text ?? "nobody known") since \(reservation.modified.text)"
    }
}
