import CNI
import ModuleABI
import State

/// `catena`: the one plugin that a runtime runs, which runs the chain.
public enum HostProgram {
    /// Serves one invocation and returns the exit status.
    public static func main() -> Int32 {
        let about = "CNI catena plugin \(CatenaVersion.text): runs a chain of plugins in one process; see README.md"
        return PluginProgram.run(about: about) { (invocation) throws(CNIError) in
            let log = try HostConfiguration.logger(invocation.config)
            let engine = ChainEngine(
                directories: .standard, log: log, isChain: true, records: AttachmentRecords(directory: AttachmentRecords.hostDirectory))
            var request = try invocation.request(plugins: [])
            do throws(CNIError) {
                request.plugins = try HostConfiguration(invocation, log: log).plugins
            } catch {
                // DEL may do without: what was added is in the record.
                guard invocation.operation == .del, engine.hasRecord(of: request) else { throw error }
                log.write(.warning, request.fields, "DEL undoes what the attachment's record holds: \(error.text)")
            }
            return try engine.run(request)
        }
    }
}
