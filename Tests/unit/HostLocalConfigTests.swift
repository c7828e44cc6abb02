import ModuleKit
import Testing

@testable import HostLocalModule

@Suite struct HostLocalRangeTests {
    @Test(arguments: [
        ("10.1.0.0/24", "10.1.0.1-10.1.0.254", "10.1.0.1", 253 as UInt64),
        ("10.1.0.0/30", "10.1.0.1-10.1.0.2", "10.1.0.1", 1),
        ("10.1.0.0/31", "10.1.0.0-10.1.0.1", nil, 2),
        ("10.1.0.7/32", "10.1.0.7-10.1.0.7", nil, 1),
        ("0.0.0.0/0", "0.0.0.1-255.255.255.254", "0.0.0.1", 4_294_967_293),
        ("fd00::/126", "fd00::1-fd00::3", "fd00::1", 2),
        ("fd00::/127", "fd00::-fd00::1", nil, 2),
        ("fd00::5/128", "fd00::5-fd00::5", nil, 1),
        ("fd00::/64", "fd00::1-fd00::ffff:ffff:ffff:ffff", "fd00::1", UInt64.max - 1),
        ("fd00::/48", "fd00::1-fd00::ffff:ffff:ffff:ffff:ffff", "fd00::1", UInt64.max),
        ("::/0", "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1", UInt64.max),
    ])
    func defaults(subnet: String, range: String, gateway: String?, capacity: UInt64) throws {
        let made = try HostLocalSandbox.range(subnet)
        #expect(made.text == range)
        #expect(made.gateway?.text == gateway)
        #expect(made.capacity == capacity)
    }

    @Test func networkAndBroadcastAddressCanBeNamed() throws {
        let range = try HostLocalSandbox.range("10.1.0.0/24", "10.1.0.0", "10.1.0.255")
        #expect(range.text == "10.1.0.0-10.1.0.255")
        #expect(range.capacity == 255)
    }

    @Test(arguments: [
        ("10.1.0.1/24", nil, nil, "Network has host bits set. For a subnet mask of length 24 the network address is 10.1.0.0"),
        ("10.1.0.0/24", "10.2.0.1", nil, "RangeStart 10.2.0.1 not in network 10.1.0.0/24"),
        ("10.1.0.0/24", nil, "10.1.1.0", "RangeEnd 10.1.1.0 not in network 10.1.0.0/24"),
        ("10.1.0.0/24", "fd00::1", nil, "RangeStart fd00::1 not in network 10.1.0.0/24"),
        ("10.1.0.0/24", "10.1.0.9", "10.1.0.8", "RangeEnd 10.1.0.8 is before RangeStart 10.1.0.9 in network 10.1.0.0/24"),
        ("10.1.0.0/24", "10.1.0.255", nil, "RangeEnd 10.1.0.254 is before RangeStart 10.1.0.255 in network 10.1.0.0/24"),
        ("10.1.0.0/24", nil, "10.1.0.0", "RangeEnd 10.1.0.0 is before RangeStart 10.1.0.1 in network 10.1.0.0/24"),
    ])
    func refused(subnet: String, start: String?, end: String?, message: String) {
        let error = hostLocalError { _ = try HostLocalSandbox.range(subnet, start, end) }
        #expect(error?.message == message)
        #expect(error?.code == .invalidConfiguration)
    }

    @Test func setsAreOfOneFamilyWithoutOverlap() throws {
        let range = HostLocalSandbox.range
        #expect(hostLocalError { _ = try RangeSet([]) }?.message == "empty range set")
        #expect(
            hostLocalError { _ = try RangeSet([range("10.1.0.0/24", nil, nil, nil), range("fd00::/64", nil, nil, nil)]) }?.message
                == "mixed address families")
        let overlap = hostLocalError {
            _ = try RangeSet([range("10.1.0.0/24", nil, "10.1.0.9", nil), range("10.1.0.0/24", "10.1.0.9", nil, nil)])
        }
        #expect(overlap?.message == "subnets 10.1.0.1-10.1.0.9 and 10.1.0.9-10.1.0.254 overlap")
        let split = try RangeSet([range("10.1.0.0/24", nil, "10.1.0.8", nil), range("10.1.0.0/24", "10.1.0.9", nil, nil)])
        #expect(split.capacity == 7 + 246)
    }

    @Test func aRangeInsideAnotherOverlaps() throws {
        let outer = try HostLocalSandbox.set("10.0.0.0/8")
        #expect(try outer.overlaps(HostLocalSandbox.set("10.1.0.0/24")))
        #expect(try HostLocalSandbox.set("10.1.0.0/24").overlaps(outer))
        #expect(try !outer.overlaps(HostLocalSandbox.set("fd00::/8")))
    }
}

