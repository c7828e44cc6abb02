import CLinux
import ModuleKit

@testable import HostLocalModule

/// A data directory of its own for one test, removed at its end, and short ways to the module's parts.
final class HostLocalSandbox {
    let dataDirectory: String
    let location: StoreLocation
    private(set) var notices: [AddressStore.Notice] = []

    /// A boot that began a day ago: nothing that a test makes is older, unless it says so.
    static let boot = Boot(id: "11111111-aaaa", start: Timestamp.now.before(seconds: 86400))
    static let nextBoot = Boot(id: "22222222-bbbb", start: Timestamp.now.before(seconds: 3600))

    private let temporary: String

    init() throws {
        var template = Array("/tmp/catena-host-local-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Errno.current }
        temporary = String(cString: made)
        dataDirectory = "\(temporary)/data"
        location = try StoreLocation(dataDirectory: dataDirectory, network: "net")
    }

    /// The same data directory once more, for another thread.
    init(dataDirectory: String) throws {
        self.dataDirectory = dataDirectory
        temporary = ""
        location = try StoreLocation(dataDirectory: dataDirectory, network: "net")
    }

    deinit { if !temporary.isEmpty { HostLocalSandbox.removeTree(temporary) } }

    static func removeTree(_ path: String) {
        for name in (try? File.list(path)) ?? [] where unlink("\(path)/\(name)") != 0 { removeTree("\(path)/\(name)") }
        rmdir(path)
    }

    var directory: String { location.directory }

    /// Opens the store, runs `body`, ends the change.
    @discardableResult
    func with<T>(boot: Boot? = HostLocalSandbox.boot, _ body: (AddressStore) throws -> T) throws -> T {
        let store = try AddressStore.open(location, boot: boot) { self.notices.append($0) }
        defer { store.finish() }
        return try body(store)
    }

    /// ADD: the addresses as text.
    @discardableResult
    func add(
        _ container: String, _ interface: String = "eth0", sets: [RangeSet], requested: [String] = [], boot: Boot? = HostLocalSandbox.boot
    ) throws -> [String] {
        try with(boot: boot) { store in
            let allocator = Allocator(sets: sets, requested: requested.compactMap { IPAddress($0) }, store: store)
            return try allocator.allocate(for: Attachment(containerID: container, interfaceName: interface)).map { $0.address.text }
        }
    }

    @discardableResult
    func del(_ container: String, _ interface: String = "eth0", boot: Boot? = HostLocalSandbox.boot) throws -> Int {
        try with(boot: boot) { try $0.release(Attachment(containerID: container, interfaceName: interface)) }
    }

    /// The names of files that are addresses, sorted.
    var reserved: [String] {
        names.filter { IPAddress($0) != nil }.sorted()
    }

    /// The names of all files, sorted.
    var names: [String] { ((try? File.list(directory)) ?? []).sorted() }

    func content(_ name: String) -> String? { try? File.readText("\(directory)/\(name)") }

    /// Writes a file as somebody else would, who knows nothing of the index.
    func write(_ name: String, _ content: String, age: Int = 0) throws {
        try File.makeDirectories(directory, mode: 0o755)
        try File.replace("\(directory)/\(name)", with: Array(content.utf8))
        if age != 0 { try setAge(name, age) }
    }

    /// Lets a file look as if it had been written so many seconds ago.
    func setAge(_ name: String, _ age: Int) throws {
        let time = timespec(tv_sec: Timestamp.now.seconds - age, tv_nsec: 0)
        if utimensat(AT_FDCWD, "\(directory)/\(name)", [time, time], 0) != 0 { throw Errno.current }
    }

    func remove(_ name: String) throws { try File.remove("\(directory)/\(name)") }

    /// The links of the index: name and target.
    var index: [String: String] {
        var found: [String: String] = [:]
        guard let directory = try? Directory(location.indexDirectory) else { return found }
        for name in (try? directory.names()) ?? [] where !name.hasPrefix(".") { found[name] = try? directory.linkTarget(name) }
        return found
    }

    static func range(_ subnet: String, _ start: String? = nil, _ end: String? = nil, gateway: String? = nil) throws -> AddressRange {
        guard let network = IPNetwork(subnet) else { throw CNIError("test: \(subnet)") }
        return try AddressRange(
            subnet: network, start: start.flatMap { IPAddress($0) }, end: end.flatMap { IPAddress($0) },
            gateway: gateway.flatMap { IPAddress($0) })
    }

    static func set(_ subnet: String, _ start: String? = nil, _ end: String? = nil, gateway: String? = nil) throws -> RangeSet {
        try RangeSet([range(subnet, start, end, gateway: gateway)])
    }

    static func config(_ json: String, arguments: String = "", version: String = "1.1.0") throws -> HostLocalConfig {
        guard let object = try JSON(parsing: json).object else { throw CNIError("test: no object") }
        return try HostLocalConfig(
            ConfigReader(object), network: "net", cniVersion: version, arguments: try CNIArguments(arguments))
    }
}

/// The CNI error that `body` throws; nil where it throws none.
func hostLocalError(_ body: () throws -> Void) -> CNIError? {
    do { try body() } catch { return error as? CNIError }
    return nil
}
