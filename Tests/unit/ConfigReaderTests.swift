import CNI
import JSON
import Testing

@Suite struct ConfigReaderTests {
    private func reader(_ text: String) throws -> ConfigReader { ConfigReader(try #require(try JSON(parsing: text).object)) }

    @Test func keysAreFoundWithoutRegardToCase() throws {
        let config = try reader(#"{"ISGATEWAY":true,"isGateway":false,"MTU":1500}"#)
        #expect(try config.bool("isGateway") == false)
        #expect(try config.integer("mtu") == 1500)
    }

    @Test func nullCountsAsAbsent() throws {
        let config = try reader(#"{"bridge":null}"#)
        #expect(try config.string("bridge") == nil && !config.has("bridge"))
    }

    @Test func aWrongTypeNamesKeyAndExpectation() throws {
        let config = try reader(#"{"ipam":{"ranges":[{"subnet":7}]},"mtu":"1500","isGateway":"yes","n":1.5,"big":5000000000}"#)
        func message(_ body: () throws(CNIError) -> Void) -> String {
            do throws(CNIError) {
                try body()
                return ""
            } catch { return "\(error.code.rawValue) \(error.message)" }
        }
        #expect(message { () throws(CNIError) in _ = try config.integer("mtu") } == "6 mtu: expected an integer, found a string")
        #expect(
            message { () throws(CNIError) in _ = try config.bool("isGateway") } == "6 isGateway: expected true or false, found a string")
        #expect(message { () throws(CNIError) in _ = try config.integer("n") } == "6 n: expected an integer, found a number")
        #expect(message { () throws(CNIError) in _ = try config.unsigned("big") } == "7 big: must be from 0 to 4294967295, is 5000000000")
        let range = try #require(try config.object("ipam")?.objects("ranges").first)
        #expect(
            message { () throws(CNIError) in _ = try range.network("subnet") }
                == "6 ipam.ranges[0].subnet: expected a string, found an integer")
        #expect(message { () throws(CNIError) in _ = try config.objects("mtu") } == "6 mtu: expected a list, found a string")
    }

    @Test func argumentsOfTheEnvironment() throws {
        let arguments = try CNIArguments("IgnoreUnknown=true;MAC=0a:58:0a:01:00:05;K8S_POD_NAME=a")
        #expect(arguments["MAC"] == "0a:58:0a:01:00:05" && arguments["mac"] == nil)
        try arguments.require(only: ["MAC"])
        #expect(throws: CNIError.self) { try CNIArguments("FOO=1").require(only: ["MAC"]) }
        #expect(throws: CNIError.self) { try CNIArguments("IgnoreUnknown=maybe;FOO=1").require(only: ["MAC"]) }
        for bad in ["A", "A=1;", "A=1=2", "=1", ";"] { #expect(throws: CNIError.self) { try CNIArguments(bad) } }
        #expect(try CNIArguments("").pairs.isEmpty)
    }

    @Test func namesOfContainersNetworksAndInterfaces() throws {
        for good in ["a", "0a_.-", "cnitool-77383ca0a0715733ca6f"] { try Names.checkContainerID(good) }
        for bad in ["-a", ".a", "a/b", "a b", "ä", "a\n"] { #expect(throws: CNIError.self) { try Names.checkContainerID(bad) } }
        for bad in ["", "../x", "a/b"] { #expect(throws: CNIError.self) { try Names.checkNetwork(bad) } }
        for good in ["eth0", "abcdefghijklmno", "a.b", "ä"] { try Names.checkInterface(good) }
        for bad in ["", ".", "..", "abcdefghijklmnop", "a/b", "a:b", "a b", "a\u{a0}b", "äääääääää"] {
            #expect(throws: CNIError.self) { try Names.checkInterface(bad) }
        }
    }

    @Test func versions() {
        #expect(
            CNIVersion("") == CNIVersion(0, 1, 0) && CNIVersion("1") == CNIVersion(1, 0, 0) && CNIVersion("1.1.0") == CNIVersion(1, 1, 0))
        for bad in ["1.0.0.0", "1.0.0-rc1", "a", "1..0", "1.", "-1.0.0"] { #expect(CNIVersion(bad) == nil) }
        #expect(CNIVersion(0, 4, 0) < CNIVersion(1, 0, 0))
    }
}
