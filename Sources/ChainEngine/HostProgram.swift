import CNI
import Linux
import ModuleABI
import State

/// `catena`: the one plugin that a runtime runs, which runs the chain.
public enum HostProgram {
    /// Serves one invocation and returns the exit status.
    public static func main() -> Int32 {
        let about = "CNI catena plugin \(CatenaVersion.text): runs a chain of plugins in one process; see README.md"
        return PluginProgram.run(
            about: about,
            undo: { (invocation, progress, steps) throws(CNIError) in
                var request = try invocation.request(plugins: [])
                request.operation = .del
                try engine(invocation, progress).delete(request, steps: steps)
            },
            { (invocation, progress) throws(CNIError) in try serve(invocation, try engine(invocation, progress)) })
    }

    private static func engine(_ invocation: PluginInvocation, _ progress: ChildProgress) throws(CNIError) -> ChainEngine {
        ChainEngine(
            directories: .standard, log: try HostConfiguration.logger(invocation.config), isChain: true,
            records: AttachmentRecords(directory: AttachmentRecords.hostDirectory), progress: progress)
    }

    private static func serve(_ invocation: PluginInvocation, _ engine: ChainEngine) throws(CNIError) -> CNIResult? {
        var request = try invocation.request(plugins: [])
        do throws(CNIError) {
            request.plugins = try HostConfiguration(invocation, log: engine.log).plugins
        } catch {
            // DEL may do without: what was added is in the record.
            guard invocation.operation == .del, engine.hasRecord(of: request) else { throw error }
            engine.log.write(.warning, request.fields, "DEL undoes what the attachment's record holds: \(error.text)")
        }
        return try engine.run(request)
    }
}
