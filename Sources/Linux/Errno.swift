import CLinux

/// A Linux error number, as system calls and netlink report it.
///
/// The corresponding C type is `int errno`, see errno(3).
public struct Errno: Error, RawRepresentable, Equatable, Sendable {
    /// The C value, always positive.
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// What the calling thread's last failed system call left in `errno`.
    public static var current: Errno { Errno(rawValue: clinux_errno()) }

    /// The error in words, as strerror(3) says it: "Device or resource busy".
    public var text: String { String(cString: clinux_error_text(rawValue)) }

    public static let permission = Errno(rawValue: EPERM)
    public static let noEntry = Errno(rawValue: ENOENT)
    public static let interrupted = Errno(rawValue: EINTR)
    public static let again = Errno(rawValue: EAGAIN)
    public static let busy = Errno(rawValue: EBUSY)
    public static let exists = Errno(rawValue: EEXIST)
    public static let noDevice = Errno(rawValue: ENODEV)
    public static let notDirectory = Errno(rawValue: ENOTDIR)
    public static let invalid = Errno(rawValue: EINVAL)
    public static let access = Errno(rawValue: EACCES)
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
    public static let noProcess = Errno(rawValue: ESRCH)
    public static let addressNotAvailable = Errno(rawValue: EADDRNOTAVAIL)
    public static let textBusy = Errno(rawValue: ETXTBSY)
    public static let tooBig = Errno(rawValue: E2BIG)
    public static let fileTooLarge = Errno(rawValue: EFBIG)
    public static let timedOut = Errno(rawValue: ETIMEDOUT)
}
