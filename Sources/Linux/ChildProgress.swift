import CLinux

/// What a child process is doing, and its answer, in memory that its parent can read also when it has died.
public final class ChildProgress {
    private let memory: UnsafeMutableRawPointer
    /// Whether the child shares all of its parent's memory, and the parent stands still.
    public let isBeside: Bool
    /// Expires when the current work has to be done: the child sets it, the parent waits for it. None where the parent stands still.
    let timer: FileDescriptor
    /// Kills the child then, where the parent stands still. The child makes it; its number may be 0, which is no pointer.
    private var killingTimer: timer_t?
    private var hasKillingTimer = false
    /// Standard output of the child; nil in the parent, and where nobody looks at it.
    public internal(set) var output: OutputGuard?

    private static let textOffset = 56
    private static let textLimit = 1024
    private static let answerOffset = 4096
    /// The most bytes that an answer can have.
    static let answerLimit = 32 << 20

    /// Takes memory and a timer. Throws where there is none.
    ///
    /// - Parameter beside: for ``ChildProcess/runBeside(_:_:)``, else for ``ChildProcess/run(_:_:)``.
    public init(beside: Bool = false) throws(Errno) {
        let timer = FileDescriptor(owning: beside ? -1 : clinux_timer())
        if timer.rawValue < 0 && !beside { throw Errno.current }
        guard let memory = clinux_fresh_memory(ChildProgress.answerOffset + ChildProgress.answerLimit, beside ? 0 : 1) else {
            throw Errno.current
        }
        isBeside = beside
        self.timer = timer
        self.memory = memory
    }

    // A program that has run a child beside it ends: the end of the process gives the memory back, too.
    deinit { if !isBeside { munmap(memory, ChildProgress.answerOffset + ChildProgress.answerLimit) } }

    private func number(_ offset: Int) -> Int { memory.load(fromByteOffset: offset, as: Int.self) }

    private func setNumber(_ offset: Int, _ value: Int) { memory.storeBytes(of: value, toByteOffset: offset, as: Int.self) }

    /// Forgets all, before the next child.
    func clear() {
        if expiry != 0 && !isBeside { _ = clinux_timer_set(timer.rawValue, 0) }
        hasKillingTimer = false
        output = nil
        memset(memory, 0, ChildProgress.textOffset)
    }

    // MARK: Answer

    /// Whether the child's answer is there.
    public var isComplete: Bool { number(0) != 0 }

    /// The child's answer; nil where there is none. One that is too long can't be given.
    var answer: [UInt8]? {
        get { isComplete ? Array(UnsafeRawBufferPointer(start: memory + ChildProgress.answerOffset, count: number(32))) : nil }
        set {
            guard let newValue, newValue.count <= ChildProgress.answerLimit else { return }
            newValue.withUnsafeBytes { bytes in
                if let start = bytes.baseAddress {
                    (memory + ChildProgress.answerOffset).copyMemory(from: start, byteCount: bytes.count)
                }
            }
            setNumber(32, newValue.count)
            setNumber(0, 1)
        }
    }

    /// Whether the child has found that it is to run code which must not share its parent's memory. What it has done is undone, or can be done
    /// again.
    public var needsOwnMemory: Bool {
        get { number(48) != 0 }
        set { setNumber(48, newValue ? 1 : 0) }
    }

    // MARK: Work

    /// How many steps have been begun.
    public var step: Int {
        get { number(8) }
        set { setNumber(8, newValue) }
    }

    /// When the current work has to be done, by the clock of ``Clock/milliseconds``; 0 for no limit.
    private var deadline: Int {
        get { number(16) }
        set {
            setNumber(16, newValue)
            if isBeside { return limitLife(newValue) }
            // Work that has more time than what came before it is noticed when that one's is over: the timer is set anew then.
            if newValue != 0 && (expiry == 0 || newValue < expiry) { setTimer(newValue) }
        }
    }

    /// When the timer expires; 0 for never.
    private var expiry: Int {
        get { number(40) }
        set { setNumber(40, newValue) }
    }

    private func setTimer(_ time: Int) {
        expiry = time
        _ = clinux_timer_set(timer.rawValue, Int64(time))
    }

    /// Has the kernel kill this process a little after `deadline`, so that work which has begun a little later needs no call for that.
    private func limitLife(_ deadline: Int) {
        let slack = 100
        if deadline == 0 ? expiry == 0 : expiry >= deadline && expiry <= deadline + slack { return }
        if !hasKillingTimer && clinux_killing_timer(&killingTimer) != 0 { return }
        hasKillingTimer = true
        expiry = deadline == 0 ? 0 : deadline + slack
        _ = clinux_killing_timer_set(killingTimer, Int64(expiry))
    }

    /// Whether the current work's time is over.
    var isPastDeadline: Bool { deadline != 0 && deadline <= Clock.milliseconds }

    /// Whether the time is over. The timer may have expired without that, where the work that it was set for has ended; or where a module
    /// has closed all descriptors and the child can't set it: it is set anew then.
    func isOverdue() -> Bool {
        if isPastDeadline { return true }
        setTimer(deadline == 0 ? Clock.milliseconds + 1000 : deadline)
        return false
    }

    /// Notes what is being done from now on, and how long it may take; 0 is without limit.
    public func begin(_ what: String, limitMilliseconds: Int) {
        var count = 0
        for byte in what.utf8.prefix(ChildProgress.textLimit) {
            memory.storeBytes(of: byte, toByteOffset: ChildProgress.textOffset + count, as: UInt8.self)
            count += 1
        }
        setNumber(24, count)
        deadline = limitMilliseconds == 0 ? 0 : Clock.milliseconds + limitMilliseconds
    }

    /// Notes that nothing is being done that could fail by itself.
    public func end() {
        setNumber(16, 0)
        setNumber(24, 0)
    }

    /// What is being done; empty for nothing.
    public var current: String {
        let count = min(max(number(24), 0), ChildProgress.textLimit)
        return String(decoding: UnsafeRawBufferPointer(start: memory + ChildProgress.textOffset, count: count), as: UTF8.self)
    }
}
