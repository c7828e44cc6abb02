import CNI
import ChainEngine
import JSON
import Linux

/// The module that is tried out, and what it is given.
struct CheckSubject {
    let module: InstalledModule
    /// The directory of its file, then the usual ones: its IPAM plugin may be there.
    let directories: ModuleDirectories
    /// The plugin's object.
    let config: JSONObject
    /// Whether that was given by --config.
    let isConfigured: Bool
    /// The plugins that run before it.
    let before: [JSON]
    /// The prevResult of the configuration.
    let previous: JSON?
    let timeoutSeconds: Int
    let verbose: Bool

    static let network = "check"

    init(
        _ module: InstalledModule, _ directories: ModuleDirectories, config file: String?, timeoutSeconds: Int, verbose: Bool
    ) throws(CNIError) {
        self.module = module
        self.timeoutSeconds = timeoutSeconds
        self.verbose = verbose
        self.directories = ModuleDirectories(directories.paths + ModuleDirectories.standard.paths)
        isConfigured = file != nil
        let (object, before) = try file.map { (file) throws(CNIError) in try CheckSubject.read(file, module) } ?? (JSONObject(), [])
        var config = object
        if config["type"] == nil && module.kind != "ipam" { config["type"] = .string(module.type) }
        if module.kind == "ipam" && config["ipam"] == nil {
            config["ipam"] = .object(JSONObject([("type", .string(module.type))]))
        }
        previous = config["prevResult"]
        for key in ["name", "cniVersion", "prevResult"] { config[key] = nil }
        self.config = config
        self.before = before
    }

    private static func read(_ file: String, _ module: InstalledModule) throws(CNIError) -> (JSONObject, [JSON]) {
        let bytes: [UInt8]
        let json: JSON
        do throws(Errno) { bytes = try File.read(file) } catch { throw CNIError(.ioFailure, "\(file): \(error.text)") }
        do throws(JSONError) {
            json = try JSON(parsing: bytes)
        } catch {
            throw CNIError(.decodingFailure, "\(file): line \(error.line), column \(error.column): \(error.text)")
        }
        guard let object = json.object else { throw CNIError(.decodingFailure, "\(file): expected an object, found \(json.kind)") }
        guard let plugins = object["plugins"]?.array else { return (object, []) }
        func isSubject(_ plugin: JSON) -> Bool {
            let place = module.kind == "ipam" ? plugin.object?["ipam"] : plugin
            return place?.object?["type"]?.string == module.type
        }
        guard let index = plugins.firstIndex(where: isSubject), let plugin = plugins[index].object else {
            throw CNIError(.invalidConfiguration, "\(file): there is no plugin \"\(module.type)\" in it")
        }
        return (plugin, module.kind == "ipam" ? [] : Array(plugins[..<index]))
    }

    /// The newest version that it serves.
    var newestVersion: String { module.cniVersions.compactMap { CNIVersion($0) }.max()?.text ?? CNIVersion.current }

    /// Whether it serves the operation in any version.
    func serves(_ operation: Operation) -> Bool {
        module.verbs.contains(operation.command) && module.cniVersions.contains { CNIVersion($0).map { $0 >= operation.since } ?? false }
    }

    /// A plugin as the engine takes it.
    func plugin(_ type: String, _ config: JSONObject, version: String) -> ChainPlugin {
        var config = config
        config["name"] = .string(CheckSubject.network)
        config["cniVersion"] = .string(version)
        return ChainPlugin(type: type, config: config, timeoutSeconds: timeoutSeconds)
    }
}
