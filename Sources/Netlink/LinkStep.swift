import CLinux
import CNI

/// A step of bringing a link into service: several go to the kernel in one message.
public enum LinkStep: Sendable {
    /// Has the kernel announce the link's IPv4 addresses (gratuitous ARP) when it comes up or its hardware address is set: `arp_notify`.
    case announceAddresses
    /// Adds an address, as ``NetlinkSocket/addAddress(_:index:name:noDAD:noPrefixRoute:)``.
    case address(IPNetwork, noDAD: Bool, noPrefixRoute: Bool)
    /// Brings it up.
    case up
    /// Adds a route, as ``NetlinkSocket/addRoute(_:replace:)``.
    case route(RouteRequest)

    fileprivate func operation(_ name: String) -> String {
        switch self {
        case .announceAddresses: "set arp_notify on \(name)"
        case .address(let address, _, _): "add address \(address.text) to \(name)"
        case .up: "set up on \(name)"
        case .route(let route): route.addition
        }
    }
}

extension NetlinkSocket {
    /// Takes the steps in their order, also after one has failed. Returns those that did, with the error of each.
    ///
    /// - Parameter name: the link's name, for errors.
    public func take(_ steps: [LinkStep], index: Int32, name: String) throws(NetlinkError) -> [(step: LinkStep, error: NetlinkError)] {
        try failures(ofAll: steps.map { message($0, index) }) { steps[$0].operation(name) }.map { (steps[$0.index], $0.error) }
    }

    private func message(_ step: LinkStep, _ index: Int32) -> NetlinkMessage {
        switch step {
        case .announceAddresses:
            var message = NetlinkMessage(link: RTM_SETLINK, index: index)
            message.nested(Int32(IFLA_AF_SPEC)) { families in
                families.nested(AF_INET) { family in
                    family.nested(Int32(IFLA_INET_CONF)) { $0.attribute(Int32(IPV4_DEVCONF_ARP_NOTIFY), UInt32(1)) }
                }
            }
            return message
        case .address(let address, let noDAD, let noPrefixRoute):
            return newAddress(address, index: index, noDAD: noDAD, noPrefixRoute: noPrefixRoute)
        case .up: return NetlinkMessage(changing: index, flags: [(IFF_UP, true)])
        case .route(let route): return newRoute(route)
        }
    }
}
