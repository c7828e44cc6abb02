import CLinux
import Linux

/// What the file system tells of a file: the part of `struct stat` that state needs.
public struct FileStatus: Equatable, Sendable {
    /// The inode: another file has another number, as long as both exist.
    public let inode: UInt64
    /// Whether it is a directory.
    public let isDirectory: Bool
    /// Length in bytes.
    public let size: Int
    /// The permission bits: 0o600.
    public let mode: mode_t
    /// When the content was last modified; of a directory: when an entry was last made, renamed or removed.
    public let modified: Timestamp

    /// The status of what is at `path`, symbolic links followed.
    public init(_ path: String) throws(Errno) {
        var raw = stat()
        if stat(path, &raw) != 0 { throw Errno.current }
        self.init(raw)
    }

    init(_ raw: stat) {
        inode = UInt64(raw.st_ino)
        isDirectory = clinux_is_directory(raw.st_mode) != 0
        size = Int(raw.st_size)
        mode = raw.st_mode & 0o7777
        modified = Timestamp(raw.st_mtim)
    }
}
