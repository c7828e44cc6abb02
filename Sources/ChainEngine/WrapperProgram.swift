import CNI
import JSON
import Linux
import ModuleABI

/// `catena-exec`: one module as a CNI plugin of its own, under the name it is called by.
public enum WrapperProgram {
    /// Serves one invocation of the plugin `type` and returns the exit status.
    public static func main(type: String) -> Int32 {
        PluginProgram.run(about: "CNI \(type) plugin \(CatenaVersion.text)", undo: nil) { (invocation, progress) throws(CNIError) in
            let engine = ChainEngine(directories: .standard, log: .fromEnvironment, isChain: false, records: nil, progress: progress)
            guard try engine.module(type) != nil else {
                throw CNIError(
                    "there is no module \"\(type)\" in \(ModuleDirectories.standard.paths.joined(separator: ":"))",
                    details: "this program runs the module that it is called after: link or copy it under a plugin's name")
            }
            var config = invocation.config.object
            config["prevResult"] = nil
            return try engine.run(try invocation.request(plugins: [try PluginConfiguration.plugin(type, ConfigReader(config))]))
        }
    }
}
