import CLinux
import Linux

/// What a module's function must leave as it was: catena/module.h, "State" and "Threads".
struct ProcessSnapshot {
    private let descriptors: [Int32: String]
    private let threads: Int
    private let namespace: String
    private let mask: mode_t
    private let directory: String
    private let signals: [String: UInt64]

    init() {
        var descriptors: [Int32: String] = [:]
        for name in (try? File.list("/proc/self/fd")) ?? [] {
            guard let number = Int32(name), let target = File.target(ofLink: "/proc/self/fd/\(name)"),
                !ProcessSnapshot.isOfLibnftables(number)
            else { continue }
            descriptors[number] = target
        }
        self.descriptors = descriptors
        threads = ((try? File.list("/proc/self/task")) ?? []).count
        namespace = File.target(ofLink: "/proc/thread-self/ns/net") ?? ""
        mask = umask(0)
        umask(mask)
        directory = File.target(ofLink: "/proc/self/cwd") ?? ""
        signals = ProcessSnapshot.signalSets
    }

    /// The host keeps libnftables and its socket for the chain's later modules.
    private static func isOfLibnftables(_ descriptor: Int32) -> Bool {
        var (family, kind) = (Int32(0), Int32(0))
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0, family == AF_NETLINK else { return false }
        return getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &kind, &length) == 0 && kind == NETLINK_NETFILTER
    }

    /// The sets of signals that are blocked, ignored and caught, proc_pid_status(5); not 32 and 33, which are libc's own.
    private static var signalSets: [String: UInt64] {
        var sets: [String: UInt64] = [:]
        for line in ((try? File.readText("/proc/thread-self/status")) ?? "").split(separator: "\n") {
            for name in ["SigBlk", "SigIgn", "SigCgt"] where line.hasPrefix(name + ":") {
                sets[name] = (UInt64(line.split(separator: "\t").last ?? "", radix: 16) ?? 0) & ~(3 << 31)
            }
        }
        return sets
    }

    /// What is not as it was `earlier`: the check that it counts for, and the words.
    func differences(from earlier: ProcessSnapshot) -> [(check: String, found: String)] {
        var found: [(check: String, found: String)] = []
        let opened = descriptors.filter { earlier.descriptors[$0.key] != $0.value }.sorted { $0.key < $1.key }
        if !opened.isEmpty {
            found.append(("descriptors", "left \(opened.count) open: \(opened.prefix(3).map { $0.value }.joined(separator: ", "))"))
        }
        let closed = earlier.descriptors.keys.filter { descriptors[$0] == nil }.sorted()
        if !closed.isEmpty { found.append(("descriptors", "closed \(closed.map { "\($0)" }.joined(separator: ", "))")) }
        if threads != earlier.threads { found.append(("threads", "\(threads - earlier.threads) left running")) }
        if namespace != earlier.namespace { found.append(("network namespace", "changed")) }
        if mask != earlier.mask { found.append(("umask", "\(String(earlier.mask, radix: 8)) became \(String(mask, radix: 8))")) }
        if directory != earlier.directory { found.append(("working directory", "became \(directory)")) }
        for (name, words) in [("SigBlk", "blocked"), ("SigIgn", "ignored"), ("SigCgt", "caught")] {
            if signals[name] == earlier.signals[name] { continue }
            let changed = (signals[name] ?? 0) ^ (earlier.signals[name] ?? 0)
            let numbers = (1...64).filter { changed >> UInt64($0 - 1) & 1 == 1 }.map { "\($0)" }
            found.append(("signals", "\(words) or no longer: \(numbers.joined(separator: ", "))"))
        }
        return found
    }
}
