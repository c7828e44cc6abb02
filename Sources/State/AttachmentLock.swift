import CLinux
import CNI
import Linux

/// A lock on one attachment, held until this value goes away or the process ends.
///
/// All attachments share one file and lock a byte each, at the hash of their name: there are no files to clean up, and two names with
/// one hash only wait for each other. fcntl(2), "Open file description locks".
public struct AttachmentLock: ~Copyable {
    private let file: FileDescriptor

    /// Opens `path`, making it where it is missing, and waits for the lock of `name`.
    init(_ path: String, name: String) throws(Errno) {
        // Cut to what an offset in a file can be.
        let offset = off_t(FNV1a.hash(name) & 0x3fff_ffff_ffff_ffff)
        let opened = try FileDescriptor.open(path, O_RDWR | O_CREAT, mode: 0o600)
        while clinux_lock_byte(opened.rawValue, Int16(F_WRLCK), offset) != 0 {
            if Errno.current != .interrupted { throw Errno.current }
        }
        file = opened
    }
}
