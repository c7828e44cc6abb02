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
}
