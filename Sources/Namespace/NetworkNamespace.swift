import CLinux
import CNI
import Linux

/// A network namespace that was opened by its path.
public final class NetworkNamespace {
    /// The open descriptor; closed when this value goes away.
    public let fd: Int32

    private init(fd: Int32) { self.fd = fd }

    deinit { close(fd) }

    /// Opens the namespace at `path`. Nil where the path does not exist; throws where it is something else than a network namespace.
    ///
    /// As the reference does it, what lies on nsfs or procfs counts; on nsfs the kind of namespace is asked of the kernel too (ioctl_ns(2)).
    public static func open(_ path: String) throws(CNIError) -> NetworkNamespace? {
        if path.isEmpty { return nil }
        let descriptor = clinux_open(path, O_RDONLY, 0)
        if descriptor < 0 {
            let error = Errno.current
            if error == .noEntry || error == .notDirectory { return nil }
            throw CNIError(.invalidNetns, "open network namespace \(path): \(error.text)")
        }
        let namespace = NetworkNamespace(fd: descriptor)
        if !namespace.isNetworkNamespace {
            throw CNIError(
                .invalidNetns, "open network namespace \(path): it is not a network namespace",
                details: "CNI_NETNS must lead to one, as ip netns makes them")
        }
        return namespace
    }

    private var isNetworkNamespace: Bool {
        var status = statfs()
        guard fstatfs(fd, &status) == 0 else { return false }
        if UInt(bitPattern: Int(status.f_type)) == UInt(PROC_SUPER_MAGIC) { return true }
        guard UInt(bitPattern: Int(status.f_type)) == UInt(NSFS_MAGIC) else { return false }
        let kind = clinux_namespace_type(fd)
        return kind == CLONE_NEWNET || kind < 0
    }

    /// The calling thread's own.
    public static func current() throws(CNIError) -> NetworkNamespace {
        let descriptor = clinux_open("/proc/thread-self/ns/net", O_RDONLY, 0)
        if descriptor < 0 { throw CNIError(.invalidNetns, "open the thread's own network namespace: \(Errno.current.text)") }
        return NetworkNamespace(fd: descriptor)
    }

    /// Puts the calling thread into this namespace. False where it was in another one.
    public func returnHere() throws(CNIError) -> Bool {
        var own = stat()
        var wanted = stat()
        if stat("/proc/thread-self/ns/net", &own) == 0, fstat(fd, &wanted) == 0, own.st_dev == wanted.st_dev, own.st_ino == wanted.st_ino {
            return true
        }
        try goBack()
        return false
    }

    /// Whether `path` is the calling thread's own network namespace. False where it can't be examined.
    public static func isCurrent(_ path: String) -> Bool {
        var own = stat()
        var other = stat()
        guard !path.isEmpty, stat(path, &other) == 0, stat("/proc/thread-self/ns/net", &own) == 0 else { return false }
        return own.st_dev == other.st_dev && own.st_ino == other.st_ino
    }

    /// Runs `body` with the calling thread in a new network namespace, which is gone afterwards: to try out what the kernel can do. False
    /// where no namespace may be made, and `body` was not run. The corresponding C function is `unshare`.
    public static func withTemporary(_ body: () throws(CNIError) -> Void) throws(CNIError) -> Bool {
        guard let own = try? current(), unshare(CLONE_NEWNET) == 0 else { return false }
        try own.goBack(after: body)
        return true
    }

    /// Runs `body` with the calling thread in the namespace `fd`, and puts the thread back whatever happens. The corresponding C function
    /// is `setns`.
    public static func with<T>(fd: Int32, _ body: () throws(CNIError) -> T) throws(CNIError) -> T {
        let own = try current()
        if setns(fd, CLONE_NEWNET) != 0 { throw CNIError(.invalidNetns, "enter network namespace: \(Errno.current.text)") }
        return try own.goBack(after: body)
    }

    /// Runs `body`, then puts the calling thread into this namespace, whatever happened.
    private func goBack<T>(after body: () throws(CNIError) -> T) throws(CNIError) -> T {
        let outcome: Result<T, CNIError>
        do throws(CNIError) { outcome = .success(try body()) } catch { outcome = .failure(error) }
        try goBack()
        switch outcome {
        case .success(let value): return value
        case .failure(let error): throw error
        }
    }

    private func goBack() throws(CNIError) {
        if setns(fd, CLONE_NEWNET) != 0 { throw CNIError(.invalidNetns, "go back to the host's network namespace: \(Errno.current.text)") }
    }
}
