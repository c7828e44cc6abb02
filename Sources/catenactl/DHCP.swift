import ArgumentParser
import CNI
import DHCPSocket
import JSON
import Linux

struct DHCP: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dhcp", abstract: "See what the DHCP daemon is doing.",
        subcommands: [DHCPLeases.self, DHCPMetrics.self, DHCPRelease.self])
}

/// Where to ask.
struct DHCPDaemon: ParsableArguments {
    @Option(name: .customLong("socket"), help: "The daemon's socket.") var path = DaemonConnection.defaultPath

    /// Asks the daemon.
    func ask(_ request: DaemonRequest) throws -> JSONObject {
        try Failure.report { () throws(CNIError) in try DaemonConnection.ask(path, request) }
    }
}

struct DHCPLeases: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leases", abstract: "List the leases, their state, and what went wrong last.",
        discussion: """
            RENEW and ENDS are seconds from now; a lease without an end shows "never". States are those of RFC 2131: bound; renewing (its
            server is asked to extend it), rebinding (any server is); selecting, requesting, probing, pausing while there is no lease yet; of
            IPv6 discovering (a router is asked), soliciting and declining too, and SERVER is the router where the address is of its network;
            ended where one was given back since it had changed or was lost ("onChange": "release").
            """)

    @OptionGroup var daemon: DHCPDaemon
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let leases = try daemon.ask(.leases)["leases"] ?? .array([])
        try StandardStream.writeOutput(json ? leases.text(indented: true) + "\n" : Table.text(DHCPLeases.rows(leases.array ?? [])))
    }

    private static func rows(_ leases: [JSON]) -> [[String]] {
        let header = ["NETWORK", "CONTAINER", "IFNAME", "ADDRESS", "SERVER", "STATE", "RENEW", "ENDS", "PROBLEM"]
        return [header]
            + leases.compactMap { $0.object }.map { lease in
                func text(_ key: String) -> String { lease[key]?.string ?? "-" }
                let hasLease = lease["address"] != nil
                func seconds(_ key: String) -> String { lease[key]?.integer.map { "\($0)" } ?? (hasLease ? "never" : "-") }
                return [
                    text("network"), text("containerID"), text("ifname"), text("address"), text("server"), text("state"),
                    seconds("renewIn"),
                    seconds("endsIn"), text("problem"),
                ]
            }
    }
}

struct DHCPMetrics: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics", abstract: "Print the daemon's counters in the text format of Prometheus.",
        discussion: "Write them to a file for the textfile collector of node_exporter, for one.")

    @OptionGroup var daemon: DHCPDaemon

    func run() throws { try StandardStream.writeOutput(try daemon.ask(.metrics)["metrics"]?.string ?? "") }
}

struct DHCPRelease: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "Give a lease back, of a container that is gone.",
        discussion: "Where the interface is still there, its address is taken from it: for one in use run `catenactl del`.")

    @OptionGroup var daemon: DHCPDaemon
    @Argument(help: "The network's name.") var network: String
    @Argument(help: "The container ID.") var containerID: String
    @Argument(help: "The interface's name in the container.") var interface = "eth0"

    func run() throws {
        let key = try Failure.report { () throws(CNIError) in
            try LeaseKey(network: network, containerID: containerID, interfaceName: interface)
        }
        _ = try daemon.ask(.release(key))
    }
}
