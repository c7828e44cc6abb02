import CNI
import JSON
import Linux

/// The directory of configuration files that a runtime reads, `/etc/cni/net.d` by custom.
///
/// Networks are found as libcni finds them, with one difference: a broken file does not hide the others, it becomes a warning.
public struct ConfigurationDirectory: Sendable {
    /// The path.
    public let path: String

    /// Makes one of these parts.
    public init(_ path: String) { self.path = path }

    /// The network of this name: the first `.conflist` (in the order of names) that has it, else the first `.conf` or `.json`.
    ///
    /// - Parameter warn: gets a line for each file that can't be read.
    public func network(named name: String, warn: (String) -> Void) throws(CNIError) -> NetworkConfiguration {
        let files = try list()
        var broken = 0
        for kinds in [[".conflist"], [".conf", ".json"]] {
            for file in files where kinds.contains(where: { file.hasSuffix($0) }) {
                let network: NetworkConfiguration
                do throws(CNIError) {
                    network = try NetworkConfiguration(try read("\(path)/\(file)"))
                } catch {
                    broken += 1
                    warn("\(path)/\(file): \(error.text)")
                    continue
                }
                // A broken file in its folder is an error: the network without that plugin would be another one.
                if network.name == name { return try complete(network) }
            }
        }
        let any = files.contains { file in [".conflist", ".conf", ".json"].contains { file.hasSuffix($0) } }
        if !any { throw CNIError(.invalidConfiguration, "no net configurations found in \(path)") }
        throw CNIError(
            .invalidConfiguration, "no net configuration with name \"\(name)\" in \(path)",
            details: broken == 0 ? "" : "\(broken) files could not be read: see the warnings")
    }

    /// The names of all networks, sorted. Files that can't be read are left out: they are told when a network is looked for.
    public func names() throws(CNIError) -> [String] {
        let files = try list().filter { file in [".conflist", ".conf", ".json"].contains { file.hasSuffix($0) } }
        return Set(files.compactMap { file in (try? read("\(path)/\(file)")).flatMap { try? NetworkConfiguration($0) }?.name }).sorted()
    }

    /// Appends the plugins of the network's folder, unless the file forbids it: `<directory>/<network>/*.conf`, in the order of names.
    private func complete(_ network: NetworkConfiguration) throws(CNIError) -> NetworkConfiguration {
        var network = network
        if !network.loadOnlyInlinedPlugins {
            // The name becomes part of a path.
            try Names.checkNetwork(network.name)
            let folder = "\(path)/\(network.name)"
            let names = (try? File.list(folder))?.sorted() ?? []
            for name in names where name.hasSuffix(".conf") { network.plugins.append(try plugin("\(folder)/\(name)")) }
        }
        if network.plugins.isEmpty { throw CNIError(.invalidConfiguration, "no plugin configs found for network \"\(network.name)\"") }
        return network
    }

    private func plugin(_ file: String) throws(CNIError) -> JSON {
        let bytes = try read(file)
        do throws(JSONError) {
            return try JSON(parsing: bytes)
        } catch {
            throw CNIError(.decodingFailure, "\(file): line \(error.line), column \(error.column): \(error.text)")
        }
    }

    private func list() throws(CNIError) -> [String] {
        do throws(Errno) {
            return try File.list(path).sorted()
        } catch {
            if error == .noEntry { return [] }
            throw CNIError(.ioFailure, "read directory \(path): \(error.text)")
        }
    }

    private func read(_ file: String) throws(CNIError) -> [UInt8] {
        do throws(Errno) { return try File.read(file) } catch { throw CNIError(.ioFailure, error.text) }
    }
}
