"""vrf: the container's interface in a VRF, with its addresses and routes. What needs a kernel with VRFs runs on the second one."""

import pytest

import harness
from harness import CNIFailure, Runtime, add_at_once, ask, bridge, conflist, host_local, run_plugin, serve

vm = pytest.mark.vm


def vrf(**keys):
    """The plugin vrf."""
    return {"type": "vrf", "vrfname": "blue", **keys}


def network(*, name="net", bridge_name="br1", subnets=("10.1.0.0/24", "fd00:1::/64"), routes=("0.0.0.0/0", "::/0"), version="1.0.0", **keys):
    """A network of bridge and vrf."""
    return conflist(bridge(bridge=bridge_name, isGateway=True, ipam=host_local(*subnets, routes=routes)), vrf(**keys), name=name, version=version)


def table(container, name="blue"):
    """The routing table of a VRF."""
    return container.link(name)["linkinfo"]["info_data"]["table"]


def unicast(container, family, number):
    """The unicast routes of a table, sorted."""
    found = container.ip(f"-{family}", "route", "show", "table", number, "type", "unicast")
    return sorted((r["dst"], r.get("gateway"), r["dev"]) for r in found if not r["dst"].startswith("fe80:"))


V4 = [("10.1.0.0/24", None, "eth0"), ("default", "10.1.0.1", "eth0")]
V6 = [("default", "fd00:1::1", "eth0"), ("fd00:1::/64", None, "eth0")]


# Asks 10.1.0.1 by the interface of a name.
ASK_BY = """
import socket, sys
with socket.socket() as client:
    client.settimeout(3)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode())
    client.connect(("10.1.0.1", 80))
    client.sendall(b"who?")
    print(client.recv(100).decode())
"""

# ADD


@vm
def test_add_makes_what_it_says(runtime, a):
    """The VRF is there, up, with the lowest free table; the interface is in it, with its addresses and routes; the result is the one before."""
    result = runtime.add(network(), a)
    assert [interface["name"] for interface in result["interfaces"]][2:] == ["eth0"]
    assert a.link("eth0")["master"] == "blue" and "UP" in a.link("blue")["flags"] and table(a) == 1
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]
    assert unicast(a, 4, 1) == V4 and unicast(a, 6, 1) == V6 and a.routes() == [] and a.routes(6) == []
    runtime.check(network(), a)


@vm
def test_traffic(runtime, host, a, outside):
    """From the VRF the container reaches gateway and outside, by ICMP and TCP, in both families, at once after ADD."""
    wanted = network()
    wanted["plugins"][0]["ipMasq"] = True
    runtime.add(wanted, a)
    for address in ("fd00:1::1", "10.1.0.1", "192.0.2.2", "2001:db8::2"):
        a.run(["ping", "-n", "-c", "1", "-W", "2", "-I", "blue", address])
    a.run(["sysctl", "-qw", "net.ipv4.tcp_l3mdev_accept=1"])
    serve(a, "tcp", 80)
    assert ask(host, "tcp", "10.1.0.2", 80).name == ask(host, "tcp", "fd00:1::2", 80).name == "a"


def of_ipv6(container):
    """The global IPv6 addresses of eth0 with what is special about each."""
    found = container.ip("-6", "addr", "show", "dev", "eth0")[0]["addr_info"]
    flags = ("nodad", "noprefixroute", "tentative", "dadfailed")
    return {(x["local"], x["prefixlen"], *(x.get(flag) for flag in flags)) for x in found if x["scope"] == "global"}


@vm
@pytest.mark.parametrize("keep", [0, 1])
def test_addresses_of_ipv6_stay(wrappers, host, a, keep):
    """Whatever the interface's plugin has set: no address is lost, and each is as it was."""
    wrappers.add(conflist(network()["plugins"][0]), a)
    a.sysctl("ipv6/conf/eth0/keep_addr_on_down", keep)
    a.run(["ip", "addr", "add", "fd00:1::77/64", "dev", "eth0", "nodad", "noprefixroute"])
    before = of_ipv6(a)
    wrappers._exec("ADD", network(), vrf(), *wrappers.cache[("net", a.id, "eth0")])
    assert len(before) == 2 and of_ipv6(a) == before
    a.run(["ping", "-n", "-c", "1", "-W", "2", "-I", "blue", "fd00:1::1"])


@vm
def test_routes_keep_what_they_are(wrappers, a):
    """Routes on the link without a gateway, metric and MTU go along (the reference loses the first kind)."""
    routes = [{"dst": "10.99.0.0/16", "gw": "10.1.0.9", "priority": 50, "mtu": 1300}]
    wanted = conflist(bridge(bridge="br1", ipam=host_local("10.1.0.0/24", routes=routes)), vrf(table=42))
    wrappers.add(conflist(wanted["plugins"][0]), a)
    a.run(["ip", "route", "add", "10.97.0.0/16", "dev", "eth0"])
    wrappers._exec("ADD", wanted, wanted["plugins"][1], *wrappers.cache[("net", a.id, "eth0")])
    found = {route["dst"]: route for route in a.ip("route", "show", "table", "42", "type", "unicast")}
    assert {"10.99.0.0/16", "10.97.0.0/16", "10.1.0.0/24"} <= set(found)
    assert (found["10.99.0.0/16"]["metric"], found["10.99.0.0/16"]["metrics"]) == (50, [{"mtu": 1300}])


