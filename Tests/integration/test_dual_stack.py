"""IPv4 and IPv6 side by side: both are there when ADD returns, without a wait for duplicate address detection."""

import pytest

from harness import CNIFailure, NoAnswer, ask, bridge, conflist, host_local, run_plugin, serve

V4, V6 = "10.1.0.0/24", "fd00:1::/64"
BOTH = ["0.0.0.0/0", "::/0"]


def network(*subnets, name="net", version="1.0.0", routes=BOTH, **keys):
    """A bridge that is the gateway of these subnets: both, if none is named."""
    return conflist(bridge(isGateway=True, ipam=host_local(*(subnets or (V4, V6)), routes=routes), **keys), name=name, version=version)


def tentative(place):
    """Addresses of a place that duplicate address detection has not released, link-local ones of interfaces included."""
    found = place.ip("-6", "addr", "show", "tentative")
    return [(entry["ifname"], a["local"]) for entry in found for a in entry.get("addr_info", [])]


def test_result(runtime, a):
    """One address of each family, each with its gateway, in the order of the range sets."""
    result = runtime.add(network(), a)
    assert result["ips"] == [
        {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 2}, {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 2}]
    assert result["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]


def test_addresses_and_routes(runtime, host, a):
    """Each family has its address, its subnet route and its default route over its own gateway; the bridge has both gateways."""
    runtime.add(network(), a)
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]
    assert ("default", "10.1.0.1", "eth0") in a.routes()
    assert ("default", "fd00:1::1", "eth0") in a.routes(6) and ("fd00:1::/64", None, "eth0") in a.routes(6)
    assert host.addresses("cni0") == ["10.1.0.1/24", "fd00:1::1/64"]
    assert (host.sysctl("ipv4/ip_forward"), host.sysctl("ipv6/conf/all/forwarding")) == ("1", "1")


@pytest.mark.ours("the reference's bridge detects duplicates of its own link-local address for a second or two")
def test_nothing_is_tentative(runtime, host, a):
    """Neither container nor bridge waits: IPAM made the addresses unique."""
    runtime.add(network(), a)
    assert [entry for entry in tentative(a) if entry[0] == "eth0"] == [] and [entry for entry in tentative(host) if entry[0] == "cni0"] == []


@pytest.mark.ours("its first packets may be lost to duplicate address detection")
def test_ipv6_works_at_once(runtime, host, outside, a, b):
    """The first packet after ADD goes through: to the gateway, from the host, to a neighbour, and out by masquerade."""
    runtime.add(network(ipMasq=True), a)
    a.ping("fd00:1::1")
    runtime.add(network(ipMasq=True), b)
    host.ping("fd00:1::3")
    b.ping("fd00:1::2")
    b.ping("2001:db8::2")
    a.ping("192.0.2.2")


def test_masquerade(runtime, outside, a, b):
    """ipMasq hides both families from outside, and neither within the subnet."""
    runtime.add(network(ipMasq=True), a)
    runtime.add(network(ipMasq=True), b)
    serve(outside, "tcp", 8080)
    serve(b, "tcp", 8080)
    assert ask(a, "tcp", "192.0.2.2", 8080).source == "192.0.2.1"
    assert ask(a, "tcp", "2001:db8::2", 8080).source == "2001:db8::1"
    assert ask(a, "tcp", "10.1.0.3", 8080).source == "10.1.0.2"
    assert ask(a, "tcp", "fd00:1::3", 8080).source == "fd00:1::2"


def test_no_masquerade(runtime, outside, a):
    """Without ipMasq outside sees the containers' addresses, once it knows the way."""
    runtime.add(network(), a)
    serve(outside, "tcp", 8080)
    with pytest.raises(NoAnswer):
        ask(a, "tcp", "2001:db8::2", 8080, timeout=0.3)
    outside.run(["ip", "-6", "route", "add", V6, "via", "2001:db8::1"])
    assert ask(a, "tcp", "2001:db8::2", 8080).source == "fd00:1::2"


