import ArgumentParser
import CNI
import HostLocalModule
import JSON
import Linux

struct IPAM: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipam",
        abstract: "See and mend the address reservations of host-local.",
        discussion: """
            The ranges are those of the networks in NETCONFPATH (/etc/cni/net.d). A network without a configuration there is known by its
            directory alone, in \(Inspection.standardDataDirectory) or that of --data-dir.

            A reservation is leaked when no attachment is known that it could be for, neither in the result cache that runtimes built on
            libcni keep (/var/lib/cni/results) nor in the records of catena, or when the attachment's network namespace is gone. With a
            runtime that keeps its results elsewhere, everything looks leaked. For its first four minutes (--grace) a reservation is new: its
            ADD may still be under way.
            """,
        subcommands: [IPAMList.self, IPAMShow.self, IPAMRelease.self, IPAMCheck.self])
}

/// Where the commands look.
struct IPAMOptions: ParsableArguments {
    @Option(help: "The directory of the networks' directories, in place of the key dataDir.") var dataDir: String?

    @Option(help: "For so many seconds a reservation without an attachment is new, not leaked.") var grace = 240

    func networks(_ name: String?) throws(CNIError) -> [IPAMNetwork] { try IPAMNetwork.find(name, dataDirectory: dataDir, grace: grace) }
}

struct IPAMList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List who holds which address, and since when; leaked ones are marked.",
        discussion: "Example: catenactl ipam list mynet")

    @Argument(help: "The network's name; without it, all networks.") var network: String?
    @OptionGroup var options: IPAMOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let found = try Failure.report { () throws(CNIError) in try IPAMNetwork.reservations(of: try options.networks(network)) }
        if json { return try StandardStream.writeOutput(JSON.array(found.map { $0.json }).text(indented: true) + "\n") }
        let rows = found.map { $0.row }
        try StandardStream.writeOutput(Table.text([["NETWORK", "ADDRESS", "CONTAINER", "IFNAME", "SINCE", "STATE"]] + rows))
    }
}

struct IPAMShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show how full the range sets of networks are, or all that is known of an address.",
        discussion: "Examples: catenactl ipam show; catenactl ipam show mynet; catenactl ipam show 10.1.0.5")

    @Argument(help: "A network's name, an address, or both.") var what: [String] = []
    @OptionGroup var options: IPAMOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let (network, addresses) = try Failure.report { () throws(CNIError) in try IPAMTarget.split(what) }
        let networks = try Failure.report { () throws(CNIError) in try options.networks(network) }
        if addresses.isEmpty { try showNetworks(networks) } else { try showAddresses(addresses, networks) }
    }

    private func showNetworks(_ networks: [IPAMNetwork]) throws {
        let usages = try Failure.report { () throws(CNIError) in
            var usages: [IPAMUsage] = []
            for network in networks { usages.append(try network.usage()) }
            return usages
        }
        if json { return try StandardStream.writeOutput(JSON.array(usages.map { $0.json }).text(indented: true) + "\n") }
        let rows = usages.flatMap { $0.rows }
        try StandardStream.writeOutput(Table.text([["NETWORK", "RANGE SET", "HELD", "FREE", "LEAKED", "DIRECTORY"]] + rows))
    }

    private func showAddresses(_ addresses: [IPAddress], _ networks: [IPAMNetwork]) throws {
        let found = try Failure.report { () throws(CNIError) in
            try IPAMNetwork.reservations(of: networks).filter { addresses.contains($0.held.address) }
        }
        if json {
            try StandardStream.writeOutput(JSON.array(found.map { $0.json }).text(indented: true) + "\n")
        } else {
            try StandardStream.writeOutput(found.map { $0.description }.joined(separator: "\n"))
        }
        let missing = addresses.filter { address in !found.contains { $0.held.address == address } }
        for address in missing { StandardStream.writeError("catenactl: \(address.text) is not reserved\n") }
        if !missing.isEmpty { throw ExitCode.failure }
    }
}

