import CNI
import CatenaABI
import ModuleABI
import Testing

/// Results across the C ABI: what goes over comes back, and what a careless module hands over is refused.
@Suite struct ResultStructsTests {
    @Test func goesThereAndBack() throws {
        let result = CNIResult(
            interfaces: [CNIResult.Interface(name: "eth0", mac: "aa:bb:cc:dd:ee:02", mtu: 1400, sandbox: "/run/netns/a")],
            ips: [CNIResult.IP(address: try #require(IPNetwork("10.1.0.5/16")), gateway: IPAddress("10.1.0.1"), interface: 0)],
            routes: [
                CNIResult.Route(destination: .everything(.v4), table: 0, scope: 253),
                CNIResult.Route(destination: .everything(.v6), gateway: IPAddress("fd00::1"), mtu: 1300, advertisedMSS: 1200, priority: 9),
            ],
            dns: CNIResult.DNS(nameservers: ["10.1.0.1"], domain: "d", search: ["a", "b"], options: ["ndots:2"]))
        let arena = Arena()
        #expect(try ResultStructs.read(try #require(ResultStructs.write(result, into: arena))) == result)
        #expect(try ResultStructs.read(try #require(ResultStructs.write(CNIResult(), into: arena))) == CNIResult())
    }

    @Test func anIndexThatLeadsNowhereIsNotTold() throws {
        var result = CNIResult(ips: [CNIResult.IP(address: try #require(IPNetwork("10.1.0.5/16")), interface: 7)])
        let arena = Arena()
        #expect(ResultStructs.write(result, into: arena)?.pointee.ips[0]?.pointee.interface_index == -1)
        result.interfaces = [CNIResult.Interface(name: "eth0")]
        result.ips[0].interface = -5
        #expect(ResultStructs.write(result, into: arena)?.pointee.ips[0]?.pointee.interface_index == -1)
    }

    /// Reads a result whose one address was changed by `change`; returns the error's message, "" where there was none.
    private func message(_ change: (inout catena_ip, inout catena_result) -> Void) -> String {
        var text = ""
        "10.1.0.5/16".withCString { address in
            var ip = catena_ip()
            ip.size = UInt32(MemoryLayout<catena_ip>.size)
            ip.interface_index = -1
            ip.address = address
            var result = catena_result()
            result.size = UInt32(MemoryLayout<catena_result>.size)
            result.ip_count = 1
            change(&ip, &result)
            withUnsafePointer(to: ip) { ip in
                withUnsafePointer(to: Optional(ip)) { ips in
                    if result.ip_count > 0 && result.ips == nil { result.ips = ips }
                    do throws(CNIError) { _ = try ResultStructs.read(&result) } catch { text = error.message }
                }
            }
        }
        return text
    }

    @Test func malformedStructsAreRefused() {
        #expect(message { _, _ in } == "")
        #expect(message { ip, _ in ip.size = 4 }.contains("catena_ip.size is 4"))
        #expect(message { ip, _ in ip.address = nil }.contains("address is missing"))
        #expect(message { ip, _ in ip.interface_index = 3 }.contains("out of range"))
        #expect(message { _, result in result.size = 8 }.contains("catena_result.size is 8"))
        #expect(message { _, result in result.ip_count = .max }.contains("ips: a count of 4294967295"))
        #expect(message { _, result in result.interface_count = 1 }.contains("interfaces"))
    }
}
