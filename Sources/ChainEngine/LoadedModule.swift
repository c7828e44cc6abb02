import CLinux
import CNI
import CatenaABI
import Linux
import ModuleABI

/// A module that was opened: never closed again, since its code may be on the stack of anything it registered.
public struct LoadedModule {
    /// The file it came from.
    public let path: String
    let table: UnsafePointer<catena_module>

    /// Opens `path` as the module of `type`. Throws where it is no shared object, has no entry, or another ABI.
    init(_ path: String, type: String) throws(CNIError) {
        guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
            throw CNIError("open module \(path): \(LoadedModule.linkerError)", details: "is it a shared object built for this system?")
        }
        guard let entry = LoadedModule.entry(handle, type: type) else {
            throw CNIError(
                "open module \(path): it has no symbol catena_module_entry", details: "a module exports it: see catena/module.h")
        }
        guard let table = entry(UInt32(CATENA_ABI_MAJOR)) else {
            throw CNIError(
                "module \(path) does not serve ABI \(CATENA_ABI_MAJOR)", details: "rebuild it against this release's catena/module.h")
        }
        try LoadedModule.check(table, path: path, type: type)
        self.path = path
        self.table = table
    }

    /// What asks an open shared object for the module of a type; nil where it exports neither of the symbols.
    public static func entry(_ handle: UnsafeMutableRawPointer, type: String) -> ((UInt32) -> UnsafePointer<catena_module>?)? {
        if let symbol = dlsym(handle, "catena_module_entry") {
            let entry = unsafeBitCast(symbol, to: catena_module_entry_function.self)
            return { entry($0) }
        }
        guard let symbol = dlsym(handle, "catena_modules_entry") else { return nil }
        let entry = unsafeBitCast(symbol, to: catena_modules_entry_function.self)
        return { entry($0, type) }
    }

    private static func check(_ table: UnsafePointer<catena_module>, path: String, type: String) throws(CNIError) {
        // The first two fields are there in every ABI, whatever follows them.
        let (size, major) = (table.pointee.size, table.pointee.abi_major)
        guard major == UInt32(CATENA_ABI_MAJOR) else {
            throw CNIError(
                "module \(path) has ABI \(major), this host \(CATENA_ABI_MAJOR)",
                details: "rebuild it against this release's catena/module.h")
        }
        guard size >= FirstRelease.module else {
            throw CNIError("module \(path): catena_module.size is \(size): expected at least \(FirstRelease.module)")
        }
        guard table.pointee.type != nil, table.pointee.version != nil, table.pointee.cni_versions != nil, table.pointee.add != nil else {
            throw CNIError("module \(path): type, version, cni_versions and add must be set in catena_module")
        }
        let name = String(cString: table.pointee.type)
        guard name == type else { throw CNIError("module \(path) says that its type is \"\(name)\", expected \"\(type)\"") }
    }

    private static var linkerError: String { dlerror().map { String(cString: $0) } ?? "unknown error" }

    /// The CNI versions that the module serves.
    public var versions: [String] { LoadedModule.texts(table.pointee.cni_versions) }

    private static func texts(_ list: UnsafePointer<UnsafePointer<CChar>?>?) -> [String] {
        var texts: [String] = []
        guard var next = list else { return [] }
        while let text = next.pointee, texts.count < 64 {
            texts.append(String(cString: text))
            next += 1
        }
        return texts
    }

    /// The version to tell the module for a configuration of `version`: that one, else the newest older one that it serves; results are
    /// structs of all versions, which the host converts.
    func version(for version: String) throws(CNIError) -> String { try LoadedModule.version(for: version, of: versions) }

    /// The same for a module that serves these versions.
    public static func version(for version: String, of served: [String]) throws(CNIError) -> String {
        if served.contains(version) { return version }
        if let limit = CNIVersion(version), let newest = served.compactMap({ CNIVersion($0) }).filter({ $0 < limit }).max() {
            return newest.text
        }
        throw CNIError(
            .incompatibleVersion, "incompatible CNI versions",
            details: "config is \"\(version)\", plugin supports \(served.joined(separator: ", "))")
    }

    /// The module's own version.
    public var version: String { String(cString: table.pointee.version) }

    /// One line for people; empty where it has none.
    public var description: String { table.pointee.description.map { String(cString: $0) } ?? "" }

    /// The capabilities that it takes from `runtimeConfig`.
    public var capabilities: [String] { LoadedModule.texts(table.pointee.capabilities) }

    /// The operations that it has a function for.
    public var operations: [Operation] { [.add, .del, .check, .gc, .status].filter { function($0) != nil } }

    /// The JSON Schema of its configuration, as text; nil where it has none.
    public var schema: String? { table.pointee.schema.map { String(cString: $0) } }

    /// What the module is for, in a word: "interface", "ipam", "meta".
    public var kind: String {
        switch table.pointee.kind {
        case UInt32(CATENA_KIND_INTERFACE): "interface"
        case UInt32(CATENA_KIND_IPAM): "ipam"
        case UInt32(CATENA_KIND_META): "meta"
        default: "unknown"
        }
    }

    /// Whether ADD makes the container's interface.
    var makesInterface: Bool { table.pointee.kind == UInt32(CATENA_KIND_INTERFACE) }

    /// Whether the module was built with a header that has `repair`, the first field after those of the first release.
    private var hasRepair: Bool { table.pointee.size >= FirstRelease.module + UInt32(MemoryLayout<UnsafeRawPointer>.size) }

    /// The function of an operation; nil where the module has none, which counts as success.
    func function(_ operation: Operation) -> (@convention(c) (UnsafePointer<catena_call>?) -> Int32)? {
        switch operation {
        case .add: table.pointee.add
        case .del: table.pointee.del
        case .check: table.pointee.check
        case .gc: table.pointee.gc
        case .status: table.pointee.status
        case .repair: hasRepair ? table.pointee.repair : nil
        }
    }
}
