"""ipvlan: interfaces that share the hardware address of ens5, in every mode. What it has in common with others is in test_masters.py."""

import json

import pytest

from harness import CNIFailure, assert_failure_leaves_nothing, assert_reaches, conflist, host_local, serve

IPAM = host_local("10.1.0.0/24", "fd00:1::/64")


def network(*, version="1.0.0", ipam=IPAM, **keys):
    """A network of ipvlan on ens5; a key that is None is left out."""
    config = {"type": "ipvlan", "master": "ens5", "ipam": ipam, **keys}
    return conflist({key: value for key, value in config.items() if value is not None}, version=version)


def data(container):
    """What the kernel tells of the ipvlan: mode and flags."""
    return container.link("eth0")["linkinfo"]["info_data"]


@pytest.mark.parametrize("keys, named", [
    ({"master": None}, "there is no default route in the host"),
    ({"mode": "l4"}, 'mode: expected l2, l3 or l3s, found "l4"'),
    ({"flag": "both"}, 'flag: expected bridge, private or vepa, found "both"'),
    ({"mtu": -1}, "mtu"), ({"ipam": None}, "ipam: is missing: ipvlan requires an IPAM configuration"), ({"ipam": {}}, "ipam: is missing"),
], ids=str)
def test_what_can_not_be(runtime, host, a, lan, keys, named):
    """Values that can't be are refused before anything is made; DEL succeeds."""
    assert_failure_leaves_nothing(runtime, host, a, network(**keys), named)
    runtime.delete(network(**keys), a)


def test_del_without_add(runtime, host, a):
    """DEL of what was never added succeeds, without master, prevResult and default route, and with values that ADD refuses."""
    before = host.snapshot()
    for wanted in (network(master=None, ipam=None), network(master="ens9", mode="x", flag="y", mtu=-1, ipam=None)):
        runtime.delete(wanted, a)
        runtime.delete(wanted, a, netns="")
        runtime.delete(wanted, a, netns="/run/netns/nowhere")
    assert host.snapshot() == before


# ADD


def attach_two(runtime, a, b, **keys):
    """Two containers of a network, which serve TCP port 80."""
    for container in (a, b):
        runtime.add(network(**keys), container)
        serve(container, "tcp", 80)


@pytest.mark.vm
@pytest.mark.parametrize("keys", [{}, {"mode": "", "flag": ""}, {"mode": "l2", "flag": "bridge"}], ids=str)
def test_l2(runtime, a, b, lan, keys):
    """Mode l2: the containers are in the network of the master, and reach it and one another."""
    attach_two(runtime, a, b, **keys)
    assert_reaches(a, lan, "10.1.0.1", "fd00:1::1", source=("10.1.0.2", "fd00:1::2"))
    assert_reaches(lan, a, "10.1.0.2", "fd00:1::2")
    assert_reaches(a, b, "10.1.0.3", "fd00:1::3", source=("10.1.0.2", "fd00:1::2"))


@pytest.mark.vm
@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_l3(runtime, host, a, b, lan, mode):
    """Modes l3 and l3s: the host routes; the network reaches the containers over the host's address."""
    host.run(["sh", "-ec", "ip addr add 10.1.0.9/24 dev ens5; ip addr add fd00:1::9/64 dev ens5 nodad"])
    lan.run(["sh", "-ec", "ip route add 10.2.0.0/24 via 10.1.0.9; ip route add fd00:2::/64 via fd00:1::9"])
    attach_two(runtime, a, b, mode=mode, ipam=host_local("10.2.0.0/24", "fd00:2::/64", routes=["0.0.0.0/0", "::/0"]))
    assert data(a)["mode"] == mode
    assert_reaches(a, b, "10.2.0.3", "fd00:2::3", source=("10.2.0.2", "fd00:2::2"))
    assert_reaches(a, lan, "10.1.0.1", "fd00:1::1", source=("10.2.0.2", "fd00:2::2"))
    assert_reaches(lan, a, "10.2.0.2", "fd00:2::2")


