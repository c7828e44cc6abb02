import CNI
import Testing

@testable import DHCP

@Suite struct DHCPMessageTests {
    private let offer = Sample.reply(.offer, to: DHCPMessage(.discover, transaction: 0x0102_0304, hardwareAddress: Sample.mac))

    @Test func whatIsWrittenIsRead() {
        var message = offer
        message.seconds = 300
        message.broadcast = true
        message.options[DHCPOption.clientIdentifier] = [UInt8](repeating: 7, count: 600)
        #expect(DHCPMessage(message.encoded()[...]) == message)
        #expect(DHCPMessage(.discover, transaction: 1, hardwareAddress: Sample.mac).encoded().count == 300)
    }

    @Test func everyTruncationIsHarmless() {
        let bytes = offer.encoded()
        for count in 0..<240 { #expect(DHCPMessage(bytes.prefix(count)) == nil) }
        for count in 240..<bytes.count { _ = DHCPMessage(bytes.prefix(count)) }
        #expect(DHCPMessage((Array(bytes.prefix(240)) + [53])[...]) == nil)
        #expect(DHCPMessage((Array(bytes.prefix(240)) + [53, 1])[...]) == nil)
        #expect(DHCPMessage((Array(bytes.prefix(240)) + [53, 2, 1])[...]) == nil)
    }

    @Test func impossibleHeaders() {
        for (offset, value) in [(0, 0), (0, 3), (2, 17), (236, 0)] as [(Int, UInt8)] {
            var bytes = offer.encoded()
            bytes[offset] = value
            #expect(DHCPMessage(bytes[...]) == nil)
        }
    }

    @Test func optionsInTheFieldsOfTheHeader() {
        var message = DHCPMessage(.offer, transaction: 1, hardwareAddress: Sample.mac)
        message.options[DHCPOption.overload] = [3]
        message.options[DHCPOption.message] = Array("a".utf8)
        var bytes = message.encoded()
        bytes.replaceSubrange(108..<112, with: [56, 1, UInt8(ascii: "b"), 255])
        bytes.replaceSubrange(44..<48, with: [56, 1, UInt8(ascii: "c"), 255])
        #expect(DHCPMessage(bytes[...])?.options.text(DHCPOption.message) == "abc")
        bytes.replaceSubrange(44..<46, with: [56, 200])
        #expect(DHCPMessage(bytes[...]) == nil)
    }

    @Test func udpPackets() {
        let packet = UDPPacket(
            source: .unspecified(.v4), destination: Sample.address("255.255.255.255"), sourcePort: 68, destinationPort: 67,
            payload: [1, 2, 3])
        let bytes = packet.encoded()
        #expect(UDPPacket(bytes[...]) == packet && UDPPacket((bytes + [0, 0])[...]) == packet)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x10
            #expect(UDPPacket(damaged[...]) == nil, "byte \(index)")
        }
        var unchecked = bytes
        unchecked[27] ^= 1
        #expect(UDPPacket(unchecked[...]) == nil && UDPPacket(unchecked[...], verify: false) == packet)
        for count in 0..<bytes.count { #expect(UDPPacket(bytes.prefix(count)) == nil) }
    }

    @Test func arp() {
        let address = Sample.address("10.9.0.5")
        let probe = ARPPacket(probe: address, hardware: Sample.mac)
        #expect(ARPPacket(probe.encoded()[...]) == probe && ARPPacket(probe.encoded().dropLast()) == nil)
        #expect(!probe.conflicts(with: address, hardware: Sample.mac))
        #expect(probe.conflicts(with: address, hardware: Sample.serverMAC))
        #expect(!probe.conflicts(with: Sample.address("10.9.0.6"), hardware: Sample.serverMAC))
    }
}

@Suite struct DHCPLeaseTests {
    private func lease(_ change: (inout DHCPMessage) -> Void) -> DHCPLease? {
        let request = DHCPMessage(.request, transaction: 1, hardwareAddress: Sample.mac)
        return DHCPLease(Sample.reply(.ack, to: request, change), from: Sample.serverMAC, start: 0)
    }

    private func routes(_ code: UInt8, _ value: [UInt8]) -> [String]? {
        lease { $0.options[code] = value }?.routes.map { "\($0.destination.text) \($0.gateway?.text ?? "link")" }
    }

