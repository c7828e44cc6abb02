import CLinux
import CNI
import ChainEngine
import Digest
import JSON
import Linux
import Namespace
import NetworkConfiguration
import State

/// catenactl as a CNI runtime: one network, and the environment that cnitool has too.
struct RuntimeSession {
    let network: NetworkConfiguration
    /// The version that plugins are told.
    let cniVersion: String
    private let arguments: String
    private let capabilityArguments: JSONObject
    private let pluginPath: String
    private let cache = ResultCache()

    /// Loads the network's configuration. For an attachment that is to be deleted, the one that was kept at its ADD will do.
    init(network name: String, deleting target: Target? = nil) throws(CNIError) {
        let directory = ConfigurationDirectory(RuntimeSession.variable("NETCONFPATH", "/etc/cni/net.d"))
        do throws(CNIError) {
            network = try directory.network(named: name, warn: Failure.warn)
        } catch {
            guard let target, let kept = cache.read(network: name, target.attachment)?.config, !kept.isEmpty else { throw error }
            Failure.warn("\(error.text): using the configuration that was kept at ADD")
            network = try NetworkConfiguration(kept)
        }
        try Names.checkNetwork(network.name)
        cniVersion = network.cniVersion.isEmpty ? "0.1.0" : network.cniVersion
        guard CNIVersion.released.contains(cniVersion) else {
            throw CNIError(
                .incompatibleVersion, "cniVersion \"\(cniVersion)\" is not supported",
                details: "supported are \(CNIVersion.released.joined(separator: ", "))")
        }
        arguments = RuntimeSession.variable("CNI_ARGS", "")
        for pair in try CNIArguments(arguments).pairs where pair.value.isEmpty {
            throw CNIError(.invalidEnvironment, "CNI_ARGS: invalid pair \"\(pair.key)=\"")
        }
        capabilityArguments = try RuntimeSession.capabilities(RuntimeSession.variable("CAP_ARGS", ""))
        pluginPath = RuntimeSession.variable("CNI_PATH", "")
    }

    static func variable(_ name: String, _ standard: String) -> String {
        let value = Environment.value(name) ?? ""
        return value.isEmpty ? standard : value
    }

    private static func capabilities(_ text: String) throws(CNIError) -> JSONObject {
        if text.isEmpty { return JSONObject() }
        do throws(JSONError) {
            if let object = try JSON(parsing: text).object { return object }
        } catch {
            throw CNIError(.invalidEnvironment, "CAP_ARGS: column \(error.column): \(error.text)")
        }
        throw CNIError(.invalidEnvironment, "CAP_ARGS: expected an object")
    }

    // MARK: Operations

    /// Runs a request in a child process, as `catena` does: a module that crashes is one error, and its chain is undone.
    private func run(_ request: ChainRequest) throws(CNIError) -> JSON? {
        func engine(_ progress: ChildProgress) -> ChainEngine {
            ChainEngine(
                directories: .standard, log: .fromEnvironment, isChain: true,
                records: AttachmentRecords(directory: AttachmentRecords.toolDirectory), progress: progress)
        }
        var deletion = request
        deletion.operation = .del
        let undone = deletion
        let text = try IsolatedOperation.run(
            request.operation, undo: { (progress, steps) throws(CNIError) in try engine(progress).delete(undone, steps: steps) },
            { (progress) throws(CNIError) in
                guard let result = try engine(progress).run(request) else { return "" }
                return try ResultFormat.encode(result, version: request.cniVersion).text()
            })
        return text.isEmpty ? nil : try? JSON(parsing: text)
    }

    /// ADD of the network; the result is kept in the cache, and returned in the network's version.
    func add(_ target: Target) throws(CNIError) -> JSON {
        let json = try run(try request(.add, target)) ?? .null
        do throws(CNIError) {
            try cache.write(
                ResultCache.Entry(
                    network: network.name, containerID: target.containerID, interfaceName: target.interfaceName, netns: target.netns,
                    arguments: arguments, capabilityArguments: capabilityArguments, config: network.source, result: json))
        } catch {
            // ADD has failed then: what it made has to go.
            do throws(CNIError) {
                _ = try run(try request(.del, target, cached: try? ResultFormat.decode(json, defaultVersion: cniVersion)))
            } catch let second {
                throw CNIError(error.code, error.message, details: "undo failed, something may be left: \(second.text)")
            }
            throw error
        }
        return json
    }

