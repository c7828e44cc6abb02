import CNI
import Netlink

/// Compares a container's interface with what the chain's ADD said it made.
public enum InterfaceCheck {
    /// CHECK of a module: has the IPAM plugin do its own, then reports all differences in one error.
    ///
    /// - Parameters:
    ///   - ipam: nil for an interface without addresses, or with those of another plugin.
    ///   - kind: the kind of link that it is; nil where that does not matter.
    ///   - others: differences in what is the module's own; asked where the interface is there, and of the kind.
    public static func run(
        _ call: ModuleCall, ipam: IPAMDelegate?, kind: String?, others: (LinkInfo) throws(CNIError) -> [String] = { _ in [] }
    ) throws(CNIError) {
        if let ipam { try call.delegate(ipam.type, .check) }
        let result = try call.requireResult()
        let link = try call.containerInterface()
        var all = Differences()
        all.add(try differences(call, result: result, link: link, kind: kind, expectUp: true))
        if let link, kind == nil || link.kind == kind { all.add(try others(link)) }
        try all.throwIfAny("\(call.containerID) \(call.interfaceName)")
    }

    /// The differences in link, addresses and routes.
    ///
    /// Later plugins may have moved things: the MAC is compared with the chain's result, which they kept up to date, and a route counts
    /// wherever it is, since sbr and vrf move routes to other tables.
    ///
    /// - Parameter kind: the kind of link that it is; nil where that does not matter.
    public static func differences(
        _ call: ModuleCall, result: CNIResult, kind: String?, expectUp: Bool = true
    ) throws(CNIError) -> [String] {
        try differences(call, result: result, link: try call.containerInterface(), kind: kind, expectUp: expectUp)
    }

    private static func differences(
        _ call: ModuleCall, result: CNIResult, link: LinkInfo?, kind: String?, expectUp: Bool
    ) throws(CNIError) -> [String] {
        guard let expected = result.interfaces.first(where: { $0.name == call.interfaceName && ($0.sandbox ?? "") == call.netns }) else {
            return ["prevResult has no interface \(call.interfaceName) in \(call.netns)"]
        }
        guard let link else { return ["interface \(call.interfaceName): expected in \(call.netns), found none"] }
        var found: [String] = []
        if let kind, link.kind != kind { found.append("\(link.name): expected a \(kind), found \(link.kind ?? "a device")") }
        if expectUp && !link.isUp { found.append("\(link.name): expected up, found down") }
        if let mac = expected.mac.flatMap({ MACAddress($0) }), mac != link.mac {
            found.append("\(link.name): expected MAC \(mac.text), found \(link.mac?.text ?? "none")")
        }
        let socket = try call.containerNetlink()
        return try found + addresses(call, result, link, socket) + routes(call, result, link, socket)
    }

    private static func addresses(
        _ call: ModuleCall, _ result: CNIResult, _ link: LinkInfo, _ socket: NetlinkSocket
    ) throws(CNIError) -> [String] {
        let present = try attempt(try socket.addresses(index: link.index)).map { $0.address }
        return result.containerAddresses(on: link.name).filter { !present.contains($0) }.map {
            "\(link.name): expected address \($0.text), found \(present.isEmpty ? "none" : present.map { $0.text }.joined(separator: ", "))"
        }
    }

    private static func routes(
        _ call: ModuleCall, _ result: CNIResult, _ link: LinkInfo, _ socket: NetlinkSocket
    ) throws(CNIError) -> [String] {
        var found: [String] = []
        for family in [IPAddress.Family.v4, .v6] {
            let connected = result.containerAddresses(on: link.name).filter { $0.address.family == family && $0.prefix < family.bits }.map {
                $0.network
            }
            let wanted = result.routes.filter { $0.destination.address.family == family }
            if connected.isEmpty && wanted.isEmpty { continue }
            let present = try attempt(try socket.routes(family, link: link.index))
            for network in connected where !present.contains(where: { $0.destination == network }) {
                found.append("\(link.name): expected a route to its network \(network.text), found none")
            }
            for route in wanted {
                let same = present.filter { $0.destination == route.destination.network }
                // As in the reference, a default route may lead over another gateway than the one that was set.
                let gatewayCounts = route.gateway != nil && !route.destination.isEverything
                if same.isEmpty {
                    found.append("\(link.name): expected a route to \(route.destination.text), found none")
                } else if gatewayCounts && !same.contains(where: { $0.gateway == route.gateway }) {
                    found.append(
                        "\(link.name): expected route \(route.destination.text) via \(route.gateway?.text ?? ""), found another gateway")
                }
            }
        }
        return found
    }
}
