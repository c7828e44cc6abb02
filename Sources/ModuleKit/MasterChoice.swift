import CLinux
import CNI
import Netlink

/// Which link a macvlan, ipvlan or vlan is made on: the keys `master` and `linkInContainer`.
public struct MasterChoice {
    /// The link's name; nil for the one that the default route leads over.
    public let name: String?
    /// Whether it is in the container's network namespace; else in the host's.
    public let isInContainer: Bool

    /// Reads the keys.
    public init(_ config: ConfigReader) throws(CNIError) {
        name = try config.nonEmpty("master")
        if let name { do throws(CNIError) { try Names.checkInterface(name) } catch { throw config.invalid("master", error.message) } }
        isInContainer = try config.bool("linkInContainer")
    }

    /// Makes one of these parts.
    public init(name: String?, isInContainer: Bool) {
        self.name = name
        self.isInContainer = isInContainer
    }

    /// The link. Throws where it is not there.
    public func find(_ call: ModuleCall) throws(CNIError) -> MasterLink {
        guard let link = try lookUp(call) else { throw missing(call) }
        return MasterLink(link, isInContainer: isInContainer)
    }

    private func socket(_ call: ModuleCall) throws(CNIError) -> NetlinkSocket {
        isInContainer ? try call.containerNetlink() : try call.hostNetlink()
    }

    private func lookUp(_ call: ModuleCall) throws(CNIError) -> LinkInfo? {
        let socket = try socket(call)
        if let name { return try attempt(try socket.link(named: name)) }
        guard let index = try attempt(try socket.defaultRouteLink()) else { return nil }
        return try attempt(try socket.link(index: index))
    }

    private func missing(_ call: ModuleCall) -> CNIError {
        let place = isInContainer ? call.netns : "the host"
        guard let name else {
            return CNIError(
                "master: there is no default route in \(place) whose interface it could be", details: "set the key master to a name")
        }
        return CNIError(
            "master: there is no interface \(name) in \(place)",
            details: isInContainer ? "" : "with linkInContainer it is looked for in the container")
    }

    /// STATUS: throws code 50 where ADD would not find the link in the host, or its MTU too small. What is in a container shows only with
    /// ADD.
    public func checkAvailable(_ call: ModuleCall, mtu: Int? = nil) throws(CNIError) {
        if isInContainer { return }
        try unavailable { () throws(CNIError) in try find(call).checkMTU(mtu) }
    }

    /// CHECK: the differences between the link that the container's interface is on, and the one that it was made on. The default route may
    /// lead elsewhere by now: without a name any will do.
    public func differences(_ call: ModuleCall, of link: LinkInfo) throws(CNIError) -> [String] {
        let socket = try socket(call)
        let actual = try link.link.map { (index) throws(CNIError) in try attempt(try socket.link(index: index)) } ?? nil
        var differences = Differences()
        if let name {
            let master = try lookUp(call)
            // On a link of its own kind the kernel takes that one's master.
            if link.link == nil || (link.link != master?.index && link.link != master?.link) {
                differences.add("\(link.name): expected on master \(name), found on \(actual?.name ?? "another")")
            }
        }
        if let actual, !actual.isUp { differences.add("master \(actual.name): expected up, found down") }
        return differences.lines
    }
}
