import CNI
import Netlink

/// The interface of the call: CNI_IFNAME in the container's namespace.
extension ModuleCall {
    /// The interface as it is; nil where there is none.
    public func containerInterface() throws(CNIError) -> LinkInfo? {
        let socket = try containerNetlink()
        return try attempt(try socket.link(named: interfaceName))
    }

    /// The interface that was just made there: to find none is an error.
    public func requireContainerInterface() throws(CNIError) -> LinkInfo {
        guard let link = try containerInterface() else { throw CNIError("interface \(interfaceName) vanished from \(netns)") }
        return link
    }

    /// Deletes the interface where it is of this kind. One of another kind is not what ADD made, but what made ADD fail: it stays. A
    /// namespace or interface that is gone is no error.
    ///
    /// - Parameter name: the kind in words, for the log: "a tap device".
    public func deleteContainerInterface(kind: String, named name: String) throws(CNIError) {
        guard netnsDescriptor != nil, let link = try containerInterface() else { return }
        if link.kind == kind {
            let socket = try containerNetlink()
            try attempt(try socket.deleteLink(index: link.index))
        } else {
            log(.warning, "interface \(link.name) in \(netns) is no \(name): it stays")
        }
    }

    /// Gives the interface, the only one of the result, its addresses and routes, and completes the result with it.
    ///
    /// - Parameter dns: the configuration's DNS settings: they replace those of IPAM where any is set.
    public func configureOnlyInterface(_ result: inout CNIResult, dns: CNIResult.DNS) throws(CNIError) {
        let link = try requireContainerInterface()
        for index in result.ips.indices { result.ips[index].interface = 0 }
        try InterfaceConfiguration(self, link: link, result: result).apply()
        result.interfaces = [CNIResult.Interface(name: link.name, mac: link.mac?.text, sandbox: netns)]
        if !dns.isEmpty { result.dns = dns }
    }

    /// What CHECK compares with: prevResult, the result of the chain's ADD.
    public func requireResult() throws(CNIError) -> CNIResult {
        guard let previousResult else {
            throw CNIError(.invalidConfiguration, "prevResult: is missing: CHECK needs the result of ADD")
        }
        return previousResult
    }
}
