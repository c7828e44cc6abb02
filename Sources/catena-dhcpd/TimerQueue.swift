/// Which timers are due when: a binary heap. A timer that is set anew leaves its old entry behind, which is passed over.
struct TimerQueue {
    private var heap: [(time: Int, token: Int)] = []
    private var current: [Int: Int] = [:]

    /// Sets a timer; nil stops it.
    mutating func set(_ token: Int, to time: Int?) {
        guard current[token] != time else { return }
        current[token] = time
        guard let time else { return }
        heap.append((time, token))
        rise(heap.count - 1)
    }

    /// When the next timer is due; nil where none is set.
    mutating func next() -> Int? {
        dropStale()
        return heap.first?.time
    }

    /// Takes off a timer that is due.
    mutating func takeDue(at now: Int) -> Int? {
        dropStale()
        guard let first = heap.first, first.time <= now else { return nil }
        removeFirst()
        current[first.token] = nil
        return first.token
    }

    private mutating func dropStale() {
        while let first = heap.first, current[first.token] != first.time { removeFirst() }
    }

    private mutating func removeFirst() {
        let last = heap.removeLast()
        if heap.isEmpty { return }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].time < heap[least].time { least = child }
            if least == index { return }
            heap.swapAt(index, least)
            index = least
        }
    }

    private mutating func rise(_ start: Int) {
        var index = start
        while index > 0, heap[index].time < heap[(index - 1) / 2].time {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }
}
