"""sbr: what comes from an interface's addresses leaves by that interface, by rules and tables that CHECK sees and DEL takes away."""

import pytest

import harness
from harness import CNIFailure, Runtime, add_at_once, bridge, conflist, host_local


def sbr(**keys):
    """The plugin sbr."""
    return {"type": "sbr", **keys}


def first(name="one"):
    """The container's first network, by which its default route leads."""
    return conflist(bridge(bridge="br1", isDefaultGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64")), name=name)


def second(*, routes=("0.0.0.0/0", "::/0"), name="two", version="1.0.0", subnets=("10.2.0.0/24", "fd00:2::/64"), **keys):
    """A second network with a way out of its own."""
    return conflist(bridge(bridge="br2", isGateway=True, ipam=host_local(*subnets, routes=routes)), sbr(**keys), name=name, version=version)


def rules(container, family=4):
    """[(source, table)] of the rules that are not the kernel's own."""
    return [(rule["src"], rule["table"]) for rule in container.ip(f"-{family}", "rule") if rule["src"] != "all"]


def all_routes(container):
    """The routes of all tables, sorted."""
    found = [route for family in (4, 6) for route in container.ip(f"-{family}", "route", "show", "table", "all", "type", "unicast")]
    return sorted(
        f"{r['dst']} {r.get('table', 'main')} {r.get('metric')} {r.get('prefsrc')} {hop.get('gateway')} {hop['dev']}"
        for r in found for hop in r.get("nexthops", [r]))




def way(container, target, source):
    """The interface and gateway by which a packet from a source leaves."""
    route = container.ip("route", "get", target, "from", source)[0]
    return route["dev"], route.get("gateway")


# ADD


def test_source_decides(runtime, host, a):
    """What comes from the second interface's addresses leaves by it, over its gateway; all else by the first."""
    runtime.add(first(), a)
    result = runtime.add(second(), a, ifname="net1")
    assert result == runtime.cached(second(), a, ifname="net1")
    for target, one, two, gateways in (("192.0.2.9", "10.1.0.2", "10.2.0.2", ("10.1.0.1", "10.2.0.1")),
                                       ("2001:db8::9", "fd00:1::2", "fd00:2::2", ("fd00:1::1", "fd00:2::1"))):
        assert way(a, target, one) == ("eth0", gateways[0]) and way(a, target, two) == ("net1", gateways[1])
        assert a.ip("route", "get", target)[0]["dev"] == "eth0"
    assert rules(a) == [("10.2.0.2", "100")] and rules(a, 6) == [("fd00:2::2", "101")]
    assert sorted(a.routes(4, 100)) == [("10.2.0.0/24", None, "net1"), ("default", "10.2.0.1", "net1")]
    assert sorted(a.routes(6, 101)) == [("default", "fd00:2::1", "net1"), ("fd00:2::/64", None, "net1")]
    assert all(route[2] != "net1" for family in (4, 6) for route in a.routes(family))
    runtime.check(second(), a, ifname="net1")


def test_traffic(runtime, host, a):
    """Both addresses answer from outside of their networks, each by its own bridge, although there is one default route in table main."""
    outside = host.add_outside()
    for line in ("10.1.0.0/24 via 192.0.2.1", "10.2.0.0/24 via 192.0.2.1"):
        outside.run(["ip", "route", "add", *line.split()])
    for line in ("fd00:1::/64 via 2001:db8::1", "fd00:2::/64 via 2001:db8::1"):
        outside.run(["ip", "-6", "route", "add", *line.split()])
    runtime.add(first(), a)
    runtime.add(second(), a, ifname="net1")
    # A packet that comes back by the wrong bridge is dropped.
    for link in ("all", "br1", "br2"):
        host.sysctl(f"ipv4/conf/{link}/rp_filter", 1)
    for address in ("10.1.0.2", "10.2.0.2", "fd00:1::2", "fd00:2::2"):
        outside.ping(address)
    for source in ("10.1.0.2", "10.2.0.2", "fd00:1::2", "fd00:2::2"):
        a.run(["ping", "-n", "-c", "1", "-W", "1", "-I", source, "192.0.2.2" if "." in source else "2001:db8::2"])


def test_without_a_default_route(runtime, a):
    """IPAM's gateway makes the default route of the table where the interface has none."""
    runtime.add(second(routes=()), a, ifname="net1")
    assert ("default", "10.2.0.1", "net1") in a.routes(4, 100) and ("default", "fd00:2::1", "net1") in a.routes(6, 101)
    assert a.routes() == [] and a.routes(6) == []


@pytest.mark.parametrize("routes", [(), ("0.0.0.0/0", "::/0")], ids=["no default route", "default routes"])
def test_gateways(runtime, host, a, routes):
    """Configured gateways count, also where the interface has default routes over others (in the reference those win)."""
    wanted = second(routes=routes, gateways=["10.2.0.77", "fd00:2::77"])
    runtime.add(wanted, a, ifname="net1")
    assert sorted(a.routes(4, 100)) == [("10.2.0.0/24", None, "net1"), ("default", "10.2.0.77", "net1")]
    assert sorted(a.routes(6, 101)) == [("default", "fd00:2::77", "net1"), ("fd00:2::/64", None, "net1")]
    runtime.check(wanted, a, ifname="net1")


def test_routes_keep_what_they_are(wrappers, a):
    """Metric and MTU go along."""
    routes = [{"dst": "10.99.0.0/16", "gw": "10.2.0.9", "priority": 50, "mtu": 1300, "advmss": 1200}]
    wanted = second(routes=routes, subnets=("10.2.0.0/24",))
    wrappers.add(wanted, a, ifname="net1")
    route = next(r for r in a.ip("route", "show", "table", "100") if r["dst"] == "10.99.0.0/16")
    assert (route["gateway"], route["metric"]) == ("10.2.0.9", 50) and route["metrics"] == [{"mtu": 1300, "advmss": 1200}]
    assert a.routes() == []
    wrappers.check(wanted, a, ifname="net1")


def test_link_local_stays(runtime, a):
    """The way to link-local addresses stays in table main (the reference deletes it): the container's neighbours reach it."""
    runtime.add(second(), a, ifname="net1")
    assert any(route["dst"] == "fe80::/64" and route["dev"] == "net1" for route in a.ip("-6", "route"))


def test_addresses_of_one_subnet(runtime, host, a):
    """Each address has its own table, with the subnet and the gateway in it."""
    ipam = host_local()
    ipam["ranges"] = [[{"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.10", "rangeEnd": "10.2.0.20", "gateway": "10.2.0.1"}],
                      [{"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.30", "rangeEnd": "10.2.0.40", "gateway": "10.2.0.1"}]]
    wanted = conflist(bridge(bridge="br2", isGateway=True, ipam=ipam), sbr())
    if runtime.add(wanted, a)["ips"][1:]:
        assert rules(a) == [("10.2.0.30", "101"), ("10.2.0.10", "100")]
        for table in (100, 101):
            assert sorted(a.routes(4, table)) == [("10.2.0.0/24", None, "eth0"), ("default", "10.2.0.1", "eth0")]
        runtime.check(wanted, a)
        runtime.delete(wanted, a)
        assert rules(a) == []


def test_source_hints(runtime, a):
    """With addSourceHints routes to the subnets stay in table main, with the address as source: also those of IPv6."""
    runtime.add(first(), a)
    wanted = second(addSourceHints=True)
    runtime.add(wanted, a, ifname="net1")
    for target, source in (("10.2.0.9", "10.2.0.2"), ("fd00:2::9", "fd00:2::2")):
        route = a.ip("route", "get", target)[0]
        assert (route["dev"], route["prefsrc"]) == ("net1", source)
    main = [route for family in (4, 6) for route in a.routes(family) if route[2] == "net1"]
    assert main == [("10.2.0.0/24", None, "net1"), ("fd00:2::/64", None, "net1")]
    runtime.check(wanted, a, ifname="net1")


# Tables


def test_fixed_table(runtime, a):
    """With table only rules are made; the routes, and what the table holds, are someone else's."""
    runtime.add(first(), a)
    before = a.routes()
    wanted = second(table=4711, routes=())
    runtime.add(wanted, a, ifname="net1")
    assert rules(a) == [("10.2.0.2", "4711")] and rules(a, 6) == [("fd00:2::2", "4711")]
    assert sorted(a.routes()) == sorted(before + [("10.2.0.0/24", None, "net1")])
    runtime.check(wanted, a, ifname="net1")
    a.run(["ip", "route", "add", "default", "via", "10.2.0.1", "dev", "net1", "table", "4711"])
    a.run(["ip", "rule", "add", "from", "10.2.0.2", "table", "99"])
    result = runtime.cached(wanted, a, ifname="net1")
    Runtime(a.host, "wrappers")._exec("DEL", wanted, wanted["plugins"][1], runtime.cache[("two", a.id, "net1")][0], result)
    assert rules(a) == [("10.2.0.2", "99")] and a.routes(4, 4711) == [("default", "10.2.0.1", "net1")]


@pytest.mark.parametrize("taken, table", [
    ("ip rule add from 10.9.9.9 table 100", "101"), ("ip -6 rule add from fd00:9::9 table 100", "101"),
    ("ip link set lo up; ip route add 10.9.0.0/16 dev lo table 100", "101"), ("ip link set lo up; ip -6 route add fd00:9::/64 dev lo table 100", "101"),
    ("ip rule add from 10.9.9.9 table 100; ip rule add from 10.9.9.9 table 102", "101"),
], ids=["a rule", "a rule of IPv6", "a route", "a route of IPv6", "a gap"])
def test_free_tables(wrappers, a, taken, table):
    """A table that a rule leads to, or that has a route (which the reference does not see), is not taken."""
    a.run(["sh", "-ec", taken])
    wrappers.add(second(subnets=("10.2.0.0/24",), routes=()), a, ifname="net1")
    assert ("10.2.0.2", table) in rules(a)


def test_tables_run_past_the_kernels_own(wrappers, a):
    """253 to 255 are never taken."""
    a.run(["ip", "-batch", "-"], input="".join(f"rule add from 10.9.9.9 table {number}\n" for number in range(100, 253)))
    wrappers.add(second(subnets=("10.2.0.0/24",), routes=()), a, ifname="net1")
    assert ("10.2.0.2", "256") in rules(a)


def test_many_at_once(wrappers, host, a):
    """Interfaces that are added to a container at the same time get tables of their own."""
    networks = [conflist(bridge(bridge=f"br{n}", isGateway=True, ipam=host_local(f"10.{n}.0.0/24")), sbr(), name=f"n{n}") for n in range(10, 16)]
    add_at_once(a, *((Runtime(host, "wrappers"), network, f"net{number}") for number, network in enumerate(networks)))
    assert sorted(table for _, table in rules(a)) == [str(number) for number in range(100, 106)]


def test_with_the_reference_at_once(wrappers, host, a):
    """The lock is the one that the reference takes: both may work on one container."""
    ours, theirs = second(subnets=("10.2.0.0/24",)), second(subnets=("10.3.0.0/24",), routes=(), name="three")
    theirs["plugins"][0]["bridge"] = "br3"
    add_at_once(a, (wrappers, ours, "net1"), (Runtime(host, "reference"), theirs, "net2"))
    assert sorted(table for _, table in rules(a)) == ["100", "101"]


# Errors


@pytest.mark.parametrize("keys, named", [
    ({"gateways": ["10.2.0.1", "fd00:2::1", "10.2.0.3"]}, "gateways"), ({"gateways": ["10.2.0.1", "10.2.0.3"]}, "at most one of IPv4"),
    ({"gateways": ["nonsense"]}, "nonsense"), ({"gateways": "10.2.0.1"}, "gateways: expected a list"), ({"table": -1}, "table"), ({"table": 0}, "table"),
    ({"table": "main"}, "table"), ({"gateways": ["192.0.2.77"]}, "192.0.2.77"), ({"addSourceHints": "yes"}, "addSourceHints"),
], ids=str)
def test_failure_changes_nothing(wrappers, a, keys, named):
    """What can't be is refused by name, and rules and routes are as before."""
    wanted = second(**keys)
    wrappers.add(conflist(wanted["plugins"][0], name="two"), a)
    before = all_routes(a)
    with pytest.raises(CNIFailure) as failure:
        wrappers._exec("ADD", wanted, wanted["plugins"][1], *wrappers.cache[("two", a.id, "eth0")])
    assert named in failure.value.text
    assert rules(a) == rules(a, 6) == [] and all_routes(a) == before


@pytest.mark.parametrize("step", range(9, 19))
def test_failure_half_way(wrappers, host, a, step):
    """Whichever message to the kernel fails, rules and routes are as before, also the IPv6 default route that the kernel has joined with
    that of another interface."""
    wrappers.add(first(), a)
    wrappers.add(conflist(second()["plugins"][0], name="two"), a, ifname="net1")
    before = all_routes(a)
    config = {**sbr(), "name": "two", "cniVersion": "1.0.0", "prevResult": wrappers.cached(second(), a, ifname="net1")}
    inject = f"inject=sendto:error=ENOBUFS:when={step}"
    done = harness.run_plugin(
        host, harness.PLUGINS / "sbr", "ADD", config, ifname="net1", prefix=["strace", "-f", "-o", "/dev/null", "-e", inject])
    assert "No buffer space available" in done.error["msg"]
    assert rules(a) == rules(a, 6) == [] and all_routes(a) == before


@pytest.mark.parametrize("previous, named", [
    (None, "must be called as chained plugin"), ({"cniVersion": "1.0.0"}, "has no address of eth0"),
    ({"cniVersion": "1.0.0", "ips": [{"address": "10.2.0.2/24"}]}, "look up interface eth0"),
    ({"cniVersion": "1.0.0", "interfaces": [{"name": "br0"}], "ips": [{"address": "10.2.0.2/24", "interface": 0}]}, "has no address of eth0"),
])
def test_a_previous_result_that_does_not_do(wrappers, a, previous, named):
    with pytest.raises(CNIFailure, match=named):
        wrappers.add(conflist(sbr()), a, previous=previous)


# DEL, CHECK, STATUS


def test_del_takes_its_own_away(runtime, host, a):
    """Rules and tables of the interface are gone, others stay; DEL may be repeated."""
    runtime.add(first(), a)
    a.run(["ip", "rule", "add", "from", "10.9.9.9", "table", "200"])
    a.run(["ip", "rule", "add", "from", "10.2.0.2", "to", "10.9.9.9", "table", "200"])
    before = all_routes(a)
    runtime.add(second(), a, ifname="net1")
    runtime.delete(second(), a, ifname="net1")
    assert sorted(rules(a)) == [("10.2.0.2", "200"), ("10.9.9.9", "200")] and rules(a, 6) == [] and all_routes(a) == before
    runtime.delete(second(), a, ifname="net1", forget=True)
    a.ping("10.1.0.1")


def test_del_after_the_interface_is_gone(wrappers, a):
    """The result tells what its addresses were."""
    wrappers.add(second(), a, ifname="net1")
    a.run(["ip", "link", "del", "net1"])
    wrappers.delete(second(), a, ifname="net1")
    assert rules(a) == rules(a, 6) == []


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, netns):
    """No error, and no file where the namespace was (the reference makes one, and fails)."""
    runtime.add(second(), a)
    a.delete()
    runtime.delete(second(), a, netns=netns)
    assert not host.path(a.path).exists() and host.reservations("two") == []


@pytest.mark.parametrize("keys, damage, named", [
    ({}, "ip rule del from 10.2.0.2 table 100", "rule from 10.2.0.2: expected one to a table of its own, found none"),
    ({}, "ip -6 rule del from fd00:2::2", "rule from fd00:2::2"), ({}, "ip route flush table 100", "table 100: expected a route to 10.2.0.0/24"),
    ({}, "ip route del default table 100", "expected a default route via 10.2.0.1, found none"),
    ({}, "ip -6 route del default table 101", "expected a default route via fd00:2::1, found none"),
    ({"gateways": ["10.2.0.77"]}, "ip route replace default via 10.2.0.78 dev eth0 table 100", "expected a default route via 10.2.0.77, found one via 10.2.0.78"),
    ({}, "ip route add default via 10.2.0.1 dev eth0 onlink", "table main: expected no route 0.0.0.0/0 via 10.2.0.1"),
    ({}, "ip route add 10.2.0.0/24 dev eth0", "table main: expected no route 10.2.0.0/24"),
    ({"table": 300}, "ip rule del from 10.2.0.2", "expected one to table 300, found none"),
    ({"addSourceHints": True}, "ip route replace fd00:2::/64 dev eth0 metric 256", "fd00:2::/64 with a source address"),
    ({}, "ip link del eth0", "interface eth0: expected"),
])
def test_check_finds_damage(wrappers, a, keys, damage, named):
    """CHECK of what ADD made succeeds; it fails when a rule or route is not so, and names it."""
    wanted = second(**keys)
    wrappers.add(wanted, a)
    wrappers.check(wanted, a)
    a.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure) as failure:
        wrappers._exec("CHECK", wanted, wanted["plugins"][1], *wrappers.cache[("two", a.id, "eth0")])
    assert named in failure.value.text


def test_status(runtime, host, stage):
    """STATUS succeeds; and tells where the kernel has no rules."""
    runtime.status(second(version="1.1.0"))
    error = harness.run_plugin(
        host, harness.PLUGINS / "sbr", "STATUS", {**sbr(), "name": "net", "cniVersion": "1.1.0"},
        prefix=["strace", "-f", "-o", "/dev/null", "-e", "inject=sendto:error=EOPNOTSUPP:when=1"]).error
    assert error["code"] == 50 and "can't make routing rules" in error["msg"]
