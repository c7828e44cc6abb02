import ModuleKit
import Testing

@testable import StaticModule

@Suite struct StaticTests {
    private func config(_ text: String, arguments: String = "", version: String = "1.0.0") throws -> StaticConfig {
        let object = try #require(try JSON(parsing: text).object)
        return try StaticConfig(ConfigReader(object), cniVersion: version, arguments: try CNIArguments(arguments))
    }

    private func ips(_ text: String, arguments: String = "") throws -> [String] {
        try config(text, arguments: arguments).ips.map { "\($0.address.text) \($0.gateway?.text ?? "-")" }
    }

    private func error(_ text: String, arguments: String = "", version: String = "1.0.0") -> CNIError? {
        do {
            _ = try config(text, arguments: arguments, version: version)
            return nil
        } catch { return error as? CNIError }
    }

    private let one = #"{"ipam":{"addresses":[{"address":"10.1.0.5/24","gateway":"10.1.0.1"}]}}"#

    @Test func addressesOfTheConfiguration() throws {
        #expect(try ips(one) == ["10.1.0.5/24 10.1.0.1"])
        #expect(try ips(#"{"ipam":{}}"#).isEmpty)
        #expect(
            try ips(#"{"ipam":{"addresses":[{"address":"fd00::5/64"},{"address":"10.1.0.5/24"}]}}"#) == ["fd00::5/64 -", "10.1.0.5/24 -"])
    }

    @Test func argumentsAreAdded() throws {
        #expect(
            try ips(one, arguments: "IP=10.2.0.5/24, fd00::5/64;GATEWAY=10.2.0.1") == [
                "10.1.0.5/24 10.1.0.1", "10.2.0.5/24 10.2.0.1", "fd00::5/64 -",
            ])
        #expect(try ips(one, arguments: "IP=;GATEWAY=") == ["10.1.0.5/24 10.1.0.1"])
        #expect(try ips(one, arguments: "IP=10.1.0.5/24") == ["10.1.0.5/24 10.1.0.1"], "twice is once")
        #expect(try ips(one, arguments: "GATEWAY=10.1.0.9") == ["10.1.0.5/24 10.1.0.9"])
        #expect(try config(one, arguments: "GATEWAY=10.9.0.1").strayGateways.map { $0.text } == ["10.9.0.1"])
    }

    @Test func theRuntimesReplaceAllOthers() throws {
        let args = #"{"ipam":{"addresses":[{"address":"10.1.0.5/24"}]},"args":{"cni":{"ips":["10.3.0.5/24"]}}}"#
        #expect(try ips(args, arguments: "IP=10.2.0.5/24") == ["10.3.0.5/24 -"])
        let both = #"{"ipam":{},"args":{"cni":{"ips":["10.3.0.5/24"]}},"runtimeConfig":{"ips":["10.4.0.5/24","fd00::5/64"]}}"#
        #expect(try ips(both, arguments: "GATEWAY=10.4.0.1,fd00::1") == ["10.4.0.5/24 10.4.0.1", "fd00::5/64 fd00::1"])
        let empty = #"{"ipam":{"addresses":[{"address":"10.1.0.5/24"}]},"args":{"cni":{"ips":[]}},"runtimeConfig":{"ips":null}}"#
        #expect(try ips(empty) == ["10.1.0.5/24 -"])
    }

    @Test(arguments: [
        (#"{}"#, "", "ipam", 7), (#"{"ipam":{"addresses":[{"address":"10.1.0.5"}]}}"#, "", "ipam.addresses[0].address", 7),
        (#"{"ipam":{"addresses":[{}]}}"#, "", "ipam.addresses[0].address: is missing", 7),
        (#"{"ipam":{"addresses":{}}}"#, "", "ipam.addresses", 6),
        (#"{"ipam":{"addresses":[{"address":"10.1.0.5/24","gateway":"x"}]}}"#, "", "ipam.addresses[0].gateway", 7),
        (#"{"ipam":{}}"#, "IP=10.1.0.5", "10.1.0.5", 4), (#"{"ipam":{}}"#, "GATEWAY=x", "gateway", 4),
        (#"{"ipam":{}}"#, "IP=10.1.0.5/24,", "IP", 4),
        (#"{"ipam":{}}"#, "MAC=1", "unknown argument", 4), (#"{"ipam":{},"runtimeConfig":{"ips":["x"]}}"#, "", "runtimeConfig.ips[0]", 7),
        (#"{"ipam":{},"args":{"cni":{"ips":["10.1.0.5"]}}}"#, "", "args.cni.ips[0]", 7),
    ])
    func errors(text: String, arguments: String, words: String, code: UInt32) {
        let found = error(text, arguments: arguments)
        #expect(found?.message.contains(words) == true && found?.code.rawValue == code, "\(found?.text ?? "none")")
    }

    @Test func oneOfAFamilyBefore030() throws {
        let two = #"{"ipam":{"addresses":[{"address":"10.1.0.5/24"},{"address":"10.2.0.5/24"}]}}"#
        #expect(error(two, version: "0.2.0")?.message.contains("more than 1 address per family") == true)
        #expect(error(two, version: "0.3.0") == nil)
        let dual = #"{"ipam":{"addresses":[{"address":"10.1.0.5/24"},{"address":"fd00::5/64"}]}}"#
        #expect(error(dual, version: "0.2.0") == nil)
    }

    @Test func checkFindsWhatIsMissing() throws {
        func ip(_ text: String, _ gateway: String? = nil) throws -> CNIResult.IP {
            CNIResult.IP(address: try #require(IPNetwork(text)), gateway: gateway.flatMap { IPAddress($0) })
        }
        let result = try CNIResult(ips: [ip("10.1.0.5/24", "10.1.0.1"), ip("10.2.0.5/24")])
        func missing(_ ips: [CNIResult.IP]) -> [String] { Static.missing(ips, in: result, interface: "eth0") }
        #expect(try missing([ip("10.1.0.5/24", "10.1.0.1"), ip("10.1.0.5/24")]).isEmpty)
        #expect(try missing([ip("10.1.0.5/16")]) == ["10.1.0.5/16 is configured, but prevResult does not have it"])
        #expect(try missing([ip("10.1.0.5/24", "10.1.0.2")]) == ["10.1.0.5/24: expected gateway 10.1.0.2, found 10.1.0.1 in prevResult"])
        #expect(try missing([ip("10.2.0.5/24", "10.2.0.1")]) == ["10.2.0.5/24: expected gateway 10.2.0.1, found none in prevResult"])
    }
}
