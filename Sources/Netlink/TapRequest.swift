import CLinux
import CNI
import Linux

/// A tap device to make: a link whose frames go to and come from a program that attaches to it.
public struct TapRequest: Sendable {
    /// The name.
    public var name: String
    /// Whether several descriptors can be attached at once, one a queue.
    public var multiQueue: Bool
    /// The user who may attach to it beside root; nil for no one.
    public var owner: UInt32?
    /// The group whose members may attach to it; nil for none.
    public var group: UInt32?

    /// Makes one of these parts.
    public init(name: String, multiQueue: Bool = false, owner: UInt32? = nil, group: UInt32? = nil) {
        self.name = name
        self.multiQueue = multiQueue
        self.owner = owner
        self.group = group
    }

    /// Makes the device in the thread's network namespace, down and without packet information. It stays until it is deleted.
    ///
    /// As `ip tuntap add mode tap name NAME`: rtnetlink can't make such a link, only /dev/net/tun, see tuntap.rst of the kernel. Fails with
    /// EBUSY where the name is taken.
    public func create() throws(NetlinkError) {
        let device: FileDescriptor
        do throws(Errno) {
            device = try FileDescriptor.open("/dev/net/tun", O_RDWR)
        } catch {
            throw NetlinkError(operation: "create tap \(name): open /dev/net/tun", errno: error)
        }
        let flags = IFF_TAP | IFF_NO_PI | (multiQueue ? IFF_MULTI_QUEUE : 0)
        try check(clinux_tun_create(device.rawValue, name, flags), "")
        if let owner { try check(clinux_tun_set_owner(device.rawValue, owner), ": set owner \(owner)") }
        if let group { try check(clinux_tun_set_group(device.rawValue, group), ": set group \(group)") }
        // Until here it vanishes when the descriptor is closed: no failure leaves it behind.
        try check(clinux_tun_set_persistent(device.rawValue), ": make it persistent")
    }

    private func check(_ status: Int32, _ step: String) throws(NetlinkError) {
        if status < 0 { throw NetlinkError(operation: "create tap \(name)\(step)", errno: .current) }
    }
}
