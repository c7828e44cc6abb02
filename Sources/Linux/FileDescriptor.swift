import CLinux

/// An open file descriptor that is closed when its owner lets go of it. All are opened with `O_CLOEXEC`.
public struct FileDescriptor: ~Copyable {
    /// The number, for a system call; it stays owned by this value.
    public let rawValue: Int32

    /// Takes over a descriptor that is already open.
    public init(owning rawValue: Int32) { self.rawValue = rawValue }

    deinit { if rawValue >= 0 { _ = close(rawValue) } }

    /// Opens `path`. The corresponding C function is `open`.
    public static func open(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(Errno) -> FileDescriptor {
        while true {
            let descriptor = clinux_open(path, flags, mode)
            if descriptor >= 0 { return FileDescriptor(owning: descriptor) }
            if Errno.current != .interrupted { throw Errno.current }
        }
    }

    /// Makes a file in memory. The corresponding C function is `memfd_create`.
    public static func inMemory(_ name: String) throws(Errno) -> FileDescriptor {
        let descriptor = memfd_create(name, UInt32(MFD_CLOEXEC))
        if descriptor < 0 { throw Errno.current }
        return FileDescriptor(owning: descriptor)
    }

    /// Reads at most `count` bytes from a place in the file; nil where that fails. The corresponding C function is `pread`.
    public func bytes(at offset: Int, count: Int) -> [UInt8]? {
        guard offset >= 0, count >= 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { pread(rawValue, $0.baseAddress, count, offset) }
        if got < 0 { return nil }
        bytes.removeLast(count - got)
        return bytes
    }

    /// Reads to the end of the file. Throws `EFBIG` when there are more than `limit` bytes.
    public func readAll(limit: Int) throws(Errno) -> [UInt8] { try FileDescriptor.readAll(from: rawValue, limit: limit) }

    fileprivate static func readAll(from rawValue: Int32, limit: Int) throws(Errno) -> [UInt8] {
        try withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 1) { (chunk) throws(Errno) in
            var bytes: [UInt8] = []
            while true {
                let count = read(rawValue, chunk.baseAddress, chunk.count)
                if count < 0 {
                    if Errno.current == .interrupted { continue }
                    throw Errno.current
                }
                if count == 0 { return bytes }
                bytes.append(contentsOf: chunk.prefix(count))
                if bytes.count > limit { throw .fileTooLarge }
            }
        }
    }

    /// Writes all of `bytes`.
    public func writeAll(_ bytes: [UInt8]) throws(Errno) { try FileDescriptor.writeAll(bytes, to: rawValue) }

    fileprivate static func writeAll(_ bytes: [UInt8], to rawValue: Int32) throws(Errno) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { write(rawValue, $0.baseAddress.map { $0 + done }, bytes.count - done) }
            if count < 0 {
                if Errno.current == .interrupted { continue }
                throw Errno.current
            }
            done += count
        }
    }

    /// Writes all of `text` in UTF-8.
    public func writeAll(_ text: String) throws(Errno) { try writeAll(Array(text.utf8)) }
}

/// Standard input, output and error of the process: never closed.
public enum StandardStream {
    /// Reads standard input to its end. Throws `EFBIG` when there are more than `limit` bytes.
    public static func readInput(limit: Int) throws(Errno) -> [UInt8] { try FileDescriptor.readAll(from: 0, limit: limit) }

    /// Writes to standard output.
    public static func writeOutput(_ text: String) throws(Errno) { try FileDescriptor.writeAll(Array(text.utf8), to: 1) }

    /// Writes to standard error; a failure has nowhere to be told.
    public static func writeError(_ text: String) { try? FileDescriptor.writeAll(Array(text.utf8), to: 2) }
}
