import CLinux

/// What a child process is doing, in memory that its parent can read also when it has died.
public final class ChildProgress {
    private let page: UnsafeMutableRawPointer
    private static let textOffset = 32
    private static let textLimit = 1024

    /// Takes a page of memory. Throws where there is none.
    public init() throws(Errno) {
        guard let page = clinux_shared_page() else { throw Errno.current }
        self.page = page
    }

    deinit { munmap(page, 4096) }

    /// Forgets all, before the next child.
    public func clear() { memset(page, 0, 4096) }

    /// Whether the child's answer is there.
    public var isComplete: Bool {
        get { page.load(as: UInt8.self) != 0 }
        set { page.storeBytes(of: newValue ? 1 : 0, as: UInt8.self) }
    }

    /// How many steps have been begun.
    public var step: Int {
        get { page.load(fromByteOffset: 8, as: Int.self) }
        set { page.storeBytes(of: newValue, toByteOffset: 8, as: Int.self) }
    }

    /// When the current work has to be done, by the clock of ``Clock/milliseconds``; 0 for no limit.
    public private(set) var deadline: Int {
        get { page.load(fromByteOffset: 16, as: Int.self) }
        set { page.storeBytes(of: newValue, toByteOffset: 16, as: Int.self) }
    }

    /// Notes what is being done from now on, and how long it may take.
    public func begin(_ what: String, limitMilliseconds: Int) {
        let bytes = Array(what.utf8.prefix(ChildProgress.textLimit))
        bytes.withUnsafeBytes {
            (page + ChildProgress.textOffset).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(page), byteCount: $0.count)
        }
        page.storeBytes(of: bytes.count, toByteOffset: 24, as: Int.self)
        deadline = limitMilliseconds == 0 ? 0 : Clock.milliseconds + limitMilliseconds
    }

    /// Notes that nothing is being done that could fail by itself.
    public func end() {
        deadline = 0
        page.storeBytes(of: 0, toByteOffset: 24, as: Int.self)
    }

    /// What is being done; empty for nothing.
    public var current: String {
        let count = min(max(page.load(fromByteOffset: 24, as: Int.self), 0), ChildProgress.textLimit)
        return String(decoding: UnsafeRawBufferPointer(start: page + ChildProgress.textOffset, count: count), as: UTF8.self)
    }
}
