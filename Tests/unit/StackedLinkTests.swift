import CLinux
import Testing

@testable import Netlink

/// What the kernel tells of links on a master: modes and flags by name; numbers that have none, and such as are missing.
@Suite struct StackedLinkTests {
    private func link(_ kind: String, _ data: @escaping (inout NetlinkMessage) -> Void) -> LinkInfo {
        var message = NetlinkMessage(link: RTM_NEWLINK, index: 9)
        message.attribute(Int32(IFLA_LINK), UInt32(4))
        message.linkInfo(kind: kind, data)
        return LinkInfo(NetlinkReply(type: UInt16(RTM_NEWLINK), payload: message.bytes.dropFirst(16)))
    }

    @Test(arguments: [(1, "private"), (2, "vepa"), (4, "bridge"), (8, "passthru"), (16, nil)] as [(UInt32, String?)])
    func macvlan(number: UInt32, name: String?) {
        let link = link("macvlan") {
            $0.attribute(Int32(IFLA_MACVLAN_MODE), number)
            $0.attribute(Int32(IFLA_MACVLAN_BC_QUEUE_LEN), UInt32(77))
        }
        #expect(link.link == 4 && link.macvlan?.mode?.rawValue == name && link.macvlan?.broadcastQueueLength == 77)
        #expect(link.ipvlan == nil && link.vlan == nil && link.tap == nil)
    }

    @Test(arguments: [(0, "l2"), (1, "l3"), (2, "l3s"), (3, nil)] as [(UInt16, String?)])
    func ipvlanMode(number: UInt16, name: String?) {
        let link = link("ipvlan") { $0.attribute(Int32(IFLA_IPVLAN_MODE), number) }
        #expect(link.ipvlan?.mode?.rawValue == name && link.ipvlan?.flag == nil)
    }

    @Test(arguments: [(0, "bridge"), (1, "private"), (2, "vepa"), (3, nil)] as [(UInt16, String?)])
    func ipvlanFlag(number: UInt16, name: String?) {
        #expect(link("ipvlan") { $0.attribute(Int32(IFLA_IPVLAN_FLAGS), number) }.ipvlan?.flag?.rawValue == name)
    }

    @Test(arguments: [(0x8100, "802.1Q"), (0x88a8, "802.1ad"), (0x9100, nil)] as [(UInt16, String?)])
    func vlan(number: UInt16, name: String?) {
        let link = link("vlan") {
            $0.attribute(Int32(IFLA_VLAN_ID), UInt16(100))
            $0.attribute(Int32(IFLA_VLAN_PROTOCOL), number.bigEndian)
        }
        #expect(link.vlan?.id == 100 && link.vlan?.protocol?.rawValue == name)
    }

    @Test func nothingIsTold() {
        #expect(link("vlan") { _ in }.vlan == nil)
        #expect(link("macvlan") { _ in }.macvlan?.mode == nil)
        #expect(link("ipvlan") { _ in }.ipvlan?.mode == nil)
    }
}
