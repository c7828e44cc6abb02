/// What identifies an attachment within a network: the container and the interface in it.
///
/// CNI 1.1.0, section 4 "Lifecycle": the pair is unique.
public struct Attachment: Hashable, Sendable {
    public let containerID: String
    public let interfaceName: String

    public init(containerID: String, interfaceName: String) {
        self.containerID = containerID
        self.interfaceName = interfaceName
    }
}
