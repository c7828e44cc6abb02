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
        (#"{"vlan":5}"#, 2, "vlan: 5"), (#"{"vlanTrunk":[{"id":3}]}"#, 2, "vlanTrunk"), (#"{"macspoofchk":true}"#, 2, "macspoofchk: true"),
        (#"{"ipMasq":true,"ipMasqBackend":"iptables"}"#, 2, "ipMasqBackend"), (#"{"ipMasq":true,"ipMasqBackend":"x"}"#, 7, "ipMasqBackend"),
        (#"{"disableContainerInterface":true,"ipam":{"type":"host-local"}}"#, 7, "disableContainerInterface"), (#"{"ipam":[]}"#, 6, "ipam"),
        (#"{"runtimeConfig":{"mac":"nonsense"}}"#, 7, "nonsense"),
    ])
    func whatCannotBeIsRefusedByName(text: String, code: UInt32, words: String) {
        let found = error(text)
        #expect(found?.code.rawValue == code)
        #expect(found?.message.contains(words) == true)
    }

    @Test func theUnsupportedIsAcceptedWhereItHasNoEffect() throws {
        _ = try config(#"{"vlan":0,"vlanTrunk":[],"macspoofchk":false,"ipMasqBackend":"iptables"}"#)
    }

    @Test func unknownArgumentsAreRefusedOnADDAndPassedOverOnDEL() throws {
        #expect(error("{}", arguments: "FOO=1")?.code == .invalidEnvironment)
        _ = try BridgeConfig(ConfigReader(JSONObject()), arguments: nil)
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

    /// The reference adds a second one where IPAM's has no gateway, and then fails for IPv6.
    @Test func aDefaultRouteOfIPAMWithoutGatewayIsEnough() throws {
        let ip = CNIResult.IP(address: try #require(IPNetwork("fd00::3/64")))
        let result = try complete(#"{"isDefaultGateway":true}"#, [ip], [CNIResult.Route(destination: .everything(.v6))])
        #expect(result.routes.count == 1)
    }
}
