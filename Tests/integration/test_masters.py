"""macvlan, ipvlan and vlan: what they have in common as interfaces on a master, ens5. ipvlan and vlan need a kernel that has the module."""

import pytest

from harness import (
    CNIFailure, Runtime, assert_check_finds, assert_del_leaves_nothing, assert_failure_leaves_nothing, assert_reaches, conflist,
    host_local, serve)

IPAM = host_local("10.1.0.0/24", "fd00:1::/64")
MODULES = {"macvlan": "macvlan", "ipvlan": "ipvlan", "vlan": "8021q"}


# The kernel that has all three is slow: one engine for each is enough there.
@pytest.fixture(params=[
    ("macvlan", "catena"), ("macvlan", "wrappers"), pytest.param(("ipvlan", "catena"), marks=pytest.mark.vm),
    pytest.param(("vlan", "wrappers"), marks=pytest.mark.vm)], ids="-".join)
def case(request):
    """The plugin, and what runs it."""
    return request.param


@pytest.fixture
def kind(case):
    """The plugin."""
    return case[0]


@pytest.fixture
def runtime(case, host, stage):
    """A container runtime that runs it."""
    return Runtime(host, case[1])


def network(kind, *, version="1.0.0", ipam=IPAM, **keys):
    """A network of the plugin on ens5; a key that is None is left out."""
    config = {"type": kind, "master": "ens5", "ipam": ipam, **({"vlanId": 100} if kind == "vlan" else {}), **keys}
    return conflist({key: value for key, value in config.items() if value is not None}, version=version)


@pytest.fixture
def router(lan, kind):
    """The machine 10.1.0.1, fd00:1::1 of the network that the container is in."""
    if kind == "vlan":
        lan.run(["sh", "-ec", """
            ip addr flush dev sw0
            ip link add v100 link sw0 type vlan id 100
            ip addr add 10.1.0.1/24 dev v100
            ip addr add fd00:1::1/64 dev v100 nodad
            ip link set v100 up"""])
    return lan


def into_the_container(host, a):
    """Puts the master into the container, and back up."""
    host.run(["ip", "link", "set", "ens5", "netns", a.name])
    a.run(["ip", "link", "set", "ens5", "up"])


# ADD


def test_add_makes_what_it_reports(runtime, host, a, lan, kind):
    """Link, addresses of both families and routes are in the container; its addresses will be announced."""
    result = runtime.add(network(kind, ipam=host_local("10.1.0.0/24", "fd00:1::/64", routes=["0.0.0.0/0", "::/0"])), a)
    link, master = a.link("eth0"), host.link("ens5")
    assert result["interfaces"] == [{"name": "eth0", "mac": link["address"], "sandbox": a.path}]
    assert result["ips"] == [
        {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0},
        {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 0}]
    assert (link["linkinfo"]["info_kind"], link["link_index"], link["mtu"]) == (kind, master["ifindex"], 1400) and "UP" in link["flags"]
    assert (link["address"] == master["address"]) is (kind != "macvlan")
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]
    assert ("default", "10.1.0.1", "eth0") in a.routes() and ("default", "fd00:1::1", "eth0") in a.routes(6)
    assert a.sysctl("ipv4/conf/eth0/arp_notify") == "1" and a.sysctl("ipv6/conf/eth0/ndisc_notify") == "1"


def test_traffic(runtime, a, router, kind):
    """The container and the network reach each other, by both families."""
    runtime.add(network(kind), a)
    serve(a, "tcp", 80)
    assert_reaches(a, router, "10.1.0.1", "fd00:1::1", source=("10.1.0.2", "fd00:1::2"))
    assert_reaches(router, a, "10.1.0.2", "fd00:1::2")


@pytest.mark.parametrize("mtu, gets", [(None, 1400), (0, 1400), (1300, 1300), (1400, 1400)])
def test_mtu(runtime, a, lan, kind, mtu, gets):
    """MTU 0 is the master's; a smaller one counts."""
    runtime.add(network(kind, mtu=mtu), a)
    assert a.link("eth0")["mtu"] == gets
    runtime.check(network(kind, mtu=mtu), a)


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_result_versions(runtime, a, lan, kind, version):
    """The result has the form of the configuration's version."""
    result = runtime.add(network(kind, version=version), a)
    assert result["cniVersion"] == version
    if version == "0.2.0":
        assert result["ip4"]["ip"] == "10.1.0.2/24" and result["ip6"]["ip"] == "fd00:1::2/64"
    else:
        assert result["ips"][0]["address"] == "10.1.0.2/24" and result["ips"][0]["interface"] == 0


