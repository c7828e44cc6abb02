import ModuleKit

/// Tells which addresses an attachment holds without reading every reservation: a directory with one symbolic link an attachment,
/// named `<container ID>:<ifname>` (old form: the container ID alone), that holds the names of its reservations with commas between; and
/// tells which addresses are free, by an ``AddressTable``.
///
/// It is never the truth, only a short way to it. The reservations' directory may be written by others, the reference plugin or a
/// person, who know nothing of the index. So whoever keeps the index stamps that directory, as the last step of each change, with a
/// time of modification that it has on record (the mark). Every file made or removed there by anyone else lets the kernel set another
/// time; then the index does not count and is built anew. So too after a crash half-way: the mark comes last.
final class AttachmentIndex {
    /// What the index's last keeper wrote down.
    struct Record: Equatable {
        /// The boot in which it was written; nil where that was not known.
        let boot: String?
        /// The inode of the reservations' directory: a copy of both directories is not taken for the original.
        let inode: UInt64
        /// The time of modification that says "nobody else has written since". Nil where the file system can't hold one precisely.
        let mark: Timestamp?
    }

    /// The record as it was found; nil where there is none.
    private(set) var record: Record?
    private let directory: Directory
    /// Whether every change so far came through. If not, the directory is not marked, and the index is built anew next time.
    private(set) var isIntact = true
    /// What a key's link is to hold from now on; empty for none.
    private var changes: [String: [String]] = [:]
    private var table = AddressTable()

    private static let recordName = ".state"
    private static let unknownBoot = "-"

    /// Opens the index, making its directory where it is missing. Nil where that fails: an index is good to have, not needed.
    static func open(_ location: StoreLocation) -> AttachmentIndex? { try? AttachmentIndex(location.indexDirectory) }

    /// Opens the index where there is one, to look at it.
    static func openExisting(_ location: StoreLocation) -> AttachmentIndex? { try? AttachmentIndex(existing: location.indexDirectory) }

    private convenience init(_ path: String) throws(Errno) {
        try File.makeDirectories(path, mode: 0o700)
        try self.init(existing: path)
    }

    private init(existing path: String) throws(Errno) {
        directory = try Directory(path)
        record = AttachmentIndex.parse((try? directory.read(AttachmentIndex.recordName)) ?? [])
    }

    /// Whether the index tells all there is in the reservations' directory of this status.
    func isCurrent(for status: FileStatus) -> Bool {
        guard let record, let mark = record.mark else { return false }
        return record.inode == status.inode && mark == status.modified
    }

    /// Says that the index does not tell the truth after all: it is built anew next time.
    func distrust() {
        isIntact = false
        if let record { try? write(Record(boot: record.boot, inode: record.inode, mark: nil)) }
    }

    // MARK: Look-up and changes

    /// The link's name for an owner. Nil where it can't be a file's name: such owners are not in the index.
    static func key(_ containerID: String, _ interfaceName: String?) -> String? {
        let name = interfaceName.map { "\(containerID):\($0)" } ?? containerID
        let bytes = name.utf8
        guard let first = bytes.first, first != UInt8(ascii: "."), bytes.count <= 255 else { return nil }
        return bytes.contains { $0 == UInt8(ascii: "/") || $0 == 0 } ? nil : name
    }

    /// The names of the reservations under a key.
    func names(_ key: String) throws(Errno) -> [String] {
        if let names = changes[key] { return names }
        return AttachmentIndex.split(try directory.linkTarget(key))
    }

    /// The first address that is not reserved, of those from `first` to `last`; nil where all are.
    func firstFree(from first: IPAddress, through last: IPAddress) throws(Errno) -> IPAddress? {
        try table.firstFree(from: first, through: last, in: directory)
    }

    /// What is reserved of the addresses from `first` to `last`.
    func entries(from first: IPAddress, through last: IPAddress) throws(Errno) -> [AddressTable.Entry] {
        try table.entries(from: first, through: last, in: directory)
    }

    /// Adds a reservation. Nothing is written before ``seal(_:)``.
    func add(_ reservation: Reservation) {
        guard isIntact else { return }
        do throws(Errno) {
            try change(reservation) { $0.contains(reservation.name) ? $0 : $0 + [reservation.name] }
            try table.insert(AttachmentIndex.entry(reservation), in: directory)
        } catch {
            isIntact = false
        }
    }

    /// Takes a reservation out. Nothing is written before ``seal(_:)``.
    func remove(_ reservation: Reservation) {
        guard isIntact else { return }
        do throws(Errno) {
            try change(reservation) { $0.filter { $0 != reservation.name } }
            try table.remove(reservation.address, in: directory)
        } catch {
            isIntact = false
        }
    }

    private func change(_ reservation: Reservation, _ body: ([String]) -> [String]) throws(Errno) {
        guard let key = AttachmentIndex.key(of: reservation) else { return }
        changes[key] = body(try names(key))
    }

    private static func key(of reservation: Reservation) -> String? {
        reservation.owner.flatMap { key($0.containerID, $0.interfaceName) }
    }

