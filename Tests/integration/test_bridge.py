"""bridge, with host-local for its addresses: what ADD makes, what DEL takes away, what CHECK finds."""

import pytest

from harness import CNIFailure, ask, assert_reaches, bridge, conflist, host_local, serve

# What may stay after DEL: the bridge is shared, host-local's lock and memory too; nftables tables keep their skeleton.
FILES = r"^/var/lib/cni/(networks$|networks/net$|networks/net/(lock|last_reserved_ip\.\d+)$|networks/\.catena)|^/run/(xtables\.lock|lock)"


def network(*, version="1.0.0", subnet="10.1.0.0/24", routes=("0.0.0.0/0",), **keys):
    """A network with one bridge that is the gateway."""
    return conflist(bridge(isGateway=True, ipam=host_local(subnet, routes=routes), **keys), version=version)


def port_of(host, result):
    """The host's end of the container's interface."""
    return host.link(result["interfaces"][1]["name"])


# ADD


def test_add_reports_what_it_made(runtime, host, a):
    """The result names bridge, host-side veth and container interface, the address with its gateway, the routes."""
    result = runtime.add(network(), a)
    made, peer, inside = result["interfaces"]
    assert result["cniVersion"] == "1.0.0"
    assert (made["name"], made["mac"]) == ("cni0", host.link("cni0")["address"])
    assert peer["name"].startswith("veth") and len(peer["name"]) == 12
    assert peer["mac"] == host.link(peer["name"])["address"]
    assert inside == {"name": "eth0", "mac": a.link("eth0")["address"], "sandbox": a.path}
    assert "sandbox" not in made and "sandbox" not in peer
    assert result["ips"] == [{"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 2}]
    assert result["routes"] == [{"dst": "0.0.0.0/0"}]


def test_add_makes_what_it_reports(runtime, host, a):
    """Address and routes are in the container, the veth is in the bridge, all are up, the bridge has the gateway's address."""
    result = runtime.add(network(routes=["0.0.0.0/0", {"dst": "10.99.0.0/16", "gw": "10.1.0.9"}]), a)
    assert a.addresses("eth0") == ["10.1.0.2/24"]
    assert sorted(a.routes()) == [
        ("10.1.0.0/24", None, "eth0"), ("10.99.0.0/16", "10.1.0.9", "eth0"), ("default", "10.1.0.1", "eth0")]
    assert "UP" in a.link("eth0")["flags"] and a.link("eth0")["linkinfo"]["info_kind"] == "veth"
    port = port_of(host, result)
    assert port["master"] == "cni0" and port["operstate"] == "UP"
    assert host.addresses("cni0") == ["10.1.0.1/24"] and "UP" in host.link("cni0")["flags"]
    assert host.sysctl("ipv4/ip_forward") == "1"


def test_containers_and_host_reach_each_other(runtime, host, a, b):
    """Two containers of a network reach each other and the host, and the host reaches them."""
    for place in (a, b, host):
        if place is not host:
            runtime.add(network(), place)
        serve(place, "tcp", 80)
    assert_reaches(a, b, "10.1.0.3", source=["10.1.0.2"])
    assert_reaches(b, a, "10.1.0.2", source=["10.1.0.3"])
    assert_reaches(a, host, "10.1.0.1", source=["10.1.0.2"])
    assert_reaches(host, a, "10.1.0.2", source=["10.1.0.1"])


def test_interface_of_another_name(runtime, a):
    """CNI_IFNAME names the interface; one container may have several."""
    runtime.add(network(), a, ifname="net1")
    second = conflist(bridge(bridge="br1", ipam=host_local("10.2.0.0/24")), name="second")
    runtime.add(second, a, ifname="net2")
    assert a.addresses("net1") == ["10.1.0.2/24"] and a.addresses("net2") == ["10.2.0.2/24"]
    runtime.delete(second, a, ifname="net2")
    assert a.link("net2") is None and a.addresses("net1") == ["10.1.0.2/24"]


def test_without_gateway_the_bridge_has_no_address(runtime, host, a):
    """Unless isGateway is set, the bridge gets no address and the host does not forward."""
    runtime.add(conflist(bridge(ipam=host_local("10.1.0.0/24"))), a)
    assert host.addresses("cni0") == []
    assert host.sysctl("ipv4/ip_forward") == "0"


def test_default_gateway(runtime, a):
    """isDefaultGateway gives the container a default route over the bridge, and puts it into the result."""
    result = runtime.add(conflist(bridge(isDefaultGateway=True, ipam=host_local("10.1.0.0/24"))), a)
    assert result["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]
    assert ("default", "10.1.0.1", "eth0") in a.routes()


@pytest.mark.ours("1.1.1 knows no tables")
def test_default_gateway_with_a_route_of_another_table(runtime, a):
    """A default route of another table than main is none for the container: it gets one."""
    ipam = host_local("10.1.0.0/24", routes=[{"dst": "0.0.0.0/0", "gw": "10.1.0.9", "table": 100}])
    runtime.add(conflist(bridge(isDefaultGateway=True, ipam=ipam), version="1.1.0"), a)
    assert ("default", "10.1.0.1", "eth0") in a.routes() and ("default", "10.1.0.9", "eth0") in a.routes(table=100)


@pytest.mark.reference_differs("a default route without gw gets a duplicate [bug]")
def test_default_gateway_with_a_default_route_of_ipam(runtime, a):
    """A default route that IPAM gave already is not added a second time."""
    result = runtime.add(conflist(bridge(isDefaultGateway=True, ipam=host_local("10.1.0.0/24", routes=["0.0.0.0/0"]))), a)
    assert [route["dst"] for route in result["routes"]] == ["0.0.0.0/0"]
    assert [route for route in a.routes() if route[0] == "default"] == [("default", "10.1.0.1", "eth0")]


@pytest.mark.parametrize("subnet", ["10.1.0.0/16", "fd00:1::/48"], ids=["IPv4", "IPv6"])
def test_overlapping_address_on_the_bridge_is_an_error(runtime, host, a, subnet):
    """A bridge whose address overlaps the gateway's is not given another one: ADD fails and nothing of it is left."""
    runtime.add(conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"))), a)
    other = conflist(bridge(isGateway=True, ipam=host_local(subnet)), name="other")
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="already has an IP address different from"):
        runtime.add(other, a, ifname="eth1")
    if runtime.engine == "reference":
        return  # leaves its veth pair to the runtime's DEL [bug]
    assert host.snapshot().without(files="/other") == before.without(files="/other")
    assert host.reservations("other") == []


@pytest.mark.reference_differs("it takes any other IPv4 address for a clash")
def test_subnets_beside_each_other(runtime, host, a, b):
    """Networks of subnets that do not overlap share a bridge, which is the gateway of each; DEL of one leaves the other."""
    other = conflist(bridge(isDefaultGateway=True, ipam=host_local("10.2.0.0/24", "fd00:2::/64")), name="other")
    runtime.add(conflist(bridge(isDefaultGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"))), a)
    runtime.add(other, b)
    assert host.addresses("cni0") == ["10.1.0.1/24", "10.2.0.1/24", "fd00:2::1/64", "fd00:1::1/64"]
    for address in ("10.1.0.1", "10.2.0.1", "10.2.0.2", "fd00:2::2"):
        a.ping(address)
    runtime.check(other, b)
    runtime.delete(other, b)
    a.ping("10.1.0.1")


@pytest.mark.reference_differs("several IPv4 addresses of one ADD clash with each other")
def test_subnets_of_one_network(runtime, host, a):
    """A container with several addresses of a family has the gateway of each on the bridge, also with forceAddress."""
    wanted = conflist(bridge(isGateway=True, forceAddress=True, ipam=host_local("10.1.0.0/24", "10.2.0.0/24", "fd00:1::/64", "fd00:2::/64")))
    runtime.add(wanted, a)
    assert sorted(host.addresses("cni0")) == ["10.1.0.1/24", "10.2.0.1/24", "fd00:1::1/64", "fd00:2::1/64"]
    for address in ("10.1.0.1", "10.2.0.1", "fd00:1::1", "fd00:2::1"):
        a.ping(address)
    runtime.check(wanted, a)


def test_force_address_replaces_it(runtime, host, a):
    """forceAddress makes the gateway the bridge's only IPv4 address; of IPv6 those go that overlap it."""
    runtime.add(conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"))), a)
    host.run(["ip", "addr", "add", "fd00:2::1/48", "dev", "cni0", "nodad"])
    forced = conflist(bridge(isGateway=True, forceAddress=True, ipam=host_local("10.2.0.0/24", "fd00:2::/64")), name="other")
    runtime.add(forced, a, ifname="eth1")
    assert sorted(host.addresses("cni0")) == ["10.2.0.1/24", "fd00:1::1/64", "fd00:2::1/64"]


@pytest.mark.parametrize("on", [True, False])
def test_hairpin(runtime, host, a, on):
    """hairpinMode is a flag of the host-side veth."""
    assert port_of(host, runtime.add(network(hairpinMode=on), a))["linkinfo"]["info_slave_data"]["hairpin"] is on


def test_promiscuous(runtime, host, a):
    """promiscMode makes the bridge promiscuous."""
    runtime.add(network(promiscMode=True), a)
    assert "PROMISC" in host.link("cni0")["flags"]


def test_mtu(runtime, host, a, b):
    """mtu is set on both ends, and on the bridge where it is new; then the bridge follows its smallest port."""
    result = runtime.add(network(mtu=1400), a)
    assert [port_of(host, result)["mtu"], a.link("eth0")["mtu"], host.link("cni0")["mtu"]] == [1400, 1400, 1400]
    result = runtime.add(network(mtu=1450), b)
    assert [port_of(host, result)["mtu"], b.link("eth0")["mtu"], host.link("cni0")["mtu"]] == [1450, 1450, 1400]
    runtime.check(network(mtu=1450), b)
    runtime.delete(network(mtu=1400), a)
    assert host.link("cni0")["mtu"] == 1450


@pytest.mark.reference_differs("the MTU of an existing bridge is passed over in silence [bug]")
@pytest.mark.parametrize("before, mtu", [(1500, 1400), (1500, 9000), (1300, 1450)])
def test_mtu_of_an_existing_bridge(runtime, host, a, before, mtu):
    """A bridge whose MTU someone has set follows the network's: packets as large as the container's pass both ways."""
    host.run(["sh", "-ec", f"ip link add cni0 type bridge; ip link set cni0 mtu {before}"])
    runtime.add(network(mtu=mtu), a)
    assert host.link("cni0")["mtu"] == mtu
    for place, address in ((host, "10.1.0.2"), (a, "10.1.0.1")):
        place.run(["ping", "-c1", "-W1", "-M", "do", "-s", str(mtu - 28), address])
    runtime.check(network(mtu=mtu), a)


@pytest.mark.ours("the reference says nothing of it")
def test_mtu_of_a_bridge_with_smaller_ports(runtime, host, a, b):
    """Where another port is smaller the bridge stays as small, or that port would lose packets; the log tells."""
    runtime.add(network(mtu=1400), a)
    host.run(["ip", "link", "set", "cni0", "mtu", "1350"])
    runtime.env["CATENA_LOG_TO"] = "/run/test-log"
    runtime.add(network(mtu=1450), b)
    assert host.link("cni0")["mtu"] == 1350
    log = host.path("/run/test-log").read_text()
    assert "bridge cni0 has MTU 1350, less than mtu 1450, because of its port veth" in log
    b.run(["ping", "-c1", "-W1", "-s", "1422", "10.1.0.1"])


@pytest.mark.ours("the reference does not compare it")
def test_check_finds_a_bridge_that_is_too_large(runtime, host, a):
    """A bridge larger than the port loses what the host sends."""
    runtime.add(network(mtu=1400), a)
    host.run(["ip", "link", "set", "cni0", "mtu", "1500"])
    with pytest.raises(CNIFailure, match="cni0: expected MTU 1400 at most, found 1500"):
        runtime.check(network(mtu=1400), a)


@pytest.mark.ours("portIsolation came with v1.7.0")
def test_port_isolation(runtime, host, a, b):
    """Isolated ports do not reach each other; the host they reach."""
    isolated = network(portIsolation=True)
    result = runtime.add(isolated, a)
    runtime.add(isolated, b)
    if not port_of(host, result)["linkinfo"]["info_slave_data"]["isolated"]:
        pytest.fail("portIsolation did not isolate the port")
    a.ping("10.1.0.1")
    assert not a.ping("10.1.0.3", check=False)


def test_existing_bridge_is_used_as_it_is(runtime, host, a):
    """A bridge that someone else made is used, with its settings."""
    host.run(["ip", "link", "add", "cni0", "mtu", "1300", "type", "bridge", "ageing_time", "1234"])
    result = runtime.add(network(), a)
    assert port_of(host, result)["master"] == "cni0"
    assert host.link("cni0")["linkinfo"]["info_data"]["ageing_time"] == 1234
    assert "UP" in host.link("cni0")["flags"]


def test_bridge_keeps_its_hardware_address(runtime, host, a, b):
    """The gateway's hardware address does not change as ports come and go."""
    runtime.add(network(), a)
    address = host.link("cni0")["address"]
    for container in (b, host.add_netns("c"), host.add_netns("d")):
        runtime.add(network(), container)
        assert host.link("cni0")["address"] == address
    runtime.delete(network(), a)
    assert host.link("cni0")["address"] == address


@pytest.mark.reference_differs("without a gateway the bridge's address is that of a port")
def test_bridge_keeps_its_hardware_address_without_a_gateway(runtime, host, a, b):
    """A bridge that ADD has made has an address of its own, which no port and no other program changes."""
    plain = conflist(bridge())
    address = runtime.add(plain, a)["interfaces"][0]["mac"]
    for container in (b, host.add_netns("c"), host.add_netns("d")):
        assert runtime.add(plain, container)["interfaces"][0]["mac"] == address
    runtime.delete(plain, a)
    assert host.link("cni0")["address"] == address


# Neighbours


def neighbour(place, address):
    """The hardware address that a place believes an address to have."""
    return [entry.get("lladdr") for entry in place.ip("neigh", "show", address)]


@pytest.mark.ours("its announcement may be lost, if the bridge's port comes up after it")
def test_a_reused_address_is_known_at_once(runtime, host, a, b):
    """Who knew an address by the hardware address of its last owner learns the new one when ADD returns, of both families."""
    wanted = conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/29", "fd00:1::/125")))
    runtime.add(wanted, b)
    owned = runtime.add(wanted, a)["ips"]
    addresses = [ip["address"].split("/")[0] for ip in owned]
    for place in (host, b):
        for address in addresses:
            place.ping(address)
    for number in range(8):
        runtime.delete(wanted, a)
        host.run(["sh", "-ec", "cd /var/lib/cni/networks/net; rm -f last_reserved_ip.*"])
        assert [ip["address"].split("/")[0] for ip in runtime.add(wanted, a)["ips"]] == addresses
        new = [a.link("eth0")["address"]]
        for place, key in ((host, "host"), (b, "b")):
            assert [neighbour(place, address) for address in addresses] == [new, new], f"{key}, round {number}"
    b.ping(addresses[0])
    b.ping(addresses[1])


# Hardware address of the container

ARGUMENT, OF_ARGS, OF_RUNTIME = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"


@pytest.mark.parametrize("given, wins", [
    ({"argument": ARGUMENT}, ARGUMENT), ({"args": OF_ARGS}, OF_ARGS), ({"runtime": OF_RUNTIME}, OF_RUNTIME),
    ({"argument": ARGUMENT, "args": OF_ARGS}, OF_ARGS), ({"argument": ARGUMENT, "args": OF_ARGS, "runtime": OF_RUNTIME}, OF_RUNTIME),
], ids=["CNI_ARGS", "args.cni.mac", "runtimeConfig.mac", "args over CNI_ARGS", "runtimeConfig over all"])
def test_hardware_address(runtime, a, given, wins):
    """The container's MAC comes from CNI_ARGS, args.cni.mac, or runtimeConfig.mac; the later one wins."""
    keys = {"args": {"cni": {"mac": given["args"]}}} if "args" in given else {}
    wanted = conflist(bridge(capabilities={"mac": True}, ipam=host_local("10.1.0.0/24"), **keys))
    result = runtime.add(
        wanted, a, args=f"IgnoreUnknown=1;MAC={given['argument']}" if "argument" in given else None,
        capabilities={"mac": given["runtime"]} if "runtime" in given else None)
    assert a.link("eth0")["address"] == wins == result["interfaces"][2]["mac"]


def test_undeclared_capability_is_not_passed(runtime, a):
    """Without `capabilities: {mac: true}` the runtime's MAC does not reach the plugin."""
    runtime.add(conflist(bridge(ipam=host_local("10.1.0.0/24"))), a, capabilities={"mac": OF_RUNTIME})
    assert a.link("eth0")["address"] != OF_RUNTIME


# Without IPAM


def test_layer_2_only(runtime, host, a):
    """Without ipam the interface is up, without addresses; DEL removes it."""
    plain = conflist(bridge())
    result = runtime.add(plain, a)
    assert [entry["name"] for entry in result["interfaces"]][::2] == ["cni0", "eth0"]
    assert "ips" not in result and "UP" in a.link("eth0")["flags"] and a.addresses("eth0") == []
    runtime.delete(plain, a)
    assert a.link("eth0") is None and host.link(result["interfaces"][1]["name"]) is None


@pytest.mark.reference_differs("CHECK of a layer-2-only network fails with `no plugin name provided` [bug]")
def test_layer_2_only_check(runtime, a):
    """CHECK works without ipam."""
    plain = conflist(bridge())
    runtime.add(plain, a)
    runtime.check(plain, a)


@pytest.mark.ours("disableContainerInterface came with v1.3.0")
def test_container_interface_stays_down(runtime, a):
    """disableContainerInterface leaves the container's end down."""
    plain = conflist(bridge(disableContainerInterface=True))
    runtime.add(plain, a)
    assert "UP" not in a.link("eth0")["flags"]
    runtime.check(plain, a)


@pytest.mark.ours("disableContainerInterface came with v1.3.0")
def test_container_interface_down_with_addresses_is_an_error(runtime, host, a):
    """disableContainerInterface and ipam exclude each other."""
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="disableContainerInterface"):
        runtime.add(network(disableContainerInterface=True), a)
    assert host.snapshot() == before


# Masquerade




def test_masquerade(runtime, host, a, outside):
    """With ipMasq, what leaves the subnet has the host's address as source: outside, which knows no way to containers, answers."""
    runtime.add(network(ipMasq=True), a)
    a.ping("192.0.2.2")
    serve(outside, "tcp", 8080)
    assert ask(a, "tcp", "192.0.2.2", 8080).source == "192.0.2.1"


def test_no_masquerade(runtime, host, a, outside):
    """Without ipMasq the container's own address is the source."""
    runtime.add(network(), a)
    assert not a.ping("192.0.2.2", check=False)
    outside.run(["ip", "route", "add", "10.1.0.0/24", "via", "192.0.2.1"])
    serve(outside, "tcp", 8080)
    assert ask(a, "tcp", "192.0.2.2", 8080).source == "10.1.0.2"


def test_no_masquerade_within_the_subnet(runtime, host, a, b):
    """What stays in the subnet keeps its source, also towards the host's own address in it."""
    runtime.add(network(ipMasq=True), a)
    runtime.add(network(ipMasq=True), b)
    serve(b, "tcp", 8080)
    serve(host, "tcp", 8081)
    assert ask(a, "tcp", "10.1.0.3", 8080).source == "10.1.0.2"
    assert ask(a, "tcp", "10.1.0.1", 8081).source == "10.1.0.2"


def test_no_masquerade_after_del(runtime, host, a, b, outside):
    """DEL takes the container's masquerade away, and not that of others."""
    runtime.add(network(ipMasq=True), a)
    runtime.add(network(ipMasq=True), b)
    runtime.delete(network(ipMasq=True), a)
    assert "10.1.0.2" not in host.snapshot().ruleset
    b.ping("192.0.2.2")


# DEL


def test_del_leaves_what_was_there_before(runtime, host, a):
    """After the first ADD and DEL only the shared leftovers are there: the bridge, lock and memory of host-local, empty nftables chains."""
    before = host.snapshot()
    runtime.add(network(ipMasq=True), a)
    runtime.delete(network(ipMasq=True), a)
    after = host.snapshot()
    assert after.without(links=["cni0"], files=FILES, nftables=True) == before.without(files=FILES, nftables=True)
    assert "10.1.0.2" not in after.ruleset and "id-a" not in after.ruleset and "elements" not in after.ruleset
    assert a.ip("link") == [link for link in a.ip("link") if link["ifname"] == "lo"]


def test_second_add_and_del_change_nothing(runtime, host, a):
    """Nothing piles up from one attachment to the next."""
    memory = r"last_reserved_ip|\.catena|/run/"
    states = []
    for _ in range(2):
        runtime.add(network(ipMasq=True), a)
        runtime.delete(network(ipMasq=True), a)
        states.append(host.snapshot().without(files=memory))
    assert states[0] == states[1]


def test_del_again(runtime, host, a):
    """DEL may be repeated, with and without prevResult."""
    runtime.add(network(ipMasq=True), a)
    runtime.delete(network(ipMasq=True), a)
    after = host.snapshot()
    runtime.delete(network(ipMasq=True), a)
    runtime.delete(network(ipMasq=True), a, forget=True)
    assert host.snapshot() == after


def test_del_without_add(runtime, host, a):
    """DEL of what was never added succeeds, and makes nothing."""
    before = host.snapshot()
    runtime.delete(network(ipMasq=True), a)
    assert host.snapshot().without(files=FILES, nftables=True) == before.without(files=FILES, nftables=True)


def test_del_without_prev_result(runtime, host, a):
    """DEL needs no prevResult while the namespace is there."""
    result = runtime.add(network(), a)
    runtime.delete(network(), a, forget=True)
    assert a.link("eth0") is None and host.link(result["interfaces"][1]["name"]) is None
    assert not host.path("/var/lib/cni/networks/net/10.1.0.2").exists()


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, netns):
    """With the namespace gone, DEL still releases the address."""
    runtime.add(network(ipMasq=True), a)
    a.delete()
    runtime.delete(network(ipMasq=True), a, netns=netns)
    assert not host.path("/var/lib/cni/networks/net/10.1.0.2").exists()


@pytest.mark.reference_differs("masquerade rules leak when the namespace is gone [bug]")
def test_del_after_the_namespace_is_gone_removes_masquerade(runtime, host, a):
    """With the namespace gone, DEL still removes the masquerade."""
    runtime.add(network(ipMasq=True), a)
    a.delete()
    runtime.delete(network(ipMasq=True), a)
    assert "10.1.0.2" not in host.snapshot().ruleset


def test_del_without_netns_while_the_namespace_is_there(runtime, host, a):
    """DEL without CNI_NETNS releases the address; a second one with it finds nothing wrong."""
    runtime.add(network(), a)
    attachment = runtime.cache[("net", a.id, "eth0")]
    runtime.delete(network(), a, netns="")
    assert not host.path("/var/lib/cni/networks/net/10.1.0.2").exists()
    runtime.cache[("net", a.id, "eth0")] = attachment
    runtime.delete(network(), a)
    assert a.link("eth0") is None


def test_del_after_the_interface_is_gone(runtime, host, a):
    """With the interface gone, DEL still releases address and masquerade."""
    runtime.add(network(ipMasq=True), a)
    a.run(["ip", "link", "del", "eth0"])
    runtime.delete(network(ipMasq=True), a)
    assert not host.path("/var/lib/cni/networks/net/10.1.0.2").exists()
    assert runtime.engine == "reference" or "10.1.0.2" not in host.snapshot().ruleset


# CHECK


def test_check(runtime, a):
    """CHECK of what ADD made succeeds."""
    runtime.add(network(ipMasq=True), a)
    runtime.check(network(ipMasq=True), a)


@pytest.mark.parametrize("change, named", [
    (["ip", "addr", "del", "10.1.0.2/24", "dev", "eth0"], "10.1.0.2"),
    (["ip", "route", "del", "10.99.0.0/16"], "10.99.0.0"),
    (["ip", "link", "del", "eth0"], "eth0"),
], ids=["address", "route", "interface"])
def test_check_finds_what_is_missing(runtime, a, change, named):
    """CHECK fails once an address, a route or the interface is gone, and names it."""
    wanted = network(routes=["0.0.0.0/0", {"dst": "10.99.0.0/16", "gw": "10.1.0.1"}])
    runtime.add(wanted, a)
    a.run(change)
    with pytest.raises(CNIFailure, match=named):
        runtime.check(wanted, a)


@pytest.mark.ours("the reference sees a link that is down only by its routes")
def test_check_finds_a_link_that_is_down(runtime, a):
    """CHECK fails when the interface is down."""
    runtime.add(network(), a)
    a.run(["ip", "link", "set", "eth0", "down"])
    with pytest.raises(CNIFailure, match="down"):
        runtime.check(network(), a)


@pytest.mark.ours("the reference does not compare these")
def test_check_is_content_when_other_ports_change_the_bridges_mac(runtime, host, a):
    """Without a gateway's address nothing pins the bridge's MAC: that it changes is no drift."""
    wanted = conflist(bridge(ipam=host_local("10.1.0.0/24")))
    runtime.add(wanted, a)
    host.run(["ip", "link", "set", "cni0", "address", "02:00:00:00:00:99"])
    runtime.check(wanted, a)


@pytest.mark.parametrize("change, named", [
    ("ip link set {port} nomaster", "cni0"), ("ip link set {port} type bridge_slave hairpin off", "hairpin"),
    ("ip addr del 10.1.0.1/24 dev cni0", "10.1.0.1"), ("ip link set cni0 down", "cni0"),
    ("ip link set cni0 address 02:00:00:00:00:99", "02:00:00:00:00:99"),
    ("ip link set {port} type bridge_slave isolated off", "expected isolated"), ("ip link set {port} mtu 1300", "MTU 1500"),
], ids=["out of the bridge", "hairpin", "gateway", "bridge down", "bridge MAC", "isolated", "MTU"])
def test_check_finds_changes_of_the_host(runtime, host, a, change, named):
    """CHECK fails when the host's side is not as ADD made it."""
    wanted = network(hairpinMode=True, mtu=1500, portIsolation=True)
    result = runtime.add(wanted, a)
    host.run(change.format(port=result["interfaces"][1]["name"]).split())
    with pytest.raises(CNIFailure, match=named):
        runtime.check(wanted, a)


@pytest.mark.ours("the reference does not look at masquerade")
def test_check_finds_missing_masquerade(runtime, host, a):
    """CHECK fails when the masquerade is gone."""
    runtime.add(network(ipMasq=True), a)
    host.run(["nft", "flush", "ruleset"])
    with pytest.raises(CNIFailure):
        runtime.check(network(ipMasq=True), a)


def test_check_finds_a_missing_reservation(runtime, host, a):
    """CHECK fails when the reservation is gone."""
    runtime.add(network(), a)
    host.path("/var/lib/cni/networks/net/10.1.0.2").unlink()
    with pytest.raises(CNIFailure):
        runtime.check(network(), a)


# STATUS, GC


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_status(runtime, host, a):
    """STATUS is fine while there are addresses, and says code 50 when there are none."""
    small = network(version="1.1.0", subnet="10.1.0.0/30")
    runtime.status(small)
    runtime.add(small, a)
    with pytest.raises(CNIFailure, match="no IP addresses available") as failure:
        runtime.status(small)
    assert failure.value.code == 50


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_gc(runtime, host, a, b):
    """GC removes address and masquerade of attachments that are not valid any more, and leaves the rest."""
    wanted = network(version="1.1.0", ipMasq=True)
    runtime.add(wanted, a)
    runtime.add(wanted, b)
    a.delete()
    runtime.gc(wanted, [(b.id, "eth0")])
    state = host.snapshot()
    reserved = {name for name in state.files if name.startswith("/var/lib/cni/networks/net/10.")}
    assert reserved == {"/var/lib/cni/networks/net/10.1.0.3"}
    assert "10.1.0.2" not in state.ruleset and "10.1.0.3" in state.ruleset
    runtime.check(wanted, b)


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_gc_of_one_network_leaves_others(runtime, host, a):
    """GC touches only the network it is for."""
    first = network(version="1.1.0", ipMasq=True)
    other = conflist(bridge(bridge="br1", isGateway=True, ipMasq=True, ipam=host_local("10.2.0.0/24")), name="other", version="1.1.0")
    runtime.add(first, a)
    runtime.add(other, a, ifname="eth1")
    runtime.gc(first, [])
    state = host.snapshot()
    assert "/var/lib/cni/networks/other/10.2.0.2" in state.files and "10.2.0.2" in state.ruleset
    assert "/var/lib/cni/networks/net/10.1.0.2" not in state.files and "10.1.0.2" not in state.ruleset


# Versions


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", pytest.param("1.1.0", marks=pytest.mark.ours("1.1.1 of the reference ends at 1.0.0"))])
def test_result_versions(runtime, a, version):
    """The result has the configuration's version and its form: `version` of each address before 1.0.0, `dns` always then."""
    result = runtime.add(network(version=version), a)
    assert result["cniVersion"] == version
    old = version.startswith("0.")
    assert result["ips"][0].get("version") == ("4" if old else None)
    assert ("dns" in result) is (old or runtime.engine == "reference")  # 1.1.1 still prints an empty one


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_oldest_result_versions(runtime, a, version):
    """Before 0.3.0 a result is one address of each family."""
    result = runtime.add(network(version=version), a)
    assert result["ip4"]["ip"] == "10.1.0.2/24" and result["ip4"]["gateway"] == "10.1.0.1"
    assert result["ip4"]["routes"] == [{"dst": "0.0.0.0/0"}]
    assert "interfaces" not in result
    if version == "0.2.0":
        runtime.delete(network(version=version), a)
        assert a.link("eth0") is None


@pytest.mark.reference_differs("1.1.1 loses IPAM's DNS")
def test_dns_of_the_network(runtime, host, a):
    """dns of the network replaces that of IPAM as a whole."""
    host.write("/run/test/resolv.conf", "nameserver 192.0.2.53\nsearch ipam.example\n")
    own = {"nameservers": ["192.0.2.99"], "domain": "example"}
    ipam = host_local("10.1.0.0/24", resolvConf="/run/test/resolv.conf")
    assert runtime.add(conflist(bridge(ipam=ipam)), a)["dns"] == {"nameservers": ["192.0.2.53"], "search": ["ipam.example"]}
    assert runtime.add(conflist(bridge(bridge="br1", ipam=ipam, dns=own), name="second"), a, ifname="eth1")["dns"] == own


def test_many_containers_have_unique_addresses(runtime, host):
    """Addresses are handed out once each."""
    containers = [host.add_netns(f"c{number}") for number in range(5)]
    addresses = [runtime.add(network(), container)["ips"][0]["address"] for container in containers]
    assert addresses == [f"10.1.0.{number}/24" for number in range(2, 7)]
