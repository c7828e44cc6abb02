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

    /// DEL of an attachment that has no other link: deletes the interface, then releases its addresses. Looks at no key but `ipam`.
    ///
    /// - Parameter name: as above.
    public func detachOnlyInterface(kind: String, named name: String) throws(CNIError) {
        try IPAMDelegate.release(try IPAMDelegate(config), self) { () throws(CNIError) in
            try deleteContainerInterface(kind: kind, named: name)
        }
    }

    /// Gives the interface, the only one of the result, its addresses and routes, and completes the result with it.
    ///
    /// - Parameters:
    ///   - dns: the configuration's DNS settings: they replace those of IPAM where any is set.
    ///   - sharesNetwork: whether the network has others in it than IPAM knows: IPv6 addresses that are not IPAM's may be duplicates.
    public func configureOnlyInterface(
        _ result: inout CNIResult, dns: CNIResult.DNS, sharesNetwork: Bool = false
    ) throws(CNIError) {
        let link = try requireContainerInterface()
        for index in result.ips.indices { result.ips[index].interface = 0 }
        let hasIPv6 = result.ips.contains { $0.address.address.family == .v6 }
        try InterfaceConfiguration(self, link: link, result: result, detectsDuplicates: sharesNetwork && !hasIPv6).apply()
        result.interfaces = [CNIResult.Interface(name: link.name, mac: link.mac?.text, sandbox: netns)]
        if !dns.isEmpty { result.dns = dns }
    }

    /// Does what comes after the interface, the only one of the result, was made: has IPAM give addresses, and sets them. When a step fails,
    /// the interface is removed again and the addresses are released.
    ///
    /// - Parameters:
    ///   - ipam: nil for an interface without addresses, or with those of `given`.
    ///   - dns: the configuration's DNS settings: they replace those of IPAM where any is set.
    ///   - given: addresses, routes and DNS settings that are known already.
    ///   - sharesNetwork: as above.
    ///   - remove: removes the interface after a failure; nil to delete it.
    public func completeOnlyInterface(
        ipam: IPAMDelegate?, dns: CNIResult.DNS, given: CNIResult = CNIResult(), sharesNetwork: Bool = false,
        removing remove: (() -> Void)? = nil
    ) throws(CNIError) -> CNIResult {
        var result = given
        var hasAddresses = false
        do throws(CNIError) {
            if let ipam {
                result = try ipam.add(self)
                hasAddresses = true
            }
            try configureOnlyInterface(&result, dns: dns, sharesNetwork: sharesNetwork)
            return result
        } catch {
            if let remove { remove() } else { undoInterface() }
            if hasAddresses { ipam?.undo(self) }
            throw error
        }
    }

    /// Deletes the interface after something else failed: a failure here is logged, the first one is what counts.
    public func undoInterface() {
        do throws(CNIError) {
            let socket = try containerNetlink()
            try attempt(try socket.deleteLink(named: interfaceName))
        } catch { log(.warning, error.text) }
    }

    /// The error of an ADD that finds an interface of the name.
    ///
    /// - Parameter kind: what was to be made, in words: "macvlan".
    public func interfaceExists(kind: String) -> CNIError {
        CNIError("create \(kind): interface \(interfaceName) already exists in \(netns)", details: "run DEL first")
    }

    /// What CHECK compares with: prevResult, the result of the chain's ADD.
    public func requireResult() throws(CNIError) -> CNIResult {
        guard let previousResult else {
            throw CNIError(.invalidConfiguration, "prevResult: is missing: CHECK needs the result of ADD")
        }
        return previousResult
    }
}