def test_ipv6_alone(runtime, host, a):
    """A network of IPv6 alone needs nothing of IPv4: no address, no forwarding."""
    result = runtime.add(network(V6, routes=["::/0"]), a)
    assert [ip["address"] for ip in result["ips"]] == ["fd00:1::2/64"]
    assert a.addresses("eth0") == ["fd00:1::2/64"] and a.routes() == [] and ("default", "fd00:1::1", "eth0") in a.routes(6)
    assert host.sysctl("ipv4/ip_forward") == "0" and host.sysctl("ipv6/conf/all/forwarding") == "1"
    a.ping("fd00:1::1")
    runtime.check(network(V6, routes=["::/0"]), a)


def test_a_namespace_that_has_ipv6_off(runtime, a):
    """Container runtimes start namespaces with IPv6 off: it is switched on where there is an IPv6 address to set."""
    for name in ("all", "default", "lo"):
        a.sysctl(f"ipv6/conf/{name}/disable_ipv6", 1)
    runtime.add(network(), a)
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]
    a.ping("fd00:1::1")
    assert a.sysctl("ipv6/conf/eth0/disable_ipv6") == "0" and a.sysctl("ipv6/conf/lo/disable_ipv6") == "0"


def test_a_namespace_that_has_ipv6_off_keeps_it_off(runtime, a):
    """And not where there is none."""
    a.sysctl("ipv6/conf/default/disable_ipv6", 1)
    runtime.add(network(V4, routes=["0.0.0.0/0"]), a)
    assert a.sysctl("ipv6/conf/eth0/disable_ipv6") == "1"


@pytest.mark.ours("keep_addr_on_down came with v1.7.0")
def test_addresses_outlive_a_link_that_goes_down(runtime, a):
    """An interface that is set down and up again has its IPv6 address still."""
    runtime.add(network(), a)
    a.run(["sh", "-ec", "ip link set eth0 down; ip link set eth0 up"])
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]


@pytest.mark.ours("accept_ra of the bridge is left at 1 there")
def test_the_host_takes_no_router_advertisements_from_containers(runtime, host, a):
    """A container cannot become the host's router."""
    result = runtime.add(network(), a)
    for name in ("cni0", result["interfaces"][1]["name"]):
        assert host.sysctl(f"ipv6/conf/{name}/accept_ra") == "0"


