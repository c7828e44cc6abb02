/// What identifies an attachment within a network: the container and the interface in it.
///
/// CNI 1.1.0, section 4 "Lifecycle": the pair is unique.
public struct Attachment: Hashable, Sendable {
    /// The container ID.
    public let containerID: String
    /// CNI_IFNAME: the interface's name in the container.
    public let interfaceName: String

    /// Makes one of these parts.
    public init(containerID: String, interfaceName: String) {
        self.containerID = containerID
        self.interfaceName = interfaceName
    }
}
