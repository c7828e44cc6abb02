import ArgumentParser
import ChainEngine
import JSON
import Linux

struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a JSON Schema of configuration files, for editors.",
        discussion: """
            It is made of the schemas of the modules that are installed; plugins without a module may have any keys.
            Example: catenactl schema > cni.schema.json
            """)

    func run() throws {
        let directories = ModuleDirectories.standard
        let engine = ChainEngine(directories: directories, log: .fromEnvironment, isChain: true, records: nil)
        try StandardStream.writeOutput(ConflistSchema.installed(engine, directories).text(indented: true) + "\n")
    }
}
