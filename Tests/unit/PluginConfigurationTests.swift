import CNI
import JSON
import Testing

@testable import ChainEngine

@Suite struct PluginConfigurationTests {
    private func plugins(_ entries: String, offered: String = "{}", args: JSON? = nil) throws -> [ChainPlugin] {
        try PluginConfiguration.plugins(
            try #require(try JSON(parsing: entries).array), place: "chain", network: "net", cniVersion: "1.0.0",
            capabilityArguments: try #require(try JSON(parsing: offered).object), args: args)
    }

    @Test func nameAndVersionAreTheRequests() throws {
        let plugin = try #require(try plugins(#"[{"type":"bridge","name":"other","cniVersion":"0.1.0","mtu":9}]"#).first)
        #expect(plugin.config["name"] == .string("net") && plugin.config["cniVersion"] == .string("1.0.0"))
        #expect(plugin.config["mtu"] == .integer(9) && plugin.config["runtimeConfig"] == nil)
    }

    @Test func aPluginGetsTheCapabilitiesItDeclares() throws {
        let list = try plugins(
            #"[{"type":"a","capabilities":{"mac":true,"ips":false}},{"type":"b","runtimeConfig":{"own":1}}]"#,
            offered: #"{"mac":"0a:58:0a:01:00:05","ips":["10.0.0.1"],"portMappings":[]}"#, args: .object(JSONObject([("cni", .null)])))
        #expect(list[0].config["runtimeConfig"]?.text() == #"{"mac":"0a:58:0a:01:00:05"}"#)
        #expect(list[1].config["runtimeConfig"]?.text() == #"{"own":1}"#)
        #expect(list[0].config["args"]?.text() == #"{"cni":null}"#)
    }

    @Test(arguments: [
        "[]", "[1]", "[{}]", #"[{"type":""}]"#, #"[{"type":"../bridge"}]"#, #"[{"type":"a/b"}]"#, #"[{"type":7}]"#,
        #"[{"type":"a","capabilities":{"mac":"yes"}}]"#,
    ])
    func badEntriesAreRefused(entries: String) {
        #expect(throws: CNIError.self) { try plugins(entries) }
    }
}