@pytest.mark.vm
def test_private(runtime, a, b, lan):
    """Flag private: the containers reach the network, and not one another."""
    attach_two(runtime, a, b, flag="private")
    assert "private" in data(a)
    assert_reaches(a, lan, "10.1.0.1", "fd00:1::1")
    assert_reaches(lan, b, "10.1.0.3", "fd00:1::3")
    assert not a.ping("10.1.0.3", check=False) and not a.ping("fd00:1::3", check=False)


@pytest.mark.vm
def test_vepa(runtime, a, b, lan):
    """Flag vepa: what one container sends to another goes out to the network, whose switch does not send it back."""
    attach_two(runtime, a, b, flag="vepa")
    assert "vepa" in data(a)
    assert_reaches(a, lan, "10.1.0.1", "fd00:1::1")
    assert not a.ping("10.1.0.3", check=False) and not a.ping("fd00:1::3", check=False)


@pytest.mark.vm
def test_vepa_over_a_router(runtime, host, a, b, lan):
    """Flag vepa in mode l3: the containers reach one another over a router of the network that sends back what is for them."""
    host.run(["sh", "-ec", "ip addr add 10.1.0.9/24 dev ens5; ip route add default via 10.1.0.1"])
    lan.run(["sh", "-ec", """
        sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.sw0.send_redirects=0
        ip route add 10.2.0.0/24 via 10.1.0.9"""])
    attach_two(runtime, a, b, mode="l3", flag="vepa", ipam=host_local("10.2.0.0/24", routes=["0.0.0.0/0"]))
    assert_reaches(a, lan, "10.1.0.1")
    assert_reaches(a, b, "10.2.0.3")


# The master


@pytest.mark.vm
@pytest.mark.parametrize("inside", [False, True], ids=["host", "container"])
def test_default_master(runtime, host, a, lan, inside):
    """Without `master` it is the interface of the first default route; CHECK needs no name."""
    place = host
    if inside:
        host.run(["ip", "link", "set", "ens5", "netns", "a"])
        a.run(["ip", "link", "set", "ens5", "up"])
        place = a
    place.run(["ip", "route", "add", "default", "dev", "ens5"])
    wanted = network(master=None, linkInContainer=inside, ipam=host_local("10.1.0.0/24"))
    runtime.add(wanted, a)
    link = a.link("eth0")
    assert link["link"] == "ens5" if inside else link["link_index"] == host.link("ens5")["ifindex"]
    a.ping("10.1.0.1")
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert a.link("eth0") is None and place.link("ens5") is not None


@pytest.fixture
def before_it(host, catena):
    """A plugin that reports these interfaces and addresses: before_it(interfaces, ips)."""

    def before_it(interfaces, ips=()):
        result = {
            "cniVersion": "1.0.0", "interfaces": interfaces, "ips": list(ips), "routes": [{"dst": "10.99.0.0/16"}],
            "dns": {"domain": "example"}}
        catena.path += ":/run/test/bin"
        host.write("/run/test/bin/before", f"""#!/bin/sh
            cat >/dev/null
            [ "$CNI_COMMAND" != ADD ] || echo '{json.dumps(result)}'""", 0o755)
        return {"type": "before"}

    return before_it


@pytest.mark.vm
@pytest.mark.parametrize("with_ipam", [False, True], ids=["its addresses", "ipam"])
def test_chained(catena, before_it, host, a, lan, with_ipam):
    """After a plugin that names one interface that is the master; its addresses count where there is no ipam. CHECK and DEL work."""
    chain = network(master=None, ipam=host_local("10.1.0.0/24") if with_ipam else None)
    chain["plugins"].insert(0, before_it([{"name": "ens5"}], [{"address": "10.1.0.77/24", "gateway": "10.1.0.1"}]))
    result = catena.add(chain, a)
    address = "10.1.0.2/24" if with_ipam else "10.1.0.77/24"
    assert [entry["name"] for entry in result["interfaces"]] == ["eth0"]
    assert result["ips"] == [{"address": address, "gateway": "10.1.0.1", "interface": 0}] and a.addresses("eth0") == [address]
    if not with_ipam:
        assert result["dns"] == {"domain": "example"} and ("10.99.0.0/16", "10.1.0.1", "eth0") in a.routes()
    a.ping("10.1.0.1")
    catena.check(chain, a)
    catena.delete(chain, a)
    assert a.link("eth0") is None and host.link("ens5") is not None and host.reservations() == []


