extension CNIResult {
    /// The result with what `previous` holds and the form of `version` could not carry through a plugin that speaks only that.
    ///
    /// An old plugin prints the whole of what it was given, less what its version has no words for: that part is not its doing, and
    /// later plugins need it.
    public func carryingOver(_ previous: CNIResult?, through version: CNIVersion) -> CNIResult {
        guard let previous else { return self }
        switch version.family {
        case .current: return self
        case .listed: return keepingInterfaceDetails(of: previous)
        case .single: return keepingInterfaces(of: previous)
        }
    }

    /// 0.3.0 to 0.4.0 have no mtu, socketPath and pciID in interfaces.
    private func keepingInterfaceDetails(of previous: CNIResult) -> CNIResult {
        var result = self
        for index in result.interfaces.indices {
            let interface = result.interfaces[index]
            guard let before = previous.interfaces.first(where: { $0.name == interface.name && $0.sandbox == interface.sandbox }) else {
                continue
            }
            result.interfaces[index].mtu = interface.mtu ?? before.mtu
            result.interfaces[index].socketPath = interface.socketPath ?? before.socketPath
            result.interfaces[index].pciID = interface.pciID ?? before.pciID
        }
        return result
    }

    /// 0.1.0 and 0.2.0 have one address of each family, no interfaces, and of a route only destination and gateway.
    private func keepingInterfaces(of previous: CNIResult) -> CNIResult {
        var result = self
        result.interfaces = previous.interfaces
        for index in result.ips.indices {
            let address = result.ips[index].address
            result.ips[index].interface = previous.ips.first { $0.address == address }?.interface
        }
        for family in [IPAddress.Family.v4, .v6] {
            result.ips += previous.ips.filter { $0.address.address.family == family }.dropFirst()
        }
        for index in result.routes.indices {
            let route = result.routes[index]
            if let before = previous.routes.first(where: { $0.destination == route.destination && $0.gateway == route.gateway }) {
                result.routes[index] = before
            }
        }
        return result
    }
}