    /// What the table is to tell of a reservation.
    static func entry(_ reservation: Reservation) -> AddressTable.Entry {
        AddressTable.Entry(
            address: reservation.address, since: reservation.modified.seconds,
            owner: reservation.owner.map { FNV1a.hash("\($0.containerID):\($0.interfaceName ?? "")") } ?? 0)
    }

    private func writeChanges() throws(Errno) {
        for (key, names) in changes {
            try setLink(key, names)
        }
        changes = [:]
        try table.flush(to: directory)
    }

    private func setLink(_ key: String, _ names: [String]) throws(Errno) {
        if names.isEmpty {
            try directory.remove(key)
            return
        }
        let target = names.joined(separator: ",")
        do throws(Errno) {
            try directory.makeLink(key, holding: target)
        } catch {
            guard error == .exists else { throw error }
            try directory.remove(key)
            try directory.makeLink(key, holding: target)
        }
    }

    private static func split(_ target: String?) -> [String] {
        (target ?? "").utf8.split(separator: UInt8(ascii: ",")).map { String(Substring($0)) }
    }

    // MARK: Building and marking

    /// Makes the index tell these reservations, and writes down the boot and the directory. Of the links only what differs is written.
    ///
    /// - Parameter blocked: addresses that can't be had because something else than a reservation has their name.
    func rebuild(_ reservations: [Reservation], blocked: [IPAddress], boot: Boot, status: FileStatus) {
        isIntact = true
        do throws(Errno) {
            var wanted: [String: [String]] = [:]
            for reservation in reservations {
                guard let key = AttachmentIndex.key(of: reservation) else { continue }
                wanted[key, default: []].append(reservation.name)
            }
            let names = try directory.names()
            // What File.replace leaves when it is killed.
            for name in names where name.hasPrefix("\(AttachmentIndex.recordName).tmp-") { try directory.remove(name) }
            let entries = reservations.map(AttachmentIndex.entry) + blocked.map { AddressTable.Entry(address: $0, since: 0, owner: 0) }
            try table.rebuild(entries, names: names, in: directory)
            for name in names where !name.hasPrefix(".") {
                let current = AttachmentIndex.split(try directory.linkTarget(name))
                if let names = wanted[name], names.sorted() == current.sorted() {
                    wanted[name] = nil
                } else if wanted[name] == nil {
                    wanted[name] = []
                }
            }
            changes = wanted
            try writeChanges()
            // A mark in the past, at an odd nanosecond: no later change can get the same time from the kernel.
            try write(Record(boot: boot.id, inode: status.inode, mark: record?.mark ?? Timestamp.now.before(seconds: 1)))
        } catch {
            isIntact = false
        }
    }

    /// The last step of a change: writes what has changed, and marks the reservations' directory as known to the index.
    func seal(_ reservations: borrowing Directory) {
        guard isIntact, let record, let mark = record.mark else { return }
        do throws(Errno) {
            try writeChanges()
            try reservations.setModified(mark)
            if try reservations.status().modified != mark {
                try write(Record(boot: record.boot, inode: record.inode, mark: nil))
            }
        } catch {
            isIntact = false
        }
    }

    /// What the index tells that is not so, of these reservations; it has to be current.
    func disagreements(with reservations: [Reservation], blocked: [IPAddress]) throws(Errno) -> [String] {
        var wanted: [String: [String]] = [:]
        var taken = AddressBitmap()
        for address in blocked { taken.insert(address) }
        for reservation in reservations {
            taken.insert(reservation.address)
            if let key = AttachmentIndex.key(of: reservation) { wanted[key, default: []].append(reservation.name) }
        }
        var found: [String] = []
        let names = try directory.names()
        for name in Set(names.filter { !$0.hasPrefix(".") }).union(wanted.keys).sorted() {
            let told = AttachmentIndex.split(try directory.linkTarget(name)).sorted()
            let held = wanted[name, default: []].sorted()
            if told != held { found.append("\(name): tells \(AttachmentIndex.list(told)), the files tell \(AttachmentIndex.list(held))") }
        }
        return try found + table.disagreements(with: taken, names: names, in: directory)
    }

    private static func list(_ names: [String]) -> String { names.isEmpty ? "nothing" : names.joined(separator: ", ") }

    private func write(_ new: Record) throws(Errno) {
        if record == new { return }
        let mark = new.mark.map { "\($0.seconds) \($0.nanoseconds)" } ?? "none"
        try File.replace(
            "\(directory.path)/\(AttachmentIndex.recordName)",
            with: Array("\(new.boot ?? AttachmentIndex.unknownBoot) \(new.inode) \(mark)\n".utf8))
        record = new
    }

    private static func parse(_ bytes: [UInt8]) -> Record? {
        let words = bytes.split { $0 == 0x20 || $0 == 0x0a }.map { String(decoding: $0, as: UTF8.self) }
        guard words.count >= 3, let inode = UInt64(words[1]) else { return nil }
        var mark: Timestamp?
        if words.count == 4, let seconds = Int(words[2]), let nanoseconds = Int(words[3]) {
            mark = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
        }
        return Record(boot: words[0] == unknownBoot ? nil : words[0], inode: inode, mark: mark)
    }
}
