import CNI
import Testing

@testable import ModuleKit
@testable import Nftables
@testable import PortmapModule

@Suite struct NftablesTests {
    @Test func anIdentityCannotLeaveItsComment() {
        func comment(_ ifname: String) -> String {
            NftIdentity.comment(network: "net", Attachment(containerID: "c_1.2-3", interfaceName: ifname))
        }
        #expect(comment("eth0") == "net/c_1.2-3/eth0")
        #expect(comment("a\";flush") == "net/c_1.2-3/a%22%3bflush")
        #expect(comment("$x%") == "net/c_1.2-3/%24x%25")
        #expect(comment("ä") == "net/c_1.2-3/%c3%a4")
    }

    @Test func aLongIdentityIsCutAndStaysItsOwn() {
        func comment(_ last: Character) -> String {
            NftIdentity.comment(
                network: String(repeating: "n", count: 100),
                Attachment(containerID: String(repeating: "c", count: 64) + String(last), interfaceName: "eth0"))
        }
        #expect(comment("a").utf8.count == NftIdentity.limit && comment("a") != comment("b") && comment("a") == comment("a"))
    }

    @Test func networksBecomeWordsOfChains() throws {
        #expect(NftTable.word(try #require(IPNetwork("10.1.2.3/16"))) == "10.1.0.0/16")
        #expect(NftTable.word(try #require(IPNetwork("fd00:1::5/64"))) == "fd00-1--/64")
    }

    @Test func aChainIsMadeIdempotently() {
        #expect(
            NftTable.chain("c", hook: "type nat hook output priority -100", rules: ["accept"])
                == "add chain inet catena c { type nat hook output priority -100; }\nflush chain inet catena c\nadd rule inet catena c accept"
        )
    }

    @Test func masqueradeCommands() throws {
        let address = try #require(IPNetwork("10.1.0.5/16"))
        #expect(
            NftMasquerade.networkChain(address).commands == """
                add chain inet catena masquerade_10.1.0.0/16 { type nat hook postrouting priority 100; policy accept; }
                flush chain inet catena masquerade_10.1.0.0/16
                add rule inet catena masquerade_10.1.0.0/16 ip saddr 10.1.0.0/16 ip daddr != 10.1.0.0/16 ip daddr != 224.0.0.0/4 \
                ip saddr @masquerade4 masquerade
                """)
        let element = NftMasquerade.element(address)
        #expect(element.key == "10.1.0.5" && element.keyBytes == [10, 1, 0, 5] && element.value.isEmpty)
    }

    @Test func commandsOfASetOfFrames() {
        let set = NftMap(set: "s", type: "ifname . ether_addr", .bridge)
        let element = NftMap.Element(key: "\"veth0\" . 02:00:00:00:00:01", keyBytes: [])
        #expect(set.add == "add set bridge catena s { type ifname . ether_addr; }")
        #expect(
            set.addCommand(element, comment: "n/c/i") == #"add element bridge catena s { "veth0" . 02:00:00:00:00:01 comment "n/c/i" }"#)
        #expect(set.deleteCommand(key: "veth0") == "delete element bridge catena s { veth0 }")
    }

    @Test func keysOfLibnftablesJSON() {
        #expect(NftMap.key(.string("10.1.0.5")) == "10.1.0.5")
        #expect(NftMap.key(.object(.init([("concat", .array([.string("tcp"), .integer(8080)]))]))) == "tcp . 8080")
        #expect(NftMap.key(.object(.init([("range", .null)]))) == nil && NftMap.key(.null) == nil)
    }

    // MARK: Transactions

    @Test func aFailingLineIsItsOwners() {
        var transaction = NftTransaction()
        transaction.append(owner: "bridge", purpose: "masquerade", commands: "one\ntwo")
        transaction.append(owner: "portmap", purpose: "publish 80", commands: "three")
        #expect(transaction.script == "one\ntwo\nthree")
        func message(_ line: Int) -> String { transaction.error(NftablesError(reason: "no", command: "x", line: line)).message }
        #expect(message(1).hasPrefix("bridge: masquerade: ") && message(2).hasPrefix("bridge: "))
        #expect(message(3) == "portmap: publish 80: nftables: x: no")
        #expect(transaction.error(NftablesError(reason: "no")).message == "nftables: no")
    }

    @Test func errorsOfLibnftablesAreRead() {
        let output = "/proc/self/fd/5:2:1-41: Error: Could not process rule: File exists\nadd element inet t m { 1.2.3.4 : 6 }\n^^^^\n"
        let error = NftablesError(output: output, commands: "first\nadd element inet t m { 1.2.3.4 : 6 }")
        #expect(
            error.line == 2 && error.reason == "Could not process rule: File exists"
                && error.command == "add element inet t m { 1.2.3.4 : 6 }")
        #expect(NftablesError(output: "", commands: "").reason == "unknown error")
        #expect(NftablesError(output: "Error: No such file or directory\nlist x\n", commands: "list x").isAbsence)
    }

    @Test(
        arguments: [
            ([0, 4, 0x61, 0x62, 0x63, 0], "abc"), ([1, 1, 9, 0, 2, 0x61, 0], "a"), ([], nil), ([0], nil), ([0, 9, 0x61], nil),
            ([1, 0], nil),
        ] as [([UInt8], String?)])
    func commentsOfElements(bytes: [UInt8], comment: String?) {
        #expect(NftablesKernel.comment(bytes[...]) == comment)
    }
}
