import ArgumentParser
import JSON
import Linux
import State

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the attachments that are known on this machine.",
        discussion: """
            These are catenactl's own and those of runtimes built on libcni, which share the cache in /var/lib/cni/results, and those that
            catena has a record of in \(AttachmentRecords.hostDirectory).
            """)

    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let attachments = KnownAttachment.all
        let text = json ? JSON.array(attachments.map { .object($0.object) }).text(indented: true) + "\n" : List.table(attachments)
        try StandardStream.writeOutput(text)
    }

    private static func table(_ attachments: [KnownAttachment]) -> String {
        let rows = attachments.map { item in
            [
                item.network, item.attachment.containerID, item.attachment.interfaceName, item.addresses.joined(separator: ","),
                item.plugins.joined(separator: ","), item.netns,
            ]
        }
        return Table.text([["NETWORK", "CONTAINER", "IFNAME", "ADDRESSES", "PLUGINS", "NETNS"]] + rows)
    }
}
