import CLinux

/// Standard output of a child process that is not to write to it: what is written is kept in memory, and noticed.
public final class OutputGuard {
    private var inode: ino_t = 0
    /// What was noticed, each thing once.
    public private(set) var seen: [String] = []
    private static let shown = 100

    init() { restore() }

    /// Puts a file in memory under descriptor 1; standard error where there can be none.
    private func restore() {
        let file = memfd_create("stdout", UInt32(MFD_CLOEXEC))
        dup2(file < 0 ? 2 : file, 1)
        if file > 1 { close(file) }
        var status = stat()
        inode = file < 0 || fstat(1, &status) != 0 ? 0 : status.st_ino
    }

    /// What was done to standard output since the last time; nil where nothing was. It is as before then.
    public func misuse() -> String? {
        fflush(nil)
        if inode == 0 { return nil }
        var status = stat()
        let words: String
        if fstat(1, &status) != 0 {
            words = "closed standard output"
        } else if status.st_ino != inode {
            words = "put something else under standard output"
        } else if status.st_size > 0 {
            words = "wrote to standard output: \(content)"
        } else {
            return nil
        }
        if !seen.contains(words) { seen.append(words) }
        restore()
        return words
    }

    private var content: String {
        var bytes = [UInt8](repeating: 0, count: OutputGuard.shown)
        let count = bytes.withUnsafeMutableBytes { pread(1, $0.baseAddress, $0.count, 0) }
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
