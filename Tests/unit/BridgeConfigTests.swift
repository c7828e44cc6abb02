import CNI
import JSON
import Testing

@testable import BridgeModule

@Suite struct BridgeConfigTests {
    private func config(_ text: String, arguments: String = "") throws -> BridgeConfig {
        let reader = ConfigReader(try #require(try JSON(parsing: text).object))
        let config = try BridgeConfig(reader, arguments: try CNIArguments(arguments))
        try config.validate(reader)
        return config
    }

    private func error(_ text: String, arguments: String = "") -> CNIError? {
        do {
            _ = try config(text, arguments: arguments)
            return nil
        } catch { return error as? CNIError }
    }

    @Test func defaults() throws {
        let config = try config("{}")
        #expect(config.bridge == "cni0" && !config.isGateway && config.mtu == nil && config.mac == nil && config.ipam == nil)
    }

    @Test func aDefaultGatewayIsAGateway() throws {
        #expect(try config(#"{"isDefaultGateway":true}"#).isGateway)
    }

    @Test(arguments: [
        (#"{}"#, "MAC=0a:00:00:00:00:01", "0a:00:00:00:00:01"),
        (#"{"args":{"cni":{"mac":"0a:00:00:00:00:02"}}}"#, "MAC=0a:00:00:00:00:01", "0a:00:00:00:00:02"),
        (
            #"{"args":{"cni":{"mac":"0a:00:00:00:00:02"}},"runtimeConfig":{"mac":"0a:00:00:00:00:03"}}"#, "MAC=0a:00:00:00:00:01",
            "0a:00:00:00:00:03"
        ),
    ])
    func theLaterMACWins(text: String, arguments: String, mac: String) throws {
        #expect(try config(text, arguments: arguments).mac?.text == mac)
    }

    @Test(arguments: [
        (#"{"hairpinMode":true,"promiscMode":true}"#, 7, "hairpinMode"), (#"{"mtu":"1500"}"#, 6, "mtu"), (#"{"mtu":-1}"#, 7, "mtu"),
        (#"{"isGateway":1}"#, 6, "isGateway"), (#"{"bridge":"a-name-that-is-too-long"}"#, 7, "too long"),
        (#"{"bridge":"a/b"}"#, 7, "bridge: "),
        (#"{"vlan":4095}"#, 7, "vlan: must be from 0 to 4094"), (#"{"vlan":"5"}"#, 6, "vlan"), (#"{"vlanTrunk":[5]}"#, 6, "vlanTrunk[0]"),
        (#"{"vlanTrunk":[{"id":3},{"id":0}]}"#, 7, "vlanTrunk[1].id: must be from 1 to 4094"),
        (#"{"vlanTrunk":[{"minID":3}]}"#, 7, "vlanTrunk[0].maxID: is missing"), (#"{"vlanTrunk":[{}]}"#, 7, "vlanTrunk[0].id: is missing"),
        (#"{"vlanTrunk":[{"minID":3,"maxID":2}]}"#, 7, "vlanTrunk[0].maxID: must not be less than minID 3"),
        (#"{"bridge":"a-long-name","isGateway":true,"vlan":1000}"#, 7, "a-long-name.1000"), (#"{"macspoofchk":1}"#, 6, "macspoofchk"),
        (#"{"ipMasq":true,"ipMasqBackend":"x"}"#, 7, "ipMasqBackend"),
        (#"{"disableContainerInterface":true,"ipam":{"type":"host-local"}}"#, 7, "disableContainerInterface"), (#"{"ipam":[]}"#, 6, "ipam"),
        (#"{"runtimeConfig":{"mac":"nonsense"}}"#, 7, "nonsense"),
    ])
    func whatCannotBeIsRefusedByName(text: String, code: UInt32, words: String) {
        let found = error(text)
        #expect(found?.code.rawValue == code)
        #expect(found?.message.contains(words) == true)
    }

    @Test func theUnsupportedIsAcceptedWhereItHasNoEffect() throws {
        _ = try config(#"{"vlan":0,"vlanTrunk":[],"ipMasqBackend":"iptables"}"#)
    }

    @Test func unknownArgumentsAreRefusedOnADDAndPassedOverOnDEL() throws {
        #expect(error("{}", arguments: "FOO=1")?.code == .invalidEnvironment)
        _ = try BridgeConfig(ConfigReader(JSONObject()), arguments: nil)
    }

    // MARK: VLANs

    @Test(arguments: [
        (#"{}"#, ""), (#"{"vlan":0,"vlanTrunk":[]}"#, ""), (#"{"vlan":100}"#, "100 pvid untagged"),
        (#"{"vlanTrunk":[{"id":9},{"minID":5,"maxID":7}]}"#, "1 pvid untagged, 5-7, 9"),
        (#"{"vlanTrunk":[{"minID":5,"maxID":7,"id":8},{"minID":6,"maxID":10},{"id":6}]}"#, "1 pvid untagged, 5-10"),
        (#"{"vlanTrunk":[{"minID":1,"maxID":4094}]}"#, "1 pvid untagged, 2-4094"),
        (#"{"vlan":6,"vlanTrunk":[{"minID":5,"maxID":7}]}"#, "5, 6 pvid untagged, 7"),
        (#"{"vlan":4094,"vlanTrunk":[{"minID":4093,"maxID":4094}]}"#, "4093, 4094 pvid untagged"),
    ])
    func aPortIsInTheVLANsThatAreAskedFor(text: String, expected: String) throws {
        let vlans = try config(text).vlans
        #expect(vlans.memberships.map { $0.text }.joined(separator: ", ") == expected)
        #expect(vlans.isEmpty == expected.isEmpty)
    }

    @Test func onlyDELReadsNoVLANs() throws {
        let reader = ConfigReader(try #require(try JSON(parsing: #"{"vlan":5000,"vlanTrunk":[{"id":-1}]}"#).object))
        #expect(try BridgeConfig(reader, arguments: nil).vlans.isEmpty)
    }

    @Test func theGatewayIsInTheVLANOfFramesWithoutATag() throws {
        #expect(try config(#"{"vlan":100}"#).gatewayName == "cni0.100")
        #expect(try config(#"{"vlanTrunk":[{"id":100}]}"#).gatewayName == "cni0")
    }

    // MARK: Gateways

    private func complete(_ text: String, _ ips: [CNIResult.IP], _ routes: [CNIResult.Route] = []) throws -> CNIResult {
        var result = CNIResult(ips: ips, routes: routes)
        try config(text).completeGateways(&result)
        return result
    }

    @Test func aMissingGatewayIsTheNetworksFirstAddress() throws {
        let ip = CNIResult.IP(address: try #require(IPNetwork("10.1.2.3/16")))
        #expect(try complete(#"{"isGateway":true}"#, [ip]).ips[0].gateway?.text == "10.1.0.1")
        #expect(try complete("{}", [ip]).ips[0].gateway == nil)
        #expect(try complete(#"{"isGateway":true}"#, [ip]).routes.isEmpty)
    }

    @Test func eachFamilyGetsOneDefaultRoute() throws {
        let ips = [
            CNIResult.IP(address: try #require(IPNetwork("10.1.2.3/16"))), CNIResult.IP(address: try #require(IPNetwork("10.2.2.3/16"))),
            CNIResult.IP(address: try #require(IPNetwork("fd00::3/64"))),
        ]
        let result = try complete(#"{"isDefaultGateway":true}"#, ips)
        #expect(result.routes.map { "\($0.destination.text) \($0.gateway?.text ?? "")" } == ["0.0.0.0/0 10.1.0.1", "::/0 fd00::1"])
    }

    @Test func aDefaultRouteOfAnotherTableIsNone() throws {
        let ip = CNIResult.IP(address: try #require(IPNetwork("10.1.2.3/16")))
        let route = CNIResult.Route(destination: .everything(.v4), table: 100)
        #expect(try complete(#"{"isDefaultGateway":true}"#, [ip], [route]).routes.count == 2)
    }

    /// The reference adds a second one where IPAM's has no gateway, and then fails for IPv6.
    @Test func aDefaultRouteOfIPAMWithoutGatewayIsEnough() throws {
        let ip = CNIResult.IP(address: try #require(IPNetwork("fd00::3/64")))
        let result = try complete(#"{"isDefaultGateway":true}"#, [ip], [CNIResult.Route(destination: .everything(.v6))])
        #expect(result.routes.count == 1)
    }
}
