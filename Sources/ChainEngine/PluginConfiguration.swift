import CNI
import JSON

/// Makes each plugin's configuration from the entries of a conflist, as a runtime does.
///
/// CNI 1.1.0, section 3 "Deriving request configuration from plugin configuration".
public enum PluginConfiguration {
    /// - Parameters:
    ///   - entries: the objects of `plugins` (or of the host's `chain`).
    ///   - place: the key they stand under, for errors.
    ///   - capabilityArguments: what the runtime offers; a plugin gets what it declares under `capabilities`.
    ///   - args: the `args` that plugins without their own get.
    ///   - timeoutSeconds: how long plugins without their own limit may take.
    public static func plugins(
        _ entries: [JSON], place: String, network: String, cniVersion: String, capabilityArguments: JSONObject, args: JSON?,
        timeoutSeconds: Int = ChainPlugin.standardTimeoutSeconds
    ) throws(CNIError) -> [ChainPlugin] {
        guard !entries.isEmpty else { throw CNIError(.invalidConfiguration, "\(place): there is no plugin in the list") }
        var plugins: [ChainPlugin] = []
        for (index, entry) in entries.enumerated() {
            guard let object = entry.object else {
                throw CNIError(.decodingFailure, "\(place)[\(index)]: expected an object, found \(entry.kind)")
            }
            let reader = ConfigReader(object, at: "\(place)[\(index)]")
            let type = try pluginType(reader)
            var config = object
            config["name"] = .string(network)
            config["cniVersion"] = .string(cniVersion)
            if let runtime = try runtimeConfig(reader, capabilityArguments) { config["runtimeConfig"] = .object(runtime) }
            if let args, config["args"] == nil { config["args"] = args }
            plugins.append(try plugin(type, ConfigReader(config, at: reader.place), timeoutSeconds: timeoutSeconds))
        }
        return plugins
    }

    /// A plugin without the object `catena` of its configuration, which is for us: it may hold the plugin's own time limit.
    static func plugin(
        _ type: String, _ reader: ConfigReader, timeoutSeconds standard: Int = ChainPlugin.standardTimeoutSeconds
    ) throws(CNIError) -> ChainPlugin {
        var config = reader.object
        config["catena"] = nil
        return ChainPlugin(type: type, config: config, timeoutSeconds: try timeoutSeconds(try reader.object("catena")) ?? standard)
    }

    /// The key `timeout`, in seconds, of an object that may hold it; nil where it does not.
    public static func timeoutSeconds(_ reader: ConfigReader?) throws(CNIError) -> Int? {
        guard let reader, let seconds = try reader.integer("timeout") else { return nil }
        guard (1...86400).contains(seconds) else { throw reader.invalid("timeout", "expected 1 to 86400 seconds, found \(seconds)") }
        return seconds
    }

    /// The plugin's `type`: there, and a plain name.
    public static func pluginType(_ reader: ConfigReader) throws(CNIError) -> String {
        guard let type = try reader.string("type"), !type.isEmpty else { throw reader.invalid("type", "is missing: the plugin's name") }
        guard Names.isPluginType(type) else {
            throw reader.invalid("type", "\"\(type)\" can't be a plugin's name: letters, digits, `_`, `.` and `-` only, never a path")
        }
        return type
    }

    /// The arguments of the capabilities that the plugin declares as true; nil where there are none, which leaves its own in place.
    private static func runtimeConfig(_ plugin: ConfigReader, _ offered: JSONObject) throws(CNIError) -> JSONObject? {
        guard let declared = try plugin.object("capabilities") else { return nil }
        var taken = JSONObject()
        for member in declared.object.members {
            if try declared.bool(member.key), let value = offered[member.key] { taken[member.key] = value }
        }
        return taken.members.isEmpty ? nil : taken
    }
}
