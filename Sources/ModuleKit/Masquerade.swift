import CNI

/// Masquerading of what a container sends out of its network, as the configuration asks for it: `ipMasq`, and `ipMasqBackend`.
public enum Masquerade: Sendable {
    /// By elements of our table, which is what is done where no backend is named.
    case nftables
    /// By iptables' own programs, in rules of the reference plugins' shape.
    case iptables

    /// Nil where nothing is to be masqueraded.
    ///
    /// - Parameter strict: whether a backend that is none is an error: DEL and GC take the default for it.
    public init?(_ config: ConfigReader, strict: Bool = true) throws(CNIError) {
        guard try config.bool("ipMasq") else { return nil }
        do throws(CNIError) {
            switch try config.string("ipMasqBackend") ?? "" {
            case "", "nftables": self = .nftables
            case "iptables": self = .iptables
            case let other: throw config.invalid("ipMasqBackend", "expected \"nftables\" or \"iptables\", found \"\(other)\"")
            }
        } catch {
            if strict { throw error }
            self = .nftables
        }
    }

    /// ADD, REPAIR: has these addresses of the attachment masqueraded: by nftables when the chain is committed, by iptables at once.
    public func add(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) {
        switch self {
        case .nftables: try NftMasquerade.queueAdd(call, addresses: addresses)
        case .iptables: try IptablesMasquerade(call).add(addresses)
        }
    }

    /// ADD that fails later: takes back what the host does not.
    public func undo(_ call: ModuleCall, addresses: [IPNetwork]) {
        guard self == .iptables, !addresses.isEmpty else { return }
        do throws(CNIError) { try IptablesMasquerade(call).remove(addresses) } catch { call.log(.warning, error.text) }
    }

    /// DEL: removes the masquerading of these addresses of the attachment; of all of them where none is given. Also what another backend made,
    /// or the reference plugins.
    public func remove(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) {
        try NftMasquerade.queueRemove(call, addresses: addresses)
        try ReferenceRules.queueRemoveMasquerade(call, addresses: addresses, iptables: self != .iptables)
        if self == .iptables { try IptablesMasquerade(call).remove(addresses) }
    }

    /// CHECK: the differences between the masquerading of these addresses and what is there.
    public func check(_ call: ModuleCall, addresses: [IPNetwork]) throws(CNIError) -> [String] {
        switch self {
        case .nftables: try NftMasquerade.check(call, addresses: addresses)
        case .iptables: try IptablesMasquerade(call).check(addresses)
        }
    }

    /// GC: removes what attachments of the call's network hold which are not in use.
    public func collect(_ call: ModuleCall) throws(CNIError) {
        try NftMasquerade.collect(call)
        if self == .iptables { try IptablesMasquerade.collect(call) }
    }

    /// STATUS: throws code 50 where the backend can't be used.
    public func checkAvailable(_ call: ModuleCall) throws(CNIError) {
        switch self {
        case .nftables: try NftMasquerade.checkAvailable(call)
        case .iptables: try unavailable { () throws(CNIError) in _ = try Iptables.require(.v4).table("nat") }
        }
    }
}
