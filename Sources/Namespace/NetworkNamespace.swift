import CLinux
import CNI
import Linux

/// A network namespace that was opened by its path.
public final class NetworkNamespace {
    /// The open descriptor; closed when this value goes away.
    public let fd: Int32
    /// What tells it from other namespaces; asked of the kernel once.
    private lazy var identity: Identity? = {
        var status = stat()
        return fstat(fd, &status) == 0 ? Identity(status) : nil
    }()

    private struct Identity: Equatable {
        let device: dev_t
        let inode: ino_t

        init(_ status: stat) {
            device = status.st_dev
            inode = status.st_ino
        }

        /// Nil where `path` leads nowhere.
        init?(_ path: String) {
            var status = stat()
            if path.isEmpty || stat(path, &status) != 0 { return nil }
            self.init(status)
        }
    }

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
        let descriptor = clinux_open(ownPath, O_RDONLY, 0)
        if descriptor < 0 { throw CNIError(.invalidNetns, "open the thread's own network namespace: \(Errno.current.text)") }
        return NetworkNamespace(fd: descriptor)
    }

    /// Puts the calling thread into this namespace. False where it was in another one.
    public func returnHere() throws(CNIError) -> Bool {
        if let identity, Identity(NetworkNamespace.ownPath) == identity { return true }
        try goBack()
        return false
    }

    /// Whether `path` leads to this namespace. False where it can't be examined.
    public func isAt(_ path: String) -> Bool { identity.map { Identity(path) == $0 } ?? false }

    private static let ownPath = "/proc/thread-self/ns/net"

    /// Whether `path` is the calling thread's own network namespace. False where it can't be examined.
    public static func isCurrent(_ path: String) -> Bool {
        guard let other = Identity(path) else { return false }
        return Identity(ownPath) == other
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
        try with(fd: fd, from: try current(), body)
    }

    /// The same for a caller that has the thread's own namespace open: `own`.
    public static func with<T>(fd: Int32, from own: NetworkNamespace, _ body: () throws(CNIError) -> T) throws(CNIError) -> T {
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
