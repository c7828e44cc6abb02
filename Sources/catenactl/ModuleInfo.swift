import ArgumentParser
import CNI
import ChainEngine
import JSON
import Linux

struct ModuleInfo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Show what a module tells of itself, and which keys its configuration has.",
        discussion: """
            Where several directories have a file of the type, the first counts; all are shown.
            Example: catenactl module info bridge
            """)

    @Argument(help: "The module's type (bridge), or a file (./bridge.so).") var module: String
    @Flag(help: "Print its JSON Schema, and nothing else.") var schema = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let (type, directories) = ModuleFile.split(module) ?? (type: module, directories: ModuleDirectories.standard)
        let found = try Failure.report { () throws(CNIError) -> InstalledModule in
            guard let found = try InstalledModule.read(type, in: directories) else {
                throw CNIError(
                    "there is no module \"\(type)\" in \(directories.paths.joined(separator: ":"))",
                    details: "`catenactl module list` shows those that are there")
            }
            return found
        }
        if schema {
            try StandardStream.writeOutput(((try? JSON(parsing: found.schema))?.text(indented: true) ?? found.schema) + "\n")
        } else if json {
            try StandardStream.writeOutput(JSON.object(found.object).text(indented: true) + "\n")
        } else {
            try StandardStream.writeOutput(ModuleInfo.text(found, directories.files(of: type)))
        }
    }

    private static func text(_ module: InstalledModule, _ files: [String]) -> String {
        func list(_ texts: [String]) -> String { texts.isEmpty ? "-" : texts.joined(separator: ", ") }
        var rows = [
            ["type", module.type], ["kind", module.kind], ["version", module.version], ["description", module.description],
            ["verbs", list(module.verbs)], ["CNI versions", list(module.cniVersions)], ["capabilities", list(module.capabilities)],
            ["path", module.path],
        ]
        for file in files.dropFirst() { rows.append(["hidden by it", file]) }
        let keys = SchemaKeys.rows(module.schema)
        let table = keys.isEmpty ? "" : "\n" + Table.text([["KEY", "TYPE", "DEFAULT", "MEANING"]] + keys)
        return Table.text(rows) + table
    }
}

/// A module's file as a command's argument: what has a slash, or ends in `.so`.
enum ModuleFile {
    /// The type that a file is to be of, and its directory; nil where the text is no file.
    static func split(_ path: String) -> (type: String, directories: ModuleDirectories)? {
        guard path.contains("/") || path.hasSuffix(".so") else { return nil }
        let absolute = Target.absolute(path)
        guard let slash = absolute.lastIndex(of: "/") else { return nil }
        let name = absolute[absolute.index(after: slash)...]
        let directory = slash == absolute.startIndex ? "/" : String(absolute[..<slash])
        return (String(name.hasSuffix(".so") ? name.dropLast(3) : name), ModuleDirectories([directory]))
    }
}
