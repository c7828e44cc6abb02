import CNI
import JSON
import Testing

@testable import FlannelModule

@Suite struct FlannelTests {
    private let text = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"

    private func config(_ text: String) throws -> FlannelConfig {
        try FlannelConfig(ConfigReader(try #require(try JSON(parsing: text).object)))
    }

    private func delegate(_ text: String) throws -> String {
        let subnet = try SubnetFile(text: self.text, path: "/x")
        return JSON.object(try config(text).configuration(subnet, cniVersion: "1.0.0")).text()
    }

    @Test func theFileIsRead() throws {
        let more = "FLANNEL_IPV6_NETWORK=fd00::/48,fd01::/48,fd00::/48\nFLANNEL_IPV6_SUBNET=fd00:0:0:7::1/64"
        let file = try SubnetFile(text: text + more, path: "/x")
        #expect(file.networks.map { $0.text } == ["10.244.0.0/16", "fd00::/48", "fd01::/48"])
        #expect(file.subnets.map { $0.network.text } == ["10.244.7.0/24", "fd00:0:0:7::/64"])
        #expect(file.mtu == 1450 && file.masquerades)
    }

    @Test func theDelegateGetsWhatItHasNot() throws {
        #expect(
            try delegate(#"{"name":"n","type":"flannel","delegate":{"MTU":1300,"isgateway":false}}"#)
                == #"{"MTU":1300,"isgateway":false,"name":"n","cniVersion":"1.0.0","type":"bridge","ipMasq":false,"#
                + #""ipam":{"type":"host-local","ranges":[[{"subnet":"10.244.7.0/24"}]],"routes":[{"dst":"10.244.0.0/16"}]}}"#)
    }

    @Test func anotherDelegateGetsNoKeysOfABridge() throws {
        #expect(try !delegate(#"{"name":"n","delegate":{"type":"ipvlan","master":"eth0"}}"#).contains("isGateway"))
    }
}
