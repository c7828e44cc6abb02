import ArgumentParser
import CNI
import Linux

struct ModuleNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Write the beginning of a module: source, Makefile, README, an example configuration.",
        discussion: """
            It builds by `make` against the installed header, which pkg-config finds, and runs in a chain at once. Kinds by language, the
            first one unless --kind says another:

              c       meta, interface, ipam
              c++     meta
              rust    meta, ipam
              swift   interface

            Example: catenactl module new my-plugin --language c && make -C my-plugin
            """)

    @Argument(help: "The plugin's name: lower-case letters, digits and hyphens, at most 32.") var name: String
    @Option(help: "c, c++, rust or swift.") var language: ModuleTemplate.Language
    @Option(help: "interface: makes the container's interface; ipam: gives addresses; meta: adds to what is there.")
    var kind: ModuleTemplate.Kind?
    @Option(help: "Where to write (a directory of the plugin's name).") var directory: String?

    func run() throws {
        try Failure.report { () throws(CNIError) in
            let template = try ModuleTemplate(name: name, language: language, kind: kind)
            let directory = directory ?? name
            let paths = template.files.map { "\(directory)/\($0.path)" }
            if let taken = paths.first(where: { File.exists($0) }) {
                throw CNIError("\(taken) exists: nothing was written", details: "name another --directory, or remove it")
            }
            for (path, file) in zip(paths, template.files) {
                do throws(Errno) {
                    try File.makeDirectories(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]), mode: 0o755)
                    try File.replace(path, with: Array(file.text.utf8), mode: 0o644)
                } catch {
                    throw CNIError(.ioFailure, "write \(path): \(error.text)")
                }
            }
            StandardStream.writeError("\(paths.map { "wrote \($0)\n" }.joined())")
        }
    }
}

extension ModuleTemplate.Language: ExpressibleByArgument {}
extension ModuleTemplate.Kind: ExpressibleByArgument {}
