import CNI

/// What a server offers: its ADVERTISE.
struct DHCPv6Offer: Sendable {
    /// The server's DUID.
    let serverIdentifier: [UInt8]
    /// Where it came from.
    let server: IPAddress
    /// How much the server wants to be chosen.
    let preference: UInt8
    /// The addresses that it offers.
    let association: IdentityAssociation

    /// Reads an offer; nil where it has no address.
    init?(_ message: DHCPv6Message, association identifier: UInt32, from server: IPAddress) {
        guard message.options.status.isSuccess, let name = message.options[DHCPv6Option.serverIdentifier],
            let association = message.association(identifier), association.status.isSuccess, !association.addresses.isEmpty
        else { return nil }
        serverIdentifier = name
        self.server = server
        self.association = IdentityAssociation(
            identifier, addresses: association.addresses.map { IdentityAssociation.Address($0.address, preferred: 0, valid: 0) })
        let preference = message.options[DHCPv6Option.preference]
        self.preference = preference?.count == 1 ? preference?.first ?? 0 : 0
    }
}
