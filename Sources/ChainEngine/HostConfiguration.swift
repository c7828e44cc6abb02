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

    /// The inner plugins, in the order of ADD; none where the file that names them does not exist and the operation is DEL.
    public let plugins: [ChainPlugin]

    /// Reads the chain of an invocation.
    public init(_ invocation: PluginInvocation, log: Logger) throws(CNIError) {
        let config = invocation.config
        let capabilityArguments = try config.object("runtimeConfig")?.object ?? JSONObject()
        guard let (entries, place) = try HostConfiguration.chain(invocation, log) else {
            plugins = []
            return
        }
        plugins = try PluginConfiguration.plugins(
            entries, place: place, network: invocation.network, cniVersion: invocation.cniVersion, capabilityArguments: capabilityArguments,
            args: config.value("args"), timeoutSeconds: try PluginConfiguration.timeoutSeconds(config) ?? ChainPlugin.standardTimeoutSeconds
        )
        for (index, plugin) in plugins.enumerated() where plugin.type == "catena" {
            throw CNIError(.invalidConfiguration, "\(place)[\(index)].type: catena can't be a plugin of its own chain")
        }
    }

    /// The log as the key `log` sets it, `{"level": "info", "to": "journald"}`; what the environment sets comes first.
    public static func logger(_ config: ConfigReader) throws(CNIError) -> Logger {
        var (level, destination) = (Logger.environmentLevel, Logger.environmentDestination)
        guard let log = try config.object("log") else { return Logger(level: level, destination: destination) }
        if let name = try log.string("level") {
            guard let configured = Logger.Level(name: name) else {
                throw log.invalid("level", "expected debug, info, warning or error, found \"\(name)\"")
            }
            level = level ?? configured
        }
        if let text = try log.string("to") {
            guard let configured = LogDestination(text) else {
                throw log.invalid("to", "expected syslog, journald or a file's absolute path, found \"\(text)\"")
            }
            destination = destination ?? configured
        }
        return Logger(level: level, destination: destination)
    }

    private static func chain(_ invocation: PluginInvocation, _ log: Logger) throws(CNIError) -> (entries: [JSON], place: String)? {
        let config = invocation.config
        if let entries = try config.array("chain") {
            if config.has("conflist") { throw config.invalid("conflist", "give either `chain` or `conflist`, not both") }
            return (entries, "chain")
        }
        let path = try config.string("conflist") ?? "\(directory)/\(invocation.network).conflist"
        guard path.hasPrefix("/") else { throw config.invalid("conflist", "expected an absolute path, found \"\(path)\"") }
        if invocation.operation == .del && !File.exists(path) {
            log.write(
                .warning, [LogField("net", invocation.network)], "conflist \(path) is gone: DEL undoes what the attachment's record holds")
            return nil
        }
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
