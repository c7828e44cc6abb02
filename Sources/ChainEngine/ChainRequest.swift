import CNI
import JSON

/// One plugin of a chain: its type, and the configuration it gets.
public struct ChainPlugin: Sendable {
    /// The plugin's name.
    public let type: String
    /// The configuration, with `name`, `cniVersion`, `runtimeConfig` and `args` as the plugin is to see them, without `prevResult`.
    public let config: JSONObject
    /// How long one operation of it may take.
    public let timeoutSeconds: Int

    /// The limit where no configuration sets one.
    public static let standardTimeoutSeconds = 60

    /// What to do about a limit that was too short.
    static let timeoutAdvice = "`timeout` in catena's configuration, or in the plugin's `catena` object, sets the limit in seconds"

    /// Makes one of these parts.
    public init(type: String, config: JSONObject, timeoutSeconds: Int = ChainPlugin.standardTimeoutSeconds) {
        self.type = type
        self.config = config
        self.timeoutSeconds = timeoutSeconds
    }
}

/// What is asked of a chain: the parameters of one CNI operation, and the plugins.
public struct ChainRequest: Sendable {
    /// The operation.
    public var operation: Operation
    /// The network's name.
    public var network: String
    /// The CNI version of the configuration: what plugins are told, and what the result is printed in.
    public var cniVersion: String
    /// CNI_CONTAINERID; empty for GC and STATUS.
    public var containerID: String
    /// CNI_IFNAME; empty for GC and STATUS.
    public var interfaceName: String
    /// CNI_NETNS; may be empty for DEL, is for GC and STATUS.
    public var netns: String
    /// CNI_ARGS.
    public var arguments: String
    /// CNI_PATH: where executable plugins are.
    public var path: String
    /// The plugins, in the order of ADD.
    public var plugins: [ChainPlugin]
    /// ADD: what the first plugin gets. DEL and CHECK: what ADD of the whole chain gave.
    public var previousResult: CNIResult?
    /// GC: the attachments that are in use; nil where the runtime did not say.
    public var validAttachments: [Attachment]?

    /// Makes one of these parts.
    public init(
        operation: Operation, network: String, cniVersion: String, containerID: String = "", interfaceName: String = "", netns: String = "",
        arguments: String = "", path: String = "", plugins: [ChainPlugin], previousResult: CNIResult? = nil,
        validAttachments: [Attachment]? = nil
    ) {
        self.operation = operation
        self.network = network
        self.cniVersion = cniVersion
        self.containerID = containerID
        self.interfaceName = interfaceName
        self.netns = netns
        self.arguments = arguments
        self.path = path
        self.plugins = plugins
        self.previousResult = previousResult
        self.validAttachments = validAttachments
    }

    /// Whose request this is, for the log.
    public var fields: [LogField] {
        LogField.of(network: network, containerID: containerID, interfaceName: interfaceName)
    }

    /// This attachment's identity.
    public var attachment: Attachment { Attachment(containerID: containerID, interfaceName: interfaceName) }
}
