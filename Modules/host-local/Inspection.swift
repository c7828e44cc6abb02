import ModuleKit

/// A network's reservations as people want to see them: what `catenactl ipam` shows, and what it can release.
package struct Inspection {
    /// A reserved address.
    package struct Held {
        fileprivate let reservation: Reservation
        /// Made before this boot: it holds nothing, and the next operation frees it.
        package let isOfEarlierBoot: Bool

        package var address: IPAddress { reservation.address }
        /// The file's name.
        package var file: String { reservation.name }
        /// Nil where the file is empty, damaged, or can't be read.
        package var containerID: String? { reservation.owner?.containerID }
        /// Nil where the file has the old form, or names nobody.
        package var interfaceName: String? { reservation.owner?.interfaceName }
        package var since: Timestamp { reservation.modified }
        /// "c1 eth0".
        package var owner: String { reservation.owner?.text ?? "nobody known" }
    }

    /// A range set: an attachment gets one address from each.
    package struct Pool {
        /// "10.1.0.1-10.1.0.254,10.2.0.1-10.2.0.254".
        package let text: String
        /// How many addresses it has to give; `UInt64.max` stands for that many or more.
        package let capacity: UInt64
        /// The reservations of its addresses.
        package let held: [Held]
        package var free: UInt64 { capacity > UInt64(held.count) ? capacity - UInt64(held.count) : 0 }
    }

    /// Something that is not as it should be.
    package struct Finding {
        /// What can be wrong.
        package enum Kind: String {
            case torn, foreign, outOfRange, duplicate, index, order, leftover, earlierBoot
        }
        package let kind: Kind
        package let text: String
        /// Nothing can go wrong by it.
        package var isWarning: Bool { kind == .order || kind == .leftover || kind == .earlierBoot }
    }

    private let location: StoreLocation
    private let sets: [RangeSet]

    /// Looks at a network of these configurations, of plugins that delegate to host-local: the directory is that of the first, unless
    /// another data directory is given. Without any, the ranges are not known.
    package init(
        network: String, configurations: [ConfigReader], cniVersion: String, dataDirectory: String? = nil
    ) throws(CNIError) {
        var sets: [RangeSet] = []
        var found: StoreLocation?
        for config in configurations {
            if found == nil { found = try StoreLocation(config, network: network) }
            sets += try HostLocalConfig(config, network: network, cniVersion: cniVersion, arguments: try CNIArguments("")).sets
        }
        if let dataDirectory { found = try StoreLocation(dataDirectory: dataDirectory, network: network) }
        if let found { location = found } else { location = try StoreLocation(network: network) }
        self.sets = sets
    }

    /// Where reservations are, unless a configuration says something else.
    package static let standardDataDirectory = StoreLocation.defaultDataDirectory

    /// The directory of the reservations.
    package var directory: String { location.directory }

    /// Whether the ranges are known.
    package var hasRanges: Bool { !sets.isEmpty }

    /// Whether there is such a directory.
    package var exists: Bool { File.exists(location.directory) }

    // MARK: Reservations

    /// All that is reserved, in the order of addresses. No lock is taken: every file is whole as soon as it is there.
    package func held() throws(CNIError) -> [Held] {
        if !exists { return [] }
        do throws(Errno) {
            let files = try ReservationFiles(location)
            return mark(try files.readAll(), isEarlier: isEarlierBoot(try files.directory.status()))
        } catch {
            throw location.failure("read reservations in", error)
        }
    }

    private func mark(_ reservations: [Reservation], isEarlier: (Reservation) -> Bool) -> [Held] {
        reservations.sorted { ($0.address, $0.name) < ($1.address, $1.name) }.map { Held(reservation: $0, isOfEarlierBoot: isEarlier($0)) }
    }

    /// As ``AddressStore`` decides what an operation would free.
    private func isEarlierBoot(_ status: FileStatus) -> (Reservation) -> Bool {
        guard let boot = try? Boot.current() else { return { _ in false } }
        guard let index = AttachmentIndex.openExisting(location), let record = index.record else { return { $0.modified < boot.start } }
        if record.boot == boot.id { return { _ in false } }
        let allAreOlder = index.isCurrent(for: status) && boot.id != nil && record.boot != nil
        return { allAreOlder || $0.modified < boot.start }
    }

    /// The range sets, and what of them is held.
    package func pools(_ held: [Held]) -> [Pool] {
        sets.map { set in Pool(text: set.text, capacity: set.capacity, held: held.filter { set.gives($0.address) }) }
    }

    /// Releases reservations, under the lock, and returns those that were still there as they were seen.
    package func release(_ held: [Held], warn: @escaping (String) -> Void) throws(CNIError) -> [Held] {
        let notify = { (notice: AddressStore.Notice) in if notice.isWarning { warn(notice.text) } }
        guard let store = try AddressStore.openExisting(location, boot: try? Boot.current(), notify: notify) else { return [] }
        defer { store.finish() }
        var released: [Held] = []
        for item in held where try store.release(item.reservation) { released.append(item) }
        return released
    }

    // MARK: Findings

    /// Everything in the directory, and in the index beside it, that is not as it should be. The lock is held meanwhile.
    package func findings() throws(CNIError) -> [Finding] {
        if !exists { return [] }
        do throws(Errno) {
            let lock = try FileLock("\(location.directory)/\(AddressStore.lockName)", mode: 0o750)
            defer { withExtendedLifetime(lock) {} }
            let files = try ReservationFiles(location)
            let status = try files.directory.status()
            let names = try files.directory.names().sorted()
            let addresses = try files.names()
            let reservations = try files.read(addresses)
            let held = mark(reservations, isEarlier: isEarlierBoot(status))
            let readable = Set(reservations.map { $0.name })
            let blocked = addresses.filter { !readable.contains($0.name) }
            return blocked.map { Finding(kind: .foreign, text: "\(path($0.name)) is no file: its address can't be had") }
                + names.compactMap { otherFile($0, files) } + torn(held) + outOfRange(held) + duplicates(held) + earlier(held)
                + (try index(reservations, blocked.map { $0.address }, status))
        } catch {
            throw location.failure("check reservations in", error)
        }
    }

    private func path(_ name: String) -> String { "\(location.directory)/\(name)" }

    /// A file that is no reservation.
    private func otherFile(_ name: String, _ files: borrowing ReservationFiles) -> Finding? {
        if name == AddressStore.lockName || IPAddress(name) != nil { return nil }
        if name == AddressStore.temporaryName {
            return Finding(kind: .leftover, text: "\(path(name)) is of an operation that was killed: the next one removes it")
        }
        guard name.hasPrefix(ReservationFiles.lastReservedPrefix),
            let number = Int(name.dropFirst(ReservationFiles.lastReservedPrefix.count))
        else { return Finding(kind: .foreign, text: "\(path(name)) is nothing of host-local's") }
        guard let last = files.lastReserved(set: number) else { return Finding(kind: .order, text: "\(path(name)) holds no address") }
        if !hasRanges || (sets.indices.contains(number) && sets[number].range(of: last) != nil) { return nil }
        return Finding(
            kind: .order,
            text: "\(path(name)) holds \(last.text), "
                + (sets.indices.contains(number) ? "which range set \(number) does not have" : "and there is no range set \(number)"))
    }

    private func torn(_ held: [Held]) -> [Finding] {
        held.filter { $0.containerID == nil }.map {
            Finding(kind: .torn, text: "\(path($0.file)) is empty, damaged, or can't be read: nobody knows who holds \($0.address.text)")
        }
    }

    private func outOfRange(_ held: [Held]) -> [Finding] {
        if !hasRanges { return [] }
        return held.filter { item in !sets.contains { $0.gives(item.address) } }.map { item in
            let isGateway = sets.contains { $0.range(of: item.address) != nil }
            let why = isGateway ? "is a gateway" : "is in no range of the configuration"
            return Finding(kind: .outOfRange, text: "\(path(item.file)), held by \(item.owner), \(why)")
        }
    }

    /// Two files for one address, and two addresses of one range set for one attachment.
    private func duplicates(_ held: [Held]) -> [Finding] {
        var found: [Finding] = []
        for item in held where item.file != Reservation.fileName(of: item.address) {
            found.append(
                Finding(
                    kind: .duplicate,
                    text:
                        "\(path(item.file)) is another spelling of \(Reservation.fileName(of: item.address)), which can be handed out beside it"
                ))
        }
        for (number, set) in sets.enumerated() {
            var first: [String: Held] = [:]
            for item in held where set.gives(item.address) && item.containerID != nil {
                if let other = first[item.owner] {
                    found.append(
                        Finding(
                            kind: .duplicate,
                            text: "\(item.owner) holds \(other.address.text) and \(item.address.text), both of range set \(number)"))
                } else {
                    first[item.owner] = item
                }
            }
        }
        return found
    }

    private func earlier(_ held: [Held]) -> [Finding] {
        let count = held.filter { $0.isOfEarlierBoot }.count
        if count == 0 { return [] }
        return [Finding(kind: .earlierBoot, text: "\(count) reservations were made before this boot: the next operation frees them")]
    }

    private func index(_ reservations: [Reservation], _ blocked: [IPAddress], _ status: FileStatus) throws(Errno) -> [Finding] {
        guard let index = AttachmentIndex.openExisting(location), index.isCurrent(for: status) else { return [] }
        return try index.disagreements(with: reservations, blocked: blocked).map {
            Finding(kind: .index, text: "index \(location.indexDirectory): \($0); remove that directory, and it is built anew")
        }
    }
}
