import CLinux
import Linux

/// The running boot of this machine: how to tell state made in it from state made before.
///
/// Network namespaces don't survive a boot; what was reserved for containers of an earlier one holds nothing.
public struct Boot: Equatable, Sendable {
    /// The kernel's name for this boot, new at every start, the same in all containers: /proc/sys/kernel/random/boot_id. Nil where some
    /// container manager (LXC does) has put a file of its own over it: that one names a container's start, and another container, with
    /// which we may share files, has another.
    public let id: String?
    private let knownStart: Timestamp?
    /// No later than what the clock said when the kernel started: what is stamped earlier was certainly made before this boot.
    public var start: Timestamp { knownStart ?? Boot.earliestStart }

    /// Makes one of these parts.
    public init(id: String?, start: Timestamp) {
        self.id = id
        knownStart = start
    }

    private init(id: String?) {
        self.id = id
        knownStart = nil
    }

    /// The boot that is running now.
    public static func current() throws(Errno) -> Boot {
        let path = "/proc/sys/kernel/random/boot_id"
        let id = String(decoding: try File.readSmall(path).prefix { $0 > 0x20 }, as: UTF8.self)
        var raw = statfs()
        if statfs(path, &raw) != 0 { throw Errno.current }
        let isKernels = raw.f_type == 0x9fa0  // procfs
        return Boot(id: isKernels && !id.isEmpty ? id : nil)
    }

    /// Now less the time since boot. Where the clock was set forward since, that is too late (a machine without a battery clock before
    /// it reached its time server, a virtual machine resumed from a snapshot), and files of this boot would look older than it. The
    /// roots of /sys and /proc were stamped when they were mounted, by the clock as it was then: the earliest of the three counts.
    private static var earliestStart: Timestamp {
        var sinceBoot = timespec()
        clock_gettime(CLOCK_BOOTTIME, &sinceBoot)
        var earliest = Timestamp.now.before(seconds: Int(sinceBoot.tv_sec) + 1)
        for mount in ["/sys", "/proc"] {
            if let status = try? FileStatus(mount) { earliest = min(earliest, status.modified) }
        }
        return earliest
    }
}
