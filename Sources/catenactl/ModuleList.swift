import ArgumentParser
import CNI
import ChainEngine
import JSON
import Linux

struct ModuleList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the modules, and why one is refused.",
        discussion: "They are looked for in the directories of CATENA_MODULE_PATH, else in those beside the program and of the system.")

    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let modules = InstalledModules()
        let found = modules.directories.types.map { type in (type, ModuleList.read(type, modules)) }
        if json {
            let list = found.map { type, module in
                switch module {
                case .success(let module): JSON.object(module.object)
                case .failure(let error):
                    JSON.object(
                        JSONObject([
                            ("type", .string(type)), ("path", .string(modules.directories.files(of: type).first ?? "")),
                            ("refused", .string(error.message)),
                        ]))
                }
            }
            try StandardStream.writeOutput(JSON.array(list).text(indented: true) + "\n")
            return
        }
        var rows = [["TYPE", "KIND", "VERSION", "CAPABILITIES", "PATH"]]
        for (type, module) in found {
            switch module {
            case .success(let module):
                let capabilities = module.capabilities.isEmpty ? "-" : module.capabilities.joined(separator: ",")
                rows.append([type, module.kind, module.version, capabilities, module.path])
            case .failure(let error): rows.append([type, "refused", "-", "-", error.message])
            }
        }
        try StandardStream.writeOutput(Table.text(rows))
    }

    private static func read(_ type: String, _ modules: InstalledModules) -> Result<InstalledModule, CNIError> {
        do throws(CNIError) {
            if let module = try modules.module(type) { return .success(module) }
            return .failure(CNIError("module \(type): it is gone"))
        } catch {
            return .failure(error)
        }
    }
}
