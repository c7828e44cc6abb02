import CNI
import ChainEngine
import JSON

/// The modules that are installed, to look at: none of their operations is run.
final class InstalledModules {
    /// Where they are looked for.
    let directories: ModuleDirectories
    private var read: [String: Result<InstalledModule?, CNIError>] = [:]

    init(_ directories: ModuleDirectories = .standard) { self.directories = directories }

    /// The module of a type; nil where there is none. Throws where it is refused.
    func module(_ type: String) throws(CNIError) -> InstalledModule? {
        if let known = read[type] { return try known.get() }
        let found: Result<InstalledModule?, CNIError>
        do throws(CNIError) {
            found = .success(try InstalledModule.read(type, in: directories))
        } catch {
            found = .failure(error)
        }
        read[type] = found
        return try found.get()
    }

    /// One JSON Schema of a whole configuration file. Modules that are refused, and schemas that are none, are left out.
    var schema: JSON {
        ConflistSchema.make(
            directories.types.compactMap { type in
                guard let module = try? module(type), let schema = try? JSON(parsing: module.schema), schema.object != nil
                else { return nil }
                return (type, module.kind, schema)
            })
    }
}
