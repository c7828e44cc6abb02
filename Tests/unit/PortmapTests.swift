import CNI
import JSON
import Testing

@testable import ModuleKit
@testable import PortmapModule

@Suite struct PortmapTests {
    private func mappings(_ text: String) throws -> [PortMapping] {
        let config = try #require(try JSON(parsing: #"{"runtimeConfig":{"portMappings":\#(text)}}"#).object)
        return try PortMapping.list(ConfigReader(config)) ?? []
    }

    @Test func aMappingIsRead() throws {
        let mapping = try #require(try mappings(#"[{"hostPort":8080,"containerPort":80,"protocol":"UDP","hostIP":"192.0.2.1"}]"#).first)
        #expect(
            mapping.transport == .udp && mapping.hostPorts == 8080...8080 && mapping.containerPorts == 80...80
                && mapping.text == "192.0.2.1:8080/udp")
        #expect(mapping.serves(.v4) && !mapping.serves(.v6))
    }

    @Test func theUnspecifiedAddressIsAllOfItsFamily() throws {
        let list = try mappings(
            #"[{"hostPort":80,"containerPort":80,"hostIP":"0.0.0.0"},{"hostPort":80,"containerPort":80,"hostIP":"::"}]"#)
        #expect(list[0].serves(.v4) && !list[0].serves(.v6) && list[0].specificIP == nil && list[1].serves(.v6))
    }

    @Test(arguments: [
        #"[{"hostPort":80,"containerPort":80},{"hostPort":80,"containerPort":81}]"#,
        #"[{"hostPort":80,"containerPort":80},{"hostPort":80,"containerPort":81,"hostIP":"0.0.0.0"}]"#,
        #"[{"hostPort":80,"containerPort":80,"hostIP":"192.0.2.1"},{"hostPort":80,"containerPort":81,"hostIP":"192.0.2.1"}]"#,
        #"[{"hostPort":0,"containerPort":80}]"#, #"[{"hostPort":65536,"containerPort":80}]"#, #"[{"containerPort":80}]"#,
        #"[{"hostPort":80,"containerPort":80,"protocol":"icmp"}]"#, #"[7]"#,
    ])
    func whatCannotBeIsRefused(text: String) {
        #expect(throws: CNIError.self) { try mappings(text) }
    }

    @Test func theSamePortMayBeOnSeveralAddressesAndProtocols() throws {
        let text =
            #"[{"hostPort":80,"containerPort":80,"hostIP":"192.0.2.1"},{"hostPort":80,"containerPort":80,"hostIP":"192.0.2.2"},{"hostPort":80,"containerPort":80,"protocol":"udp"}]"#
        #expect(try mappings(text).count == 3)
    }

    @Test func rangesAreAsManyPorts() throws {
        let mapping = try #require(try mappings(#"[{"hostPort":"8000-8002","containerPort":"9000-9002","hostIP":"192.0.2.1"}]"#).first)
        #expect(mapping.text == "192.0.2.1:8000-8002/tcp" && mapping.singles.map { $0.text }.last == "192.0.2.1:8002/tcp")
        #expect(mapping.singles.map { $0.containerPorts.lowerBound } == [9000, 9001, 9002])
    }

    @Test(arguments: [
        #"[{"hostPort":"80-81","containerPort":80}]"#, #"[{"hostPort":"81-80","containerPort":"81-80"}]"#,
        #"[{"hostPort":"80-","containerPort":80}]"#, #"[{"hostPort":"65535-65536","containerPort":"1-2"}]"#,
        #"[{"hostPort":"80-90","containerPort":"80-90"},{"hostPort":90,"containerPort":1}]"#,
    ])
    func rangesThatCannotBe(text: String) { #expect(throws: CNIError.self) { try mappings(text) } }

    @Test(arguments: [
        ("ip saddr 10.0.0.0/8", true), ("ip6 saddr { fd00::/8, fd01::1 } ct state new", true), ("iifname != eth0*", true),
        ("ip saddr 10.0.0.1; flush ruleset", false), ("}", false), ("{", false), ("a\nb", false), ("meta mark set 1", false),
        ("iifname \"x\"", false), ("", false), (" ", false),
    ])
    func conditionsOnlyMatch(text: String, isFine: Bool) { #expect((PortmapConditions.fault(text) == nil) == isFine) }

    @Test(arguments: [
        #"-A X -s 10.1.0.0/24 -p tcp -m comment --comment "dnat name: \"net\" id: \"a\"" -j Y"#, "-A FORWARD -j CNI-FORWARD",
        #"-A X -m comment --comment "a \\ b" -j RETURN"#,
    ])
    func rulesOfIptables(line: String) throws {
        let rule = try #require(IptablesRule(line: line))
        #expect(IptablesRule(rule.chain, rule.words).line == line && rule.deletion.hasPrefix("-D \(rule.chain) "))
    }

    @Test func ownersInCommentsOfIptables() {
        let both = IptablesOwner(network: "net", containerID: "0f3a", interfaceName: "eth1")
        let reference = IptablesOwner(network: "net", containerID: "0f3a", interfaceName: nil)
        #expect(reference.comment() == #"name: "net" id: "0f3a""#)
        #expect(both.comment(prefix: "dnat ") == #"dnat name: "net" id: "0f3a" if: "eth1""#)
        #expect(IptablesOwner(comment: reference.comment()) == reference)
        #expect(IptablesOwner(comment: both.comment(prefix: "dnat "), prefix: "dnat ") == both)
        #expect(IptablesOwner(comment: both.comment(prefix: "dnat ")) == nil)
        #expect(IptablesOwner(comment: "CNI portfwd masquerade mark") == nil)
    }

    @Test func linesOfIptablesErrors() {
        #expect(Iptables.lineNumber("iptables-restore v1.8.9 (nf_tables): line 4: RULE_APPEND failed") == 4)
        #expect(Iptables.lineNumber("iptables-restore: line 12 failed") == 12 && Iptables.lineNumber("unknown option") == nil)
    }

    @Test func elementsOfMappings() throws {
        let target = try #require(IPAddress("10.1.0.2"))
        let list = try mappings(
            #"[{"hostPort":8080,"containerPort":80},{"hostPort":8081,"containerPort":80,"hostIP":"192.0.2.1","protocol":"sctp"}]"#)
        let (all, first) = PortmapRules.element(list[0], to: target)
        #expect(
            all.addCommand(first, comment: "n/c/e") == #"add element inet catena ports4 { tcp . 8080 comment "n/c/e" : 10.1.0.2 . 80 }"#)
        #expect(first.keyBytes == [6, 0, 0, 0, 0x1f, 0x90, 0, 0] && first.valueBytes == [10, 1, 0, 2, 0, 80, 0, 0])
        let (one, second) = PortmapRules.element(list[1], to: target)
        #expect(one.deleteCommand(key: second.key) == "delete element inet catena host_ports4 { 192.0.2.1 . sctp . 8081 }")
        #expect(second.keyBytes == [192, 0, 2, 1, 132, 0, 0, 0, 0x1f, 0x91, 0, 0])
    }

    @Test(
        arguments: [
            (#"{"backend":"iptables"}"#, nil), (#"{"backend":"x"}"#, 7), (#"{"conditionsV4":["-s","10.0.0.0/8"]}"#, nil),
            (#"{"externalSetMarkChain":"X"}"#, nil), (#"{"backend":"nftables","externalSetMarkChain":"X"}"#, 7),
            (#"{"backend":"nftables","conditionsV6":["-s","fd00::/8"]}"#, 7), (#"{"conditionsV4":["ip saddr 10.0.0.0/8 drop"]}"#, 7),
            (#"{"markMasqBit":32}"#, 7), (#"{"snat":"yes"}"#, 6), (#"{"backend":"nftables","conditionsV4":[],"markMasqBit":13}"#, nil),
        ] as [(String, UInt32?)])
    func configurations(text: String, code: UInt32?) throws {
        let reader = ConfigReader(try #require(try JSON(parsing: text).object))
        var found: UInt32?
        do throws(CNIError) { _ = try PortmapConfig(reader) } catch { found = error.code.rawValue }
        #expect(found == code)
    }

    @Test func whoIsMasqueraded() throws {
        func place(_ text: String, _ target: String = "10.1.0.2/16") throws -> String {
            let config = try PortmapConfig(ConfigReader(try #require(try JSON(parsing: text).object)))
            let place = Hairpin(try #require(IPNetwork(target)), config).place
            return "\(place.map.name) \(place.element.key)"
        }
        #expect(try place("{}") == "hairpin4 10.1.0.2" && place("{}", "fd00::2/64") == "hairpin6 fd00::2")
        #expect(try place("{}", "10.1.0.2/32") == "hairpin_hosts4 10.1.0.2 . 10.1.0.2")
        #expect(try place(#"{"snat":false}"#) == "hairpin_none4 10.1.0.2")
        #expect(try place(#"{"masqAll":true,"snat":false}"#) == "hairpin_all4 10.1.0.2")
    }
}