@vm
def test_two_interfaces_in_one_vrf(runtime, a):
    """The second ADD finds the VRF; DEL of the last one deletes it."""
    other = network(name="other", bridge_name="br2", subnets=("10.2.0.0/24",), routes=())
    runtime.add(network(), a)
    runtime.add(other, a, ifname="eth1")
    assert a.link("eth1")["master"] == "blue" and ("10.2.0.0/24", None, "eth1") in unicast(a, 4, 1)
    runtime.check(other, a, ifname="eth1")
    runtime.delete(network(), a)
    assert a.link("blue") is not None
    runtime.check(other, a, ifname="eth1")
    runtime.delete(other, a, ifname="eth1")
    assert a.link("blue") is None


@vm
def test_same_addresses_in_two_vrfs(wrappers, host, a):
    """What a VRF is for: two networks with the same addresses in one container."""
    networks = [network(name=f"n{n}", bridge_name=f"br{n}", subnets=("10.1.0.0/24",), vrfname=f"vrf{n}") for n in (1, 2)]
    for number, wanted in enumerate(networks, 1):
        wanted["plugins"][0]["isGateway"] = False
        wrappers.add(wanted, a, ifname=f"eth{number}")
        peer = host.add_netns(f"peer{number}")
        host.run(["sh", "-ec", f"ip link add p{number} type veth peer name p netns peer{number}; ip link set p{number} up master br{number}"])
        peer.run(["sh", "-ec", "ip addr add 10.1.0.1/24 dev p; ip link set p up; ip link set lo up"])
        serve(peer, "tcp", 80)
    assert [table(a, f"vrf{n}") for n in (1, 2)] == [1, 2]
    for number in (1, 2):
        assert a.out(["python3", "-c", ASK_BY, f"vrf{number}"]).split()[0] == f"peer{number}"


@vm
def test_table(runtime, a):
    """A configured table is the VRF's; another one than it has is an error."""
    runtime.add(network(table=4711), a)
    assert table(a) == 4711 and unicast(a, 4, 4711) == V4
    runtime.check(network(table=4711), a)
    other = network(name="other", bridge_name="br2", subnets=("10.2.0.0/24",), table=4712)
    with pytest.raises(CNIFailure, match="exists already, and has table 4711, not 4712"):
        runtime.add(other, a, ifname="eth1")
    runtime.delete(other, a, ifname="eth1")
    assert a.link("blue") is not None


@vm
@pytest.mark.parametrize("taken, expected", [
    ("ip link add red type vrf table 1", 2), ("ip rule add from 10.9.9.9 table 1", 2), ("ip link set lo up; ip route add 10.9.0.0/16 dev lo table 1", 2),
    ("ip link add red type vrf table 2; ip link add green type vrf table 1", 3),
])
def test_free_tables(wrappers, a, taken, expected):
    """The lowest number that no VRF, rule or route has."""
    a.run(["sh", "-ec", taken])
    wrappers.add(network(), a)
    assert table(a) == expected


@vm
def test_many_at_once(wrappers, host, a):
    """ADDs at the same time make one VRF a name, each with a table of its own."""
    networks = [network(name=f"n{n}", bridge_name=f"br{n}", subnets=(f"10.{n}.0.0/24",), routes=(), vrfname=f"vrf{n % 2}") for n in range(4)]
    add_at_once(a, *((Runtime(host, "wrappers"), wanted, f"net{number}") for number, wanted in enumerate(networks)))
    assert {table(a, "vrf0"), table(a, "vrf1")} == {1, 2}


# Errors


@pytest.mark.parametrize("keys, named", [
    ({"vrfname": ""}, "vrfname: is missing"), ({"vrfname": None}, "vrfname: is missing"), ({"vrfname": "a/b"}, "vrfname"),
    ({"vrfname": "a-name-that-is-too-long"}, "too long"), ({"table": -1}, "table"), ({"table": "x"}, "table"),
    ({"vrfname": "eth0"}, "eth0 is the container's interface"), ({"vrfname": "lo"}, "lo exists in /run/netns/a and is not a VRF"),
], ids=str)
def test_what_cannot_be(wrappers, a, keys, named):
    """Refused by name, on any kernel."""
    wrappers.add(conflist(network()["plugins"][0]), a)
    with pytest.raises(CNIFailure) as failure:
        wrappers._exec("ADD", network(), vrf(**keys), *wrappers.cache[("net", a.id, "eth0")])
    assert named in failure.value.text


