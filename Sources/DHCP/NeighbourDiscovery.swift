import CNI

/// The messages of neighbour discovery that this client sends, and the one that answers them: RFC 4861, section 4. The kernel fills in the
/// checksum.
public enum NeighbourDiscovery {
    /// All routers of the link.
    public static let allRouters = IPAddress(family: .v6, high: 0xff02 << 48, low: 2)

    /// Asks routers to advertise themselves.
    public static func routerSolicitation(hardware: [UInt8]) -> [UInt8] { [133, 0, 0, 0, 0, 0, 0, 0] + source(hardware) }

    /// Asks who has an address.
    public static func solicitation(_ target: IPAddress, hardware: [UInt8]) -> [UInt8] {
        [135, 0, 0, 0, 0, 0, 0, 0] + target.bytes + source(hardware)
    }

    /// The option that has the sender's hardware address.
    private static func source(_ hardware: [UInt8]) -> [UInt8] { [1, 1] + hardware.prefix(6) }

    /// The group that the owner of an address listens to.
    public static func solicitedNodes(_ target: IPAddress) -> IPAddress {
        IPAddress(family: .v6, high: 0xff02 << 48, low: 0x1_ff00_0000 | target.low & 0xff_ffff)
    }

    /// The address that a neighbour's advertisement is about, and the hardware address in it; nil where the message is none.
    public static func advertised(_ message: ArraySlice<UInt8>) -> (target: IPAddress, hardware: [UInt8]?)? {
        let bytes = Array(message)
        guard bytes.count >= 24, bytes[0] == 136, bytes[1] == 0, let target = IPAddress.v6(bytes[8..<24]), !target.isMulticast else {
            return nil
        }
        let hasHardware = bytes.count >= 32 && bytes[24] == 2 && bytes[25] == 1
        return (target, hasHardware ? Array(bytes[26..<32]) : nil)
    }
}
