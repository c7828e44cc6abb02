import CNI
import JSON
import Testing

@testable import TuningModule

@Suite struct TuningTests {
    private let place = ConfigReader(JSONObject(), at: "sysctl")

    @Test(arguments: [
        ("net.ipv4.conf.IFNAME.arp_filter", "net/ipv4/conf/eth0.5/arp_filter"), ("net/core/somaxconn", "net/core/somaxconn"),
        ("/net//core.somaxconn", "net/core/somaxconn"), ("net.IFNAME.IFNAME", "net/eth0.5/IFNAME"),
    ])
    func keysBecomePaths(key: String, path: String) throws {
        #expect(try KernelParameter(key: key, value: "1", interface: "eth0.5", place: place).path == path)
    }

    @Test(arguments: ["kernel.hostname", "net", "", ".", "netx.core", "..net.core", "../net/x", "IFNAME.net"])
    func keysOutsideOfNetAreRefused(key: String) {
        // Every dot separates: what is left of a path upward is its names.
        let parameter = try? KernelParameter(key: key, value: "1", interface: "eth0", place: place)
        #expect(parameter == nil || parameter?.path == "net/core" || parameter?.path == "net/x")
    }

    @Test(arguments: ["net/../kernel/x", "../net/x", "etc/passwd", "net/./x", "net"])
    func pathsOfAFileStayBelowNet(path: String) {
        #expect(KernelParameter(path: path, value: "1") == nil)
    }

    @Test(arguments: [
        (#"^net\.core\.\w+$"#, #"^net\.core\.[0-9A-Za-z_]+$"#), (#"ipv\d"#, "ipv[0-9]"), (#"[\w.]+"#, "[0-9A-Za-z_.]+"), ("[]a]b", "[]a]b"),
        ("[^]a]", "[^]a]"), ("[[:alpha:]]x", "[[:alpha:]]x"), (#"\Anet\z"#, "^net$"), (#"[\.]"#, "[.]"), (#"a{2,3}|(b)"#, "a{2,3}|(b)"),
    ])
    func expressionsOfBothKinds(expression: String, posix: String) throws {
        #expect(try PosixExpression(expression).text == posix)
    }

    @Test(arguments: ["(?i)a", #"\pL"#, "a*?", "a++", #"[\]]"#, #"\"#, #"\Qa\E"#, #"[\D]"#, "a{2}?"])
    func expressionsOfTheOtherKindAreRefused(expression: String) {
        #expect(throws: CNIError.self) { try PosixExpression(expression) }
    }

    @Test func earlierValuesCount() throws {
        var first = Backup()
        first.link.mtu = 1500
        first.parameters = [try #require(KernelParameter(path: "net/a/b", value: "1"))]
        var second = Backup()
        second.link = LinkSettings(mtu: 1400, txQueueLength: 5)
        second.parameters = try ["net/a/b", "net/c/d"].map { try #require(KernelParameter(path: $0, value: "2")) }
        let joined = first.completed(by: second)
        #expect(joined.link == LinkSettings(mtu: 1500, txQueueLength: 5))
        #expect(joined.parameters.map { "\($0.path)=\($0.value)" } == ["net/a/b=1", "net/c/d=2"])
    }

    @Test func whiteSpaceBetweenNumbersDoesNotMatter() throws {
        let parameter = try #require(KernelParameter(path: "net/a/b", value: "1024  65000 "))
        #expect(parameter.matches("1024\t65000") && !parameter.matches("102465000"))
    }
}
