import CLinux
import CNI
import Linux

/// A request that the kernel refused, or that could not be made.
public struct NetlinkError: Error, Equatable, Sendable {
    /// What was being done, to what: "set master br0 on veth3f0a".
    public let operation: String
    /// Why it failed.
    public let errno: Errno
    /// What the kernel said beyond the number (its extended acknowledgement), where it said something.
    public let kernelMessage: String?

    /// Makes one of these parts.
    public init(operation: String, errno: Errno, kernelMessage: String? = nil) {
        self.operation = operation
        self.errno = errno
        self.kernelMessage = kernelMessage
    }

    /// The error as a plugin reports it.
    public var cni: CNIError {
        let reason = kernelMessage.map { "\(errno.text) (\($0))" } ?? errno.text
        return CNIError("\(operation): \(reason)", details: hint)
    }

    private var hint: String {
        switch errno {
        case .permission, .access: "CAP_NET_ADMIN is needed in the network namespace: run as root"
        case .notSupported: "does this kernel have the link type or feature? see modprobe(8)"
        default: ""
        }
    }
}
