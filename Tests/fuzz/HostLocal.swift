import CLinux
import ModuleKit

@testable import HostLocalModule

/// A reservation's content: whatever it is, it is read; what we write ourselves is read as it was meant.
func fuzzHostLocalReservation(_ input: [UInt8]) {
    guard let owner = Reservation.owner(of: input) else { return }
    require(!owner.containerID.utf8.contains { $0 < 0x20 || $0 == 0x7f }, "a control character in a container ID")
    guard let interface = owner.interfaceName, (try? Names.checkContainerID(owner.containerID)) != nil,
        (try? Names.checkInterface(interface)) != nil
    else { return }
    let attachment = Attachment(containerID: owner.containerID, interfaceName: interface)
    require(Reservation.owner(of: Reservation.bytes(for: attachment)) == owner, "what is written is read as something else")
    require(owner.matches(attachment), "an owner that is not its own attachment")
}

/// A resolv.conf: no setting is empty, or holds white space.
func fuzzHostLocalResolver(_ input: [UInt8]) {
    let dns = ResolverFile.parse(String(decoding: input, as: UTF8.self))
    for word in dns.nameservers + dns.search + dns.options + [dns.domain ?? "-"] {
        require(!word.isEmpty && !word.utf8.contains { $0 == 0x20 || $0 == 0x0a }, "\"\(word)\" is no word")
    }
}

/// A network's directory, filled by the input: pairs of name and content. Then ADD, CHECK and DEL of it.
func fuzzHostLocalStore(_ input: [UInt8]) {
    let sandbox = FuzzDirectory()
    let parts = parts(of: input)
    for index in stride(from: 0, to: parts.count - 1, by: 2) {
        sandbox.write("net", String(decoding: parts[index], as: UTF8.self), parts[index + 1])
    }
    sandbox.exercise()
}

/// An index that is taken for current, filled by the input: the table's page, then pairs of a link's name and target. There are
/// reservations that it may know nothing of, or call by other names.
func fuzzHostLocalIndex(_ input: [UInt8]) {
    let sandbox = FuzzDirectory()
    sandbox.write("net", "10.1.0.2", Array("a\r\neth0".utf8))
    sandbox.write("net", "10.1.0.5", Array("b\r\neth0".utf8))
    let parts = parts(of: input)
    if let page = parts.first { sandbox.write(".catena/net", ".taken-10.1.0.0", page) }
    for index in stride(from: 1, to: parts.count - 1, by: 2) {
        sandbox.link(String(decoding: parts[index], as: UTF8.self), String(decoding: parts[index + 1], as: UTF8.self))
    }
    sandbox.seal(parts.last ?? [])
    sandbox.exercise()
}

/// A data directory in memory.
private final class FuzzDirectory {
    private static let root: String = {
        var template = Array("/dev/shm/catena-fuzz-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { fatalError("mkdtemp: \(Errno.current.text)") }
        atexit { FuzzDirectory.removeTree(FuzzDirectory.root) }
        return String(cString: made)
    }()
    private static let boot = Boot(id: "boot", start: Timestamp(seconds: 0))
    private let location: StoreLocation

    init() {
        FuzzDirectory.removeTree(FuzzDirectory.root)
        guard let location = try? StoreLocation(dataDirectory: FuzzDirectory.root, network: "net"),
            (try? File.makeDirectories(location.directory, mode: 0o700)) != nil,
            (try? File.makeDirectories(location.indexDirectory, mode: 0o700)) != nil
        else { fatalError("no directory \(FuzzDirectory.root)") }
        self.location = location
    }

    static func removeTree(_ path: String) {
        for name in (try? File.list(path)) ?? [] where unlink("\(path)/\(name)") != 0 { removeTree("\(path)/\(name)") }
        rmdir(path)
    }

    private func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count < 200 && name != "." && name != ".." && !name.utf8.contains { $0 == 0x2f || $0 == 0 }
    }

    func write(_ folder: String, _ name: String, _ content: [UInt8]) {
        if isName(name) { try? File.replace("\(FuzzDirectory.root)/\(folder)/\(name)", with: content) }
    }

    func link(_ name: String, _ target: String) {
        if isName(name) && !target.isEmpty { symlink(target, "\(location.indexDirectory)/\(name)") }
    }

    /// Marks the index as current, with something of the input behind its record.
    func seal(_ tail: [UInt8]) {
        guard let status = try? FileStatus(location.directory) else { return }
        let record = "boot \(status.inode) \(status.modified.seconds) \(status.modified.nanoseconds)\n"
        write(".catena/net", ".state", Array(record.utf8) + tail.prefix(tail.count % 8))
    }

    private var names: [String] { ((try? File.list(location.directory)) ?? []).filter { IPAddress($0) != nil }.sorted() }

    /// ADD gives an address that no file has, if there is one; it is found again, and DEL takes it alone.
    func exercise() {
        guard let network = IPNetwork("10.1.0.0/28"), let range = try? AddressRange(subnet: network), let set = try? RangeSet([range])
        else {
            fatalError("no range")
        }
        let attachment = Attachment(containerID: "new", interfaceName: "eth0")
        guard let held = try? with({ (store) throws(CNIError) in try store.reservations(of: attachment) }) else { return }
        if !held.present.isEmpty || !held.old.isEmpty { return }
        let before = names
        let taken = Set(before.compactMap { IPAddress($0) })
        let ips = try? with { (store) throws(CNIError) in try Allocator(sets: [set], requested: [], store: store).allocate(for: attachment)
        }
        guard let address = ips?.first?.address.address else {
            let isFull = set.runs(after: nil).allSatisfy { run in
                (run.first.low...run.last.low).allSatisfy { taken.contains(IPAddress(family: .v4, high: 0, low: $0)) }
            }
            return require(isFull, "no address, though there is one")
        }
        require(!taken.contains(address), "\(address.text) was handed out twice")
        let mine = try? with { (store) throws(CNIError) in try store.reservations(of: attachment).present.map { $0.address } }
        require(mine == [address], "what was reserved is not found")
        let count = try? with { (store) throws(CNIError) in try store.release(attachment) }
        require(count == 1 && names == before, "DEL did something else than undo ADD")
    }

    private func with<T>(_ body: (AddressStore) throws(CNIError) -> T) throws(CNIError) -> T {
        let store = try AddressStore.open(location, boot: FuzzDirectory.boot, notify: { _ in })
        defer { store.finish() }
        return try body(store)
    }
}
