import CNI
import Testing

@Suite struct AddressTests {
    @Test(arguments: [
        ("10.1.0.5", "10.1.0.5"), ("255.255.255.255", "255.255.255.255"), ("fd00::5", "fd00::5"), ("FD00:0:0:0::5", "fd00::5"),
        ("::", "::"), ("::1", "::1"), ("::1:5", "::1:5"), ("::ffff:10.1.0.5", "10.1.0.5"),
    ])
    func parsesAndPrints(text: String, printed: String) {
        #expect(IPAddress(text)?.text == printed)
    }

    @Test(arguments: ["", "10.1.0", "10.1.0.256", "10.1.0.5/16", " 10.1.0.5", "fd00:::5", "localhost", "10.01.0.5x"])
    func refusesWhatIsNoAddress(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func bytesAreInNetworkOrder() {
        #expect(IPAddress("10.1.0.5")?.bytes == [10, 1, 0, 5])
        #expect(IPAddress("fd00::5")?.bytes == [0xfd] + [UInt8](repeating: 0, count: 14) + [5])
        #expect(IPAddress(bytes: [10, 1, 0, 5])?.text == "10.1.0.5")
        #expect(IPAddress(bytes: [1, 2, 3]) == nil)
    }

    @Test func nextAndPreviousCrossTheMiddleOfIPv6() {
        let last = IPAddress("fd00::ffff:ffff:ffff:ffff")
        #expect(last?.next?.text == "fd00:0:0:1::")
        #expect(last?.next?.previous == last)
        #expect(IPAddress("255.255.255.255")?.next == nil)
        #expect(IPAddress("0.0.0.0")?.previous == nil)
        #expect(IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")?.next == nil)
    }

    @Test(arguments: [
        ("10.1.2.3/16", "10.1.0.0", "10.1.255.255"), ("10.1.2.3/32", "10.1.2.3", "10.1.2.3"), ("10.1.2.3/0", "0.0.0.0", "255.255.255.255"),
        ("fd00::1234/64", "fd00::", "fd00::ffff:ffff:ffff:ffff"), ("fd00:1:2:3::1/48", "fd00:1:2::", "fd00:1:2:ffff:ffff:ffff:ffff:ffff"),
        ("fd00::1/128", "fd00::1", "fd00::1"), ("fd00::1/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ])
    func networkAndLastAddress(text: String, first: String, last: String) {
        #expect(IPNetwork(text)?.networkAddress.text == first)
        #expect(IPNetwork(text)?.lastAddress.text == last)
    }

    @Test(arguments: ["10.1.0.0", "10.1.0.0/33", "10.1.0.0/", "10.1.0.0/-1", "10.1.0.0/+8", "10.1.0.0/08", "fd00::/129", "/8", "x/8"])
    func refusesWhatIsNoNetwork(text: String) {
        #expect(IPNetwork(text) == nil)
    }

    @Test func containsAndOverlaps() throws {
        let wide = try #require(IPNetwork("10.1.0.0/16"))
        let narrow = try #require(IPNetwork("10.1.2.0/24"))
        let other = try #require(IPNetwork("10.2.0.0/16"))
        let six = try #require(IPNetwork("::/0"))
        #expect(wide.contains(try #require(IPAddress("10.1.255.255"))))
        #expect(!wide.contains(try #require(IPAddress("10.2.0.0"))))
        #expect(wide.overlaps(narrow) && narrow.overlaps(wide))
        #expect(!wide.overlaps(other) && !wide.overlaps(six))
    }

    @Test func macAddresses() {
        #expect(MACAddress("0A:58:0a:01:00:05")?.text == "0a:58:0a:01:00:05")
        #expect(MACAddress("0a-58-0a-01-00-05")?.text == "0a:58:0a:01:00:05")
        for bad in ["", "0a:58:0a:01:00", "0a:58:0a:01:00:05:06", "0a:58:0a:01:00:5", "0g:58:0a:01:00:05", "0a580a010005"] {
            #expect(MACAddress(bad) == nil)
        }
    }
}