@Suite struct HostLocalOrderTests {
    private func walk(_ set: RangeSet, after last: String? = nil, limit: Int = 50) -> [String] {
        var found: [String] = []
        for run in set.runs(after: last.flatMap { IPAddress($0) }) {
            var next: IPAddress? = run.first
            while found.count < limit, let address = next, address <= run.last {
                found.append(address.text)
                next = address.next
            }
        }
        return found
    }

    @Test func goesOnceAroundWithoutTheGateway() throws {
        #expect(try walk(HostLocalSandbox.set("10.1.0.0/29")) == ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"])
    }

    @Test func startsAfterTheLastOneAndWraps() throws {
        let set = try HostLocalSandbox.set("10.1.0.0/29")
        #expect(walk(set, after: "10.1.0.4") == ["10.1.0.5", "10.1.0.6", "10.1.0.2", "10.1.0.3", "10.1.0.4"])
        #expect(walk(set, after: "10.1.0.6") == ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"])
    }

    @Test func aLastOneOutsideDoesNotCount() throws {
        #expect(try walk(HostLocalSandbox.set("10.1.0.0/30"), after: "10.9.0.4") == ["10.1.0.2"])
    }

    @Test func goesThroughAllRanges() throws {
        let set = try RangeSet([
            HostLocalSandbox.range("10.1.0.0/24", "10.1.0.8", "10.1.0.9"),
            HostLocalSandbox.range("10.1.1.0/24", "10.1.1.1", "10.1.1.3", gateway: "10.1.1.2"),
        ])
        #expect(walk(set) == ["10.1.0.8", "10.1.0.9", "10.1.1.1", "10.1.1.3"])
        #expect(walk(set, after: "10.1.0.9") == ["10.1.1.1", "10.1.1.3", "10.1.0.8", "10.1.0.9"])
        #expect(walk(set, after: "10.1.1.3") == ["10.1.0.8", "10.1.0.9", "10.1.1.1", "10.1.1.3"])
    }

    @Test func aRangeOfItsGatewayAloneIsEmpty() throws {
        let set = try HostLocalSandbox.set("10.1.0.0/24", "10.1.0.1", "10.1.0.1")
        #expect(walk(set).isEmpty)
        #expect(set.capacity == 0)
    }

    @Test func smallNetworksGiveAll() throws {
        #expect(try walk(HostLocalSandbox.set("10.1.0.0/31")) == ["10.1.0.0", "10.1.0.1"])
        #expect(try walk(HostLocalSandbox.set("10.1.0.0/31", gateway: "10.1.0.0")) == ["10.1.0.1"])
        #expect(try walk(HostLocalSandbox.set("fd00::9/128")) == ["fd00::9"])
        #expect(try walk(HostLocalSandbox.set("255.255.255.254/31"), after: "255.255.255.255") == ["255.255.255.254", "255.255.255.255"])
    }

    @Test func crossesThe64BitBorder() throws {
        let set = try HostLocalSandbox.set("fd00::/32", "fd00::ffff:ffff:ffff:fffe", "fd00:0:0:1::1")
        #expect(walk(set) == ["fd00::ffff:ffff:ffff:fffe", "fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1::", "fd00:0:0:1::1"])
        #expect(set.capacity == 4)
    }

    @Test func hugePoolsAreWalkedLazily() throws {
        #expect(
            try walk(HostLocalSandbox.set("::/0"), after: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", limit: 3)
                == ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::2", "::3"])
    }
}

@Suite struct HostLocalConfigTests {
    @Test func setsComeInOrder() throws {
        let config = try HostLocalSandbox.config(
            """
            {"ipam": {"type": "host-local", "subnet": "10.2.0.0/24", "rangeStart": "10.2.0.9", "gateway": "10.2.0.254",
              "ranges": [[{"subnet": "10.3.0.0/24"}], [{"subnet": "fd00::/64"}]],
              "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.2.0.3", "priority": 5}],
              "dataDir": "/run/x/"},
             "runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/24"}]]}}
            """)
        #expect(
            config.sets.map { $0.text } == [
                "10.1.0.1-10.1.0.254", "10.2.0.9-10.2.0.254", "10.3.0.1-10.3.0.254", "fd00::1-fd00::ffff:ffff:ffff:ffff",
            ])
        #expect(config.sets[1].ranges[0].gateway?.text == "10.2.0.254")
        #expect(config.routes.count == 2)
        #expect(config.routes[1].gateway?.text == "10.2.0.3")
        #expect(config.location.directory == "/run/x/net")
    }