@pytest.mark.parametrize("keys, expected", [
    ({}, {"nameservers": ["192.0.2.53"], "search": ["ipam.example"]}), ({"dns": {"domain": "example"}}, {"domain": "example"}),
], ids=["IPAM", "configuration"])
def test_dns(runtime, host, a, lan, kind, keys, expected):
    """DNS settings of the configuration replace those of IPAM; where there are none, IPAM's count."""
    host.write("/run/test/resolv.conf", "nameserver 192.0.2.53\nsearch ipam.example\n")
    assert runtime.add(network(kind, ipam=host_local("10.1.0.0/24", resolvConf="/run/test/resolv.conf"), **keys), a)["dns"] == expected


def test_master_in_the_container(runtime, host, a, b, router, kind):
    """With linkInContainer the master is the container's, also on CHECK; DEL leaves it."""
    into_the_container(host, a)
    wanted = network(kind, linkInContainer=True)
    runtime.add(wanted, a)
    assert_reaches(a, router, "10.1.0.1", "fd00:1::1")
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert a.link("eth0") is None and a.link("ens5") is not None and host.reservations() == []
    assert_failure_leaves_nothing(runtime, host, b, wanted, "there is no interface ens5 in /run/netns/b")
    assert_failure_leaves_nothing(runtime, host, a, network(kind), "there is no interface ens5 in the host")


# Failures


@pytest.mark.parametrize("keys, named", [
    ({"master": "ens9"}, "there is no interface ens9 in the host"), ({"mtu": 1}, "mtu 1:"),
    ({"ipam": host_local("10.1.0.0/24", routes=[{"dst": "10.99.0.0/16", "gw": "192.0.2.9"}])}, "add route 10.99.0.0/16 via 192.0.2.9"),
], ids=["master", "MTU", "route"])
def test_failure_leaves_nothing(runtime, host, a, lan, kind, keys, named):
    """What can't be is named: no link, no reservation is left; DEL succeeds."""
    assert_failure_leaves_nothing(runtime, host, a, network(kind, **keys), named)
    runtime.delete(network(kind, **keys), a)


@pytest.mark.parametrize("ipam, named", [(host_local("10.1.0.0/33"), "10.1.0.0/33"), ({"type": "broken"}, "broken")], ids=["range", "any"])
def test_a_failing_ipam_leaves_nothing(runtime, host, a, lan, kind, ipam, named):
    """When there are no addresses, there is no link."""
    host.write("/run/test/bin/broken", "#!/bin/sh\necho '{\"code\": 11, \"msg\": \"broken\"}'; exit 1", 0o755)
    runtime.path += ":/run/test/bin"
    with pytest.raises(CNIFailure, match=named):
        runtime.add(network(kind, ipam=ipam), a)
    assert a.link("eth0") is None and host.reservations() == []


@pytest.mark.parametrize("kind", ["ipvlan", "macvlan", "vlan"])
def test_a_kernel_without_the_module(wrappers, host, a, lan, kind):
    """ADD and STATUS name what is missing, and nothing is left; where it is there, both succeed."""
    wanted = network(kind, version="1.1.0")
    probe = ["ip", "link", "add", "probe0", "link", "ens5", "type", kind, *(["id", "5"] if kind == "vlan" else [])]
    if host.run(probe, check=False).returncode == 0:
        host.run(["ip", "link", "del", "probe0"])
        wrappers.status(wanted)
        wrappers.add(wanted, a)
        return
    failure = assert_failure_leaves_nothing(wrappers, host, a, wanted, f"create {kind} eth0 on ens5: Operation not supported")
    assert f"the module {MODULES[kind]} is not in this kernel" in failure.text
    with pytest.raises(CNIFailure, match="the kernel can't make .* links") as failure:
        wrappers.status(wanted)
    assert failure.value.code == 50 and f"the module {MODULES[kind]} is not in this kernel" in failure.value.text


# DEL


def test_del_leaves_what_was_there_before(runtime, host, a, lan, kind):
    """After DEL nothing is left, and DEL may be repeated."""
    assert_del_leaves_nothing(runtime, host, a, network(kind))


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
@pytest.mark.parametrize("inside", [False, True], ids=["host", "linkInContainer"])
def test_del_after_the_namespace_is_gone(runtime, host, a, lan, kind, netns, inside):
    """With the namespace gone, DEL still releases the addresses."""
    if inside:
        into_the_container(host, a)
    wanted = network(kind, linkInContainer=inside)
    runtime.add(wanted, a)
    a.delete()
    runtime.delete(wanted, a, netns=netns)
    assert host.reservations() == []


@pytest.mark.parametrize("gone", ["ip -n a link del eth0", "ip link del ens5"], ids=["link", "master"])
def test_del_after_the_link_is_gone(runtime, host, a, lan, kind, gone):
    """With the link or its master gone, DEL still releases the addresses."""
    runtime.add(network(kind), a)
    host.run(gone.split())
    runtime.delete(network(kind), a)
    assert host.reservations() == [] and a.link("eth0") is None


