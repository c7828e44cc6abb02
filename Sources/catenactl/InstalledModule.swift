import CNI
import ChainEngine
import JSON
import Linux

/// What a module tells of itself, read in a child process: opening a module already runs code of it.
struct InstalledModule {
    let path: String
    let type: String
    let version: String
    let description: String
    let kind: String
    let cniVersions: [String]
    let capabilities: [String]
    let verbs: [String]
    /// The text of its JSON Schema; empty where it has none.
    let schema: String

    /// The module that counts for a type; nil where there is none. Throws where it is refused, can't be opened, or its process dies.
    static func read(_ type: String, in directories: ModuleDirectories) throws(CNIError) -> InstalledModule? {
        let text = try IsolatedOperation.run(.status, undo: nil) { (progress) throws(CNIError) in
            let engine = ChainEngine(directories: directories, log: .fromEnvironment, isChain: true, records: nil, progress: progress)
            guard let module = try engine.module(type) else { return "" }
            // The file of this type: it may be a link to one that holds several.
            let path = directories.files(of: type).first ?? module.path
            return JSON.object(InstalledModule(module, type, path).object).text()
        }
        return (try? JSON(parsing: text))?.object.map { InstalledModule($0) }
    }

    private init(_ module: LoadedModule, _ type: String, _ path: String) {
        self.path = path
        self.type = type
        version = module.version
        description = module.description
        kind = module.kind
        cniVersions = module.versions
        capabilities = module.capabilities
        verbs = module.operations.map { $0.command }
        schema = module.schema ?? ""
    }

    private init(_ object: JSONObject) {
        func text(_ key: String) -> String { object[key]?.string ?? "" }
        func list(_ key: String) -> [String] { object[key]?.array?.compactMap { $0.string } ?? [] }
        (path, type, version, description) = (text("path"), text("type"), text("version"), text("description"))
        (kind, cniVersions, capabilities) = (text("kind"), list("cniVersions"), list("capabilities"))
        (verbs, schema) = (list("verbs"), text("schema"))
    }

    /// All of it, for programs.
    var object: JSONObject {
        func list(_ texts: [String]) -> JSON { .array(texts.map { .string($0) }) }
        return JSONObject([
            ("type", .string(type)), ("kind", .string(kind)), ("version", .string(version)), ("description", .string(description)),
            ("path", .string(path)), ("cniVersions", list(cniVersions)), ("capabilities", list(capabilities)), ("verbs", list(verbs)),
            ("schema", .string(schema)),
        ])
    }
}