struct IPAMRelease: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "Release addresses that are leaked; those in use, or new, only with --force.",
        discussion: """
            Without a network's name, the addresses are looked for in all networks; if one is held in several, name the one meant.
            Examples: catenactl ipam release mynet 10.1.0.5; catenactl ipam release mynet --container 0f3a… --ifname eth0
            """)

    @Argument(help: "A network's name, and addresses.") var what: [String] = []
    @Option(help: "Release what this container holds.") var container: String?
    @Option(help: "Of the container, what this interface holds.") var ifname: String?
    @Flag(help: "Release also what is in use: another container can then get the same address.") var force = false
    @OptionGroup var options: IPAMOptions

    func validate() throws {
        if container == nil && !what.contains(where: { IPAddress($0) != nil }) {
            throw ValidationError("give the addresses to release, or --container")
        }
        if container != nil && what.contains(where: { IPAddress($0) != nil }) {
            throw ValidationError("give either addresses or --container, not both")
        }
        if ifname != nil && container == nil { throw ValidationError("--ifname needs --container") }
    }

    func run() throws {
        try Failure.report { () throws(CNIError) in
            let (network, addresses) = try IPAMTarget.split(what)
            let networks = try options.networks(network)
            let chosen = try choose(try IPAMNetwork.reservations(of: networks), addresses)
            if !force { try refuseInUse(chosen) }
            for network in networks {
                for item in try network.release(chosen.filter { $0.network == network.name }) {
                    IPAMRelease.tell("released \(item.held.address.text) of \(item.network), held by \(item.held.owner)\n")
                }
            }
        }
    }

    private static func tell(_ text: String) { try? StandardStream.writeOutput(text) }

    private func choose(_ reservations: [IPAMReservation], _ addresses: [IPAddress]) throws(CNIError) -> [IPAMReservation] {
        if let container {
            let found = reservations.filter { $0.held.containerID == container && (ifname == nil || $0.held.interfaceName == ifname) }
            if found.isEmpty {
                throw CNIError("nothing is reserved for \(([container] + (ifname.map { [$0] } ?? [])).joined(separator: " "))")
            }
            return found
        }
        var chosen: [IPAMReservation] = []
        for address in addresses {
            let found = reservations.filter { $0.held.address == address }
            if found.isEmpty { throw CNIError("\(address.text) is not reserved") }
            let networks = Set(found.map { $0.network }).sorted()
            if networks.count > 1 {
                throw CNIError("\(address.text) is reserved in several networks", details: "name one: \(networks.joined(separator: ", "))")
            }
            chosen += found
        }
        return chosen
    }

    private func refuseInUse(_ chosen: [IPAMReservation]) throws(CNIError) {
        for item in chosen where item.state.isInUse {
            throw CNIError(
                "\(item.held.address.text) of \(item.network) is in use by \(item.held.owner): \(item.state.reason)",
                details: "detach the container (catenactl del), or release the address all the same with --force")
        }
    }
}

struct IPAMCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Find what is wrong with reservations: torn, foreign, out of range, double; and with their index.",
        discussion: """
            Leaked reservations are told as warnings. The exit status is 1 where there is an error.
            Example: catenactl ipam check mynet
            """)

    @Argument(help: "The network's name; without it, all networks.") var network: String?
    @OptionGroup var options: IPAMOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let reports = try Failure.report { () throws(CNIError) in
            var reports: [IPAMReport] = []
            for network in try options.networks(network) { reports.append(try network.check()) }
            return reports
        }
        if json {
            try StandardStream.writeOutput(JSON.array(reports.map { $0.json }).text(indented: true) + "\n")
        } else {
            try StandardStream.writeOutput(reports.map { $0.text }.joined())
        }
        if reports.contains(where: { !$0.isOK }) { throw ExitCode.failure }
    }
}

/// The words that name what a command is about.
enum IPAMTarget {
    /// What is an address is one; of other words there is one at most, a network's name.
    static func split(_ words: [String]) throws(CNIError) -> (network: String?, addresses: [IPAddress]) {
        let names = words.filter { IPAddress($0) == nil }
        if names.count > 1 { throw CNIError("expected one network, and addresses; found \(names.joined(separator: ", "))") }
        return (names.first, words.compactMap { IPAddress($0) })
    }
}
