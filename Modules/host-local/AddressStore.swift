import ModuleKit

/// The reservations of one network, under their lock, which is held until this object goes away.
///
/// On disk everything is as the reference has it, so that both can work in one directory, by turns and at the same time:
/// `<dataDir>/<network>/` holds one file an address (``Reservation``), `last_reserved_ip.<n>` for each range set, and `lock`.
final class AddressStore {
    /// Something a person may want to know of.
    struct Notice {
        let isWarning: Bool
        let text: String
    }

    private let location: StoreLocation
    private let files: ReservationFiles
    private let lock: FileLock
    private let index: AttachmentIndex?
    /// Whether the index tells all there is, as of when the lock was taken; our own changes keep it so.
    private var isIndexCurrent = false
    /// Whether the index may tell what is free. Where the boot is not known it may not: a crash of the machine can then go unnoticed,
    /// and leave a table in which free addresses are taken.
    private let hasTable: Bool
    /// All addresses that are taken, as the names of the files tell: read where the index can't be asked.
    private var taken: AddressBitmap?
    private let notify: (Notice) -> Void
    /// The attachment whose file lies ready under ``temporaryName``.
    private var prepared: Attachment?

    /// No address, so neither we nor the reference take it for one.
    static let temporaryName = ".reservation"
    /// The file that is locked, as in the reference.
    static let lockName = "lock"

    // MARK: Opening

    /// Opens the store, making its directory where it is missing, waits for the lock, and frees what an earlier boot left.
    ///
    /// Where the running boot is not known, nothing is freed, and there is no index. `notify` is told what a person may want to know of.
    static func open(_ location: StoreLocation, boot: Boot?, notify: @escaping (Notice) -> Void) throws(CNIError) -> AddressStore {
        do throws(Errno) {
            try File.makeDirectories(location.directory, mode: 0o755)
            return try AddressStore(location, boot, notify)
        } catch {
            throw location.failure("open", error)
        }
    }

    /// Opens the store; nil where its directory does not exist, so that nothing is reserved.
    static func openExisting(_ location: StoreLocation, boot: Boot?, notify: @escaping (Notice) -> Void) throws(CNIError) -> AddressStore? {
        // Asked before: an initializer of a class that throws leaves the object's memory behind in Embedded Swift.
        if !File.exists(location.directory) { return nil }
        do throws(Errno) {
            return try AddressStore(location, boot, notify)
        } catch {
            if error == .noEntry && !File.exists(location.directory) { return nil }
            throw location.failure("open", error)
        }
    }

    private init(_ location: StoreLocation, _ boot: Boot?, _ notify: @escaping (Notice) -> Void) throws(Errno) {
        self.location = location
        self.notify = notify
        files = try ReservationFiles(location)
        lock = try FileLock("\(location.directory)/\(AddressStore.lockName)", mode: 0o750)
        // The boot and the marks of the index say something only where no other machine can be writing.
        index = boot != nil && files.directory.isLocal ? AttachmentIndex.open(location) : nil
        hasTable = boot?.id != nil
        if let boot, let index { try bringUpToDate(index, boot) }
    }

    /// Frees what an earlier boot left, and builds the index anew where someone else has written.
    private func bringUpToDate(_ index: AttachmentIndex, _ boot: Boot) throws(Errno) {
        let status = try files.directory.status()
        let isCurrent = index.isCurrent(for: status)
        let isSameBoot = index.record.map { $0.boot == boot.id } ?? false
        if isCurrent && isSameBoot {
            isIndexCurrent = true
            return
        }
        _ = try? files.directory.remove(AddressStore.temporaryName)
        let names = try files.names()
        var live = try files.read(names)
        let readable = Set(live.map { $0.name })
        if !isSameBoot {
            let isOtherBoot = boot.id != nil && index.record?.boot != nil
            live = freeBeforeBoot(live, boot, allAreOlder: isCurrent && isOtherBoot)
        }
        for reservation in live where reservation.owner == nil {
            notice(
                warning: true,
                "\(path(reservation.name)) names no container: its address is held back until GC, the next boot, or "
                    + "catenactl ipam release \(location.network) \(reservation.address.text)")
        }
        index.rebuild(live, blocked: names.filter { !readable.contains($0.name) }.map { $0.address }, boot: boot, status: status)
        index.seal(files.directory)
        isIndexCurrent = index.isIntact
    }

    /// Removes the reservations that were made before this boot, whose sandboxes are gone with it, and returns the others.
    ///
    /// `allAreOlder` says that the index was kept up to an earlier boot and nobody has written since: no clock is needed then. Otherwise
    /// the reference may have reserved addresses in this boot already, or the node may just be moving over with its containers running:
    /// then only files that were last modified before the kernel started are old.
    private func freeBeforeBoot(_ reservations: [Reservation], _ boot: Boot, allAreOlder: Bool) -> [Reservation] {
        var live: [Reservation] = []
        for reservation in reservations {
            let isOld = allAreOlder || reservation.modified < boot.start
            if !isOld || (try? files.directory.remove(reservation.name)) == nil { live.append(reservation) }
        }
        let count = reservations.count - live.count
        if count > 0 { notice(warning: false, "freed \(count) addresses in \(location.directory) that were reserved before this boot") }
        return live
    }

