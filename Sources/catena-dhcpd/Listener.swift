import CLinux
import CNI
import Linux

/// The socket that the daemon listens on: one that systemd hands over, or its own.
final class Listener {
    let descriptor: Int32
    /// Its path; empty where systemd's has none.
    let path: String
    private let isOwn: Bool
    /// Kept for the moment when no more files can be opened: a connection that is not taken off would be told of again and again.
    private var spare = clinux_open("/dev/null", O_RDONLY, 0)

    private static let firstActivated: Int32 = 3

    /// Takes systemd's socket where there is one (sd_listen_fds(3)), else listens at `path`.
    init(_ path: String) throws(CNIError) {
        if let activated = try Listener.activated() {
            descriptor = Listener.firstActivated
            self.path = activated
            isOwn = false
            _ = clinux_set_cloexec(descriptor)
            _ = clinux_set_nonblocking(descriptor)
            return
        }
        descriptor = try Listener.listen(path)
        self.path = path
        isOwn = true
    }

    /// The path of the socket that systemd hands over; nil where it does not.
    private static func activated() throws(CNIError) -> String? {
        guard Environment.value("LISTEN_PID") == "\(getpid())", let count = Environment.value("LISTEN_FDS"), count != "0" else {
            return nil
        }
        guard count == "1" else { throw CNIError("\(count) sockets were handed over by LISTEN_FDS: expected one") }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard clinux_unix_is_listening(firstActivated, &buffer) != 0 else {
            throw CNIError("the socket that was handed over by LISTEN_FDS is no listening stream socket of AF_UNIX")
        }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func listen(_ path: String) throws(CNIError) -> Int32 {
        if let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex {
            do throws(Errno) {
                try File.makeDirectories(String(path[..<slash]), mode: 0o755)
            } catch { throw CNIError(.ioFailure, "make the directory of \(path): \(error.text)") }
        }
        var descriptor = clinux_unix_listen(path, 0o660)
        if descriptor < 0 && Errno.current.rawValue == EADDRINUSE {
            try removeStale(path)
            descriptor = clinux_unix_listen(path, 0o660)
        }
        if descriptor < 0 { throw CNIError(.ioFailure, "listen at \(path): \(Errno.current.text)") }
        return descriptor
    }

    /// Removes a socket on which no one listens any more: what a daemon that was killed leaves.
    private static func removeStale(_ path: String) throws(CNIError) {
        let probe = clinux_unix_connect(path)
        if probe >= 0 {
            _ = CLinux.close(probe)
            throw CNIError("listen at \(path): another daemon listens there")
        }
        guard Errno.current.rawValue == ECONNREFUSED else {
            throw CNIError(.ioFailure, "listen at \(path): it exists: \(Errno.current.text)")
        }
        unlink(path)
    }

    /// The next connection; nil where there is none. Those of users who may not connect are closed, and counted by `refuse`.
    func accept(refuse: (String) -> Void) -> Int32? {
        while true {
            let connection = clinux_accept(descriptor)
            if connection < 0 {
                if Errno.current == .interrupted || Errno.current.rawValue == ECONNABORTED { continue }
                if Errno.current.rawValue == EMFILE || Errno.current.rawValue == ENFILE {
                    refuse("no more files can be opened")
                    turnAway()
                }
                return nil
            }
            if let reason = PeerCheck.refusal(connection, socket: path) {
                refuse(reason)
                _ = CLinux.close(connection)
                continue
            }
            return connection
        }
    }

    /// Takes a connection off and closes it.
    private func turnAway() {
        _ = CLinux.close(spare)
        _ = CLinux.close(clinux_accept(descriptor))
        spare = clinux_open("/dev/null", O_RDONLY, 0)
    }

    /// Removes the socket, unless it is systemd's.
    func remove() { if isOwn { unlink(path) } }
}
