import ArgumentParser
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
        try StandardStream.writeOutput(InstalledModules().schema.text(indented: true) + "\n")
    }
}
