import ArgumentParser
import CNI
import Linux

/// What the commands about one attachment take.
struct TargetArguments: ParsableArguments {
    @Argument(help: "The network's name, as its configuration file has it.")
    var network: String

    @Argument(help: "The network namespace's path, such as /run/netns/NAME.")
    var netns: String

    @Option(name: [.short, .customLong("ifname")], help: "The interface's name in the namespace (CNI_IFNAME, else eth0).")
    var ifname: String?

    @Option(help: "The container ID (made of the namespace's path, as cnitool does).")
    var containerID: String?

    /// The attachment, its names checked.
    func target() throws(CNIError) -> Target {
        let path = Target.absolute(netns)
        let target = Target(
            containerID: containerID ?? Target.containerID(of: path), netns: path,
            interfaceName: ifname ?? RuntimeSession.variable("CNI_IFNAME", "eth0"))
        try Names.checkContainerID(target.containerID)
        try Names.checkInterface(target.interfaceName)
        return target
    }
}

struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Attach a network namespace to a network, and print the result.",
        discussion: "Example: catenactl add mynet /run/netns/test")

    @OptionGroup var arguments: TargetArguments

    func run() throws {
        try Failure.report { () throws(CNIError) in
            let result = try RuntimeSession(network: arguments.network).add(try arguments.target())
            do throws(Errno) {
                try StandardStream.writeOutput(result.text(indented: true) + "\n")
            } catch {
                throw CNIError(.ioFailure, "write to standard output: \(error.text)")
            }
        }
    }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare an attachment with what was made; name every difference.",
        discussion: "Example: catenactl check mynet /run/netns/test")

    @OptionGroup var arguments: TargetArguments

    func run() throws {
        try Failure.report { () throws(CNIError) in try RuntimeSession(network: arguments.network).check(try arguments.target()) }
    }
}

struct Del: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Undo an attachment; what is gone already is no error.",
        discussion: "Example: catenactl del mynet /run/netns/test")

    @OptionGroup var arguments: TargetArguments

    func run() throws {
        try Failure.report { () throws(CNIError) in
            let target = try arguments.target()
            try RuntimeSession(network: arguments.network, deleting: target).del(target)
        }
    }
}

struct GC: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Remove what attachments left that are not in use any more: all that is not kept by --keep.",
        discussion: "Example: catenactl gc mynet --keep 0f3a…/eth0 --keep 77c1…/eth0")

    @Argument(help: "The network's name.") var network: String
    @Argument(help: "Not used; cnitool has it too.") var netns: String?
    @Option(name: [.short, .customLong("ifname")], help: "Not used; cnitool has it too.") var ifname: String?
    @Option(help: "An attachment in use, CONTAINERID/IFNAME. Give it once for each.") var keep: [String] = []

    func run() throws {
        try Failure.report { () throws(CNIError) in
            var valid: [Attachment] = []
            for text in keep {
                let words = text.split(separator: "/", omittingEmptySubsequences: false)
                guard words.count == 2 else { throw CNIError("--keep: expected CONTAINERID/IFNAME, found \"\(text)\"") }
                valid.append(Attachment(containerID: String(words[0]), interfaceName: String(words[1])))
            }
            try RuntimeSession(network: network).collect(valid: valid)
        }
    }
}

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask the network's plugins whether they could attach a container now.", discussion: "Example: catenactl status mynet")

    @Argument(help: "The network's name.") var network: String
    @Argument(help: "Not used; cnitool has it too.") var netns: String?
    @Option(name: [.short, .customLong("ifname")], help: "Not used; cnitool has it too.") var ifname: String?

    func run() throws {
        let session = try Failure.report { () throws(CNIError) in try RuntimeSession(network: network) }
        let asked = try Failure.report { () throws(CNIError) in try session.status() }
        if !asked { Failure.warn("cniVersion \(session.cniVersion) of \(network) has no STATUS (1.1.0 has): no plugin was asked") }
    }
}
