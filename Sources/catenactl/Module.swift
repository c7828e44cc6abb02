import ArgumentParser
import CNI
import ChainEngine
import Linux

struct Module: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See which modules are installed; begin a new one.", subcommands: [ModuleList.self, ModuleNew.self])
}

struct ModuleList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the modules, and why one is refused.",
        discussion: "They are looked for in the directories of CATENA_MODULE_PATH, else in those beside the program and of the system.")

    func run() throws {
        let modules = InstalledModules()
        var rows = [["TYPE", "KIND", "VERSION", "PATH"]]
        for type in modules.directories.types {
            do throws(CNIError) {
                guard let module = try modules.engine.module(type) else { continue }
                rows.append([type, module.kind, module.version, module.path])
            } catch {
                rows.append([type, "refused", "-", error.message])
            }
        }
        try StandardStream.writeOutput(Table.text(rows))
    }
}
