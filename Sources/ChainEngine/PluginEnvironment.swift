import CNI
import Linux

/// The CNI_ variables of one invocation, checked for the operation.
///
/// CNI 1.1.0, section 2 "Parameters". As in the reference, the first invalid value is an error at once, missing ones are named together.
struct PluginEnvironment {
    let containerID: String
    let netns: String
    let interfaceName: String
    let arguments: String
    let path: String

    init(_ operation: Operation) throws(CNIError) {
        func value(_ name: String) -> String { Environment.value(name) ?? "" }
        containerID = value("CNI_CONTAINERID")
        netns = value("CNI_NETNS")
        interfaceName = value("CNI_IFNAME")
        arguments = value("CNI_ARGS")
        path = value("CNI_PATH")
        var missing: [String] = []
        if operation.hasAttachment {
            if containerID.isEmpty {
                missing.append("CNI_CONTAINERID")
            } else {
                try PluginEnvironment.check("CNI_CONTAINERID") { () throws(CNIError) in try Names.checkContainerID(containerID) }
            }
            if netns.isEmpty && operation != .del { missing.append("CNI_NETNS") }
            if interfaceName.isEmpty {
                missing.append("CNI_IFNAME")
            } else {
                try PluginEnvironment.check("CNI_IFNAME") { () throws(CNIError) in try Names.checkInterface(interfaceName) }
            }
        }
        if path.isEmpty { missing.append("CNI_PATH") }
        if !missing.isEmpty {
            throw CNIError(.invalidEnvironment, "required env variables [\(missing.joined(separator: ","))] missing")
        }
    }

    /// An invalid value's error names the variable. CNI 1.1.0, section 5 "Error", code 4.
    private static func check(_ variable: String, _ body: () throws(CNIError) -> Void) throws(CNIError) {
        do throws(CNIError) { try body() } catch { throw error.prefixed(variable) }
    }
}

extension Operation {
    /// Whether the operation is about one container's interface.
    var hasAttachment: Bool { self != .gc && self != .status }
}
