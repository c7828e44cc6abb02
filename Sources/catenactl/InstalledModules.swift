import ChainEngine
import JSON

/// The modules that are installed, to look at: nothing is run.
struct InstalledModules {
    /// Where they are looked for.
    let directories = ModuleDirectories.standard
    /// Opens them.
    let engine = ChainEngine(directories: .standard, log: .fromEnvironment, isChain: true, records: nil)

    /// One JSON Schema of a whole configuration file. Modules that are refused, and schemas that are none, are left out.
    var schema: JSON {
        ConflistSchema.make(
            directories.types.compactMap { type in
                guard let module = try? engine.module(type), let text = module.schema, let schema = try? JSON(parsing: text),
                    schema.object != nil
                else { return nil }
                return (type, module.kind, schema)
            })
    }
}
