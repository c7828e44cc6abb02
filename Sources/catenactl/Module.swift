import ArgumentParser

struct Module: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See which modules are installed; begin a new one, and try it out.",
        subcommands: [ModuleList.self, ModuleInfo.self, ModuleNew.self, ModuleCheck.self])
}
