import ArgumentParser
import CNI
import JSON
import Linux
import State

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the attachments that are kept in the result cache.",
        discussion: "These are catenactl's own and those of runtimes built on libcni, which share the cache in /var/lib/cni/results.")

    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let entries = ResultCache().entries()
        let text = json ? JSON.array(entries.map { .object(List.object($0)) }).text(indented: true) + "\n" : List.table(entries)
        try StandardStream.writeOutput(text)
    }

    private static func addresses(_ entry: ResultCache.Entry) -> [String] {
        guard let json = entry.result, let result = try? ResultFormat.decode(json, defaultVersion: "") else { return [] }
        return result.ips.map { $0.address.text }
    }

    private static func object(_ entry: ResultCache.Entry) -> JSONObject {
        JSONObject([
            ("network", .string(entry.network)), ("containerID", .string(entry.containerID)), ("ifname", .string(entry.interfaceName)),
            ("netns", .string(entry.netns)), ("ips", .array(addresses(entry).map { .string($0) })),
        ])
    }

    private static func table(_ entries: [ResultCache.Entry]) -> String {
        let rows =
            [["NETWORK", "CONTAINER", "IFNAME", "ADDRESSES", "NETNS"]]
            + entries.map { [$0.network, $0.containerID, $0.interfaceName, addresses($0).joined(separator: ","), $0.netns] }
        return Table.text(rows)
    }
}

/// Columns for people.
enum Table {
    /// Rows of equal length, each column as wide as its widest cell.
    static func text(_ rows: [[String]]) -> String {
        guard let header = rows.first else { return "" }
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return cells.joined(separator: "  ").trimmingSpaces() + "\n"
        }.joined()
    }
}

extension String {
    /// Without the spaces at its end.
    fileprivate func trimmingSpaces() -> String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}
