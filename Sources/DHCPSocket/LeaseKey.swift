import CNI
import JSON

/// What a lease is known by: a container's interface in a network.
public struct LeaseKey: Hashable, Sendable {
    /// The network's name.
    public let network: String
    /// The container ID.
    public let containerID: String
    /// The interface's name in the container.
    public let interfaceName: String

    /// Throws where a part is none that CNI allows: they become part of a file's name.
    public init(network: String, containerID: String, interfaceName: String) throws(CNIError) {
        try Names.checkNetwork(network)
        try Names.checkContainerID(containerID)
        try Names.checkInterface(interfaceName)
        self.network = network
        self.containerID = containerID
        self.interfaceName = interfaceName
    }

    init(_ reader: ConfigReader) throws(CNIError) {
        try self.init(
            network: try reader.string("network") ?? "", containerID: try reader.string("containerID") ?? "",
            interfaceName: try reader.string("ifname") ?? "")
    }

    /// The lease's file in a directory of ``LeaseDirectory``: no part can hold a colon.
    public var fileName: String { "\(network):\(containerID):\(interfaceName)" }

    /// "mynet/77383ca0a071/eth0", for messages.
    public var text: String { "\(network)/\(containerID)/\(interfaceName)" }

    /// The container's interface, without the network.
    public var attachment: Attachment { Attachment(containerID: containerID, interfaceName: interfaceName) }

    /// As members of a JSON object.
    public var json: JSONObject {
        JSONObject([("network", .string(network)), ("containerID", .string(containerID)), ("ifname", .string(interfaceName))])
    }
}
