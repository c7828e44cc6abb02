import CLinux

/// Memory for C structs and strings that are handed across the ABI: all of it is freed when the arena goes away.
public final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = []

    /// Makes an empty one.
    public init() {}

    deinit { for block in blocks { free(block) } }

    /// Zeroed memory, aligned for any type; nil where there is none left.
    public func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
        guard let block = calloc(1, max(bytes, 1)) else { return nil }
        blocks.append(block)
        return block
    }

    /// A copy of `text` as a C string.
    public func string(_ text: String) -> UnsafePointer<CChar>? {
        let count = text.utf8.count
        guard let copy = allocate(count + 1) else { return nil }
        var index = 0
        for byte in text.utf8 {
            copy.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            index += 1
        }
        return UnsafePointer(copy.assumingMemoryBound(to: CChar.self))
    }

    /// A copy of `text` as a C string; nil for nil.
    func string(_ text: String?) -> UnsafePointer<CChar>? { text.flatMap { string($0) } }

    /// A copy of `value` in memory of the arena.
    func store<T>(_ value: T) -> UnsafePointer<T>? {
        guard let memory = allocate(MemoryLayout<T>.stride) else { return nil }
        memory.bindMemory(to: T.self, capacity: 1).initialize(to: value)
        return UnsafePointer(memory.assumingMemoryBound(to: T.self))
    }

    /// A copy of `values` as a C array; nil for none.
    func array<T>(_ values: [T]) -> UnsafePointer<T>? {
        guard !values.isEmpty, let memory = allocate(MemoryLayout<T>.stride * values.count) else { return nil }
        let typed = memory.bindMemory(to: T.self, capacity: values.count)
        for (index, value) in values.enumerated() { (typed + index).initialize(to: value) }
        return UnsafePointer(typed)
    }

    /// A C array of C strings; nil for none.
    func strings(_ values: [String]) -> UnsafePointer<UnsafePointer<CChar>?>? { array(values.map { string($0) }) }
}
