import CLinux
import Linux

/// Paths and lists of them, as CNI_PATH and CATENA_MODULE_PATH hold.
enum PathList {
    /// The parts of a list with `:` between; empty ones are left out.
    static func split(_ list: String) -> [String] {
        list.utf8.split(separator: UInt8(ascii: ":")).map { String(Substring($0)) }
    }

    /// The path without its last component; "/" for that of the root.
    static func parent(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return "/" }
        return String(path[path.startIndex..<slash])
    }

    /// `directory/name`.
    static func join(_ directory: String, _ name: String) -> String {
        directory.utf8.last == UInt8(ascii: "/") ? directory + name : "\(directory)/\(name)"
    }

    /// The first directory's regular file of this name (symbolic links followed), as the reference's `FindInPath` looks for plugins.
    static func find(_ name: String, in list: String) -> String? {
        for directory in split(list) {
            let path = join(directory, name)
            var status = stat()
            if stat(path, &status) == 0 && clinux_is_regular(status.st_mode) != 0 { return path }
        }
        return nil
    }
}