def test_default_gateway(runtime, a):
    """isDefaultGateway adds a default route of each family."""
    result = runtime.add(conflist(bridge(isDefaultGateway=True, ipam=host_local(V4, V6))), a)
    assert result["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "::/0", "gw": "fd00:1::1"}]
    assert ("default", "10.1.0.1", "eth0") in a.routes() and ("default", "fd00:1::1", "eth0") in a.routes(6)


@pytest.mark.reference_differs("the kernel refuses the duplicate IPv6 default route [bug]")
def test_default_gateway_with_default_routes_of_ipam(runtime, a):
    """Default routes of IPAM without a gateway are completed, and not added again."""
    result = runtime.add(conflist(bridge(isDefaultGateway=True, ipam=host_local(V4, V6, routes=BOTH))), a)
    assert [route["dst"] for route in result["routes"]] == BOTH
    assert len([route for route in a.routes(6) if route[0] == "default"]) == 1


@pytest.mark.ours("1.1.1 does not see routes with several next hops")
def test_two_networks_with_default_routes(runtime, a):
    """The kernel joins two IPv6 default routes into one with two next hops: CHECK of either network finds its own, DEL takes its own."""
    first = conflist(bridge(isDefaultGateway=True, ipam=host_local(V4, V6)), name="first")
    second = conflist(bridge(bridge="br2", isDefaultGateway=True, ipam=host_local("10.2.0.0/24", "fd00:2::/64")), name="second")
    runtime.add(first, a)
    runtime.add(second, a, ifname="eth1")
    runtime.check(first, a)
    runtime.check(second, a, ifname="eth1")
    runtime.delete(first, a)
    assert ("default", "fd00:2::1", "eth1") in a.routes(6)
    runtime.check(second, a, ifname="eth1")


@pytest.mark.ours("enabledad came later")
def test_duplicate_address_detection(runtime, a):
    """With enabledad, ADD returns when detection has ended, and the address is good."""
    runtime.add(network(V6, routes=["::/0"], enabledad=True), a)
    assert [local for name, local in tentative(a) if local == "fd00:1::2"] == []
    a.ping("fd00:1::1")


def test_detection_is_waited_for_without_looking_again(catena, host, a):
    """With enabledad, the kernel's messages end the wait: in its second or so there is hardly a system call."""
    plugin, = catena.plugins(network(V6, routes=["::/0"], enabledad=True))
    log = host.path("/run/test.strace")
    outcome = run_plugin(
        host, catena.program("catena"), "ADD", {**plugin, "name": "net", "cniVersion": "1.0.0"},
        prefix=["strace", "-f", "-qq", "-e", "trace=poll,ppoll,nanosleep,clock_nanosleep", "-e", "signal=none", "-o", log])
    calls = log.read_text().splitlines()
    assert outcome.ok and tentative(a) == [], outcome
    assert 0 < len(calls) <= 12 and not any("nanosleep" in call for call in calls), calls


@pytest.mark.ours("enabledad came later")
def test_a_duplicate_is_found(runtime, host, a, b):
    """With enabledad, an address that someone else on the bridge has fails ADD, and nothing is left of it."""
    wanted = network(V6, routes=["::/0"], enabledad=True)
    runtime.add(wanted, a)
    runtime.add(network(V6, routes=["::/0"], enabledad=True), b)
    b.run(["ip", "addr", "add", "fd00:1::4/64", "dev", "eth0", "nodad"])
    c = host.add_netns("c")
    with pytest.raises(CNIFailure, match="fd00:1::4"):
        runtime.add(wanted, c)
    assert c.link("eth0") is None and not host.path("/var/lib/cni/networks/net/fd00:1::4").exists()


@pytest.mark.parametrize("change, named", [
    (["ip", "addr", "del", "fd00:1::2/64", "dev", "eth0"], "fd00:1::2"), (["ip", "-6", "route", "del", "default"], "::"),
], ids=["address", "default route"])
def test_check_finds_what_is_missing(runtime, a, change, named):
    """CHECK looks at both families."""
    runtime.add(network(), a)
    runtime.check(network(), a)
    a.run(change)
    with pytest.raises(CNIFailure, match=named):
        runtime.check(network(), a)


def test_del_releases_both(runtime, host, a):
    """DEL releases the addresses of both families, also after the namespace is gone."""
    runtime.add(network(ipMasq=True), a)
    a.delete()
    runtime.delete(network(ipMasq=True), a)
    left = [name for name in host.files("/var/lib/cni/networks/net") if name.endswith(("10.1.0.2", "fd00:1::2"))]
    assert left == []


@pytest.mark.parametrize("v6", ["fd00:1::/112", "fd00:1:0:1::/126", "2001:db8:5::/48"])
def test_prefixes(runtime, a, v6):
    """Any prefix that leaves room for a gateway will do."""
    address = runtime.add(network(v6, routes=["::/0"]), a)["ips"][0]
    assert address["address"].endswith("/" + v6.split("/")[1])
    assert a.addresses("eth0") == [address["address"]]
    a.ping(address["gateway"])


def test_first_exhausted_family_releases_the_other(runtime, host, a, b):
    """When one family has no address left, that of the other is released again."""
    small = network("10.1.0.0/24", "fd00:1::/126", routes=())
    for name in ("c", "d"):
        runtime.add(small, host.add_netns(name))
    with pytest.raises(CNIFailure, match="no IP addresses available"):
        runtime.add(small, a)
    runtime.delete(small, a)
    held = sorted(name.split("/")[-1] for name in host.files("/var/lib/cni/networks/net") if "10.1.0." in name)
    assert held == ["10.1.0.2", "10.1.0.3"]
