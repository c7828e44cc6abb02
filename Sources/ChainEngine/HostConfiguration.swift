import CLinux
import CNI
import JSON
import Linux

/// The configuration of `catena`, the host: where its chain comes from, and what the inner plugins get.
///
/// The chain is the list under `chain`; or the `plugins` of the conflist that `conflist` names; or, without either, those of
/// `<network name>.conflist` in `/etc/catena/net.d`.
public struct HostConfiguration {
    /// Where conflists are that the configuration doesn't name.
    public static let directory = "/etc/catena/net.d"

    /// The inner plugins, in the order of ADD.
    public let plugins: [ChainPlugin]

    /// Makes one of these parts.
    public init(_ invocation: PluginInvocation) throws(CNIError) {
        let config = invocation.config
        let capabilityArguments = try config.object("runtimeConfig")?.object ?? JSONObject()
        let (entries, place) = try HostConfiguration.chain(invocation)
        plugins = try PluginConfiguration.plugins(
            entries, place: place, network: invocation.network, cniVersion: invocation.cniVersion, capabilityArguments: capabilityArguments,
            args: config.value("args"))
        for (index, plugin) in plugins.enumerated() where plugin.type == "catena" {
            throw CNIError(.invalidConfiguration, "\(place)[\(index)].type: catena can't be a plugin of its own chain")
        }
    }

    private static func chain(_ invocation: PluginInvocation) throws(CNIError) -> (entries: [JSON], place: String) {
        let config = invocation.config
        if let entries = try config.array("chain") {
            if config.has("conflist") { throw config.invalid("conflist", "give either `chain` or `conflist`, not both") }
            return (entries, "chain")
        }
        let path = try config.string("conflist") ?? "\(directory)/\(invocation.network).conflist"
        guard path.hasPrefix("/") else { throw config.invalid("conflist", "expected an absolute path, found \"\(path)\"") }
        let file = try read(path, named: config.has("conflist"))
        guard let plugins = try file.array("plugins") else {
            throw CNIError(.invalidConfiguration, "\(path): plugins: is missing: the list of plugins")
        }
        return (plugins, "\(path): plugins")
    }

    private static func read(_ path: String, named: Bool) throws(CNIError) -> ConfigReader {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(path, limit: PluginInput.limit)
        } catch {
            throw CNIError(
                .invalidConfiguration, "read conflist \(path): \(error.text)",
                details: named ? "" : "the configuration has neither `chain` nor `conflist`: this file is the default")
        }
        do throws(JSONError) {
            if let object = try JSON(parsing: bytes).object { return ConfigReader(object) }
        } catch {
            throw CNIError(.decodingFailure, "decode conflist \(path): line \(error.line), column \(error.column): \(error.text)")
        }
        throw CNIError(.decodingFailure, "decode conflist \(path): expected an object")
    }
}