    @Test func requestedAddressesAddUp() throws {
        let config = try HostLocalSandbox.config(
            """
            {"ipam": {"subnet": "10.1.0.0/24"}, "args": {"cni": {"ips": ["10.1.0.6", "10.1.0.5/16"]}},
             "runtimeConfig": {"ips": ["fd00::5/64", "10.1.0.6"]}}
            """, arguments: "IgnoreUnknown=1;K8S_POD_NAME=a;IP=10.1.0.5/24")
        #expect(config.requested.map { $0.text } == ["10.1.0.5", "10.1.0.6", "fd00::5"])
        #expect(config.location.directory == "/var/lib/cni/networks/net")
    }

    @Test(arguments: [
        (#"{}"#, "", 7, "IPAM config missing 'ipam' key"),
        (#"{"ipam": {}}"#, "", 7, "no IP ranges specified"),
        (#"{"ipam": {"ranges": []}}"#, "", 7, "no IP ranges specified"),
        (#"{"ipam": {"ranges": [[]]}}"#, "", 7, "invalid range set 0: empty range set"),
        (#"{"ipam": {"ranges": [[{}]]}}"#, "", 7, "invalid range set 0: ipam.ranges[0][0].subnet: is missing"),
        (#"{"ipam": {"ranges": [{}]}}"#, "", 6, "ipam.ranges[0]: expected a list of ranges, found an object"),
        (#"{"ipam": {"ranges": [["x"]]}}"#, "", 6, "ipam.ranges[0][0]: expected an object, found a string"),
        (#"{"ipam": {"subnet": 5}}"#, "", 6, "ipam.subnet: expected a string, found an integer"),
        (
            #"{"ipam": {"subnet": "10.1.0.0"}}"#, "", 7,
            #"ipam.subnet: expected an address with prefix length (10.1.0.0/16), found "10.1.0.0""#
        ),
        (#"{"ipam": {"ranges": [[{"subnet":"10.1.0.0/24"}],[{"subnet":"10.1.0.0/16"}]]}}"#, "", 7, "range set 0 overlaps with 1"),
        (#"{"ipam": {"subnet": "10.1.0.0/24"}}"#, "IP=x", 4, "CNI_ARGS: invalid IP address x"),
        (#"{"ipam": {"subnet": "10.1.0.0/24"}}"#, "FOO=x", 4, #"CNI_ARGS: unknown argument "FOO""#),
        (
            #"{"ipam": {"subnet": "10.1.0.0/24"}, "args": {"cni": {"ips": ["z"]}}}"#, "", 7,
            #"args.cni.ips: invalid IP address "z", expected 10.1.0.5 or 10.1.0.5/24"#
        ),
        (
            #"{"ipam": {"subnet": "10.1.0.0/24"}, "runtimeConfig": {"ips": "10.1.0.5"}}"#, "", 6,
            "runtimeConfig.ips: expected a list, found a string"
        ),
    ])
    func refused(json: String, arguments: String, code: Int, message: String) {
        let error = hostLocalError { _ = try HostLocalSandbox.config(json, arguments: arguments) }
        #expect(error?.message == message)
        #expect(error?.code.rawValue == UInt32(code))
    }

    @Test func oldVersionsHoldOneAddressOfAFamily() throws {
        let json = #"{"ipam": {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]}}"#
        let error = hostLocalError { _ = try HostLocalSandbox.config(json, version: "0.2.0") }
        #expect(error?.message == "CNI version 0.2.0 does not support more than 1 address per family")
        #expect(try HostLocalSandbox.config(json, version: "0.3.0").sets.count == 2)
        let dual = #"{"ipam": {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]}}"#
        #expect(try HostLocalSandbox.config(dual, version: "0.2.0").sets.count == 2)
    }

    @Test func theLocationNeedsNoRanges() throws {
        let location = try StoreLocation(
            ConfigReader(JSONObject([("ipam", .object(JSONObject([("ranges", .string("?")), ("dataDir", .string("/d"))])))])), network: "n")
        #expect(location.directory == "/d/n")
        #expect(hostLocalError { _ = try StoreLocation(ConfigReader(JSONObject()), network: "../x") }?.code == .invalidConfiguration)
    }

    @Test func readsResolverFiles() {
        let dns = ResolverFile.parse(
            "# c\n; d\nnameserver 10.0.0.1\n nameserver\tfd00::1 \r\ndomain a\ndomain b.example\nsearch x y\nsearch z\noptions ndots:5 rotate\nfoo bar\nnameserver\n"
        )
        #expect(
            dns
                == CNIResult.DNS(
                    nameservers: ["10.0.0.1", "fd00::1"], domain: "b.example", search: ["x", "y", "z"], options: ["ndots:5", "rotate"]))
    }

    @Test func theSchemaIsJSON() throws {
        #expect(try JSON(parsing: HostLocal.schema.description).object?["$schema"]?.string?.hasSuffix("2020-12/schema") == true)
    }
}