    /// CHECK of the network, unless it is disabled.
    func check(_ target: Target) throws(CNIError) {
        try require(.check)
        if network.disableCheck { return }
        _ = try run(try request(.check, target, cached: try cachedResult(target)))
    }

    /// DEL of the network; then the cache forgets it.
    func del(_ target: Target) throws(CNIError) {
        _ = try run(try request(.del, target, cached: try? cachedResult(target)))
        try cache.remove(network: network.name, target.attachment)
    }

    /// DEL of every attachment in the cache that is not in `valid`, then GC of the plugins. All is tried; the failures are reported together.
    func collect(valid: [Attachment]) throws(CNIError) {
        if network.disableGC { return }
        var failures: [String] = []
        for entry in cache.entries() where entry.network == network.name && !valid.contains(entry.attachment) {
            do throws(CNIError) {
                try delete(entry)
            } catch {
                failures.append("DEL of \(entry.containerID) \(entry.interfaceName): \(error.text)")
            }
        }
        if let version = CNIVersion(cniVersion), version >= Operation.gc.since {
            do throws(CNIError) { _ = try run(try request(.gc, nil, valid: valid)) } catch { failures.append(error.text) }
        }
        if let first = failures.first {
            throw CNIError("gc of network \(network.name): \(first)", details: failures.dropFirst().joined(separator: "; "))
        }
    }

    private func delete(_ entry: ResultCache.Entry) throws(CNIError) {
        // A path that has become the host's own namespace: the container's is gone.
        let netns = NetworkNamespace.isCurrent(entry.netns) ? "" : entry.netns
        let target = Target(containerID: entry.containerID, netns: netns, interfaceName: entry.interfaceName)
        var request = try request(.del, target, cached: try? cachedResult(target), offered: entry.capabilityArguments)
        request.arguments = entry.arguments
        _ = try run(request)
        try cache.remove(network: network.name, entry.attachment)
    }

    /// STATUS of the plugins. False where the network's version is too old to ask them.
    func status() throws(CNIError) -> Bool {
        guard let version = CNIVersion(cniVersion), version >= Operation.status.since else { return false }
        _ = try run(try request(.status, nil))
        return true
    }

    private func require(_ operation: Operation) throws(CNIError) {
        guard let version = CNIVersion(cniVersion), version >= operation.since else {
            throw CNIError(
                .incompatibleVersion, "configuration version \(cniVersion) does not support the \(operation.command) command",
                details: "it came with \(operation.since.text)")
        }
    }

    /// What ADD gave, as the cache has it: from 0.4.0 on, plugins get it with CHECK and DEL.
    private func cachedResult(_ target: Target) throws(CNIError) -> CNIResult? {
        guard let version = CNIVersion(cniVersion), version >= CNIVersion(0, 4, 0),
            let json = cache.read(network: network.name, target.attachment)?.result
        else { return nil }
        return try ResultFormat.decode(json, defaultVersion: cniVersion)
    }

    private func request(
        _ operation: Operation, _ target: Target?, cached: CNIResult? = nil, offered: JSONObject? = nil, valid: [Attachment]? = nil
    ) throws(CNIError) -> ChainRequest {
        // GC and STATUS are about no attachment: what is for one is left out.
        let plugins = try PluginConfiguration.plugins(
            network.plugins, place: "plugins", network: network.name, cniVersion: cniVersion,
            capabilityArguments: target == nil ? JSONObject() : offered ?? capabilityArguments, args: nil)
        return ChainRequest(
            operation: operation, network: network.name, cniVersion: cniVersion, containerID: target?.containerID ?? "",
            interfaceName: target?.interfaceName ?? "", netns: target?.netns ?? "", arguments: target == nil ? "" : arguments,
            path: pluginPath, plugins: plugins, previousResult: cached, validAttachments: valid)
    }
}

/// What is to be attached: a container's network namespace, and the interface's name in it.
struct Target {
    let containerID: String
    let netns: String
    let interfaceName: String

    var attachment: Attachment { Attachment(containerID: containerID, interfaceName: interfaceName) }

    /// The container ID that cnitool makes of a namespace: `cnitool-` and 20 hex digits of the SHA-512 of its absolute path.
    static func containerID(of netns: String) -> String { "cnitool-" + SHA512.text(of: netns).prefix(20) }

    /// The path made absolute; it need not exist.
    static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return clean(path) }
        guard let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return clean("\(String(cString: directory))/\(path)")
    }

    /// An absolute path without empty parts, `.` and `..`, as Go's filepath.Clean has it: the container ID is made of the text.
    private static func clean(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
