import CNI
import ModuleABI

/// `catena`: the one plugin that a runtime runs, which runs the chain.
public enum HostProgram {
    /// Serves one invocation and returns the exit status.
    public static func main() -> Int32 {
        let about = "CNI catena plugin \(CatenaVersion.text): runs a chain of plugins in one process; see README.md"
        return PluginProgram.run(about: about) { (invocation) throws(CNIError) in
            let engine = ChainEngine(directories: .standard, log: .fromEnvironment, isChain: true)
            return try engine.run(try invocation.request(plugins: try HostConfiguration(invocation).plugins))
        }
    }
}
