import CLinux
import CNI
import JSON
import Linux
import State
import Testing

@testable import NetworkConfiguration

@Suite struct NetworkConfigurationTests {
    private func load(_ text: String) throws -> NetworkConfiguration { try NetworkConfiguration(Array(text.utf8)) }

    @Test(arguments: [
        (#""cniVersion":"0.4.0""#, "0.4.0"), (#""cniVersion":"0.4.0","cniVersions":["1.0.0","0.3.1"]"#, "1.0.0"),
        (#""cniVersions":["9.0.0","1.1.0"]"#, "1.1.0"), (#""cniVersion":"9.0.0","cniVersions":["9.1.0"]"#, "9.0.0"), (#""x":1"#, ""),
    ])
    func theHighestKnownVersionCounts(keys: String, version: String) throws {
        #expect(try load(#"{"name":"n",\#(keys),"plugins":[{"type":"a"}]}"#).cniVersion == version)
    }

    @Test func flagsMayBeStrings() throws {
        let network = try load(
            #"{"name":"n","disableCheck":"TRUE","disableGC":true,"loadOnlyInlinedPlugins":"false","plugins":[{"type":"a"}]}"#)
        #expect(network.disableCheck && network.disableGC && !network.loadOnlyInlinedPlugins)
        #expect(throws: CNIError.self) { try load(#"{"name":"n","disableCheck":"maybe","plugins":[{"type":"a"}]}"#) }
    }

    @Test func aSinglePluginIsAListOfOne() throws {
        let network = try load(#"{"name":"n","type":"a","cniVersion":"0.3.1"}"#)
        #expect(network.plugins.count == 1 && network.cniVersion == "0.3.1")
    }

    @Test(arguments: [
        "{", "[]", "{}", #"{"name":"n","plugins":[]}"#, #"{"name":"n","plugins":{}}"#, #"{"name":"n","loadOnlyInlinedPlugins":true}"#,
        #"{"name":"n","cniVersions":["x"],"plugins":[{}]}"#,
    ])
    func whatIsNoneIsRefused(text: String) {
        #expect(throws: CNIError.self) { try load(text) }
    }

    // MARK: Directories and the cache

    private func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/catena-conf-XXXXXX".utf8CString)
        let directory = String(cString: try #require(mkdtemp(&template)))
        defer {
            for folder in ["\(directory)/n", "\(directory)/results", directory] {
                for name in (try? File.list(folder)) ?? [] { unlink("\(folder)/\(name)") }
                rmdir(folder)
            }
        }
        try body(directory)
    }

    @Test func lookedForInOrderAndPastBrokenFiles() throws {
        try withDirectory { directory in
            func write(_ name: String, _ text: String) throws { try File.replace("\(directory)/\(name)", with: Array(text.utf8)) }
            try write("05.conf", #"{"name":"n","type":"single"}"#)
            try write("10.conflist", "broken")
            try write("20.conflist", #"{"name":"n","plugins":[{"type":"first"}]}"#)
            try write("30.conflist", #"{"name":"n","plugins":[{"type":"second"}]}"#)
            try File.makeDirectories("\(directory)/n", mode: 0o700)
            try write("n/20.conf", #"{"type":"c"}"#)
            try write("n/10.conf", #"{"type":"b"}"#)
            try write("n/ignored.conflist", "x")
            var warnings: [String] = []
            let network = try ConfigurationDirectory(directory).network(named: "n") { warnings.append($0) }
            #expect(network.plugins.map { $0.object?["type"]?.string } == ["first", "b", "c"])
            #expect(warnings.count == 1 && warnings[0].contains("10.conflist"))
            #expect(throws: CNIError.self) { try ConfigurationDirectory(directory).network(named: "other") { _ in } }
            #expect(throws: CNIError.self) { try ConfigurationDirectory("\(directory)/missing").network(named: "n") { _ in } }
        }
    }

    @Test func theCacheKeepsWhatLibcniKeeps() throws {
        try withDirectory { directory in
            let cache = ResultCache(directory: "\(directory)/results")
            let entry = ResultCache.Entry(
                network: "n", containerID: "c", interfaceName: "eth0", netns: "/run/netns/a", arguments: "A=b;C=d",
                capabilityArguments: JSONObject([("mac", .string("x"))]), config: Array(#"{"name":"n"}"#.utf8),
                result: .object(JSONObject([("cniVersion", .string("1.0.0"))])))
            try cache.write(entry)
            var status = stat()
            #expect(stat("\(directory)/results/n-c-eth0", &status) == 0 && status.st_mode & 0o777 == 0o600)
            let text = try File.readText("\(directory)/results/n-c-eth0")
            #expect(text.contains(#""cniArgs":[["A","b"],["C","d"]]"#) && text.contains(#""config":"eyJuYW1lIjoibiJ9""#))
            let back = try #require(cache.read(network: "n", entry.attachment))
            #expect(
                back.arguments == "A=b;C=d" && back.config == entry.config && back.result == entry.result
                    && back.capabilityArguments == entry.capabilityArguments)
            try File.replace("\(directory)/results/junk", with: Array("junk".utf8))
            #expect(cache.entries().map { $0.containerID } == ["c"])
            try cache.remove(network: "n", entry.attachment)
            try cache.remove(network: "n", entry.attachment)
            #expect(cache.read(network: "n", entry.attachment) == nil)
        }
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func base64(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(text.utf8))
    }

    @Test(arguments: ["Zg", "Zg=", "Z===", "Z*==", "====", "Zm9v="])
    func whatIsNotBase64(text: String) {
        #expect(Base64.decode(text) == nil)
    }
}