@pytest.mark.parametrize("interfaces", [[], [{"name": "ens5"}, {"name": "eth7", "sandbox": "/run/netns/a"}]], ids=["none", "two"])
def test_chained_without_one_master(catena, before_it, a, lan, interfaces):
    """After a plugin that names no interface, or several, the master has to be named."""
    chain = network(master=None, ipam=None)
    chain["plugins"].insert(0, before_it(interfaces, [{"address": "10.1.0.77/24"}]))
    with pytest.raises(CNIFailure, match=f"prevResult: has {len(interfaces)} interfaces, expected the one to take as the master"):
        catena.add(chain, a)
    assert a.link("eth0") is None


# Failures


@pytest.mark.vm
def test_not_together_with_macvlan(runtime, host, a, lan):
    """A link can't be master of both kinds: the error of either says so."""
    host.run(["ip", "link", "add", "mv0", "link", "ens5", "type", "macvlan"])
    failure = assert_failure_leaves_nothing(runtime, host, a, network(), "create ipvlan eth0 on ens5: Device or resource busy")
    assert "a link can't be master of both ipvlan and macvlan" in failure.text
    host.run(["ip", "link", "del", "mv0"])
    host.run(["ip", "link", "add", "iv0", "link", "ens5", "type", "ipvlan"])
    macvlan = conflist({"type": "macvlan", "master": "ens5"})
    failure = assert_failure_leaves_nothing(runtime, host, a, macvlan, "create macvlan eth0 on ens5: Device or resource busy")
    assert "a link can't be master of both ipvlan and macvlan" in failure.text


@pytest.mark.vm
def test_loopback_is_no_master(runtime, host, a, lan):
    """The kernel refuses the loopback interface: the error says so."""
    assert_failure_leaves_nothing(runtime, host, a, network(master="lo"), "the loopback interface can't be a master")


@pytest.mark.vm
def test_larger_mtu(runtime, a, lan):
    """An MTU above the master's is accepted, as with the reference."""
    runtime.add(network(mtu=9000), a)
    assert a.link("eth0")["mtu"] == 9000
    runtime.check(network(mtu=9000), a)


@pytest.mark.vm
def test_an_address_that_another_has(runtime, host, a, b, lan):
    """The kernel refuses an address that another ipvlan of the master has: nothing is left."""
    runtime.add(network(ipam=host_local("10.1.0.0/24")), a)
    host.path("/var/lib/cni/networks/net/10.1.0.2").unlink()
    again = network(ipam={"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.2", "rangeEnd": "10.1.0.2"}]]})
    with pytest.raises(CNIFailure, match="add address 10.1.0.2/24 to eth0: Address already in use"):
        runtime.add(again, b)
    assert b.link("eth0") is None


# CHECK


@pytest.mark.vm
@pytest.mark.parametrize("damage, named", [
    ("ip link add iv0 link ens5 type ipvlan mode l3", "eth0: mode: expected l2, found l3"),
    ("ip link add iv0 link ens5 type ipvlan mode l2 private", "eth0: flag: expected bridge, found private"),
], ids=["mode", "flag"])
def test_check_finds_another_mode(runtime, host, a, lan, damage, named):
    """CHECK fails when mode or flag are not what they were: another ipvlan on the master changes those of all."""
    runtime.add(network(), a)
    runtime.check(network(), a)
    host.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure) as failure:
        runtime.check(network(), a)
    assert named in failure.value.text


@pytest.mark.vm
def test_check_on_an_ipvlan(runtime, host, a, lan):
    """An ipvlan on an ipvlan is one on that one's master: no difference."""
    host.run(["ip", "link", "add", "iv0", "link", "ens5", "up", "type", "ipvlan", "mode", "l2"])
    runtime.add(network(master="iv0"), a)
    a.ping("10.1.0.1")
    runtime.check(network(master="iv0"), a)


# STATUS


@pytest.mark.vm
def test_status_without_a_master(runtime, lan):
    """Without `master` STATUS can't know: a plugin before it may name one."""
    runtime.status(network(version="1.1.0", master=None))
