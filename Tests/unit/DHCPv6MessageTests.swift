import CNI
import Testing

@testable import DHCP

@Suite struct DHCPv6MessageTests {
    @Test func writesWhatItReads() {
        var message = DHCPv6Message(.solicit, transaction: 0xabcdef)
        message.options.append(1, Sample6.duid)
        message.options.append(14, [])
        message.options.append(3, IdentityAssociation(7).encoded())
        message.options.append(3, IdentityAssociation(8).encoded())
        let bytes = message.encoded()
        #expect(Array(bytes.prefix(8)) == [1, 0xab, 0xcd, 0xef, 0, 1, 0, 18])
        #expect(DHCPv6Message(bytes[...]) == message && message.options.all(3).count == 2)
    }

    @Test(
        arguments: [
            [], [1, 0, 0], [0, 0, 0, 0], [12, 0, 0, 0], [13, 0, 0, 0], [7, 0, 0, 1, 0], [7, 0, 0, 1, 0, 1, 0], [7, 0, 0, 1, 0, 1, 0, 2, 9],
            [7, 0, 0, 1, 0xff, 0xff, 0xff, 0xff],
        ] as [[UInt8]])
    func refusesWhatIsNone(_ bytes: [UInt8]) { #expect(DHCPv6Message(bytes[...]) == nil) }

    @Test func readsAnAssociation() {
        var association = IdentityAssociation(
            7, addresses: [IdentityAssociation.Address(Sample6.address("2001:db8::5"), preferred: 50, valid: 100)])
        (association.t1, association.t2) = (10, 20)
        #expect(IdentityAssociation(association.encoded()) == association)
        #expect(association.encoded().count == 12 + 4 + 24)
    }

    @Test(arguments: [
        ("fe80::5", 1, 2), ("ff02::5", 1, 2), ("::", 1, 2), ("::1", 1, 2), ("2001:db8::5", 3, 2),
    ])
    func passesOverAddressesThatCanNotBe(_ text: String, _ preferred: UInt32, _ valid: UInt32) {
        let association = IdentityAssociation(
            7, addresses: [IdentityAssociation.Address(Sample6.address(text), preferred: preferred, valid: valid)])
        #expect(IdentityAssociation(association.encoded())?.addresses.isEmpty == true)
    }

    @Test func refusesAssociationsThatAreWrong() {
        #expect(IdentityAssociation([UInt8](repeating: 0, count: 11)) == nil)
        // T1 after T2.
        #expect(IdentityAssociation([0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 8]) == nil)
        // An address that is cut short, in an option that is not.
        #expect(IdentityAssociation([UInt8](repeating: 0, count: 12) + [0, 5, 0, 3, 1, 2, 3])?.addresses.isEmpty == true)
        #expect(IdentityAssociation([UInt8](repeating: 0, count: 12) + [0, 5, 0, 24, 1, 2, 3]) == nil)
    }

    @Test func readsAStatus() {
        #expect(DHCPv6Status([0, 2] + Array("none left".utf8))?.text == "NoAddrsAvail (none left)")
        #expect(DHCPv6Status([0, 99])?.text == "status 99")
        #expect(DHCPv6Status([0, 1, 0x0a])?.text == "UnspecFail")
        #expect(DHCPv6Status([0]) == nil)
    }

    @Test func readsDomainsThatAreNotCompressed() {
        let names: [UInt8] = [2, 0x61, 0x62, 1, 0x63, 0, 1, 0x64, 0, 0, 0]
        #expect(DomainNames.parse(names, compressed: false) == ["ab.c", "d"])
        #expect(DomainNames.parse([1, 0x61, 0, 0xc0, 0], compressed: false).isEmpty)
        #expect(DomainNames.parse([1, 0x61, 0, 0xc0, 0]) == ["a", "a"])
    }
}
