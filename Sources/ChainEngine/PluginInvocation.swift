import CLinux
import CNI
import JSON
import Linux

/// What a runtime asks of this process as a CNI plugin: the environment and standard input, read and checked.
///
/// CNI 1.1.0, sections 2 and 3; checks, their order and their codes are those of the reference's `skel` package.
public struct PluginInvocation {
    /// The operation.
    public let operation: Operation
    /// The container ID.
    public let containerID: String
    /// CNI_NETNS: the network namespace's path.
    public let netns: String
    /// CNI_IFNAME: the interface's name in the container.
    public let interfaceName: String
    /// CNI_ARGS.
    public let arguments: String
    /// The path.
    public let path: String
    /// The configuration on standard input.
    public let config: ConfigReader
    /// The network's name.
    public let network: String
    /// The configuration's CNI version; "0.1.0" where it has none.
    public let cniVersion: String

    /// Makes one of environment and standard input.
    ///
    /// - Parameter versionKnown: gets the configuration's version as soon as it is read: an error object holds it.
    init(
        _ operation: Operation, _ environment: PluginEnvironment, _ input: PluginInput, versionKnown: (String) -> Void
    ) throws(CNIError) {
        self.operation = operation
        containerID = environment.containerID
        netns = environment.netns
        interfaceName = environment.interfaceName
        arguments = environment.arguments
        path = environment.path
        config = input.config
        network = input.network
        let version = try config.string("cniVersion") ?? ""
        cniVersion = version.isEmpty ? "0.1.0" : version
        versionKnown(cniVersion)
        try checkVersion()
    }

    /// A version that is supported, and new enough for the operation.
    private func checkVersion() throws(CNIError) {
        guard CNIVersion.released.contains(cniVersion), let version = CNIVersion(cniVersion) else {
            throw CNIError(
                .incompatibleVersion, "incompatible CNI versions",
                details: "config is \"\(cniVersion)\", plugin supports \(CNIVersion.released.joined(separator: ", "))")
        }
        let needed = operation.since
        if version < needed {
            throw CNIError(
                .incompatibleVersion, "config version does not allow \(operation.command)",
                details: "\(operation.command) came with CNI \(needed.text), the configuration's cniVersion is \(cniVersion)")
        }
    }

    /// The request of this invocation for a chain of these plugins.
    public func request(plugins: [ChainPlugin]) throws(CNIError) -> ChainRequest {
        let attached = operation.hasAttachment
        return ChainRequest(
            operation: operation, network: network, cniVersion: cniVersion, containerID: attached ? containerID : "",
            interfaceName: attached ? interfaceName : "", netns: attached ? netns : "", arguments: arguments, path: path, plugins: plugins,
            previousResult: attached ? try usablePreviousResult() : nil, validAttachments: try validAttachments())
    }

    /// The prevResult; for DEL, which has to remove what it can, one that can't be read counts as none.
    private func usablePreviousResult() throws(CNIError) -> CNIResult? {
        do throws(CNIError) {
            return try previousResult()
        } catch {
            guard operation == .del else { throw error }
            Logger.fromEnvironment.write(
                .warning, LogField.of(network: network, containerID: containerID, interfaceName: interfaceName), error.text)
            return nil
        }
    }

    /// What ADD of the plugin before, or DEL's and CHECK's cached ADD, gave; nil where there is none. It has to be of the configuration's
    /// family of versions.
    func previousResult() throws(CNIError) -> CNIResult? {
        guard let value = config.value("prevResult") else { return nil }
        if let text = value.object?.lenient("cniVersion")?.string, !text.isEmpty,
            let own = CNIVersion(text), let expected = CNIVersion(cniVersion), own.family != expected.family
        {
            throw CNIError(
                .decodingFailure, "prevResult: its cniVersion \(text) can't be used with the configuration's \(cniVersion)")
        }
        do throws(CNIError) {
            return try ResultFormat.decode(value, defaultVersion: cniVersion)
        } catch {
            throw error.prefixed("prevResult")
        }
    }

    /// GC: the attachments in use; nil where the runtime did not say (`cnitool gc` does not): then nothing may be taken for a leftover.
    func validAttachments() throws(CNIError) -> [Attachment]? {
        guard operation == .gc else { return nil }
        let key = "cni.dev/valid-attachments"
        let present = config.object[key] != nil ? key : "cni.dev/attachments"
        guard config.object[present] != nil else { return nil }
        var attachments: [Attachment] = []
        for item in try config.objects(present) {
            attachments.append(
                Attachment(containerID: try item.string("containerID") ?? "", interfaceName: try item.string("ifname") ?? ""))
        }
        return attachments
    }
}

extension Operation {
    /// The CNI version that brought this operation.
    public var since: CNIVersion {
        switch self {
        case .add, .del, .repair: CNIVersion(0, 1, 0)
        case .check: CNIVersion(0, 4, 0)
        case .gc, .status: CNIVersion(1, 1, 0)
        }
    }
}
