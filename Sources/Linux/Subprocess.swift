import CLinux

/// Runs an executable to its end, with text on standard input and the output captured.
public enum Subprocess {
    /// How it ended and what it wrote.
    public struct Outcome: Sendable {
        /// How it ended.
        public let end: ProcessEnd
        /// What it wrote to standard output.
        public let output: [UInt8]
        /// What it wrote to standard error.
        public let errors: [UInt8]

        /// The exit status; nil where a signal ended it.
        public var status: Int32? { if case .exited(let status) = end { status } else { nil } }
        /// The signal that ended it; 0 for none.
        public var signal: Int32 { if case .signal(let signal) = end { signal } else { 0 } }
    }

    /// Why there is no outcome.
    public enum Failure: Error {
        /// It could not be started.
        case start(Errno)
        /// It was killed; what it had written to standard error.
        case timeout([UInt8])
        /// It wrote more than anything that is asked for here.
        case outputTooLong
    }

    /// More output than this is not a CNI result.
    private static let outputLimit = 16 << 20

    /// - Parameters:
    ///   - path: the file; also its argv[0], since some programs dispatch on it.
    ///   - arguments: those after argv[0].
    ///   - environment: all variables, `NAME=value`.
    ///   - timeoutMilliseconds: after that it is killed.
    public static func run(
        _ path: String, _ arguments: [String] = [], environment: [String], input: String, timeoutMilliseconds: Int
    ) throws(Failure) -> Outcome {
        var errors: [UInt8] = []
        do throws(Errno) {
            // Standard input is a file in memory: no writing to a pipe that nobody reads, no SIGPIPE.
            let stdin = try FileDescriptor.inMemory("stdin")
            try stdin.writeAll(input)
            lseek(stdin.rawValue, 0, SEEK_SET)
            let stdout = try Pipe()
            let stderr = try Pipe()
            let pid = try spawn([path] + arguments, environment, stdin.rawValue, stdout.writeEnd, stderr.writeEnd)
            stdout.closeWriteEnd()
            stderr.closeWriteEnd()
            defer { errors = stderr.bytes }
            return try collect(pid, stdout, stderr, deadline: Clock.milliseconds + timeoutMilliseconds)
        } catch {
            throw error == .timedOut ? .timeout(errors) : error == .fileTooLarge ? .outputTooLong : .start(error)
        }
    }

    private static func spawn(
        _ command: [String], _ environment: [String], _ input: Int32, _ output: Int32, _ errors: Int32
    ) throws(Errno) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        // A process group of its own: what it has started is killed with it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let arguments = CStringArray(command)
        let variables = CStringArray(environment)
        var pid: pid_t = 0
        var wait = 10
        while true {
            let error = Errno(rawValue: posix_spawn(&pid, command[0], &actions, &attributes, arguments.pointer, variables.pointer))
            if error.rawValue == 0 { break }
            // Someone is still writing the file, as while a plugin is upgraded. Nothing tells when that has ended: 0.6 s of patience.
            guard error == .textBusy, wait <= 320 else { throw error }
            usleep(useconds_t(wait * 1000))
            wait *= 2
        }
        return pid
    }

    /// Reads both outputs until the process has ended. A grandchild that keeps a pipe open does not hold this up.
    private static func collect(_ pid: pid_t, _ stdout: Pipe, _ stderr: Pipe, deadline: Int) throws(Errno) -> Outcome {
        let process = FileDescriptor(owning: clinux_pidfd_open(pid))
        var ended = false
        var failure: Errno?
        while !ended && failure == nil {
            var polled = [
                pollfd(fd: stdout.openReadEnd, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stderr.openReadEnd, events: Int16(POLLIN), revents: 0),
                pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0),
            ]
            let left = deadline - Clock.milliseconds
            if left <= 0 || poll(&polled, nfds_t(polled.count), Int32(clamping: left)) == 0 {
                failure = .timedOut
                break
            }
            ended = polled[2].revents != 0
            if polled[0].revents != 0 || ended { stdout.drain() }
            if polled[1].revents != 0 || ended { stderr.drain() }
            if stdout.bytes.count > outputLimit || stderr.bytes.count > outputLimit { failure = .fileTooLarge }
        }
        if failure != nil {
            kill(-pid, SIGKILL)
            kill(pid, SIGKILL)
        }
        let end = ProcessEnd.wait(for: pid)
        if let failure { throw failure }
        return Outcome(end: end, output: stdout.bytes, errors: stderr.bytes)
    }
}

/// A pipe whose read end does not block, and what was read from it.
private final class Pipe {
    private(set) var bytes: [UInt8] = []
    private(set) var writeEnd: Int32
    private let readEnd: Int32
    private var atEnd = false

    init() throws(Errno) {
        var ends: [Int32] = [-1, -1]
        if pipe2(&ends, O_CLOEXEC) != 0 { throw Errno.current }
        readEnd = ends[0]
        writeEnd = ends[1]
        _ = clinux_set_nonblocking(readEnd)
    }

    deinit {
        close(readEnd)
        closeWriteEnd()
    }

    func closeWriteEnd() {
        if writeEnd >= 0 { close(writeEnd) }
        writeEnd = -1
    }

    /// The read end for poll(2), which passes over a negative one.
    var openReadEnd: Int32 { atEnd ? -1 : readEnd }

    /// Reads what is there.
    func drain() {
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while !atEnd {
            let count = chunk.withUnsafeMutableBytes { read(readEnd, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes.append(contentsOf: chunk[0..<count])
            } else if count == 0 {
                atEnd = true
            } else if Errno.current != .interrupted {
                return
            }
        }
    }
}

/// A NULL-ended array of C strings, as execve(2) takes it.
private final class CStringArray {
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ texts: [String]) {
        count = texts.count
        pointer = .allocate(capacity: count + 1)
        for (index, text) in texts.enumerated() { (pointer + index).initialize(to: strdup(text)) }
        (pointer + count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { free(pointer[index]) }
        pointer.deallocate()
    }
}
