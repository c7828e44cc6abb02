import CLinux
import CNI
import Linux

/// Bytes that no one can guess, for names and hardware addresses that are to be no one else's. See getrandom(2).
public enum RandomBytes {
    /// So many of them.
    public static func make(_ count: Int) throws(CNIError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard getrandom(&bytes, count, 0) == count else { throw CNIError("get random bytes: \(Errno.current.text)") }
        return bytes
    }
}
