import CLinux
import CNI
import Linux
import Netlink

/// The daemon, put together: everything runs on one thread, in one event loop.
final class Daemon {
    private let options: DaemonOptions
    private let loop: EventLoop
    private let table: LeaseTable
    private let listener: Listener

    /// Opens everything, and takes up the leases of before.
    init(_ options: DaemonOptions) throws(CNIError) {
        self.options = options
        if !options.pidFile.isEmpty, options.pidFile.utf8.first != UInt8(ascii: "/") {
            throw CNIError("-pidfile \(options.pidFile): expected an absolute path")
        }
        clinux_raise_file_limit()
        loop = try EventLoop()
        table = LeaseTable(loop, options, try LeaseStore(options.hostPrefix + options.stateDirectory))
        listener = try Listener(options.hostPrefix + options.socketPath)
    }

    /// Serves until SIGTERM or SIGINT. Leases are kept: the next daemon goes on with them.
    func run() throws(CNIError) {
        defer { cleanUp() }
        try watchSignals()
        try writePIDFile()
        watchNamespaces()
        table.resume()
        try watchNotes()
        table.takeNotes()
        try loop.watch(listener.descriptor) { [self] in accept() }
        Log.write(.info, "listening at \(listener.path)")
        notifyReady()
        try loop.run()
        Log.write(.info, "stopped")
    }

    private func accept() {
        while let descriptor = listener.accept(refuse: { [table] reason in
            table.counters.refusedConnections += 1
            Log.write(.warning, "connection refused: \(reason)")
        }) {
            do throws(CNIError) { _ = try Connection(descriptor, table) } catch { Log.write(.warning, error.text) }
        }
    }

    private func watchSignals() throws(CNIError) {
        let signals = clinux_signal_descriptor(SIGTERM, SIGINT)
        if signals < 0 { throw CNIError("wait for signals: \(Errno.current.text)") }
        try loop.watch(signals) { [loop] in loop.stop() }
    }

    private func watchNamespaces() {
        do throws(NetlinkError) {
            let events = try NamespaceEvents()
            do throws(CNIError) {
                try loop.watch(events.descriptor) { [table] in table.handle(events.take()) }
            } catch { throw NetlinkError(operation: error.message, errno: .current) }
        } catch {
            Log.write(.warning, "\(error.cni.text): interfaces that vanish are noticed when their lease is to be renewed")
        }
    }

    /// Notes that modules leave while they can't reach the daemon, though it runs.
    private func watchNotes() throws(CNIError) {
        let notes = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
        if notes < 0 || inotify_add_watch(notes, table.store.releases, UInt32(IN_CREATE)) < 0 {
            throw CNIError("watch \(table.store.releases): \(Errno.current.text)")
        }
        try loop.watch(notes) { [table] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while buffer.withUnsafeMutableBytes({ read(notes, $0.baseAddress, $0.count) }) > 0 {}
            table.takeNotes()
        }
    }

    private func writePIDFile() throws(CNIError) {
        if options.pidFile.isEmpty { return }
        do throws(Errno) {
            try File.replace(options.pidFile, with: Array("\(getpid())".utf8), mode: 0o644)
        } catch { throw CNIError(.ioFailure, "write -pidfile \(options.pidFile): \(error.text)") }
    }

    /// sd_notify(3): systemd starts what needs the daemon only now.
    private func notifyReady() {
        guard let path = Environment.value("NOTIFY_SOCKET"), path.utf8.first == UInt8(ascii: "/") else { return }
        let message = Array("READY=1".utf8)
        _ = clinux_send_unix(path, message, message.count)
    }

    private func cleanUp() {
        listener.remove()
        if !options.pidFile.isEmpty { unlink(options.pidFile) }
    }
}
