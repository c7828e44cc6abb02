import CLinux
import Linux

/// A lock on one attachment, held until this value goes away or the process ends.
///
/// All attachments share one file and lock a byte each, at the hash of their name: there are no files to clean up, and two names with
/// one hash only wait for each other. fcntl(2), "Open file description locks".
public struct AttachmentLock: ~Copyable {
    private let file: FileDescriptor

    /// Opens `path`, making it where it is missing, and waits for the lock of `name`.
    init(_ path: String, name: String) throws(Errno) {
        let opened = try FileDescriptor.open(path, O_RDWR | O_CREAT, mode: 0o600)
        while clinux_lock_byte(opened.rawValue, Int16(F_WRLCK), AttachmentLock.hash(name)) != 0 {
            if Errno.current != .interrupted { throw Errno.current }
        }
        file = opened
    }

    /// FNV-1a, cut to what an offset in a file can be.
    private static func hash(_ name: String) -> off_t {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return off_t(hash & 0x3fff_ffff_ffff_ffff)
    }
}