    // MARK: Looking up

    /// What an attachment holds: reservations in the present form, and those of its container in the old form.
    func reservations(of attachment: Attachment) throws(CNIError) -> (present: [Reservation], old: [Reservation]) {
        do throws(Errno) {
            var candidates = try indexed(attachment)
            if candidates == nil { candidates = try files.readAll() }
            let all = candidates ?? []
            return (
                all.filter { $0.owner?.matches(attachment) ?? false },
                all.filter { $0.owner?.matchesOldForm(attachment) ?? false }
            )
        } catch {
            throw location.failure("read reservations in", error)
        }
    }

    /// The reservations that the index tells for an attachment and its container; nil where the index can't be relied on.
    private func indexed(_ attachment: Attachment) throws(Errno) -> [Reservation]? {
        guard let index, isIndexCurrent, index.isIntact,
            let own = AttachmentIndex.key(attachment.containerID, attachment.interfaceName),
            let old = AttachmentIndex.key(attachment.containerID, nil)
        else { return nil }
        var found: [Reservation] = []
        for (key, isOwn) in [(own, true), (old, false)] {
            guard let names = try? index.names(key) else { return nil }
            for name in names {
                guard let address = IPAddress(name), let reservation = try files.read(name, address), let owner = reservation.owner,
                    isOwn ? owner.matches(attachment) : owner.matchesOldForm(attachment)
                else {
                    index.distrust()
                    return nil
                }
                found.append(reservation)
            }
        }
        return found
    }

    /// The first address that is not taken, of those from `first` to `last`; nil where all are.
    func firstFree(from first: IPAddress, through last: IPAddress) throws(CNIError) -> IPAddress? {
        if asksIndex, let index {
            do throws(Errno) {
                return try index.firstFree(from: first, through: last)
            } catch {
                index.distrust()
            }
        }
        return try reservedAddresses().firstFree(from: first, through: last)
    }

    private var asksIndex: Bool { hasTable && isIndexCurrent && taken == nil && index?.isIntact == true }

    /// Has the names of the files tell what is taken from now on, where it was the index so far; false where it was not.
    ///
    /// The index does not notice a file that someone removes without taking the lock, at the very moment in which we hold it. So nothing
    /// is called exhausted on its word alone.
    func lookAtNames() throws(CNIError) -> Bool {
        if !asksIndex { return false }
        _ = try reservedAddresses()
        return true
    }

    /// Says that the index called an address free that is not, or the other way around.
    func distrustIndex() { if isIndexCurrent { index?.distrust() } }

    /// All addresses that are taken: the names alone are read.
    private func reservedAddresses() throws(CNIError) -> AddressBitmap {
        if let taken { return taken }
        do throws(Errno) {
            var addresses = AddressBitmap()
            for (_, address) in try files.names() { addresses.insert(address) }
            taken = addresses
            return addresses
        } catch {
            throw location.failure("list", error)
        }
    }

    /// Who holds the addresses of a set: how many there are, how many attachments, and the first reservations of all.
    func holders(of set: RangeSet, naming count: Int) throws(CNIError) -> (addresses: Int, attachments: Int, oldest: [Reservation]) {
        var entries: [AddressTable.Entry] = []
        do throws(Errno) {
            if hasTable && isIndexCurrent, let index, index.isIntact {
                for run in set.runs(after: nil) { entries += try index.entries(from: run.first, through: run.last) }
            } else {
                entries = try files.readAll().map(AttachmentIndex.entry).filter { set.gives($0.address) }
            }
            var oldest: [Reservation] = []
            for entry in AddressStore.oldest(entries, count) {
                if let reservation = try files.read(entry.address) { oldest.append(reservation) }
            }
            return (entries.count, Set(entries.map { $0.owner }).subtracting([0]).count, oldest)
        } catch {
            throw location.failure("read reservations in", error)
        }
    }

    private static func oldest(_ entries: [AddressTable.Entry], _ count: Int) -> [AddressTable.Entry] {
        func isEarlier(_ left: AddressTable.Entry, _ right: AddressTable.Entry) -> Bool {
            (left.since, left.address) < (right.since, right.address)
        }
        var oldest: [AddressTable.Entry] = []
        for entry in entries where oldest.count < count || oldest.last.map({ isEarlier(entry, $0) }) ?? false {
            oldest.insert(entry, at: oldest.firstIndex { isEarlier(entry, $0) } ?? oldest.count)
            if oldest.count > count { oldest.removeLast() }
        }
        return oldest
    }

    /// The reservation of an address; nil where it is free.
    func reservation(of address: IPAddress) throws(CNIError) -> Reservation? {
        do throws(Errno) {
            return try files.read(address)
        } catch {
            throw location.failure("read reservations in", error)
        }
    }

