import CNI
import ChainEngine
import JSON
import JSONSchema
import Linux
import NetworkConfiguration

/// Finds what is wrong with a configuration file without running it.
struct ConfigurationValidator {
    /// What was found: errors make the network unusable, warnings are likely mistakes. In the order of the file.
    struct Report {
        fileprivate var errorFindings: [Finding] = []
        fileprivate var warningFindings: [Finding] = []

        var errors: [String] { Finding.texts(errorFindings) }
        var warnings: [String] { Finding.texts(warningFindings) }
    }

    private let modules: InstalledModules
    private let schema: JSONSchema
    private let pluginPath = RuntimeSession.variable("CNI_PATH", "")
    private var report = Report()
    /// The file, and where in it things stand.
    private var source: (json: JSON, map: SourceMap)?
    /// The version that plugins will be told.
    private var version = CNIVersion.current

    /// A validator of any number of files.
    init(_ modules: InstalledModules) {
        self.modules = modules
        schema = JSONSchema(modules.schema)
    }

    /// Checks one file.
    func check(_ file: String) -> Report {
        var validator = self
        do throws(CNIError) {
            let bytes = try ConfigurationValidator.read(file)
            // What is no JSON is told where it is decoded.
            validator.source = (try? JSON(parsing: bytes)).map { ($0, SourceMap(bytes)) }
            validator.checkSchema()
            let network = try NetworkConfiguration(bytes)
            validator.check(network)
        } catch {
            validator.add(error: error.text)
        }
        return validator.report
    }

    /// Compares the file with the schemas of the modules.
    private mutating func checkSchema() {
        guard let source else { return }
        // null counts as absent, for us as for the reference plugins.
        let (errors, unknownKeys) = schema.examine(source.json.withoutNulls)
        func finding(_ found: SchemaFinding) -> Finding {
            Finding(pointer: found.pointer, place: source.map.place(found.pointer, isKey: found.isKey), text: found.text)
        }
        report.errorFindings += errors.map(finding)
        report.warningFindings += unknownKeys.map(finding)
    }

    // MARK: Findings

    private mutating func add(warning text: String) { report.warningFindings.append(finding(text)) }

    /// Unless the schema has already told what is wrong at that place.
    private mutating func add(error text: String) {
        let finding = finding(text)
        if finding.place == nil || !report.errorFindings.contains(where: { $0.pointer == finding.pointer }) {
            report.errorFindings.append(finding)
        }
    }

    /// A text that begins with the path of a key, `plugins[0].ipam.type: …`, as errors about the configuration do, gets its place.
    private func finding(_ text: String) -> Finding {
        guard let source, let colon = text.firstRange(of: ": ") else { return Finding(text: text) }
        var pointer = ConfigurationValidator.pointer(of: text[..<colon.lowerBound])
        // A plugin's own file is a list of one.
        if source.json.object?["plugins"] == nil, pointer.hasPrefix("/plugins/0") { pointer = String(pointer.dropFirst(10)) }
        let first = pointer.split(separator: "/", maxSplits: 1).first.map { "/\($0)" } ?? ""
        guard JSONPointer.value(first, in: source.json) != nil else { return Finding(text: text) }
        return Finding(pointer: pointer, place: source.map.place(pointer), text: String(text[colon.upperBound...]))
    }

    /// `a[0].b` as a JSON pointer.
    private static func pointer(of path: Substring) -> String {
        path.split(separator: ".").map { part in
            let words = part.split(whereSeparator: { $0 == "[" || $0 == "]" })
            return words.map { JSONPointer.join("", String($0)) }.joined()
        }.joined()
    }

    private static func read(_ file: String) throws(CNIError) -> [UInt8] {
        do throws(Errno) { return try File.read(file) } catch { throw CNIError(.ioFailure, error.text) }
    }

    private mutating func check(_ network: NetworkConfiguration) {
        do throws(CNIError) { try Names.checkNetwork(network.name) } catch { add(error: "name: \(error.text)") }
        let version = network.cniVersion.isEmpty ? "0.1.0" : network.cniVersion
        if network.cniVersion.isEmpty { add(warning: "cniVersion: is missing: 0.1.0 counts, which has neither chains nor CHECK") }
        if !CNIVersion.released.contains(version) {
            add(error: "cniVersion: \"\(version)\" is not supported: \(CNIVersion.released.joined(separator: ", ")) are")
        }
        self.version = version
        check(network.plugins, place: "plugins", network: network.name)
    }

