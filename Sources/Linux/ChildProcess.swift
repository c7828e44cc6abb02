import CLinux

/// Work in a child process: whatever happens to it, this process goes on, and knows how it ended and what it was doing.
public enum ChildProcess {
    /// How the child ended.
    public enum Ending: Equatable, Sendable {
        /// It has given its answer.
        case answer([UInt8])
        /// It ended without an answer.
        case ended(ProcessEnd)
        /// It did one thing for longer than it said, and was killed.
        case timeout
    }

    /// Runs `body` in a child, and waits. The child's standard output is its standard error: an answer is only what `body` returns.
    ///
    /// Throws where there can be no child. The corresponding C function is `fork`.
    public static func run(_ progress: ChildProgress, _ body: () -> [UInt8]) throws(Errno) -> Ending {
        let answer = try FileDescriptor.inMemory("answer")
        progress.clear()
        let pid = clinux_fork()
        if pid < 0 { throw Errno.current }
        if pid == 0 {
            dup2(2, 1)
            if (try? answer.writeAll(body())) != nil { progress.isComplete = true }
            _exit(0)
        }
        let killed = wait(pid, progress)
        let end = ProcessEnd.wait(for: pid)
        if progress.isComplete {
            lseek(answer.rawValue, 0, SEEK_SET)
            return .answer(try answer.readAll(limit: 64 << 20))
        }
        return killed ? .timeout : .ended(end)
    }

    /// Waits until the child has ended; true where it had to be killed, since it did one thing for too long.
    private static func wait(_ pid: pid_t, _ progress: ChildProgress) -> Bool {
        let process = FileDescriptor(owning: clinux_pidfd_open(pid))
        while true {
            let deadline = progress.deadline
            let left = deadline == 0 ? 1000 : deadline - Clock.milliseconds
            if deadline != 0 && left <= 0 {
                kill(pid, SIGKILL)
                return true
            }
            var polled = pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0)
            // A limit may be set meanwhile: once a second it is looked at. The child's end is an event, and not waited for longer.
            if poll(&polled, 1, Int32(clamping: min(max(left, 1), 1000))) > 0 { return false }
        }
    }
}
