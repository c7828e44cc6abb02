import CLinux

/// Whole-file operations on paths.
public enum File {
    /// Reads a whole file. Throws `EFBIG` when it is longer than `limit` bytes.
    public static func read(_ path: String, limit: Int = 16 << 20) throws(Errno) -> [UInt8] {
        try FileDescriptor.open(path, O_RDONLY).readAll(limit: limit)
    }

    /// Reads a small file that gives all it has at once, as those under /proc/sys do: one read(2). Throws `EFBIG` at 4,096 bytes.
    public static func readSmall(_ path: String) throws(Errno) -> [UInt8] {
        let file = try FileDescriptor.open(path, O_RDONLY)
        return try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { (buffer) throws(Errno) in
            let count = CLinux.read(file.rawValue, buffer.baseAddress, buffer.count)
            if count < 0 { throw Errno.current }
            if count == buffer.count { throw .fileTooLarge }
            return Array(buffer.prefix(count))
        }
    }

    /// Where a symbolic link leads, as it says itself; nil where there is none. The corresponding C function is `readlink`.
    public static func target(ofLink path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink(path, $0.assumingMemoryBound(to: CChar.self), bytes.count) } ?? -1
        }
        return count > 0 ? String(decoding: buffer[0..<count], as: UTF8.self) : nil
    }

    /// Reads a whole file as UTF-8 text; bytes that are not UTF-8 become replacement characters.
    public static func readText(_ path: String, limit: Int = 16 << 20) throws(Errno) -> String {
        String(decoding: try read(path, limit: limit), as: UTF8.self)
    }

    /// Writes `text` to an existing file in one write(2), as files under /proc/sys want it.
    public static func write(_ text: String, to path: String) throws(Errno) {
        try FileDescriptor.open(path, O_WRONLY).writeAll(text)
    }

    /// Replaces `path` as a whole: a temporary file beside it is written, then renamed. A reader sees the old or the new content.
    public static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o600) throws(Errno) {
        let temporary = "\(path).tmp-\(getpid())"
        let file = try create(temporary, mode: mode)
        do throws(Errno) {
            // The umask may have taken from what others get, never from what the owner has.
            if mode & 0o077 != 0, fchmod(file.rawValue, mode) != 0 { throw Errno.current }
            try file.writeAll(bytes)
            if rename(temporary, path) != 0 { throw Errno.current }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private static func create(_ path: String, mode: mode_t) throws(Errno) -> FileDescriptor {
        do throws(Errno) {
            return try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        } catch {
            guard error == .exists else { throw error }
            // What another process of this number has left has a mode, and an owner, of its own.
            try remove(path)
            return try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        }
    }

    /// Removes a file. A missing file is no error.
    public static func remove(_ path: String) throws(Errno) {
        if unlink(path) != 0, Errno.current != .noEntry { throw Errno.current }
    }

    /// Whether something is at `path` (symbolic links followed).
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Whether something is at `path`, be it a symbolic link that leads nowhere.
    public static func isThere(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Makes `path` and the directories above it that are missing, each with `mode`.
    public static func makeDirectories(_ path: String, mode: mode_t) throws(Errno) {
        if mkdir(path, mode) == 0 || Errno.current == .exists { return }
        guard Errno.current == .noEntry, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else {
            throw Errno.current
        }
        try makeDirectories(String(path[path.startIndex..<slash]), mode: mode)
        if mkdir(path, mode) != 0, Errno.current != .exists { throw Errno.current }
    }

    /// The names in a directory, without `.` and `..`, in no particular order.
    public static func list(_ directory: String) throws(Errno) -> [String] {
        guard let stream = opendir(directory) else { throw Errno.current }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = String(cString: clinux_entry_name(entry))
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
