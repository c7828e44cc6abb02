import CatenaABI

/// Elements of nftables sets as the C structs of `catena/module.h`.
public enum NftStructs {
    /// An element that lives as long as `arena`.
    public static func write(comment: String?, data: [UInt8]?, into arena: Arena) -> UnsafePointer<catena_nft_element>? {
        var raw = catena_nft_element()
        raw.size = UInt32(MemoryLayout<catena_nft_element>.size)
        raw.comment = arena.string(comment)
        raw.data_length = UInt32(data?.count ?? 0)
        raw.data = data.flatMap { arena.array($0) }
        return arena.store(raw)
    }

    /// A change that lives as long as `arena`.
    public static func write(_ change: NftChange, into arena: Arena) -> UnsafePointer<catena_nft_change>? {
        var raw = catena_nft_change()
        raw.size = UInt32(MemoryLayout<catena_nft_change>.size)
        raw.action = change.action
        raw.family = arena.string(change.family)
        raw.table = arena.string(change.table)
        raw.set = arena.string(change.set)
        raw.key = arena.array(change.key)
        raw.key_length = UInt32(change.key.count)
        raw.data = change.data.flatMap { arena.array($0) }
        raw.data_length = UInt32(change.data?.count ?? 0)
        raw.verdict = arena.string(change.verdict)
        raw.object = arena.string(change.object)
        raw.comment = arena.string(change.comment)
        raw.command = arena.string(change.command)
        return arena.store(raw)
    }

    /// Reads a change; nil where what it must have is missing.
    public static func read(_ change: UnsafePointer<catena_nft_change>) -> NftChange? {
        let raw = change.pointee
        guard raw.size >= UInt32(MemoryLayout<catena_nft_change>.size), let family = raw.family, let table = raw.table, let set = raw.set,
            let key = raw.key, let command = raw.command
        else { return nil }
        return NftChange(
            action: raw.action, family: String(cString: family), table: String(cString: table), set: String(cString: set),
            key: Array(UnsafeBufferPointer(start: key, count: Int(raw.key_length))),
            data: raw.data.map { Array(UnsafeBufferPointer(start: $0, count: Int(raw.data_length))) },
            verdict: raw.verdict.map { String(cString: $0) }, object: raw.object.map { String(cString: $0) },
            comment: raw.comment.map { String(cString: $0) }, command: String(cString: command))
    }
}
