import CNI

@testable import DHCP

/// A DHCPv6 message: whatever it is, it is read or dropped; what is read is written so that it is read alike; a lease of it holds nothing
/// that could not go into a configuration.
func fuzzDHCPv6Message(_ input: [UInt8]) {
    guard let message = DHCPv6Message(input[...]) else { return }
    require(message.encoded() == input, "what is written is something else than what was read")
    let association: UInt32 = 0x6162_6364
    if let read = message.association(association) {
        require(IdentityAssociation(read.encoded())?.addresses == read.addresses, "addresses that are written are read as others")
    }
    _ = DHCPv6Offer(message, association: association, from: server)
    IPv6Lease(message, association: association, from: server, router: nil, start: 0).map(checkLease)
}

/// The advertisement of a router, or of a neighbour.
func fuzzRouterAdvertisement(_ input: [UInt8]) {
    _ = NeighbourDiscovery.advertised(input[...])
    guard let advertisement = RouterAdvertisement(input[...]) else { return }
    require(RouterAdvertisement(advertisement.bytes[...]) == advertisement, "what is kept is read as something else")
    IPv6Lease(IPv6Lease.Router(server, advertisement), identifier: 1, start: 0).map(checkLease)
}

/// The state machine: each part of the input is what happens next, by its first byte: time passes, an address is in use, a router
/// advertises, or a server sends the rest as options behind those that make it an answer.
func fuzzIPv6Client(_ input: [UInt8]) {
    let mode: IPv6ClientSettings.Mode = [.dhcp, .auto, .slaac][Int(input.first ?? 0) % 3]
    var settings = IPv6ClientSettings(mode, interfaceIdentifier: 1, clientIdentifier: [0, 4, 1], association: 1)
    settings.rapidCommit = true
    var client = IPv6Client(settings, seed: 1)
    var now = 0
    var transaction: UInt32 = 0
    func note(_ actions: [IPv6Client.Action]) {
        for case .send(let message) in actions {
            transaction = message.transaction
            require(DHCPv6Message(message.encoded()[...]) == message, "a message that can't be read")
        }
        require(client.deadline.map { $0 >= now } ?? true, "a deadline in the past")
        if client.state.hasLease { client.lease.map(checkLease) }
    }
    note(client.start(at: now))
    for part in parts(of: Array(input.dropFirst())) {
        guard let kind = part.first else { continue }
        switch kind {
        case 0..<0x40:
            now = max(now, client.deadline ?? now) + Int(kind)
            note(client.timeOut(at: now))
        case 0x40..<0x50:
            let address = client.lease?.addresses.first?.network.address ?? server
            note(client.addressInUse(address, by: "another", at: now))
        case 0x50..<0x60:
            let bytes = [134, 0, 0, 0, 64, kind << 4, 0, 9] + [UInt8](repeating: 0, count: 8) + part.dropFirst()
            if let advertisement = RouterAdvertisement(bytes[...]) { note(client.receive(advertisement, from: server, at: now)) }
        default:
            let number = [UInt8(transaction >> 16), UInt8(transaction >> 8 & 0xff), UInt8(transaction & 0xff)]
            let names: [UInt8] = [0, 1, 0, 3, 0, 4, 1, 0, 2, 0, 1, kind & 6]
            guard let message = DHCPv6Message(([kind & 1 == 0 ? 2 : 7] + number + names + part.dropFirst())[...]) else { continue }
            note(client.receive(message, from: server, at: now))
        }
    }
    _ = client.stop()
    require(client.deadline == nil && client.lease == nil, "stopped, and not at rest")
}

private let server = IPAddress(family: .v6, high: 0xfe80 << 48, low: 9)

private func checkLease(_ lease: IPv6Lease) {
    require(!lease.addresses.isEmpty, "a lease without an address")
    for address in lease.addresses {
        require(address.network.address.isGlobalUnicast && address.network.prefix == 128, "\(address.network.text) is no one's")
        require(address.preferred <= address.valid && address.valid > 0, "\(address.network.text) is valid for \(address.valid)")
    }
    let t1 = lease.grant?.renewal.t1 ?? 0
    require(t1 <= lease.grant?.renewal.t2 ?? Int.max, "T1 after T2")
    for domain in lease.dns.search { require(DomainNames.isValid(domain), "\"\(domain)\" is no domain") }
    _ = try? ResultFormat.encode(lease.result, version: "1.1.0")
}
