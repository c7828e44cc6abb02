import CNI
import ChainEngine
import JSON
import JSONSchema
import Linux
import NetworkConfiguration

/// Finds what is wrong with a configuration file without running it.
struct ConfigurationValidator {
    /// What was found: errors make the network unusable, warnings are likely mistakes.
    struct Report {
        var errors: [String] = []
        var warnings: [String] = []
    }

    private let engine: ChainEngine
    private let schema: JSONSchema
    private let pluginPath = RuntimeSession.variable("CNI_PATH", "")
    private var report = Report()
    /// The version that plugins will be told.
    private var version = CNIVersion.current

    /// A validator of any number of files.
    init(_ modules: InstalledModules) {
        engine = modules.engine
        schema = JSONSchema(modules.schema)
    }

    /// Checks one file.
    func check(_ file: String) -> Report {
        var validator = self
        do throws(CNIError) {
            let bytes = try ConfigurationValidator.read(file)
            validator.checkSchema(bytes)
            let network = try NetworkConfiguration(bytes)
            validator.check(network)
        } catch {
            validator.report.errors.append(error.text)
        }
        return validator.report
    }

    /// Compares the file with the schemas of the modules: each finding with its place in the text.
    private mutating func checkSchema(_ bytes: [UInt8]) {
        // What is no JSON is told where it is decoded.
        guard let json = try? JSON(parsing: bytes) else { return }
        let map = SourceMap(bytes)
        // null counts as absent, for us as for the reference plugins.
        let (errors, unknownKeys) = schema.examine(json.withoutNulls)
        func text(_ finding: SchemaFinding) -> String {
            let place = map.place(finding.pointer, isKey: finding.isKey)
            return "line \(place.line), column \(place.column) (\(finding.pointer.isEmpty ? "/" : finding.pointer)): \(finding.text)"
        }
        // Of two parts of the schema that say the same, one is enough.
        for error in errors.map(text) where !report.errors.contains(error) { report.errors.append(error) }
        report.warnings += unknownKeys.map(text)
    }

    private static func read(_ file: String) throws(CNIError) -> [UInt8] {
        do throws(Errno) { return try File.read(file) } catch { throw CNIError(.ioFailure, error.text) }
    }

    private mutating func note(_ body: () throws(CNIError) -> Void) {
        do throws(CNIError) { try body() } catch { report.errors.append(error.text) }
    }

    private mutating func check(_ network: NetworkConfiguration) {
        note { () throws(CNIError) in try Names.checkNetwork(network.name) }
        let version = network.cniVersion.isEmpty ? "0.1.0" : network.cniVersion
        if network.cniVersion.isEmpty { report.warnings.append("cniVersion: is missing: 0.1.0 counts, which has neither chains nor CHECK") }
        if !CNIVersion.released.contains(version) {
            report.errors.append("cniVersion: \"\(version)\" is not supported: \(CNIVersion.released.joined(separator: ", ")) are")
        }
        self.version = version
        check(network.plugins, place: "plugins", network: network.name)
    }

    private mutating func check(_ plugins: [JSON], place: String, network: String) {
        for (index, plugin) in plugins.enumerated() {
            let at = "\(place)[\(index)]"
            guard let object = plugin.object else {
                report.errors.append("\(at): expected an object, found \(plugin.kind)")
                continue
            }
            check(ConfigReader(object, at: at), isFirst: index == 0, network: network)
        }
    }

    private mutating func check(_ plugin: ConfigReader, isFirst: Bool, network: String) {
        do throws(CNIError) {
            let type = try PluginConfiguration.pluginType(plugin)
            // What runtimes read of every plugin.
            _ = try plugin.object("capabilities")
            _ = try plugin.object("args")
            _ = try ResultFormat.decodeDNS(plugin)
            _ = try PluginConfiguration.timeoutSeconds(try plugin.object("catena"))
            if let ipam = try plugin.object("ipam"), let delegate = try ipam.string("type"), !delegate.isEmpty {
                try checkPresent(delegate, place: ipam.path("type"))
            }
            if type == "catena" {
                try checkHost(plugin, network)
            } else {
                try checkPresent(type, place: plugin.path("type"))
                checkPosition(type, plugin, isFirst)
            }
        } catch {
            report.errors.append(error.text)
        }
    }

    /// The inner chain of the host.
    private mutating func checkHost(_ plugin: ConfigReader, _ network: String) throws(CNIError) {
        _ = try HostConfiguration.logger(plugin)
        _ = try PluginConfiguration.timeoutSeconds(plugin)
        if let chain = try plugin.array("chain") {
            if chain.isEmpty { throw plugin.invalid("chain", "there is no plugin in the list") }
            check(chain, place: plugin.path("chain"), network: network)
            return
        }
        let path = try plugin.string("conflist") ?? "\(HostConfiguration.directory)/\(network).conflist"
        do throws(CNIError) {
            check(try NetworkConfiguration(try ConfigurationValidator.read(path)).plugins, place: "\(path): plugins", network: network)
        } catch {
            throw error.prefixed("\(plugin.path("conflist")): \(path)")
        }
    }

    private func checkPresent(_ type: String, place: String) throws(CNIError) {
        guard Names.isPluginType(type) else { throw CNIError(.invalidConfiguration, "\(place): \"\(type)\" can't be a plugin's name") }
        do throws(CNIError) {
            if let module = try engine.module(type) {
                if CNIVersion.released.contains(version) { _ = try module.version(for: version) }
                return
            }
            if engine.executable(type, in: pluginPath) != nil { return }
        } catch {
            throw error.prefixed(place)
        }
        throw CNIError(
            "\(place): plugin \"\(type)\" not found: no module, and no executable in CNI_PATH \(pluginPath.isEmpty ? "(not set)" : pluginPath)"
        )
    }

    /// An order that can't be meant: an IPAM plugin in the chain, a meta plugin before there is an interface.
    private mutating func checkPosition(_ type: String, _ plugin: ConfigReader, _ isFirst: Bool) {
        guard let kind = (try? engine.module(type))?.kind else { return }
        if kind == "ipam" {
            report.warnings.append("\(plugin.path("type")): \(type) is an IPAM plugin: it belongs under \"ipam\" of an interface plugin")
        }
        if kind == "meta" && isFirst {
            report.warnings.append("\(plugin.path("type")): \(type) needs the result of a plugin before it, and is first")
        }
        if kind == "interface" && !isFirst && type != "loopback" {
            report.warnings.append("\(plugin.path("type")): \(type) makes an interface, and is not first")
        }
    }
}
