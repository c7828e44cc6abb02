import CLinux
import CNI
import JSON
import Linux
import Namespace
import Netlink
import Nftables

/// What there is on the private host and in its container: links, addresses, routes, nftables, files. One line each.
struct HostSnapshot {
    let host: Set<String>
    /// Empty where the namespace is gone.
    let container: Set<String>

    /// What is here and was not in `earlier`.
    func added(to earlier: HostSnapshot) -> [String] {
        HostSnapshot.shown(host.subtracting(earlier.host), "") + HostSnapshot.shown(container.subtracting(earlier.container), "container: ")
    }

    private static func shown(_ lines: Set<String>, _ place: String) -> [String] { lines.sorted().map { place + $0 } }

    /// The lines, and the files by what is in them, that speak of a container.
    static func mentions(_ containerID: String, _ snapshot: HostSnapshot) -> [String] {
        let lines = snapshot.host.union(snapshot.container).filter { $0.contains(containerID) }
        let files = snapshot.host.filter { line in
            guard line.hasPrefix("file "), !line.contains(containerID) else { return false }
            return (try? File.readText(String(line.dropFirst(5)), limit: 1 << 20))?.contains(containerID) ?? false
        }
        return lines.sorted() + files.sorted()
    }
}

/// Takes snapshots of the private host.
final class SnapshotTaker {
    private let nftables = Nftables()
    private var containerNftables: Nftables?

    func take() throws(CNIError) -> HostSnapshot {
        let here = try network(nftables).union(SnapshotTaker.files("/run")).union(SnapshotTaker.files("/var/lib"))
        guard let namespace = try NetworkNamespace.open(PrivateHost.container) else { return HostSnapshot(host: here, container: []) }
        let inside = containerNftables ?? Nftables()
        containerNftables = inside
        let there = try NetworkNamespace.with(fd: namespace.fd) { () throws(CNIError) in try network(inside) }
        return HostSnapshot(host: here, container: there)
    }

    private func network(_ nftables: Nftables) throws(CNIError) -> Set<String> {
        var lines = Set(ruleset(nftables))
        do throws(NetlinkError) {
            let socket = try NetlinkSocket.open()
            for link in try socket.links() {
                lines.insert("link \(link.name) \(link.kind ?? "device") \(link.isUp ? "up" : "down")")
                for address in try socket.addresses(index: link.index) where !SnapshotTaker.isTheKernels(address) {
                    lines.insert("address \(address.address.text) on \(link.name)")
                }
                for family in [IPAddress.Family.v4, .v6] {
                    for route in try socket.routes(family, link: link.index) where !SnapshotTaker.isTheKernels(route) {
                        let gateway = route.gateway?.text ?? "-"
                        lines.insert("route \(route.destination.text) via \(gateway) table \(route.table) on \(link.name)")
                    }
                }
            }
        } catch {
            throw error.cni
        }
        return lines
    }

    /// Link-local addresses (scope 253), and those of the loopback interface (254), which stay when it is down.
    private static func isTheKernels(_ address: AddressInfo) -> Bool { address.scope == 253 || address.scope == 254 }

    /// Routes that come and go with links and addresses: of table local (255), to link-local and multicast addresses.
    private static func isTheKernels(_ route: RouteInfo) -> Bool {
        route.table == 255 || route.destination.text.hasPrefix("fe80:") || route.destination.text.hasPrefix("ff00:")
    }

    /// The ruleset without handles and counters, elements apart from their sets; nothing where there is no libnftables.
    private func ruleset(_ nftables: Nftables) -> [String] {
        guard let text = try? nftables.query("list ruleset"), let items = (try? JSON(parsing: text))?.object?["nftables"]?.array else {
            return []
        }
        return items.flatMap { item -> [String] in
            guard let member = item.object?.members.first, member.key != "metainfo", var object = SnapshotTaker.stable(member.value).object
            else { return [] }
            let elements = object["elem"]?.array ?? []
            object["elem"] = nil
            let name = [object["family"], object["table"], object["name"]].compactMap { $0?.string }.joined(separator: " ")
            return ["nft \(member.key) \(JSON.object(object).text())"] + elements.map { "nft element of \(name): \($0.text())" }
        }
    }

    private static func stable(_ value: JSON) -> JSON {
        switch value {
        case .object(let object):
            let kept = object.members.filter { !["handle", "packets", "bytes", "expires"].contains($0.key) }
            return .object(JSONObject(kept.map { ($0.key, stable($0.value)) }))
        case .array(let items): return .array(items.map(stable))
        default: return value
        }
    }

    private static func files(_ directory: String) -> [String] {
        guard directory != "/run/netns", directory != PrivateHost.directory else { return [] }
        return ((try? File.list(directory)) ?? []).flatMap { name -> [String] in
            let path = "\(directory)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0 else { return [] }
            if clinux_is_directory(status.st_mode) == 0 { return ["file \(path)"] }
            return ["directory \(path)"] + files(path)
        }
    }
}
