import ArgumentParser

struct Module: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See which modules are installed, and try one out.", subcommands: [ModuleList.self, ModuleInfo.self, ModuleCheck.self])
}
