import CLinux
import Linux

/// An exclusive lock on a file, held until this value goes away or the process ends.
///
/// The corresponding C function is `flock`, which is what the reference plugins take on the same files.
public struct FileLock: ~Copyable {
    private let file: FileDescriptor

    /// Opens `path`, making it with `mode` where it is missing, and waits for the lock.
    public init(_ path: String, mode: mode_t) throws(Errno) {
        let opened = try FileDescriptor.open(path, O_RDWR | O_CREAT, mode: mode)
        while flock(opened.rawValue, LOCK_EX) != 0 {
            if Errno.current != .interrupted { throw Errno.current }
        }
        file = opened
    }

    /// Lets go of the lock.
    public consuming func release() {}
}
