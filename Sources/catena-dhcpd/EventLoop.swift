import CLinux
import CNI
import Linux

/// Waits for descriptors and timers, and calls who is interested: one thread, one epoll(7), one timerfd.
///
/// Descriptors have to be non-blocking: what a handler is told of may have been taken off meanwhile.
final class EventLoop {
    private let epoll: Int32
    private let timer: Int32
    private var handlers: [Int32: () -> Void] = [:]
    private var timers = TimerQueue()
    private var timerHandlers: [Int: () -> Void] = [:]
    private var armed: Int?
    private var lastToken = 0
    private var isRunning = true

    init() throws(CNIError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        timer = timerfd_create(Int32(CLOCK_BOOTTIME), Int32(TFD_CLOEXEC | TFD_NONBLOCK))
        if epoll < 0 || timer < 0 { throw CNIError("make an event loop: \(Errno.current.text)") }
        try watch(timer) { [timer] in
            var count: UInt64 = 0
            _ = read(timer, &count, 8)
        }
    }

    /// The loop's clock, in milliseconds.
    var now: Int { Clock.millisecondsSinceBoot }

    // MARK: Descriptors

    /// Calls `handler` whenever the descriptor can be read.
    func watch(_ descriptor: Int32, _ handler: @escaping () -> Void) throws(CNIError) {
        if clinux_epoll_set(epoll, EPOLL_CTL_ADD, descriptor, UInt32(EPOLLIN.rawValue)) != 0 {
            throw CNIError("watch a descriptor: \(Errno.current.text)")
        }
        handlers[descriptor] = handler
    }

    /// From now on calls the handler when the descriptor can be written, no longer when it can be read.
    func watchWriting(_ descriptor: Int32) { _ = clinux_epoll_set(epoll, EPOLL_CTL_MOD, descriptor, UInt32(EPOLLOUT.rawValue)) }

    /// Forgets a descriptor and closes it.
    func close(_ descriptor: Int32) {
        handlers[descriptor] = nil
        _ = CLinux.close(descriptor)
    }

    // MARK: Timers

    /// A timer, which is not set yet.
    func makeTimer(_ handler: @escaping () -> Void) -> Int {
        lastToken += 1
        timerHandlers[lastToken] = handler
        return lastToken
    }

    /// Sets a timer to a time of ``now``; nil stops it.
    func set(_ timer: Int, to time: Int?) { timers.set(timer, to: time) }

    /// Stops a timer and forgets it.
    func remove(_ timer: Int) {
        timers.set(timer, to: nil)
        timerHandlers[timer] = nil
    }

    // MARK: Running

    /// Runs until ``stop()``.
    func run() throws(CNIError) {
        var descriptors = [Int32](repeating: 0, count: 64)
        var events = [UInt32](repeating: 0, count: 64)
        while isRunning {
            runTimers()
            arm()
            let count = clinux_epoll_wait(epoll, &descriptors, &events, 64)
            if count < 0 && Errno.current != .interrupted { throw CNIError("wait for events: \(Errno.current.text)") }
            for index in 0..<max(0, Int(count)) where isRunning { handlers[descriptors[index]]?() }
        }
    }

    /// Ends ``run()`` after the current event.
    func stop() { isRunning = false }

    private func runTimers() {
        while isRunning, let token = timers.takeDue(at: now) { timerHandlers[token]?() }
    }

    private func arm() {
        let next = timers.next()
        if next == armed { return }
        armed = next
        _ = clinux_timer_set(timer, Int64(next.map { max($0, 1) } ?? 0))
    }
}