    /// The address that was last handed out from a range set; nil where that is not known.
    func lastReserved(set: Int) -> IPAddress? { files.lastReserved(set: set) }

    // MARK: Changing

    /// Reserves an address. False where it is taken.
    ///
    /// The file appears under its name complete or not at all: it is written under a temporary name and linked, which fails where the
    /// name is taken. It is not synced: after a power loss the next boot frees it, whatever is in it.
    func reserve(_ address: IPAddress, for attachment: Attachment) throws(CNIError) -> Bool {
        let name = Reservation.fileName(of: address)
        do throws(Errno) {
            try prepare(attachment)
            do throws(Errno) {
                try files.directory.link(AddressStore.temporaryName, as: name)
                discardPrepared()
            } catch {
                // A file system without hard links: the reference's way.
                guard error == .permission || error == .notSupported else { throw error }
                try files.directory.create(name, Reservation.bytes(for: attachment), mode: 0o600)
            }
            index?.add(Reservation(name: name, address: address, owner: Reservation.Owner(attachment), modified: Timestamp.now))
            taken?.insert(address)
            return true
        } catch {
            if error == .exists { return false }
            throw location.failure("reserve \(address.text) for \(attachment.containerID) \(attachment.interfaceName) in", error)
        }
    }

    private func prepare(_ attachment: Attachment) throws(Errno) {
        if prepared == attachment { return }
        let bytes = Reservation.bytes(for: attachment)
        do throws(Errno) {
            try files.directory.create(AddressStore.temporaryName, bytes, mode: 0o600)
        } catch {
            guard error == .exists else { throw error }
            // What a crash has left there can be a link to a reservation: never write to it.
            try files.directory.remove(AddressStore.temporaryName)
            try files.directory.create(AddressStore.temporaryName, bytes, mode: 0o600)
        }
        prepared = attachment
    }

    private func discardPrepared() {
        if prepared != nil { _ = try? files.directory.remove(AddressStore.temporaryName) }
        prepared = nil
    }

    /// Notes the address that was last handed out from a range set. A failure only costs the order, so it is told, not thrown.
    func setLastReserved(_ address: IPAddress, set: Int) {
        do throws(Errno) {
            try files.directory.overwrite(
                "\(ReservationFiles.lastReservedPrefix)\(set)", Array(Reservation.fileName(of: address).utf8), mode: 0o600)
        } catch {
            notice(warning: true, "write \(path("\(ReservationFiles.lastReservedPrefix)\(set)")): \(error.text)")
        }
    }

    /// Releases one address that this attachment has just reserved.
    func release(_ address: IPAddress, of attachment: Attachment) throws(CNIError) {
        try remove(Reservation(name: Reservation.fileName(of: address), address: address, owner: Reservation.Owner(attachment)))
    }

    /// Releases all that an attachment holds, and returns how many that were. Reservations in the old form, which tell the container
    /// alone, go where there are no others.
    @discardableResult
    func release(_ attachment: Attachment) throws(CNIError) -> Int {
        let held = try reservations(of: attachment)
        let mine = held.present.isEmpty ? held.old : held.present
        for reservation in mine { try remove(reservation) }
        return mine.count
    }

    /// Releases a reservation, of whomever. False where it has become another one meanwhile, or is gone.
    func release(_ reservation: Reservation) throws(CNIError) -> Bool {
        do throws(Errno) {
            guard try files.read(reservation.name, reservation.address) == reservation else { return false }
        } catch {
            throw location.failure("read reservations in", error)
        }
        try remove(reservation)
        return true
    }

    /// Releases all that none of these attachments holds, and returns how many that were.
    func releaseAll(except valid: [Attachment]) throws(CNIError) -> Int {
        let attachments = Set(valid)
        let containers = Set(valid.map { $0.containerID })
        var count = 0
        for reservation in try all() {
            if let owner = reservation.owner {
                if let name = owner.interfaceName {
                    if attachments.contains(Attachment(containerID: owner.containerID, interfaceName: name)) { continue }
                } else if containers.contains(owner.containerID) {
                    continue
                }
            }
            try remove(reservation)
            count += 1
        }
        return count
    }

    private func all() throws(CNIError) -> [Reservation] {
        do throws(Errno) {
            return try files.readAll()
        } catch {
            throw location.failure("read reservations in", error)
        }
    }

    private func remove(_ reservation: Reservation) throws(CNIError) {
        do throws(Errno) {
            try files.directory.remove(reservation.name)
        } catch {
            throw CNIError(.ioFailure, "release \(path(reservation.name)): \(error.text)")
        }
        index?.remove(reservation)
        taken?.remove(reservation.address)
    }

    /// Ends a change: nothing temporary is left, and the index counts again. Not called, nothing is lost; the index is built anew.
    func finish() {
        discardPrepared()
        index?.seal(files.directory)
    }

    private func notice(warning: Bool, _ text: String) { notify(Notice(isWarning: warning, text: text)) }

    private func path(_ name: String) -> String { "\(location.directory)/\(name)" }
}
