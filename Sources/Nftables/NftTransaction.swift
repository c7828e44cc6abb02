import CNI

/// Commands that the modules of a chain have queued, to be committed together.
public struct NftTransaction: Sendable {
    private struct Entry: Sendable {
        let owner: String
        let purpose: String
        let commands: String
        /// Lines that the commands take up.
        let lines: Int
        /// The same as bytes, where it is one change of an element.
        let change: NftElementChange?
    }

    private var entries: [Entry] = []

    /// Makes an empty one.
    public init() {}

    /// Whether nothing is queued.
    public var isEmpty: Bool { entries.isEmpty }

    /// Queues commands of a module.
    ///
    /// - Parameters:
    ///   - owner: the module's type, for errors.
    ///   - purpose: what they are for, for errors.
    ///   - commands: one or more lines in nft(8) syntax.
    public mutating func append(owner: String, purpose: String, commands: String) {
        let lines = commands.utf8.reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
        entries.append(Entry(owner: owner, purpose: purpose, commands: commands, lines: lines, change: nil))
    }

    /// Queues a change of an element; as above.
    public mutating func append(owner: String, purpose: String, change: NftElementChange) {
        entries.append(Entry(owner: owner, purpose: purpose, commands: change.command, lines: 1, change: change))
    }

    /// Drops all that is queued.
    public mutating func removeAll() { entries.removeAll() }

    /// All commands, in order.
    public var script: String { entries.map { $0.commands }.joined(separator: "\n") }

    /// The same as bytes, a line of ``script`` each; nil where some of it is text only.
    public var changes: [NftElementChange]? {
        var changes: [NftElementChange] = []
        for entry in entries {
            guard let change = entry.change else { return nil }
            changes.append(change)
        }
        return changes
    }

    /// The error of running ``script``, as a plugin reports it: with whose command failed, and what it was for.
    public func error(_ error: NftablesError) -> CNIError {
        var last = 0
        for entry in entries {
            last += entry.lines
            if let line = error.line, line <= last {
                return error.cni.prefixed(entry.purpose.isEmpty ? entry.owner : "\(entry.owner): \(entry.purpose)")
            }
        }
        return error.cni
    }
}
