import CLinux
import Linux

/// How many elements refer to a named object of nftables: the kernel counts them, and does not delete an object that is in use.
public enum NftObjectUse {
    /// The number of elements and rules that refer to a counter; nil where there is no such counter. It costs one message, whatever else there
    /// is.
    ///
    /// - Parameters:
    ///   - socket: one of netfilter.
    ///   - family: "inet", "ip", "ip6", "bridge".
    public static func counter(_ socket: NetlinkSocket, family: String, table: String, name: String) throws(NetlinkError) -> Int? {
        var message = NftChainUse.request(NFT_MSG_GETOBJ, family)
        message.attribute(Int32(NFTA_OBJ_TABLE.rawValue), table)
        message.attribute(Int32(NFTA_OBJ_NAME.rawValue), name)
        message.attribute(Int32(NFTA_OBJ_TYPE.rawValue), UInt32(NFT_OBJECT_COUNTER).bigEndian)
        return try NftChainUse.use(
            socket, message, Int32(NFTA_OBJ_USE.rawValue), "look up counter \(family) \(table) \(name)")
    }
}