    private mutating func check(_ plugins: [JSON], place: String, network: String) {
        for (index, plugin) in plugins.enumerated() {
            let at = "\(place)[\(index)]"
            guard let object = plugin.object else {
                add(error: "\(at): expected an object, found \(plugin.kind)")
                continue
            }
            check(ConfigReader(object, at: at), isFirst: index == 0, network: network)
        }
    }

    private mutating func check(_ plugin: ConfigReader, isFirst: Bool, network: String) {
        var failures: [CNIError] = []
        func attempt(_ body: () throws(CNIError) -> Void) { do throws(CNIError) { try body() } catch { failures.append(error) } }
        var type = ""
        attempt { () throws(CNIError) in type = try PluginConfiguration.pluginType(plugin) }
        // What runtimes read of every plugin.
        attempt { () throws(CNIError) in _ = try plugin.object("capabilities") }
        attempt { () throws(CNIError) in _ = try plugin.object("args") }
        attempt { () throws(CNIError) in _ = try ResultFormat.decodeDNS(plugin) }
        attempt { () throws(CNIError) in _ = try PluginConfiguration.timeoutSeconds(try plugin.object("catena")) }
        attempt { () throws(CNIError) in
            if let ipam = try plugin.object("ipam"), let delegate = try ipam.string("type"), !delegate.isEmpty {
                try checkPresent(delegate, place: ipam.path("type"))
            }
        }
        if !type.isEmpty && type != "catena" { attempt { () throws(CNIError) in try checkPresent(type, place: plugin.path("type")) } }
        for failure in failures { add(error: failure.text) }
        if type == "catena" {
            do throws(CNIError) { try checkHost(plugin, network) } catch { add(error: error.text) }
        } else {
            checkPosition(type, plugin, isFirst)
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
            if let module = try modules.module(type) {
                if CNIVersion.released.contains(version) { _ = try LoadedModule.version(for: version, of: module.cniVersions) }
                return
            }
            if ChainEngine.executable(type, in: pluginPath) != nil { return }
        } catch {
            throw error.prefixed(place)
        }
        throw CNIError(
            "\(place): plugin \"\(type)\" not found: no module, and no executable in CNI_PATH \(pluginPath.isEmpty ? "(not set)" : pluginPath)"
        )
    }

    /// An order that can't be meant: an IPAM plugin in the chain, a meta plugin before there is an interface.
    private mutating func checkPosition(_ type: String, _ plugin: ConfigReader, _ isFirst: Bool) {
        guard let kind = (try? modules.module(type))?.kind else { return }
        if kind == "ipam" {
            add(warning: "\(plugin.path("type")): \(type) is an IPAM plugin: it belongs under \"ipam\" of an interface plugin")
        }
        if kind == "meta" && isFirst {
            add(warning: "\(plugin.path("type")): \(type) needs the result of a plugin before it, and is first")
        }
        if kind == "interface" && !isFirst && type != "loopback" {
            add(warning: "\(plugin.path("type")): \(type) makes an interface, and is not first")
        }
    }
}

/// One thing that is wrong with a file.
private struct Finding {
    var pointer = ""
    /// Where it stands; nil where that can't be told.
    var place: SourceMap.Place?
    let text: String

    private var line: String {
        guard let place else { return text }
        return "line \(place.line), column \(place.column) (\(pointer.isEmpty ? "/" : pointer)): \(text)"
    }

    /// In the order of the file, none twice.
    static func texts(_ findings: [Finding]) -> [String] {
        func order(_ finding: Finding) -> (Int, Int) { (finding.place?.line ?? .max, finding.place?.column ?? 0) }
        var lines: [String] = []
        for finding in findings.sorted(by: { order($0) < order($1) }) where !lines.contains(finding.line) { lines.append(finding.line) }
        return lines
    }
}
