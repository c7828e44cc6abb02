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

    /// The module file of a plugin type: in the first directory that has one. Nil where none has. Throws where the first one found must
    /// not be trusted: another directory, or an executable, does not stand in for it unnoticed.
    public func file(of type: String) throws(CNIError) -> String? {
        guard Names.isPluginType(type) else { return nil }
        for directory in paths {
            let path = PathList.join(directory, type + ".so")
            if !File.exists(path) { continue }
            try requireTrusted(path, type: type)
            return path
        }
        return nil
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

    private func requireTrusted(_ path: String, type: String) throws(CNIError) {
        guard let resolved = realpath(path, nil) else {
            throw CNIError("open module \(path): \(Errno.current.text)")
        }
        defer { free(resolved) }
        var place = String(cString: resolved)
        if let why = untrusted(place, isFile: true) { throw refusal(type, path, "\(place) \(why)") }
        while place != "/" {
            place = PathList.parent(of: place)
            if let why = untrusted(place, isFile: false) { throw refusal(type, path, "\(place) \(why)") }
        }
    }

    private func refusal(_ type: String, _ path: String, _ why: String) -> CNIError {
        CNIError(
            "module \(type): \(path) is refused: \(why)",
            details: "a module, its directory and all directories above must belong to root and be writable by no one else")
    }

    /// Why a file or directory is not trusted; nil where it is.
    private func untrusted(_ path: String, isFile: Bool) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return "can't be examined: \(Errno.current.text)" }
        if isFile && clinux_is_regular(status.st_mode) == 0 { return "is not a regular file" }
        if !isFile && clinux_is_directory(status.st_mode) == 0 { return "is not a directory" }
        if !isTrustedOwner(status.st_uid, isFile: isFile) { return "belongs to user \(status.st_uid)" }
        // In a directory with the sticky bit, such as /tmp, others can't replace what is not theirs.
        let sticky = !isFile && status.st_mode & 0o1000 != 0
        if status.st_mode & 0o022 != 0 && !sticky { return "is writable by others" }
        return nil
    }

    /// Root, or the user that runs the program. A directory above may also belong to a user that has no number here: within a user
    /// namespace that root's own directories (`/`, `/home`) show up so.
    private func isTrustedOwner(_ owner: uid_t, isFile: Bool) -> Bool {
        if owner == 0 || owner == geteuid() { return true }
        return !isFile && owner == UserNamespace.overflowUser && UserNamespace.isNested
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
