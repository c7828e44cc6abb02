import CLinux

/// A Linux error number, as system calls and netlink report it.
///
/// The corresponding C type is `int errno`, see errno(3).
public struct Errno: Error, RawRepresentable, Equatable, Sendable {
    /// The C value, always positive.
    public let rawValue: Int32

    /// The one of this number.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// What the calling thread's last failed system call left in `errno`.
    public static var current: Errno { Errno(rawValue: clinux_errno()) }

    /// The error in words, as strerror(3) says it: "Device or resource busy".
    public var text: String { String(cString: clinux_error_text(rawValue)) }

    /// EPERM.
    public static let permission = Errno(rawValue: EPERM)
    /// ESRCH: also what a route that is not there is.
    public static let noProcess = Errno(rawValue: ESRCH)
    /// ENOENT.
    public static let noEntry = Errno(rawValue: ENOENT)
    /// EIO: the device below a file system failed.
    public static let inputOutput = Errno(rawValue: EIO)
    /// EINTR.
    public static let interrupted = Errno(rawValue: EINTR)
    /// EEXIST.
    public static let exists = Errno(rawValue: EEXIST)
    /// ENODEV.
    public static let noDevice = Errno(rawValue: ENODEV)
    /// ENOTDIR.
    public static let notDirectory = Errno(rawValue: ENOTDIR)
    /// ETXTBSY.
    public static let textBusy = Errno(rawValue: ETXTBSY)
    /// EINVAL.
    public static let invalid = Errno(rawValue: EINVAL)
    /// EACCES.
    public static let access = Errno(rawValue: EACCES)
    /// EOPNOTSUPP.
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
    /// EADDRNOTAVAIL.
    public static let addressNotAvailable = Errno(rawValue: EADDRNOTAVAIL)
    /// EFBIG: also what a read past its limit throws.
    public static let fileTooLarge = Errno(rawValue: EFBIG)
    /// ETIMEDOUT.
    public static let timedOut = Errno(rawValue: ETIMEDOUT)
}