# CHECK


@pytest.mark.parametrize("damage, named", [
    ("ip addr del 10.1.0.2/24 dev eth0", "10.1.0.2"), ("ip -6 addr del fd00:1::2/64 dev eth0", "fd00:1::2"),
    ("ip route del 10.99.0.0/16", "10.99.0.0"), ("ip link set eth0 down", "eth0: expected up, found down"),
    ("ip link set eth0 mtu 1280", "MTU: expected 1300, found 1280"), ("ip link del eth0", "eth0"),
    ("ip link del eth0; ip link add v0 type veth peer name eth0", "eth0: expected a"),
], ids=["IPv4 address", "IPv6 address", "route", "down", "MTU", "link", "kind"])
def test_check_finds_damage(runtime, a, lan, kind, damage, named):
    """CHECK of what ADD made succeeds; it fails when something is not so, and names it."""
    wanted = network(kind, mtu=1300, ipam=host_local("10.1.0.0/24", "fd00:1::/64", routes=["10.99.0.0/16"]))
    assert_check_finds(runtime, a, wanted, damage, named)


@pytest.mark.parametrize("damage, named", [
    ("ip link set ens5 down", "master ens5: expected up, found down"),
    ("ip link set ens5 down; ip link set ens5 name ens6; ip link set ens6 up", "eth0: expected on master ens5, found on ens6"),
    ("ip link set ens5 down; ip link set ens5 name ens6; ip link set ens6 up; ip link add ens5 type veth peer name v1; ip link set ens5 up",
     "eth0: expected on master ens5, found on ens6"),
], ids=["down", "renamed", "another one of its name"])
def test_check_finds_changes_of_the_master(runtime, host, a, lan, kind, damage, named):
    """CHECK fails when the master is not what it was."""
    runtime.add(network(kind), a)
    runtime.check(network(kind), a)
    host.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure) as failure:
        runtime.check(network(kind), a)
    assert named in failure.value.text


# STATUS, GC


def test_status(runtime, host, a, lan, kind):
    """STATUS succeeds where ADD would, changes nothing, and says why not elsewhere. What is in a container shows only with ADD."""
    before = host.snapshot()
    runtime.status(network(kind, version="1.1.0"))
    runtime.status(network(kind, version="1.1.0", master="ens9", linkInContainer=True))
    assert host.snapshot() == before
    with pytest.raises(CNIFailure, match="there is no interface ens9") as failure:
        runtime.status(network(kind, version="1.1.0", master="ens9"))
    assert failure.value.code == 50


def test_status_without_addresses(runtime, a, lan, kind):
    """STATUS says what IPAM says."""
    small = network(kind, version="1.1.0", ipam=host_local("10.1.0.0/30"))
    runtime.add(small, a)
    with pytest.raises(CNIFailure, match="no IP addresses available") as failure:
        runtime.status(small)
    assert failure.value.code == 50


def test_gc(runtime, host, a, lan, kind):
    """GC releases the addresses of attachments that are not in use."""
    wanted = network(kind, version="1.1.0")
    runtime.add(wanted, a)
    runtime.gc(wanted, [(a.id, "eth0")])
    assert host.reservations() == ["10.1.0.2", "fd00:1::2"]
    runtime.gc(wanted, [])
    assert host.reservations() == []


# Neighbours


def test_an_address_that_is_used_again(runtime, host, a, router, kind):
    """An address that moves from a machine of the network to a container is reached at once: nobody sends to its earlier owner."""
    old = host.add_netns("old")
    router.run(["ip", "link", "add", "port6", "master", "sw0", "up", "type", "veth", "peer", "name", "old0"])
    host.run(["ip", "-n", "lan", "link", "set", "old0", "netns", "old"])
    old.run(["ip", "link", "set", "old0", "up"])
    device = "old0"
    if kind == "vlan":
        device = "v100"
        old.run(["ip", "link", "add", device, "link", "old0", "up", "type", "vlan", "id", "100"])
    old.run(["sh", "-ec", f"ip addr add 10.1.0.2/24 dev {device}; ip addr add fd00:1::2/64 dev {device} nodad"])
    old.await_up(device)
    serve(old, "tcp", 80)
    assert_reaches(router, old, "10.1.0.2", "fd00:1::2")
    old.run(["ip", "addr", "flush", "dev", device])
    runtime.add(network(kind), a)
    serve(a, "tcp", 80)
    router.await_neighbours(a.link("eth0")["address"], "10.1.0.2", "fd00:1::2")
    assert_reaches(router, a, "10.1.0.2", "fd00:1::2")