    @Test func whatIsNoGrant() {
        #expect(lease { _ in } != nil)
        #expect(lease { $0.options[DHCPOption.subnetMask] = nil } == nil)
        #expect(lease { $0.options[DHCPOption.subnetMask] = [255, 0, 255, 0] } == nil)
        #expect(lease { $0.options[DHCPOption.subnetMask] = [0, 0, 0, 0] } == nil)
        #expect(lease { $0.options[DHCPOption.serverIdentifier] = nil } == nil)
        for address in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
            #expect(lease { $0.yourAddress = Sample.address(address) } == nil)
        }
    }

    @Test func times() {
        #expect(lease { _ in }.map { [$0.renewal.t1, $0.renewal.t2] } == [50_000, 87_500])
        func times(_ t1: UInt8, _ t2: UInt8) -> [Int]? {
            lease {
                $0.options[DHCPOption.renewalTime] = [0, 0, 0, t1]
                $0.options[DHCPOption.rebindingTime] = [0, 0, 0, t2]
            }.map { [$0.renewal.t1, $0.renewal.t2] }
        }
        #expect(times(20, 40) == [20_000, 40_000])
        #expect(times(60, 40) == [40_000, 40_000] && times(20, 200) == [20_000, 87_500] && times(0, 0) == [50_000, 87_500])
        #expect(lease { $0.options[DHCPOption.leaseTime] = nil }?.duration == 3_600_000)
        #expect(lease { $0.options[DHCPOption.leaseTime] = [0, 0, 0, 0] }?.duration == 1000)
    }

    @Test func routesOfOption121() {
        #expect(
            routes(121, [0, 10, 9, 0, 9, 24, 192, 0, 2, 0, 0, 0, 0, 12, 172, 16, 10, 9, 0, 3]) == [
                "0.0.0.0/0 10.9.0.9", "192.0.2.0/24 link", "172.16.0.0/12 10.9.0.3",
            ])
        // One that is not well-formed counts as absent.
        for value in [[33, 1, 2, 3, 4, 5, 1, 1, 1, 1], [24, 10, 0], [], [8, 10, 1, 1, 1]] as [[UInt8]] {
            #expect(routes(121, value) == ["0.0.0.0/0 10.9.0.1"])
        }
    }

    @Test func routesOfOption33() {
        #expect(
            routes(33, [10, 1, 0, 0, 10, 9, 0, 2, 192, 0, 2, 5, 10, 9, 0, 3, 0, 0, 0, 0, 10, 9, 0, 4]) == [
                "10.0.0.0/8 10.9.0.2", "192.0.2.0/24 10.9.0.3", "0.0.0.0/0 10.9.0.1",
            ])
        #expect(routes(33, [10, 1, 0, 0, 10, 9]) == ["0.0.0.0/0 10.9.0.1"] && routes(33, []) == ["0.0.0.0/0 10.9.0.1"])
    }

    @Test func resolverSettings() {
        let found = lease {
            $0.options[DHCPOption.nameServers] = [192, 0, 2, 53, 192, 0, 2, 54]
            $0.options[DHCPOption.domainName] = Array("example.org\0".utf8)
            $0.options[DHCPOption.domainSearch] =
                [3] + Array("eng".utf8) + [7] + Array("example".utf8) + [3] + Array("org".utf8) + [0, 5] + Array("sales".utf8) + [0xc0, 4]
        }?.dns
        #expect(found?.nameservers == ["192.0.2.53", "192.0.2.54"] && found?.domain == "example.org")
        #expect(found?.search == ["eng.example.org", "sales.example.org"])
        #expect(lease { $0.options[DHCPOption.domainName] = Array("a b\nnameserver 1.2.3.4".utf8) }?.dns.domain == nil)
    }

    @Test func searchDomainsThatAreNotWellFormed() {
        for value in [[0xc0, 0], [1, 97, 0xc0, 2], [5, 97], [0xc0], [0x40, 0], [1, 97, 0xc0, 0]] as [[UInt8]] {
            #expect(lease { $0.options[DHCPOption.domainSearch] = value }?.dns.search == [])
        }
    }

    @Test func mtu() {
        #expect(lease { $0.options[DHCPOption.interfaceMTU] = [5, 120] }?.routes.first?.mtu == 1400)
        #expect(lease { $0.options[DHCPOption.interfaceMTU] = [0, 1] }?.mtu == nil)
    }
}
