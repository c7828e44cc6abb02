import DHCPSocket
import ModuleKit

/// The identifiers of DHCPv6, and of RFC 4361 for IPv4: a DUID that names the container, and an IAID that names its interface.
enum UniqueIdentifier {
    /// A DUID of type 4, a UUID (RFC 6355), made of the container ID: it is the same whenever it is asked for.
    static func duid(_ key: LeaseKey) -> [UInt8] {
        var uuid = bytes(FNV1a.hash("catena/\(key.containerID)")) + bytes(FNV1a.hash("\(key.containerID)/catena"))
        // A UUID of RFC 4122's variant, version 8 (RFC 9562): the rest is ours.
        uuid[6] = uuid[6] & 0x0f | 0x80
        uuid[8] = uuid[8] & 0x3f | 0x80
        return [0, 4] + uuid
    }

    /// Four bytes for the interface in the network.
    static func iaid(_ key: LeaseKey) -> [UInt8] { Array(bytes(FNV1a.hash("\(key.network)/\(key.interfaceName)")).prefix(4)) }

    /// The same as a number: DHCPv6's IAID of its addresses.
    static func association(_ key: LeaseKey) -> UInt32 { iaid(key).reduce(0) { $0 << 8 | UInt32($1) } }

    private static func bytes(_ number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) } }
}
