import CNI
import JSON
import Testing

/// Results in every version's form, and what conversion drops (specification checklist S44 to S54).
@Suite struct ResultFormatTests {
    private func sample() throws -> CNIResult {
        CNIResult(
            interfaces: [
                CNIResult.Interface(name: "cni0", mac: "aa:bb:cc:dd:ee:01"),
                CNIResult.Interface(
                    name: "eth0", mac: "aa:bb:cc:dd:ee:02", mtu: 1400, sandbox: "/run/netns/a", socketPath: "/s", pciID: "0000:00:1f.6"),
            ],
            ips: [
                CNIResult.IP(address: try #require(IPNetwork("10.1.0.5/16")), gateway: IPAddress("10.1.0.1"), interface: 1),
                CNIResult.IP(address: try #require(IPNetwork("fd00::5/64")), interface: 1),
            ],
            routes: [
                CNIResult.Route(destination: .everything(.v4), gateway: IPAddress("10.1.0.1"), mtu: 1300, priority: 5, table: 0, scope: 0),
                CNIResult.Route(destination: .everything(.v6)),
            ],
            dns: CNIResult.DNS(nameservers: ["10.1.0.1"], domain: "example.org"))
    }

    @Test(arguments: ["1.0.0", "1.1.0"])
    func currentForm(version: String) throws {
        let json = try ResultFormat.encode(try sample(), version: version)
        #expect(json.object?["cniVersion"]?.string == version)
        let interface = json.object?["interfaces"]?.array?.last?.object
        #expect(interface?["mtu"] == .integer(1400) && interface?["pciID"] == .string("0000:00:1f.6"))
        #expect(json.object?["ips"]?.array?.first?.object?["version"] == nil)
        #expect(json.object?["ips"]?.array?.first?.object?["interface"] == .integer(1))
        let route = json.object?["routes"]?.array?.first?.object
        #expect(route?["table"] == .integer(0) && route?["scope"] == .integer(0))
        #expect(try ResultFormat.decode(json, defaultVersion: "") == sample())
    }

    @Test(arguments: ["0.3.0", "0.3.1", "0.4.0"])
    func listedForm(version: String) throws {
        let json = try ResultFormat.encode(try sample(), version: version)
        #expect(json.object?["interfaces"]?.array?.last?.object?["mtu"] == nil)
        #expect(json.object?["ips"]?.array?.map { $0.object?["version"]?.string } == ["4", "6"])
        #expect(json.object?["routes"]?.array?.first?.object?["mtu"] == .integer(1300))
        let empty = try ResultFormat.encode(CNIResult(), version: version)
        #expect(empty.object?["dns"] == .object(JSONObject()))
    }

    @Test(arguments: ["0.1.0", "0.2.0", ""])
    func singleForm(version: String) throws {
        let json = try ResultFormat.encode(try sample(), version: version)
        #expect(json.object?["cniVersion"]?.string == (version.isEmpty ? "0.1.0" : version))
        #expect(json.object?["interfaces"] == nil)
        #expect(json.object?["ip4"]?.object?["ip"] == .string("10.1.0.5/16"))
        let route = json.object?["ip4"]?.object?["routes"]?.array?.first?.object
        #expect(route?["gw"] == .string("10.1.0.1") && route?["mtu"] == nil && route?["table"] == nil)
        let back = try ResultFormat.decode(json, defaultVersion: "")
        #expect(back.ips.map { $0.address.text } == ["10.1.0.5/16", "fd00::5/64"])
        #expect(back.ips.allSatisfy { $0.interface == nil } && back.routes.count == 2)
    }

    @Test func singleFormNeedsAnAddress() throws {
        #expect(throws: CNIError("cannot convert: no valid IP addresses")) { try ResultFormat.encode(CNIResult(), version: "0.2.0") }
    }

    @Test func unknownVersionsAreRefused() throws {
        #expect(throws: CNIError.self) { try ResultFormat.encode(CNIResult(), version: "1.2.0") }
        #expect(throws: CNIError.self) {
            try ResultFormat.decode(.object(JSONObject([("cniVersion", .string("9.0.0"))])), defaultVersion: "")
        }
    }

    @Test func readerIsLenientWhereTheFieldNeedsIt() throws {
        let text = #"{"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.0.0.2/24","gateway":null}],"extra":1}"#
        let result = try ResultFormat.decode(try JSON(parsing: text), defaultVersion: "")
        #expect(result.ips == [CNIResult.IP(address: try #require(IPNetwork("10.0.0.2/24")))])
        #expect(try ResultFormat.decode(.null, defaultVersion: "1.0.0") == CNIResult())
    }

    @Test func readerNamesWhatIsWrong() throws {
        let json = try JSON(parsing: #"{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2"}]}"#)
        do {
            _ = try ResultFormat.decode(json, defaultVersion: "")
            Issue.record("a result with a broken address was accepted")
        } catch let error {
            #expect(error.message.contains("ips[0].address") && error.message.contains("10.0.0.2"))
        }
    }

    @Test func containerAddressLooksAtTheInterface() throws {
        let result = try sample()
        #expect(result.containerAddress(.v4, on: "eth0")?.text == "10.1.0.5/16")
        #expect(result.containerAddress(.v4, on: "eth1") == nil)
        var unindexed = result
        unindexed.ips[0].interface = nil
        #expect(unindexed.containerAddress(.v4, on: "eth1")?.text == "10.1.0.5/16")
    }
}
