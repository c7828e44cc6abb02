import CNI
import DHCPSocket
import JSON

@testable import DHCP

/// A DHCP message: whatever it is, it is read or dropped; what is read is written so that it is read alike; a lease of it holds nothing
/// that could not go into a configuration.
func fuzzDHCPMessage(_ input: [UInt8]) {
    guard var message = DHCPMessage(input[...]) else { return }
    // Options in the header's fields come back in the options' own place.
    message.options[DHCPOption.overload] = nil
    require(DHCPMessage(message.encoded()[...]) == message, "what is written is read as something else")
    guard let lease = DHCPLease(message, from: [2, 0, 0, 0, 0, 9], start: 0) else { return }
    checkLease(lease)
}

private func checkLease(_ lease: DHCPLease) {
    require(lease.renewal.t1 <= lease.renewal.t2 && lease.renewal.t1 >= 0, "T1 \(lease.renewal.t1), T2 \(lease.renewal.t2)")
    if let duration = lease.duration { require(duration > 0 && lease.renewal.t2 <= duration, "T2 after the end") }
    require(lease.mtu.map { $0 >= 68 } ?? true, "MTU \(lease.mtu ?? 0)")
    let dns = lease.dns
    for name in dns.search + [dns.domain ?? "a"] {
        require(!name.isEmpty && !name.utf8.contains { $0 <= 0x20 || $0 == 0x7f || $0 == UInt8(ascii: ";") }, "\"\(name)\" is no domain")
    }
    for route in lease.routes {
        require(route.destination.address == route.destination.networkAddress, "\(route.destination.text) has host bits")
    }
    _ = try? ResultFormat.encode(lease.result(priority: 1), version: "1.1.0")
}

/// An IPv4 packet with UDP and DHCP in it, or ARP.
func fuzzDHCPPacket(_ input: [UInt8]) {
    if let packet = UDPPacket(input[...], verify: false) {
        require(UDPPacket(packet.encoded()[...]) == packet, "a packet that is written is read as something else")
        _ = DHCPMessage(packet.payload[...])
    }
    if let packet = ARPPacket(input[...]) {
        require(ARPPacket(packet.encoded()[...]) == packet, "ARP that is written is read as something else")
    }
}

/// The state machine: each part of the input is what happens next, by its first byte: time passes, an address is in use, or a server
/// sends the rest as options.
func fuzzDHCPClient(_ input: [UInt8]) {
    let hardware: [UInt8] = [2, 0, 0, 0, 0, 1]
    var client = DHCPClient(DHCPClientSettings(hardwareAddress: hardware, clientIdentifier: [0, 1]), seed: 1)
    var now = 0
    var transaction: UInt32 = 0
    func note(_ actions: [DHCPClient.Action]) {
        for case .send(let message, _) in actions { transaction = message.transaction }
        require(client.deadline.map { $0 >= now } ?? true, "a deadline in the past")
        if client.state.hasLease { client.lease.map(checkLease) }
    }
    note(client.start(at: now))
    for part in parts(of: input) {
        guard let kind = part.first else { continue }
        if kind < 0x40 {
            now = max(now, client.deadline ?? now) + Int(kind)
            note(client.timeOut(at: now))
        } else if kind < 0x50 {
            note(client.addressInUse(by: "another", at: now))
        } else {
            var message = DHCPMessage(.offer, transaction: transaction, hardwareAddress: hardware)
            message.isReply = true
            message.yourAddress = IPAddress(family: .v4, high: 0, low: 0x0a09_0000 + UInt64(kind))
            _ = message.options.append(parsing: part.dropFirst())
            note(client.receive(message, from: [2, 0, 0, 0, 0, 9], at: now))
        }
    }
    _ = client.stop()
    require(client.deadline == nil && client.lease == nil, "stopped, and not at rest")
}

/// What comes over the daemon's socket, in two pieces: a request that is read is written so that it is read alike.
func fuzzDHCPSocket(_ input: [UInt8]) {
    var frame = MessageFrame()
    guard frame.append(input.prefix(5)), frame.append(input.dropFirst(5)), let body = frame.body, let json = try? JSON(parsing: body),
        let request = try? DaemonRequest(json)
    else { return }
    let bytes = MessageFrame.encode(request.json)
    var again = MessageFrame()
    require(again.append(bytes), "a message that is not taken")
    require((try? DaemonRequest(JSON(parsing: again.body ?? []))) == request, "what is written is read as something else")
}
