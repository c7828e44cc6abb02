import CLinux
import CNI
import Linux
import Testing

@testable import Netlink

/// Requests, byte by byte as the kernel takes them (little-endian machines), and answers, also such as no kernel sends.
@Suite struct NetlinkMessageTests {
    @Test func headerAndAttributes() {
        var message = NetlinkMessage(link: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, index: 7, set: 1, change: 1)
        message.attribute(Int32(IFLA_IFNAME), "br0")
        message.nested(Int32(IFLA_LINKINFO)) { $0.attribute(Int32(IFLA_INFO_KIND), "bridge") }
        #expect(
            message.finished(sequence: 0x0102_0304) == [
                56, 0, 0, 0,  // length
                16, 0,  // RTM_NEWLINK
                5, 6,  // REQUEST | ACK, CREATE | EXCL
                4, 3, 2, 1,  // sequence
                0, 0, 0, 0,  // port: the kernel's
                0, 0, 0, 0,  // ifinfomsg: family, padding, device type
                7, 0, 0, 0,  // index
                1, 0, 0, 0,  // flags: IFF_UP
                1, 0, 0, 0,  // change
                8, 0, 3, 0, 0x62, 0x72, 0x30, 0,  // IFLA_IFNAME "br0"
                16, 0, 18, 0x80,  // IFLA_LINKINFO, nested
                11, 0, 1, 0, 0x62, 0x72, 0x69, 0x64, 0x67, 0x65, 0, 0,  // IFLA_INFO_KIND "bridge", padded
            ])
    }

    @Test func numbersKeepTheirWidthAndArePadded() {
        var message = NetlinkMessage(type: 1)
        message.attribute(5, UInt8(9))
        message.attribute(6, UInt16(0x0102))
        message.attribute(7, Int32(-1))
        #expect(message.bytes.dropFirst(16) == [5, 0, 5, 0, 9, 0, 0, 0, 6, 0, 6, 0, 2, 1, 0, 0, 8, 0, 7, 0, 255, 255, 255, 255])
    }

    @Test func onlyAListIsADump() {
        #expect(NetlinkMessage(link: RTM_GETLINK, flags: NLM_F_DUMP).isDump)
        #expect(!NetlinkMessage(link: RTM_GETLINK).isDump)
        #expect(!NetlinkMessage(link: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL).isDump)
    }

    @Test func onlyNfnetlinkHasBatches() {
        #expect(!NetlinkMessage(link: RTM_NEWLINK).isBatchMark && !NetlinkMessage(link: RTM_DELLINK).isBatchMark)
        var begin = NetlinkMessage(type: UInt16(NFNL_MSG_BATCH_BEGIN), acknowledged: false)
        begin.append(UInt32(0))
        #expect(begin.isBatchMark)
    }

    @Test func attributesAreSplit() {
        let attributes = NetlinkAttributes([5, 0, 1, 0, 65, 0, 0, 0, 8, 0, 2, 0x80, 4, 0, 9, 0])
        #expect(attributes.text(1) == "A")
        #expect(attributes.nested(2).values.map { $0.type } == [9])
        #expect(attributes[3] == nil && attributes.nested(3).values.isEmpty)
    }

    @Test(
        arguments: [
            [], [1], [0, 0, 1, 0], [3, 0, 1, 0], [9, 0, 1, 0, 1, 2, 3, 4], [255, 255, 1, 0, 0, 0, 0, 0],
        ] as [[UInt8]])
    func hostileAttributesAreLeftOut(bytes: [UInt8]) {
        #expect(NetlinkAttributes(bytes[...]).values.isEmpty)
    }

    @Test func shortNumbersAreAbsent() {
        let attributes = NetlinkAttributes([6, 0, 1, 0, 1, 2, 0, 0, 4, 0, 2, 0])
        #expect(attributes.number(1, as: UInt32.self) == nil)
        #expect(attributes.number(1, as: UInt16.self) == 0x0201)
        #expect(attributes.text(2) == "")
    }

    @Test func aTruncatedLinkIsEmptyNotFatal() {
        let link = LinkInfo(NetlinkReply(type: 16, payload: [1, 2, 3]))
        #expect(link.index == 0 && link.name == "" && link.kind == nil && !link.isUp)
        #expect(AddressInfo(NetlinkReply(type: 20, payload: [2, 16])) == nil)
        #expect(RouteInfo.list(NetlinkReply(type: 24, payload: [])).isEmpty)
    }

    @Test func aLinkIsRead() {
        var message = NetlinkMessage(link: RTM_NEWLINK, index: 9, set: UInt32(IFF_UP.rawValue))
        message.attribute(Int32(IFLA_IFNAME), "veth0")
        message.attribute(Int32(IFLA_ADDRESS), bytes: [0x0a, 0x58, 0x0a, 1, 0, 5])
        message.attribute(Int32(IFLA_MTU), UInt32(1400))
        message.attribute(Int32(IFLA_MASTER), UInt32(3))
        message.attribute(Int32(IFLA_OPERSTATE), UInt8(6))
        message.nested(Int32(IFLA_LINKINFO)) { info in
            info.attribute(Int32(IFLA_INFO_KIND), "veth")
            info.attribute(Int32(IFLA_INFO_SLAVE_KIND), "bridge")
            info.nested(Int32(IFLA_INFO_SLAVE_DATA)) { $0.attribute(Int32(IFLA_BRPORT_MODE), UInt8(1)) }
        }
        let link = LinkInfo(NetlinkReply(type: 16, payload: message.bytes.dropFirst(16)))
        #expect(link.index == 9 && link.name == "veth0" && link.kind == "veth" && link.mac?.text == "0a:58:0a:01:00:05")
        #expect(link.mtu == 1400 && link.master == 3 && link.isUp && link.isOperational && link.hairpin == true && link.isolated == nil)
    }

    @Test func aRangeOfVLANsIsItsTwoEnds() {
        var message = NetlinkMessage(type: 1)
        message.attribute(BridgeVLAN(native: 100))
        message.attribute(BridgeVLAN(tagged: 200...4094))
        #expect(
            message.bytes.dropFirst(16) == [
                8, 0, 2, 0, 6, 0, 100, 0,  // PVID | UNTAGGED
                8, 0, 2, 0, 8, 0, 200, 0,  // RANGE_BEGIN
                8, 0, 2, 0, 16, 0, 0xfe, 0x0f,  // RANGE_END
            ])
    }

    @Test func vlansOfAPortAreRead() {
        func entry(_ bytes: [UInt8]) -> BridgeVLAN? { BridgeVLAN(NetlinkAttributes(bytes[...])) }
        #expect(entry([8, 0, 1, 0, 6, 0, 100, 0]) == BridgeVLAN(native: 100))
        #expect(entry([8, 0, 1, 0, 0, 0, 5, 0, 6, 0, 2, 0, 9, 0, 0, 0]) == BridgeVLAN(tagged: 5...9))
        #expect(entry([]) == nil && entry([8, 0, 1, 0, 0, 0, 5, 0, 6, 0, 2, 0, 4, 0, 0, 0]) == nil)
    }

    @Test func alikeVLANsThatAdjoinAreOne() {
        let list = [BridgeVLAN(tagged: 8...9), BridgeVLAN(native: 7), BridgeVLAN(tagged: 2...4), BridgeVLAN(tagged: 3...6)]
        #expect(BridgeVLAN.normalized(list).map { $0.text } == ["2-6", "7 pvid untagged", "8-9"])
    }

    @Test func aRouteWithSeveralNextHopsIsSeveral() {
        var message = NetlinkMessage(type: UInt16(RTM_NEWROUTE))
        message.appendRouteHeader(family: UInt8(AF_INET6), adding: true)
        let hop: (UInt8, UInt8) -> [UInt8] = { index, last in
            [28, 0, 0, 0, index, 0, 0, 0, 20, 0, 5, 0, 0xfd] + [UInt8](repeating: 0, count: 14) + [last]
        }
        message.attribute(Int32(RTA_MULTIPATH.rawValue), bytes: hop(3, 1) + hop(4, 2) + [255, 0, 0, 0, 0, 0, 0, 0])
        let routes = RouteInfo.list(NetlinkReply(type: UInt16(RTM_NEWROUTE), payload: message.bytes.dropFirst(16)))
        #expect(routes.map { $0.link } == [3, 4] && routes.map { $0.gateway?.text } == ["fd00::1", "fd00::2"])
        #expect(routes.allSatisfy { $0.destination == .everything(.v6) })
    }

    @Test func errorsSayWhatWasDone() {
        let error = NetlinkError(operation: "add address 10.1.0.5/16 to eth0", errno: .exists, kernelMessage: "Address already assigned")
        #expect(error.cni.message == "add address 10.1.0.5/16 to eth0: File exists (Address already assigned)")
        #expect(NetlinkError(operation: "x", errno: .permission).cni.details.contains("CAP_NET_ADMIN"))
    }

    /// The kernel's own answers: reading needs no privilege.
    @Test func theKernelAnswers() throws {
        let socket = try NetlinkSocket.open()
        let loopback = try #require(try socket.link(named: "lo"))
        #expect(try socket.link(index: loopback.index)?.name == "lo")
        #expect(try socket.link(named: "no-such-link") == nil)
        #expect(try socket.addresses(index: loopback.index).allSatisfy { $0.link == loopback.index })
        #expect(try NetlinkSocket(borrowing: socket.descriptor).link(named: "lo")?.index == loopback.index)
    }
}
