import CLinux
import CNI
import Linux

/// Where modules are looked for, and which files are trusted to be one.
///
/// Modules are code that runs as root. A module is opened only by a plain name, from a directory of this list, and only where no one but
/// root (or the user that runs the program) could have put it there.
public struct ModuleDirectories: Sendable {
    /// The directories, first one first.
    public let paths: [String]

    /// Makes one of these parts.
    public init(_ paths: [String]) { self.paths = paths }

    /// CATENA_MODULE_PATH (a list with `:`), where it is set and the process has no privileges that its caller lacks. Else the directories
    /// beside the program, then those that packages install into.
    public static var standard: ModuleDirectories {
        if let list = Environment.trustedValue("CATENA_MODULE_PATH"), !list.isEmpty {
            return ModuleDirectories(PathList.split(list))
        }
        var paths: [String] = []
        if let program = Environment.programDirectory {
            let parent = PathList.parent(of: program)
            paths = [PathList.join(parent, "catena/modules"), PathList.join(parent, "lib/catena/modules")]
        }
        for path in ["/usr/local/lib/catena/modules", "/usr/lib/catena/modules"] where !paths.contains(path) { paths.append(path) }
        return ModuleDirectories(paths)
    }

    /// The module file of a plugin type, symbolic links resolved: in the first directory that has one. Nil where none has. Throws where the
    /// first one found must not be trusted: another directory, or an executable, does not stand in for it unnoticed.
    public func file(of type: String) throws(CNIError) -> String? {
        var trusted = TrustedDirectories()
        return try file(of: type, &trusted)
    }

    func file(of type: String, _ trusted: inout TrustedDirectories) throws(CNIError) -> String? {
        guard Names.isPluginType(type) else { return nil }
        let name = type + ".so"
        for directory in paths {
            do throws(TrustedPath.Refusal) {
                let file = try trusted.file(name, in: directory) { (file) throws(TrustedPath.Refusal) in
                    // What the dynamic linker would load with it from directories that the file names.
                    for path in SharedObject(file)?.searchPaths ?? [] { try ModuleDirectories.check(searchPath: path) }
                }
                if let file { return file }
            } catch {
                throw CNIError(
                    "module \(type): \(PathList.join(directory, name)) is refused: \(error.place) \(error.reason)",
                    details: "a module and all directories and links on the way to it must belong to root and be writable by no one else")
            }
        }
        return nil
    }

    /// Whether a module's file is the shared object of Catena's own modules: it is beside the directory that leads to it.
    func isOwn(_ file: String) -> Bool {
        guard file.hasSuffix("/libcatena-modules.so") else { return false }
        return paths.contains { PathList.parent(of: $0) == PathList.parent(of: file) }
    }

    /// All files of a plugin type in the directories, the one that counts first; whether they can be used is not looked at.
    public func files(of type: String) -> [String] {
        guard Names.isPluginType(type) else { return [] }
        return paths.map { PathList.join($0, type + ".so") }.filter { File.isThere($0) }
    }

    /// The types that there are files for in the directories, sorted; whether they can be used is not looked at.
    public var types: [String] {
        var types: [String] = []
        for directory in paths {
            for name in (try? File.list(directory)) ?? [] where name.hasSuffix(".so") {
                let type = String(Substring(name.utf8.dropLast(3)))
                if Names.isPluginType(type) && !types.contains(type) { types.append(type) }
            }
        }
        return types.sorted()
    }

    /// A directory of DT_RPATH or DT_RUNPATH: code from there runs as the module does.
    private static func check(searchPath: String) throws(TrustedPath.Refusal) {
        guard searchPath.hasPrefix("/") else {
            throw TrustedPath.Refusal(place: "\"\(searchPath)\"", reason: "in its RUNPATH is no absolute path: link it without")
        }
        do throws(TrustedPath.Refusal) {
            _ = try TrustedPath.directory(searchPath, mayBeMissing: true)
        } catch {
            throw TrustedPath.Refusal(place: "\(searchPath) in its RUNPATH is not safe: \(error.place)", reason: error.reason)
        }
    }
}

/// What a process in a user namespace can know of the users outside.
enum UserNamespace {
    /// The user ID that stands for all users without a number in this namespace.
    static var overflowUser: uid_t {
        let text = (try? File.readText("/proc/sys/kernel/overflowuid")) ?? ""
        return uid_t(text.utf8.prefix { $0 >= 0x30 && $0 <= 0x39 }.prefix(9).reduce(0) { $0 * 10 + UInt32($1 - 0x30) })
    }

    /// Whether not all users have a number here: the initial namespace maps 4,294,967,295 of them.
    static var isNested: Bool {
        guard let map = try? File.readText("/proc/self/uid_map") else { return false }
        return map.utf8.split(separator: 0x20).last.map { !Substring($0).hasPrefix("4294967295") } ?? false
    }
}
