import CLinux

/// How a child process ended. wait(2).
public enum ProcessEnd: Equatable, Sendable {
    /// By itself, with this status.
    case exited(Int32)
    /// By this signal.
    case signal(Int32)

    /// Waits for the child's end, and takes it off the process table.
    public static func wait(for pid: pid_t) -> ProcessEnd {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && Errno.current == .interrupted {}
        return clinux_wait_exited(status) != 0 ? .exited(clinux_wait_exit_status(status)) : .signal(clinux_wait_signal(status))
    }
}
