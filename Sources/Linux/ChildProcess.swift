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

    /// The most bytes that an answer can have: a longer one counts as none.
    public static let answerLimit = ChildProgress.answerLimit

    /// Runs `body` in a child, and waits. An answer is only what `body` returns: the child's standard output leads nowhere.
    ///
    /// Throws where there can be no child. The corresponding C function is `fork`: the less this process has touched by then, the less is
    /// copied.
    public static func run(_ progress: ChildProgress, _ body: () -> [UInt8]) throws(Errno) -> Ending {
        progress.clear()
        let pid = clinux_fork()
        if pid < 0 { throw Errno.current }
        if pid == 0 {
            progress.output = OutputGuard()
            progress.answer = body()
            _exit(0)
        }
        let killed = wait(pid, progress)
        let end = ProcessEnd.wait(for: pid)
        if let answer = progress.answer { return .answer(answer) }
        return killed ? .timeout : .ended(end)
    }

    /// The same in a child that shares this process's memory, while this one stands still: several times faster. For code that is trusted not to
    /// write where it should not. What the child leaves in memory when it ends stays: a few pages, of a process that ends soon. Its standard
    /// output is this process's.
    public static func runBeside(_ progress: ChildProgress, _ body: @escaping () -> [UInt8]) throws(Errno) -> Ending {
        progress.clear()
        let work = Work(progress, body)
        let pid = clinux_run_beside({ $0.map { Unmanaged<Work>.fromOpaque($0).takeUnretainedValue().run() } }, work.pointer)
        if pid < 0 { throw Errno.current }
        let end = ProcessEnd.wait(for: pid)
        if let answer = progress.answer { return .answer(answer) }
        return end == .signal(SIGKILL) && progress.isPastDeadline ? .timeout : .ended(end)
    }

    private final class Work {
        private let progress: ChildProgress
        private let body: () -> [UInt8]

        init(_ progress: ChildProgress, _ body: @escaping () -> [UInt8]) {
            self.progress = progress
            self.body = body
        }

        var pointer: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

        func run() { progress.answer = body() }
    }

    /// Waits until the child has ended; true where it had to be killed, since it did one thing for too long.
    private static func wait(_ pid: pid_t, _ progress: ChildProgress) -> Bool {
        let process = FileDescriptor(owning: clinux_pidfd_open(pid))
        if process.rawValue < 0 { return false }
        while true {
            var polled = [
                pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: progress.timer.rawValue, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&polled, 2, -1) <= 0 { continue }
            if polled[0].revents != 0 { return false }
            if progress.isOverdue() {
                kill(pid, SIGKILL)
                return true
            }
        }
    }
}
