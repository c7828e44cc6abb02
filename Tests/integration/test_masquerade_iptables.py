"""ipMasqBackend "iptables" of bridge and ptp: rules of the reference's shape, with real traffic."""

import hashlib
import os

import pytest

import harness
from harness import CNIFailure, Runtime, ask, assert_reaches, bridge, conflist, host_local, serve

HOST = ("192.0.2.1", "2001:db8::1")
SUBNETS = ("10.1.0.0/24", "fd00:1::/64")
EVERYWHERE = ["0.0.0.0/0", "::/0"]
PLUGINS = ["bridge", "ptp"]


def network(plugin, *, version="1.0.0", name="net", **keys):
    """A masqueraded network of a plugin."""
    keys = {"ipam": host_local(*SUBNETS, routes=EVERYWHERE if plugin == "ptp" else ()), "ipMasq": True, "ipMasqBackend": "iptables", **keys}
    made = bridge(isDefaultGateway=True, **keys) if plugin == "bridge" else {"type": "ptp", **keys}
    return conflist(made, version=version, name=name)


def rules(host):
    """Tables nat of both families, as people look at them."""
    return host.out(["iptables-save", "-t", "nat"]) + host.out(["ip6tables-save", "-t", "nat"])


def chain(container, name="net"):
    return "CNI-" + hashlib.sha512(f"{name}{container.id}".encode()).hexdigest()[:24]


@pytest.mark.both_kernels
@pytest.mark.parametrize("plugin", PLUGINS)
def test_masquerade(runtime, host, a, b, outside, plugin):
    """What leaves the network has the host's address, what stays in it its own; CHECK is content; DEL takes the container's rules, no others."""
    net = network(plugin)
    for container in (a, b):
        runtime.add(net, container)
    serve(outside, "tcp", 80)
    serve(b, "tcp", 80)
    assert_reaches(a, outside, "192.0.2.2", "2001:db8::2", source=HOST)
    assert_reaches(a, b, "10.1.0.3", "fd00:1::3", source=("10.1.0.2", "fd00:1::2"))
    runtime.check(net, a)
    runtime.delete(net, a)
    assert chain(a) not in rules(host) and chain(b) in rules(host)
    assert_reaches(b, outside, "192.0.2.2", "2001:db8::2", source=HOST)
    runtime.delete(net, b)
    assert "CNI-" not in rules(host)
    for forget in (False, True):
        runtime.delete(net, b, forget=forget)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_rules_are_those_of_the_reference(host, stage, a, plugin):
    """Word for word, for both families."""
    net, lines = network(plugin), {}
    for engine in ("wrappers", "reference"):
        runtime = Runtime(host, engine)
        runtime.add(net, a)
        lines[engine] = [line for line in rules(host).splitlines() if "CNI-" in line]
        runtime.delete(net, a)
        assert "CNI-" not in rules(host)
        host.run(["rm", "-r", "/var/lib/cni/networks"])
    ours, theirs = ([line.split(" [")[0] for line in sorted(lines[engine])] for engine in ("wrappers", "reference"))
    assert ours == theirs and len(ours) == 8


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_reference_takes_over(host, stage, a, b, plugin):
    """Its DEL removes what our ADD made; and ours what it made."""
    ours, theirs, net = Runtime(host, "wrappers"), Runtime(host, "reference"), network(plugin)
    ours.add(net, a)
    theirs.add(net, b)
    ours.cache, theirs.cache = theirs.cache, ours.cache
    theirs.delete(net, a)
    assert chain(a) not in rules(host) and chain(b) in rules(host)
    ours.delete(net, b)
    assert "CNI-" not in rules(host)


@pytest.mark.ours("its interfaces share a chain, and its DEL of one takes it away")
@pytest.mark.parametrize("plugin", PLUGINS)
def test_two_interfaces_of_a_container(runtime, host, a, outside, plugin):
    """The other one stays masqueraded when the first is gone, and when its own DEL does not know its addresses."""
    net, second = network(plugin), network(plugin, ipam=host_local("10.9.0.0/24", "fd00:9::/64"))
    if plugin == "bridge":
        second["plugins"][0].update(bridge="br9", isDefaultGateway=False)
    serve(outside, "tcp", 80)
    runtime.add(net, a)
    runtime.add(second, a, ifname="eth1")
    assert rules(host).count("eth1") == 2 * 3
    runtime.check(second, a, ifname="eth1")
    runtime.check(net, a)
    runtime.delete(second, a, ifname="eth1", netns="", forget=True)
    assert "eth1" not in rules(host) and "10.9.0" not in rules(host)
    runtime.check(net, a)
    assert ask(a, "tcp", "192.0.2.2", 80).source == "192.0.2.1"


@pytest.mark.ours("CHECK and repair do not look at masquerade there")
@pytest.mark.parametrize("damage", [
    "iptables -t nat -F POSTROUTING", "ip6tables -t nat -D {chain} 1", "iptables -t nat -F {chain}", "iptables -t nat -F; iptables -t nat -X"])
def test_damage_is_found_and_repaired(catena, host, a, outside, damage):
    """CHECK names what is gone, and `catenactl repair` brings it back, once."""
    net = network("bridge")
    catena.add(net, a)
    before = rules(host)
    host.run(["sh", "-ec", damage.format(chain=chain(a))])
    with pytest.raises(CNIFailure, match=chain(a)):
        catena.check(net, a)
    for _ in range(2):
        host.run([harness.STAGE / "bin" / "catenactl", "repair"])
        assert [line.split(" [")[0] for line in rules(host).splitlines() if line[:1] in ":-"] \
            == [line.split(" [")[0] for line in before.splitlines() if line[:1] in ":-"]
    catena.check(net, a)
    serve(outside, "tcp", 80)
    assert ask(a, "tcp", "192.0.2.2", 80).source == "192.0.2.1"


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
@pytest.mark.parametrize("plugin", PLUGINS)
def test_gc_and_status(runtime, host, a, b, plugin):
    """GC removes the rules of containers that are not in use, of this network alone; STATUS is content."""
    one = network(plugin, version="1.1.0")
    other = network(plugin, version="1.1.0", name="other", ipam=host_local("10.2.0.0/24"),
                    **({"bridge": "br2"} if plugin == "bridge" else {}))
    runtime.add(one, a)
    runtime.add(one, b)
    runtime.add(other, b, ifname="eth1")
    runtime.status(one)
    runtime.gc(one, [(b.id, "eth0")])
    assert chain(a) not in rules(host)
    assert chain(b) in rules(host) and chain(b, "other") in rules(host)


@pytest.mark.ours("what was done before a failure stays there")
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_later_failure_leaves_nothing(wrappers, host, a, plugin):
    """Where the second family can't be changed, link, addresses and the first one's rules are gone."""
    host.write("/run/test/bin/ip6tables-restore", "#!/bin/sh\necho 'no: line 4 failed' >&2\nexit 1\n", 0o755)
    wrappers.env["PATH"] = f"/run/test/bin:{os.environ['PATH']}"
    with pytest.raises(CNIFailure, match="masquerade fd00:1::2: .*line 4 failed"):
        wrappers.add(network(plugin), a)
    del wrappers.env["PATH"]
    assert a.link("eth0") is None and host.reservations() == [] and "CNI-" not in rules(host)
