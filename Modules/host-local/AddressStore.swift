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
    private let directory: Directory
    private let lock: FileLock
    private let index: AttachmentIndex?
    /// Whether the index tells all there is, as of when the lock was taken; our own changes keep it so.
    private var isIndexCurrent = false
    private let notify: (Notice) -> Void
    /// The attachment whose file lies ready under ``temporaryName``.
    private var prepared: Attachment?

    /// No address, so neither we nor the reference take it for one.
    private static let temporaryName = ".reservation"
    private static let lockName = "lock"

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
        directory = try Directory(location.directory)
        lock = try FileLock("\(location.directory)/\(AddressStore.lockName)", mode: 0o750)
        // The boot and the marks of the index say something only where no other machine can be writing.
        index = boot != nil && directory.isLocal ? AttachmentIndex.open(location) : nil
        if let boot, let index { try bringUpToDate(index, boot) }
    }

    /// Frees what an earlier boot left, and builds the index anew where someone else has written.
    private func bringUpToDate(_ index: AttachmentIndex, _ boot: Boot) throws(Errno) {
        let status = try directory.status()
        let isCurrent = index.isCurrent(for: status)
        let isSameBoot = index.record.map { $0.boot == boot.id } ?? false
        if isCurrent && isSameBoot {
            isIndexCurrent = true
            return
        }
        _ = try? directory.remove(AddressStore.temporaryName)
        var live = try readAll()
        if !isSameBoot {
            let isOtherBoot = boot.id != nil && index.record?.boot != nil
            live = freeBeforeBoot(live, boot, allAreOlder: isCurrent && isOtherBoot)
        }
        for reservation in live where reservation.owner == nil {
            notice(warning: true, "\(path(reservation.name)) names no container: its address is held back until GC or the next boot")
        }
        index.rebuild(live, boot: boot, status: status)
        index.seal(directory)
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
            let isOld = allAreOlder || isModified(reservation.name, before: boot.start)
            if !isOld || (try? directory.remove(reservation.name)) == nil { live.append(reservation) }
        }
        let count = reservations.count - live.count
        if count > 0 { notice(warning: false, "freed \(count) addresses in \(location.directory) that were reserved before this boot") }
        return live
    }

    private func isModified(_ name: String, before time: Timestamp) -> Bool {
        guard let status = try? directory.status(of: name) else { return false }
        return status.modified < time
    }

    // MARK: Looking up

    /// All reservations, in no particular order.
    private func readAll() throws(Errno) -> [Reservation] {
        var found: [Reservation] = []
        for (name, address) in try addressNames() {
            if let reservation = try read(name, address) { found.append(reservation) }
        }
        return found
    }

    private func addressNames() throws(Errno) -> [(name: String, address: IPAddress)] {
        var found: [(name: String, address: IPAddress)] = []
        for name in try directory.names() {
            if let address = IPAddress(name) { found.append((name, address)) }
        }
        return found
    }

    /// Reads a reservation; nil where there is no file of that name. One too long to be a reservation has no owner.
    private func read(_ name: String, _ address: IPAddress) throws(Errno) -> Reservation? {
        do throws(Errno) {
            return Reservation(name: name, address: address, owner: Reservation.owner(of: try directory.read(name)))
        } catch {
            switch error {
            case .noEntry, .isDirectory: return nil
            case .fileTooLarge: return Reservation(name: name, address: address, owner: nil)
            default: throw error
            }
        }
    }

    /// What an attachment holds: reservations in the present form, and those of its container in the old form.
    func reservations(of attachment: Attachment) throws(CNIError) -> (present: [Reservation], old: [Reservation]) {
        do throws(Errno) {
            var candidates = try indexed(attachment)
            if candidates == nil { candidates = try readAll() }
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
                guard let address = IPAddress(name), let reservation = try read(name, address), let owner = reservation.owner,
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

    /// All addresses that are taken: the names alone are read.
    func reservedAddresses() throws(CNIError) -> Set<IPAddress> {
        do throws(Errno) {
            var addresses: Set<IPAddress> = []
            for (_, address) in try addressNames() { addresses.insert(address) }
            return addresses
        } catch {
            throw location.failure("list", error)
        }
    }

    /// The address that was last handed out from a range set; nil where none was, or the file is damaged: only the order hangs on it.
    func lastReserved(set: Int) -> IPAddress? {
        guard let bytes = try? directory.read("last_reserved_ip.\(set)") else { return nil }
        return IPAddress(String(decoding: bytes, as: UTF8.self))
    }

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
                try directory.link(AddressStore.temporaryName, as: name)
                discardPrepared()
            } catch {
                // A file system without hard links: the reference's way.
                guard error == .permission || error == .notSupported else { throw error }
                try directory.create(name, Reservation.bytes(for: attachment), mode: 0o600)
            }
            index?.add(name, to: AttachmentIndex.key(attachment.containerID, attachment.interfaceName))
            return true
        } catch {
            if error == .exists { return false }
            throw location.failure("reserve \(address.text) for \(attachment.containerID) \(attachment.interfaceName) in", error)
        }
    }

    private func prepare(_ attachment: Attachment) throws(Errno) {
        if prepared == attachment { return }
        // What a crash may have left there can be a link to a reservation: never write to it.
        try directory.remove(AddressStore.temporaryName)
        try directory.create(AddressStore.temporaryName, Reservation.bytes(for: attachment), mode: 0o600)
        prepared = attachment
    }

    private func discardPrepared() {
        if prepared != nil { _ = try? directory.remove(AddressStore.temporaryName) }
        prepared = nil
    }

    /// Notes the address that was last handed out from a range set. A failure only costs the order, so it is told, not thrown.
    func setLastReserved(_ address: IPAddress, set: Int) {
        do throws(Errno) {
            try directory.overwrite("last_reserved_ip.\(set)", Array(Reservation.fileName(of: address).utf8), mode: 0o600)
        } catch {
            notice(warning: true, "write \(path("last_reserved_ip.\(set)")): \(error.text)")
        }
    }

    /// Releases one address that this attachment has just reserved.
    func release(_ address: IPAddress, of attachment: Attachment) throws(CNIError) {
        try remove(
            Reservation(
                name: Reservation.fileName(of: address), address: address,
                owner: Reservation.Owner(containerID: attachment.containerID, interfaceName: attachment.interfaceName)))
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
            return try readAll()
        } catch {
            throw location.failure("read reservations in", error)
        }
    }

    private func remove(_ reservation: Reservation) throws(CNIError) {
        do throws(Errno) {
            try directory.remove(reservation.name)
        } catch {
            throw CNIError(.ioFailure, "release \(path(reservation.name)): \(error.text)")
        }
        if let owner = reservation.owner {
            index?.remove(reservation.name, from: AttachmentIndex.key(owner.containerID, owner.interfaceName))
        }
    }

    /// Ends a change: nothing temporary is left, and the index counts again. Not called, nothing is lost; the index is built anew.
    func finish() {
        discardPrepared()
        index?.seal(directory)
    }

    private func notice(warning: Bool, _ text: String) { notify(Notice(isWarning: warning, text: text)) }

    private func path(_ name: String) -> String { "\(location.directory)/\(name)" }
}

extension StoreLocation {
    /// The error for a failed operation on the reservations' directory.
    fileprivate func failure(_ what: String, _ error: Errno) -> CNIError {
        CNIError(.ioFailure, "\(what) \(directory): \(error.text)", details: "host-local keeps its reservations there; see ipam.dataDir")
    }
}