def test_an_interface_with_a_master(wrappers, a):
    """It can't be in two places; the error says in which it is."""
    wrappers.add(conflist(network()["plugins"][0]), a)
    a.run(["sh", "-ec", "ip link add br0 type bridge; ip link set eth0 master br0"])
    with pytest.raises(CNIFailure, match="put eth0 into VRF blue: it has a master already, br0"):
        wrappers._exec("ADD", network(), vrf(), *wrappers.cache[("net", a.id, "eth0")])


def test_without_a_previous_result(wrappers, a):
    with pytest.raises(CNIFailure, match="must be called as chained plugin"):
        wrappers.add(conflist(vrf()), a)


@vm
def test_failure_changes_nothing(wrappers, host, a):
    """A step that fails, here the last one, which puts the default route into the table, takes the steps before it back."""
    wanted = network(subnets=("10.1.0.0/24",), routes=("0.0.0.0/0",))
    wrappers.add(conflist(wanted["plugins"][0]), a)
    before = a.routes(), a.addresses("eth0")
    config = {**vrf(), "name": "net", "cniVersion": "1.0.0", "prevResult": wrappers.cached(wanted, a)}
    done = run_plugin(
        host, harness.PLUGINS / "vrf", "ADD", config, prefix=["strace", "-f", "-o", "/dev/null", "-e", "inject=sendto:error=ENOBUFS:when=15"])
    assert done.error["msg"] == "put route 0.0.0.0/0 via 10.1.0.1 into table 1: No buffer space available"
    assert a.link("blue") is None and "master" not in a.link("eth0") and (a.routes(), a.addresses("eth0")) == before
    a.ping("10.1.0.1")


def test_a_kernel_without_vrfs(wrappers, host, a, request):
    """What is missing is told, by ADD and STATUS, and nothing is left."""
    if host.run(["ip", "link", "add", "trial", "type", "vrf", "table", "9"], check=False).returncode == 0:
        pytest.skip("this kernel has VRFs")
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="create VRF blue, table 1: Operation not supported") as failure:
        wrappers.add(network(), a)
    assert "module vrf" in failure.value.text
    wrappers.delete(network(), a)
    assert host.snapshot().without(links=["br1"], files="^/var/lib/cni") == before.without(files="^/var/lib/cni")
    with pytest.raises(CNIFailure, match="can't make VRFs") as failure:
        wrappers.status({**network(version="1.1.0"), "plugins": [vrf()]})
    assert failure.value.code == 50 and "module vrf" in failure.value.text


# DEL, CHECK, STATUS


@vm
def test_del_leaves_what_was_there_before(runtime, host, a):
    """Interface and VRF are gone; DEL may be repeated."""
    before = a.ip("addr")
    runtime.add(network(), a)
    runtime.delete(network(), a)
    assert a.ip("addr") == before and host.reservations() == []
    runtime.delete(network(), a, forget=True)


@vm
def test_del_after_the_interface_is_gone(wrappers, a):
    """The VRF is deleted all the same (the reference fails)."""
    wrappers.add(network(), a)
    a.run(["ip", "link", "del", "eth0"])
    wrappers.delete(network(), a)
    assert a.link("blue") is None


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(wrappers, host, a, netns):
    wrappers.add(conflist(network()["plugins"][0]), a)
    a.delete()
    wrappers.delete(network(), a, netns=netns)


def test_del_of_a_link_that_is_no_vrf(wrappers, a):
    """It is not what ADD made, and stays; DEL succeeds."""
    a.run(["ip", "link", "add", "blue", "type", "bridge"])
    wrappers.delete(network(), a)
    assert a.link("blue") is not None


@vm
@pytest.mark.parametrize("damage, named", [
    ("ip link set eth0 nomaster", "eth0: expected in VRF blue, found outside of it"), ("ip link del blue", "VRF blue: found none"),
    ("ip link set blue down", "blue: expected up, found down"), ("ip route del default vrf blue", "expected a route to 0.0.0.0/0, found none"),
    ("ip -6 route del fd00:1::/64 vrf blue", "expected a route to fd00:1::/64"), ("ip link del eth0", "interface eth0: expected"),
    ("ip link del blue; ip link add blue type vrf table 9; ip link set blue up; ip link set eth0 master blue", "blue: table: expected 7, found 9"),
    ("ip link del blue; ip link add blue type bridge", "blue: expected a VRF, found bridge"),
])
def test_check_finds_damage(wrappers, a, damage, named):
    """CHECK of what ADD made succeeds; it fails when something is not so, and names it."""
    wanted = network(table=7)
    wrappers.add(wanted, a)
    wrappers.check(wanted, a)
    a.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure) as failure:
        wrappers._exec("CHECK", wanted, wanted["plugins"][1], *wrappers.cache[("net", a.id, "eth0")])
    assert named in failure.value.text


@vm
def test_status(runtime, host):
    """STATUS succeeds where the kernel has VRFs, and changes nothing."""
    before = host.snapshot()
    runtime.status(network(version="1.1.0"))
    assert host.snapshot().without(nftables=True) == before.without(nftables=True)
