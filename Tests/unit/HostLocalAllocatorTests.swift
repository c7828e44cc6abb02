import ModuleKit
import Testing

@testable import HostLocalModule

@Suite struct HostLocalAllocatorTests {
    @Test func roundRobinAndExhaustion() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/29")]
        for (index, container) in ["a", "b", "c", "d", "e"].enumerated() {
            #expect(try sandbox.add(container, sets: sets) == ["10.1.0.\(index + 2)/29"])
        }
        let error = hostLocalError { try sandbox.add("f", sets: sets) }
        #expect(error?.code == .internalFailure)
        #expect(error?.message == "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1.0.6")
        #expect(
            error?.details.hasPrefix("5 of 5 are reserved, by 5 attachments; oldest first: 10.1.0.2 by a eth0 since 20") == true
                && error?.details.contains("10.1.0.4 by c eth0 since ") == true && error?.details.contains("10.1.0.5") == false)
        try sandbox.del("b")
        try sandbox.del("d")
        #expect(try sandbox.add("f", sets: sets) == ["10.1.0.3/29"])
        #expect(try sandbox.add("g", sets: sets) == ["10.1.0.5/29"])
        #expect(sandbox.content("last_reserved_ip.0") == "10.1.0.5")
    }

    @Test(arguments: [nil, Boot(id: nil, start: HostLocalSandbox.boot.start)])
    func exhaustionWithoutAnIndex(boot: Boot?) throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/30"), HostLocalSandbox.set("10.2.0.0/29")]
        try sandbox.write("10.2.0.3", "other\r\neth0")
        try sandbox.write("10.9.0.1", "far\r\neth0")
        #expect(try sandbox.add("a", sets: sets, boot: boot) == ["10.1.0.2/30", "10.2.0.2/29"])
        #expect(try sandbox.add("b", sets: [sets[1]], boot: boot) == ["10.2.0.4/29"])
        let details = hostLocalError { try sandbox.add("c", sets: sets, boot: boot) }?.details
        #expect(details?.hasPrefix("1 of 1 are reserved, by 1 attachments; oldest first: 10.1.0.2 by a eth0 since 20") == true)
        try sandbox.del("a", boot: boot)
        #expect(try sandbox.add("c", sets: sets, boot: boot) == ["10.1.0.2/30", "10.2.0.5/29"])
    }

    @Test func aFreedAddressIsNotGivenAgainAtOnce() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/24")]
        try sandbox.add("a", sets: sets)
        try sandbox.del("a")
        #expect(try sandbox.add("b", sets: sets) == ["10.1.0.3/24"])
    }

    @Test func manyTakenInARow() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/24")]
        for last in 2...200 where last != 150 { try sandbox.write("10.1.0.\(last)", "c\(last)\r\neth0") }
        #expect(try sandbox.add("a", sets: sets) == ["10.1.0.150/24"])
        try sandbox.write("last_reserved_ip.0", "10.1.0.254")
        #expect(try sandbox.add("b", sets: sets) == ["10.1.0.201/24"])
        for last in 202...254 { try sandbox.write("10.1.0.\(last)", "c\(last)\r\neth0") }
        let error = hostLocalError { try sandbox.add("z", sets: sets) }
        #expect(error?.details.hasPrefix("253 of 253 are reserved, by 253 attachments; oldest first: ") == true)
    }

    @Test func damagedOrderFilesDoNotMatter() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/24")]
        for text in ["", "garbage", "10.1.0.2\n", String(repeating: "x", count: 9999)] {
            try sandbox.write("last_reserved_ip.0", text)
            #expect(try sandbox.add("a", sets: sets) == ["10.1.0.2/24"])
            try sandbox.del("a")
        }
    }

    @Test func duplicatesAreRefused() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/24")]
        try sandbox.add("a", sets: sets)
        let error = hostLocalError { try sandbox.add("a", sets: sets) }
        #expect(
            error?.message
                == "failed to allocate for range 0: 10.1.0.2 has been allocated to a, duplicate allocation is not allowed")
        #expect(sandbox.reserved == ["10.1.0.2"])
        #expect(try sandbox.add("a", "eth1", sets: sets) == ["10.1.0.3/24"])
        #expect(try sandbox.add("a", sets: [HostLocalSandbox.set("10.2.0.0/24")]) == ["10.2.0.2/24"])
    }

    @Test func allOrNothing() throws {
        let sandbox = try HostLocalSandbox()
        let small = try HostLocalSandbox.set("10.2.0.0/30")
        let sets = try [HostLocalSandbox.set("10.1.0.0/24"), HostLocalSandbox.set("fd00::/64"), small]
        try sandbox.add("a", sets: [small])
        try sandbox.add("b", "eth0", sets: [HostLocalSandbox.set("10.3.0.0/24")])
        let error = hostLocalError { try sandbox.add("b", sets: sets) }
        #expect(error?.message.hasPrefix("failed to allocate for range 2: no IP addresses available") == true)
        #expect(sandbox.reserved == ["10.2.0.2", "10.3.0.2"], "what the attachment held before stays")
        #expect(sandbox.index == ["a:eth0": "10.2.0.2", "b:eth0": "10.3.0.2"])
        #expect(sandbox.content(".reservation") == nil)
    }

    @Test func requestedAddresses() throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/24"), HostLocalSandbox.set("fd00::/64")]
        #expect(try sandbox.add("a", sets: sets, requested: ["fd00::99", "10.1.0.50"]) == ["10.1.0.50/24", "fd00::99/64"])
        #expect(sandbox.content("last_reserved_ip.0") == "10.1.0.50")
        #expect(try sandbox.add("b", sets: sets, requested: ["10.1.0.7"]) == ["10.1.0.7/24", "fd00::9a/64"])
        #expect(
            hostLocalError { try sandbox.add("c", sets: sets, requested: ["10.1.0.7"]) }?.message
                == "failed to allocate for range 0: requested IP address 10.1.0.7 is not available in range set 10.1.0.1-10.1.0.254")
        #expect(
            hostLocalError { try sandbox.add("c", sets: sets, requested: ["10.1.0.1"]) }?.message
                == "failed to allocate for range 0: requested ip 10.1.0.1 is subnet's gateway")
        #expect(
            hostLocalError { try sandbox.add("c", sets: sets, requested: ["10.1.0.8", "10.9.0.1", "10.1.0.9"]) }?.message
                == "failed to allocate all requested IPs: 10.9.0.1 10.1.0.9")
        #expect(sandbox.reserved == ["10.1.0.50", "10.1.0.7", "fd00::99", "fd00::9a"])
        #expect(try sandbox.add("a", sets: [sets[0]], requested: ["10.1.0.51"]) == ["10.1.0.51/24"], "as the reference does")
        #expect(try sandbox.del("a") == 3)
    }

    @Test func gatewaysComeWithTheirRange() throws {
        let sandbox = try HostLocalSandbox()
        let set = try RangeSet([
            HostLocalSandbox.range("10.1.0.0/24", "10.1.0.9", "10.1.0.9", gateway: "10.1.0.200"), HostLocalSandbox.range("10.2.0.0/31"),
        ])
        let ips = try sandbox.with { store in
            let allocator = Allocator(sets: [set], requested: [], store: store)
            return try ["a", "b"].flatMap { try allocator.allocate(for: Attachment(containerID: $0, interfaceName: "eth0")) }
        }
        #expect(ips.map { $0.address.text } == ["10.1.0.9/24", "10.2.0.0/31"])
        #expect(ips.map { $0.gateway?.text } == ["10.1.0.200", nil])
        #expect(ips.allSatisfy { $0.interface == nil })
    }

    @Test func threadsGetDistinctAddresses() async throws {
        let sandbox = try HostLocalSandbox()
        let sets = try [HostLocalSandbox.set("10.1.0.0/24"), HostLocalSandbox.set("fd00::/64")]
        let location = sandbox.location
        let threads = 8
        let each = 20
        let addresses = try await withThrowingTaskGroup(of: [String].self) { group in
            for thread in 0..<threads {
                group.addTask {
                    var found: [String] = []
                    for round in 0..<each {
                        let attachment = Attachment(containerID: "c\(thread)-\(round)", interfaceName: "eth0")
                        let store = try AddressStore.open(location, boot: HostLocalSandbox.boot, notify: { _ in })
                        defer { store.finish() }
                        let allocator = Allocator(sets: sets, requested: [], store: store)
                        found += try allocator.allocate(for: attachment).map { $0.address.text }
                        // One in four goes at once.
                        if round % 4 == 0 { try store.release(attachment) }
                    }
                    return found
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(addresses.count == threads * each * 2)
        #expect(Set(addresses).count == addresses.count)
        #expect(sandbox.reserved.count == threads * each * 2 * 3 / 4)
        #expect(sandbox.index.count == threads * each * 3 / 4)
    }
}

@Suite struct HostLocalCheckTests {
    private func find(_ held: [String], _ given: [String]?) throws -> [String] {
        let result = given.map { CNIResult(ips: $0.compactMap { IPNetwork($0) }.map { CNIResult.IP(address: $0) }) }
        return try Differences.find(
            held: held.compactMap { IPAddress($0) }, result: result, interface: "eth0",
            sets: [HostLocalSandbox.set("10.1.0.0/24"), HostLocalSandbox.set("fd00::/64")], directory: "/d")
    }

    @Test func findsDifferences() throws {
        #expect(try find(["10.1.0.2", "fd00::2"], ["10.1.0.2/24", "fd00::2/64", "192.168.0.1/24"]).isEmpty)
        #expect(try find(["10.1.0.2"], nil).isEmpty)
        #expect(try find([], nil) == ["no address is reserved for it in /d"])
        #expect(try find([], ["192.168.0.1/24"]) == ["no address is reserved for it in /d"])
        #expect(
            try find(["10.1.0.3"], ["10.1.0.2/24", "fd00::2/64"]) == [
                "10.1.0.2 of prevResult is not reserved for it in /d", "fd00::2 of prevResult is not reserved for it in /d",
                "10.1.0.3 is reserved for it in /d, but prevResult does not have it",
            ])
    }
}
