import CNI
import JSON

/// A network as a configuration file defines it: a list of plugins. CNI 1.1.0, section 1.
public struct NetworkConfiguration: Sendable {
    /// The network's name.
    public let name: String
    /// The version to use: of those the file allows, the highest that is known.
    public let cniVersion: String
    /// CHECK does nothing.
    public let disableCheck: Bool
    /// GC does nothing.
    public let disableGC: Bool
    /// Only the plugins in the file count, not those of the network's folder.
    public let loadOnlyInlinedPlugins: Bool
    /// The plugins' objects, in the order of ADD.
    public internal(set) var plugins: [JSON]
    /// The file's bytes: what a runtime keeps in its cache.
    public let source: [UInt8]

    /// Reads the text of a `.conflist`: an object with `plugins`; or of a `.conf`: a single plugin's object, which becomes a list of one.
    public init(_ bytes: [UInt8]) throws(CNIError) {
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: bytes)
        } catch {
            throw CNIError(.decodingFailure, "line \(error.line), column \(error.column): \(error.text)")
        }
        guard let object = json.object else { throw CNIError(.decodingFailure, "expected an object, found \(json.kind)") }
        let reader = ConfigReader(object)
        name = try reader.string("name") ?? ""
        if name.isEmpty { throw reader.invalid("name", "is missing: the network's name") }
        source = bytes
        if reader.has("type") && !reader.has("plugins") {
            _ = try reader.string("type")
            cniVersion = try reader.string("cniVersion") ?? ""
            (disableCheck, disableGC, loadOnlyInlinedPlugins) = (false, false, true)
            plugins = [json]
            return
        }
        cniVersion = try NetworkConfiguration.version(reader)
        disableCheck = try NetworkConfiguration.flag(reader, "disableCheck")
        disableGC = try NetworkConfiguration.flag(reader, "disableGC")
        loadOnlyInlinedPlugins = try NetworkConfiguration.flag(reader, "loadOnlyInlinedPlugins")
        plugins = try NetworkConfiguration.plugins(reader, required: loadOnlyInlinedPlugins)
    }

    /// With `cniVersions` the highest of them, and of `cniVersion`, that is known; without it `cniVersion` as it stands.
    private static func version(_ reader: ConfigReader) throws(CNIError) -> String {
        let single = try reader.string("cniVersion") ?? ""
        guard reader.has("cniVersions") else { return single }
        var best: CNIVersion?
        for text in try reader.strings("cniVersions") + (single.isEmpty ? [] : [single]) {
            guard let version = CNIVersion(text) else { throw reader.invalid("cniVersions", "\"\(text)\" is no version") }
            if CNIVersion.released.contains(version.text), best.map({ $0 < version }) ?? true { best = version }
        }
        return best?.text ?? single
    }

    /// A boolean, which may also be written as a string.
    private static func flag(_ reader: ConfigReader, _ key: String) throws(CNIError) -> Bool {
        guard let value = reader.value(key) else { return false }
        switch value {
        case .bool(let bool): return bool
        case .string(let text) where text.lowercased() == "true": return true
        case .string(let text) where text.lowercased() == "false": return false
        default: throw reader.mismatch(key, "true or false", value)
        }
    }

    private static func plugins(_ reader: ConfigReader, required: Bool) throws(CNIError) -> [JSON] {
        guard let plugins = try reader.array("plugins") else {
            if required { throw reader.invalid("plugins", "is missing: the list of plugins") }
            return []
        }
        if plugins.isEmpty { throw reader.invalid("plugins", "there is no plugin in the list") }
        return plugins
    }
}
