import ArgumentParser
import CNI
import Linux

struct Repair: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make anew what others took away from attachments: published ports, masquerading, accepts.",
        discussion: """
            After `nft flush ruleset`, a reload of a firewall, and the like. Links, addresses and reservations are not touched, and what is
            there as it should be stays. Without a network, all that `catenactl list` shows are repaired.
            Example: catenactl repair mynet
            """)

    @Argument(help: "The network's name; all networks if not given.") var network: String?

    func run() throws {
        try Failure.report { () throws(CNIError) in try AttachmentRepair(network).run() }
    }
}
