import CLinux
import Linux

extension Errno {
    /// EISDIR: a file was expected, and there is a directory.
    public static let isDirectory = Errno(rawValue: EISDIR)
}

/// An open directory, and operations on the files in it by plain name: they stay in this very directory, also when the path to it is
/// renamed or replaced meanwhile.
///
/// The corresponding C functions are those of the `openat` family.
public struct Directory: ~Copyable {
    /// The path it was opened by, for messages.
    public let path: String
    private let file: FileDescriptor

    /// Opens a directory that exists.
    public init(_ path: String) throws(Errno) {
        self.path = path
        file = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY)
    }

    /// Throws unless files can be made in the directory at `path`. The corresponding C function is `access`.
    public static func checkWritable(_ path: String) throws(Errno) {
        if !(try FileStatus(path).isDirectory) { throw .notDirectory }
        if access(path, W_OK | X_OK) != 0 { throw Errno.current }
    }

    /// The directory's own status.
    public func status() throws(Errno) -> FileStatus {
        var raw = stat()
        if fstat(file.rawValue, &raw) != 0 { throw Errno.current }
        return FileStatus(raw)
    }

    /// Whether the directory is on a file system that no other machine can have mounted at the same time. Only those that are known to
    /// be so count: on any other (NFS, CIFS, 9p, Ceph, FUSE, …) another machine may write too, under another boot.
    public var isLocal: Bool {
        var raw = statfs()
        guard fstatfs(file.rawValue, &raw) == 0 else { return false }
        switch UInt32(truncatingIfNeeded: raw.f_type) {
        case 0xef53: return true  // ext2, ext3, ext4
        case 0x5846_5342: return true  // XFS
        case 0x9123_683e: return true  // Btrfs
        case 0x2fc1_2fc1: return true  // ZFS
        case 0xf2f5_2010: return true  // F2FS
        case 0xca45_1a4e: return true  // bcachefs
        case 0x794c_7630: return true  // overlayfs
        case 0x0102_1994, 0x8584_58f6: return true  // tmpfs, ramfs
        default: return false
        }
    }

    /// Stamps the directory as modified at `time`.
    public func setModified(_ time: Timestamp) throws(Errno) {
        let omit = timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2)  // UTIME_OMIT: the time of access stays
        if futimens(file.rawValue, [omit, time.raw]) != 0 { throw Errno.current }
    }

    /// The names in it, without `.` and `..`, in no particular order.
    public func names() throws(Errno) -> [String] {
        let copy = clinux_openat(file.rawValue, ".", O_RDONLY | O_DIRECTORY, 0)
        if copy < 0 { throw Errno.current }
        guard let stream = fdopendir(copy) else {
            let error = Errno.current
            _ = close(copy)
            throw error
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = String(cString: clinux_entry_name(entry))
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// The status of a file in it; a symbolic link's own.
    public func status(of name: String) throws(Errno) -> FileStatus {
        var raw = stat()
        if fstatat(file.rawValue, name, &raw, AT_SYMLINK_NOFOLLOW) != 0 { throw Errno.current }
        return FileStatus(raw)
    }

    /// Reads a whole file. Throws `EFBIG` when it is longer than `limit` bytes, of which 64 KiB are the most.
    public func read(_ name: String, limit: Int = 4096) throws(Errno) -> [UInt8] {
        // O_NONBLOCK: something odd under that name, a pipe for one, must not stop us.
        let opened = try open(name, O_RDONLY | O_NONBLOCK)
        return try opened.readAll(limit: min(limit, 64 << 10))
    }

    /// Reads a whole file that no one writes to meanwhile, and its status. Throws `EFBIG` when it is longer than `limit` bytes.
    public func readWithStatus(_ name: String, limit: Int = 4096) throws(Errno) -> (bytes: [UInt8], status: FileStatus) {
        let opened = try open(name, O_RDONLY | O_NONBLOCK)
        var raw = stat()
        if fstat(opened.rawValue, &raw) != 0 { throw Errno.current }
        let status = FileStatus(raw)
        if status.isDirectory { throw .isDirectory }
        if status.size > limit { throw .fileTooLarge }
        return (try opened.readPart(from: 0, count: status.size), status)
    }

    /// Reads a part of a file: `count` bytes, or as many as there are. A missing file has none.
    public func read(_ name: String, from offset: Int, count: Int) throws(Errno) -> [UInt8] {
        let descriptor = clinux_openat(file.rawValue, name, O_RDONLY, 0)
        if descriptor < 0 {
            if Errno.current == .noEntry { return [] }
            throw Errno.current
        }
        return try FileDescriptor(owning: descriptor).readPart(from: offset, count: count)
    }

    /// Writes parts of a file in place, making it where it is missing: between them, and in their order, a crash can come.
    public func write(_ name: String, _ parts: [(offset: Int, bytes: [UInt8])], mode: mode_t) throws(Errno) {
        let opened = try open(name, O_WRONLY | O_CREAT, mode)
        for part in parts {
            let done = part.bytes.withUnsafeBytes { pwrite(opened.rawValue, $0.baseAddress, $0.count, part.offset) }
            if done < 0 { throw Errno.current }
            if done != part.bytes.count { throw Errno(rawValue: ENOSPC) }
        }
    }

    /// Makes a file with this content. Throws `EEXIST` where there is something under that name. On failure nothing is left.
    public func create(_ name: String, _ bytes: [UInt8], mode: mode_t) throws(Errno) {
        let created = try open(name, O_WRONLY | O_CREAT | O_EXCL, mode)
        do throws(Errno) {
            try created.writeAll(bytes)
        } catch {
            _ = unlinkat(file.rawValue, name, 0)
            throw error
        }
    }

    /// Writes a file in place, making it where it is missing: a crash in between can leave old and new content mixed.
    public func overwrite(_ name: String, _ bytes: [UInt8], mode: mode_t) throws(Errno) {
        // Not cut to nothing first: file systems take that as a sign to write the new content to the disk at once, which takes its time.
        let opened = try open(name, O_WRONLY | O_CREAT, mode)
        try opened.writeAll(bytes)
        var raw = stat()
        if fstat(opened.rawValue, &raw) != 0 { throw Errno.current }
        if raw.st_size != bytes.count, ftruncate(opened.rawValue, bytes.count) != 0 { throw Errno.current }
    }

    /// Gives a file a second name (a hard link). Throws `EEXIST` where there is something under that name.
    public func link(_ name: String, as other: String) throws(Errno) {
        if linkat(file.rawValue, name, file.rawValue, other, 0) != 0 { throw Errno.current }
    }

    /// Removes a file. False where there was none.
    @discardableResult
    public func remove(_ name: String) throws(Errno) -> Bool {
        if unlinkat(file.rawValue, name, 0) == 0 { return true }
        if Errno.current == .noEntry { return false }
        throw Errno.current
    }

    /// What a symbolic link holds; nil where there is none of that name.
    public func linkTarget(_ name: String) throws(Errno) -> String? {
        var error = Errno.noEntry
        let target = withUnsafeTemporaryAllocation(byteCount: Int(PATH_MAX), alignment: 1) { bytes -> String? in
            let count = bytes.baseAddress.map { readlinkat(file.rawValue, name, $0.assumingMemoryBound(to: CChar.self), bytes.count) } ?? -1
            if count >= 0 { return String(decoding: bytes[0..<count], as: UTF8.self) }
            error = Errno.current
            return nil
        }
        if target == nil && error != .noEntry { throw error }
        return target
    }

    /// Makes a symbolic link that holds `target`: the smallest file there is, complete as soon as it exists.
    public func makeLink(_ name: String, holding target: String) throws(Errno) {
        if symlinkat(target, file.rawValue, name) != 0 { throw Errno.current }
    }

    private func open(_ name: String, _ flags: Int32, _ mode: mode_t = 0) throws(Errno) -> FileDescriptor {
        while true {
            let descriptor = clinux_openat(file.rawValue, name, flags, mode)
            if descriptor >= 0 { return FileDescriptor(owning: descriptor) }
            if Errno.current != .interrupted { throw Errno.current }
        }
    }
}

extension FileDescriptor {
    /// Reads `count` bytes from an offset on, or as many as there are.
    fileprivate borrowing func readPart(from offset: Int, count: Int) throws(Errno) -> [UInt8] {
        if count == 0 { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        let done = bytes.withUnsafeMutableBytes { pread(rawValue, $0.baseAddress, count, offset) }
        if done < 0 { throw Errno.current }
        return done == count ? bytes : Array(bytes[..<done])
    }
}
