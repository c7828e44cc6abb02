import CNI
import Testing

@testable import DHCP

@Suite struct RouterAdvertisementTests {
    @Test func readsAllOfIt() {
        let servers: [UInt8] = [25, 3, 0, 0, 0, 0, 0, 9] + Sample6.address("2001:db8::53").bytes
        let domains: [UInt8] = [31, 2, 0, 0, 0, 0, 0, 9, 3, 0x61, 0x62, 0x63, 1, 0x64, 0, 0]
        let read = Sample6.advertisement(
            flags: 0xc0, Sample6.prefix() + [1, 1, 2, 0, 0, 0, 0, 9, 5, 1, 0, 0, 0, 0, 5, 0xdc] + servers + domains)
        #expect(read.isManaged && read.hasOtherSettings && read.lifetime == 1800 && read.mtu == 1500)
        #expect(read.nameServers == [Sample6.address("2001:db8::53")] && read.searchDomains == ["abc.d"])
        #expect(read.autonomousPrefixes.map { $0.network.text } == ["2001:db8:1::/64"])
        #expect(read.prefixes.first?.valid == 300 && read.prefixes.first?.preferred == 150)
    }

    @Test(
        arguments: [
            [], [134], [UInt8](repeating: 0, count: 16), [134, 1] + [UInt8](repeating: 0, count: 14),
            [134, 0] + [UInt8](repeating: 0, count: 14) + [5, 0, 0, 0, 0, 0, 5, 0xdc],
            [134, 0] + [UInt8](repeating: 0, count: 14) + [5, 2, 0, 0, 0, 0, 5, 0xdc], [134, 0] + [UInt8](repeating: 0, count: 14) + [5],
        ] as [[UInt8]])
    func refusesWhatIsNone(_ bytes: [UInt8]) { #expect(RouterAdvertisement(bytes[...]) == nil) }

    @Test func passesOverWhatMakesNoSense() {
        #expect(Sample6.advertisement(Sample6.prefix("fe80::")).prefixes.isEmpty)
        #expect(Sample6.advertisement(Sample6.prefix("::5")).prefixes.isEmpty)
        #expect(Sample6.advertisement(Sample6.prefix(length: 129)).prefixes.isEmpty)
        #expect(Sample6.advertisement(Sample6.prefix(length: 48)).autonomousPrefixes.isEmpty)
        #expect(Sample6.advertisement(Sample6.prefix(flags: 0x80)).autonomousPrefixes.isEmpty)
        #expect(Sample6.advertisement(Sample6.prefix(valid: 0)).autonomousPrefixes.isEmpty)
        #expect(Sample6.advertisement([5, 1, 0, 0, 0, 0, 0, 68]).mtu == nil)
        // Settings that are withdrawn.
        #expect(Sample6.advertisement([25, 3, 0, 0, 0, 0, 0, 0] + Sample6.address("2001:db8::53").bytes).nameServers.isEmpty)
    }

    @Test func writesSolicitations() {
        let target = Sample6.address("2001:db8::12:3456")
        #expect(NeighbourDiscovery.solicitedNodes(target).text == "ff02::1:ff12:3456")
        let bytes = NeighbourDiscovery.solicitation(target, hardware: Sample.mac)
        #expect(bytes.count == 32 && bytes[0] == 135 && Array(bytes[24...]) == [1, 1, 2, 0, 0, 0, 0, 1])
        #expect(NeighbourDiscovery.routerSolicitation(hardware: Sample.mac).count == 16)
    }

    @Test func readsANeighboursAdvertisement() {
        let target = Sample6.address("2001:db8::5")
        let message: [UInt8] = [136, 0, 0, 0, 0x60, 0, 0, 0] + target.bytes + [2, 1, 2, 0, 0, 0, 0, 7]
        #expect(NeighbourDiscovery.advertised(message[...])?.target == target)
        #expect(NeighbourDiscovery.advertised(message[...])?.hardware == [2, 0, 0, 0, 0, 7])
        #expect(NeighbourDiscovery.advertised(message[..<24])?.hardware == nil)
        #expect(NeighbourDiscovery.advertised(message[..<23]) == nil)
        #expect(NeighbourDiscovery.advertised(([135] + message.dropFirst())[...]) == nil)
    }
}
