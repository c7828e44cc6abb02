"""Every file of conflists/ does what it is for: attached, reachable, checked, detached."""

import json

import pytest

import harness
from harness import Runtime, ask, bits_per_second, dhcp, serve

pytestmark = pytest.mark.both_kernels

FILES = sorted((harness.REPO / "conflists").glob("*.conflist"))


def first(file):
    """The first plugin of a file's chain."""
    plugin = json.loads(file.read_text())["plugins"][0]
    return (plugin.get("chain") or [plugin])[0]


BRIDGES = [file for file in FILES if first(file)["type"] == "bridge" and first(file)["ipam"]["type"] == "host-local"]
# What is attached for traffic to it and from it; others are tried below.
REACHABLE = [file for file in BRIDGES if not any(f'"{type}"' in file.read_text() for type in ("vrf", "sbr"))]
LIMITS = {"ingressRate": 20_000_000, "ingressBurst": 2_000_000, "egressRate": 8_000_000, "egressBurst": 1_000_000}
PORT = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]


def test_there_is_one_of_each_kind():
    """The field's hello-world, with ports, dual stack, and the single-binary form of each."""
    names = {path.stem for path in FILES}
    assert names >= {"bridge", "bridge-portmap", "dual-stack", "catena-bridge", "catena-bridge-portmap", "catena-dual-stack"}
    assert names >= {"bridge-macspoofchk", "bridge-vlan", "dhcp", "dummy", "firewall", "host-device", "ipvlan", "macvlan", "ptp", "static", "tap", "vlan"}
    assert names >= {"bridge-limits", "catena-bridge-limits", "bridge-vrf", "bridge-sbr", "macvlan-sbr", "flannel", "catena-flannel"}
    assert names >= {"full", "catena-full", "ptp-portmap", "ipvlan-tuning"}


def test_names_bridges_and_subnets_are_apart():
    """They can be used side by side."""
    networks = [json.loads(path.read_text()) for path in FILES]
    subnets = [range["subnet"] for file in FILES for set in first(file).get("ipam", {}).get("ranges", []) for range in set]
    for values in ([n["name"] for n in networks], [first(file)["bridge"] for file in BRIDGES], subnets):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("file", [
    pytest.param(file, id=file.stem, marks=pytest.mark.vm if "vlan" in first(file) else ()) for file in REACHABLE])
def test_conflist(host, stage, outside, a, b, file):
    """ADD, the way to another container, to the gateway and out, the published port, CHECK, DEL."""
    network = json.loads(file.read_text())
    runtime = Runtime(host, "plain")
    publishes = "portmap" in file.read_text()
    result = runtime.add(network, a, capabilities={"portMappings": PORT} if publishes else None)
    runtime.add(network, b)
    other = runtime.cached(network, b)
    for mine, theirs in zip(result["ips"], other["ips"]):
        a.ping(mine["gateway"])
        a.ping(theirs["address"].split("/")[0])
    a.ping("192.0.2.2")
    if publishes:
        serve(a, "tcp", 80)
        assert ask(outside, "tcp", "192.0.2.1", 8080).name == "a"
        if len(result["ips"]) > 1:
            assert ask(outside, "tcp", "2001:db8::1", 8080).name == "a"
    runtime.check(network, a)
    runtime.delete(network, a)
    runtime.delete(network, b)
    assert a.link("eth0") is None and "elements" not in host.out(["nft", "list", "ruleset"])


def load(name):
    """The network of a file."""
    return json.loads((harness.REPO / "conflists" / f"{name}.conflist").read_text())


@pytest.mark.parametrize("name", ["bridge-limits", "catena-bridge-limits"])
def test_limits(host, stage, a, name):
    """Bandwidth, kernel parameters and the address that the runtime wants; nothing of it is left."""
    network, runtime = load(name), Runtime(host, "plain")
    result = runtime.add(network, a, capabilities={"portMappings": PORT, "bandwidth": LIMITS, "mac": "02:00:00:00:00:01"})
    assert a.link("eth0")["address"] == "02:00:00:00:00:01" and a.sysctl("ipv4/ip_unprivileged_port_start") == "0"
    for index, ip in enumerate(result["ips"]):
        address = ip["address"].split("/")[0]
        # How exactly, test_bandwidth.py tells.
        assert 10_000_000 < bits_per_second(host, a, address, skip=500_000, seconds=1, port=5001 + 2 * index) < 22_000_000
        assert 4_000_000 < bits_per_second(a, host, ip["gateway"], skip=250_000, seconds=2, port=5002 + 2 * index) < 8_800_000
    runtime.check(network, a)
    runtime.delete(network, a)
    assert [link for link in host.ip("link") if link["ifname"].startswith(("bwp", "veth"))] == [] and host.files("/run/cni/tuning") == {}


@pytest.mark.vm
def test_vrf(host, stage, a, outside):
    """The way out leads by the VRF, in both families."""
    network, runtime = load("bridge-vrf"), Runtime(host, "plain")
    runtime.add(network, a)
    for address in ("192.0.2.2", "2001:db8::2"):
        a.run(["ping", "-n", "-c", "1", "-W", "2", "-I", "blue", address])
    runtime.check(network, a)
    runtime.delete(network, a)
    assert a.link("eth0") is None and a.link("blue") is None


def leaves_by(container, source, target):
    """The interface by which packets from a source leave."""
    return container.ip("route", "get", target, "from", source)[0]["dev"]


def test_bridge_sbr(host, stage, a, outside):
    """A container with two networks answers in the one that it was asked in."""
    runtime = Runtime(host, "plain")
    one, two = load("dual-stack"), load("bridge-sbr")
    mine, theirs = runtime.add(one, a), runtime.add(two, a, ifname="net1")
    for line in ("-4 route add 10.113.0.0/16 via 192.0.2.1", "-6 route add fd00:113::/64 via 2001:db8::1"):
        outside.run(["ip", *line.split()])
    for first, second, target in zip(mine["ips"], theirs["ips"], ("192.0.2.2", "2001:db8::2")):
        assert leaves_by(a, first["address"].split("/")[0], target) == "eth0"
        assert leaves_by(a, second["address"].split("/")[0], target) == "net1"
        outside.ping(second["address"].split("/")[0])
    for network, name in ((two, "net1"), (one, "eth0")):
        runtime.check(network, a, ifname=name)
        runtime.delete(network, a, ifname=name)
    assert [rule for rule in a.ip("rule") if rule["src"] != "all"] == []


def test_macvlan_sbr(host, stage, a):
    """A second network, the host's own, with a router there; the default route stays the first one's."""
    router = host.add_netns("router")
    host.run(["sh", "-ec", "ip link add ens6 type veth peer name lan0 netns router; ip link set ens6 up"])
    router.run(["sh", "-ec", "echo 0 >/proc/sys/net/ipv6/conf/lan0/accept_dad; ip addr add 10.114.0.1/16 dev lan0; "
                "ip addr add fd00:114::1/64 dev lan0 nodad; ip addr add 198.51.100.1/32 dev lan0; ip link set lan0 up"])
    runtime = Runtime(host, "plain")
    one, two = load("dual-stack"), load("macvlan-sbr")
    mine, theirs = runtime.add(one, a), runtime.add(two, a, ifname="net1")
    router.await_up("lan0")
    address = theirs["ips"][0]["address"].split("/")[0]
    assert leaves_by(a, mine["ips"][0]["address"].split("/")[0], "198.51.100.1") == "eth0"
    a.run(["ping", "-n", "-c", "1", "-W", "2", "-I", address, "198.51.100.1"])
    runtime.check(two, a, ifname="net1")
    runtime.delete(two, a, ifname="net1")
    runtime.check(one, a)


@pytest.mark.parametrize("name", ["flannel", "catena-flannel"])
def test_flannel(host, stage, outside, a, b, name):
    """With what flanneld writes: the node's addresses, the way to another pod and out, the published port."""
    host.write("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n")
    network, runtime = load(name), Runtime(host, "plain")
    runtime.add(network, a, capabilities={"portMappings": PORT})
    runtime.add(network, b)
    for address in ("10.244.7.1", "10.244.7.3", "192.0.2.2"):
        a.ping(address)
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", "192.0.2.1", 8080).name == "a"
    for container in (a, b):
        runtime.check(network, container)
        runtime.delete(network, container)
    assert a.link("eth0") is None and "elements" not in host.out(["nft", "list", "ruleset"])
    assert host.reservations(network["name"]) == [] and host.files("/var/lib/cni/flannel") == {}


def test_dhcp(host, stage, a):
    """The container is in the LAN, by an address of its server, which learns its name."""
    lan = dhcp.Lan(host)
    lan.dnsmasq()
    daemon = dhcp.Daemon(host)
    network, runtime = load("dhcp"), Runtime(host, "plain")
    runtime.add(network, a, args="IgnoreUnknown=1;K8S_POD_NAME=web")
    a.ping("10.9.0.1")
    assert host.path("/run/dnsmasq-server.leases").read_text().split()[3] == "web"
    runtime.check(network, a)
    runtime.delete(network, a)
    assert a.link("eth0") is None and daemon.leases() == {}


@pytest.mark.vm
def test_dummy(host, stage, a):
    """The addresses are the container's own."""
    network, runtime = load("dummy"), Runtime(host, "plain")
    runtime.add(network, a)
    a.run(["ip", "link", "set", "lo", "up"])
    a.ping("10.94.0.2")
    a.ping("fd00:94::2")
    runtime.check(network, a)
    runtime.delete(network, a)
    assert a.link("eth0") is None


def add_router(host, number, link="lan0"):
    """A machine behind the host's ens5: the gateway of the network of this number, with something else behind it."""
    router = host.add_netns("router")
    host.run(["ip", "link", "add", "ens5", "type", "veth", "peer", "name", "lan0", "netns", "router"])
    # A link-local address that is still being checked for duplicates keeps the router from resolving its neighbours.
    router.run(["sysctl", "-qw", "net.ipv6.conf.lan0.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"])
    if link != "lan0":
        router.run(["ip", "link", "add", link, "link", "lan0", "type", "vlan", "id", "100"])
    for address in (f"10.{number}.0.1/16", f"fd00:{number}::1/64", "198.51.100.1/32"):
        router.run(["ip", "addr", "add", address, "dev", link, *(["nodad"] if ":" in address else [])])
    for name in dict.fromkeys(["lan0", link]):  # lan0 first: a VLAN can only be up above a link that is up
        router.run(["ip", "link", "set", name, "up"])
    return router


def test_host_device(host, stage, a):
    """The device goes to the container, which reaches the gateway and what is behind it; and comes back."""
    router = add_router(host, 95)
    network, runtime = load("host-device"), Runtime(host, "plain")
    runtime.add(network, a)
    router.await_up("lan0")
    for address in ("10.95.0.1", "fd00:95::1", "198.51.100.1"):
        a.ping(address)
    runtime.check(network, a)
    runtime.delete(network, a)
    assert a.link("eth0") is None and host.link("ens5") is not None


@pytest.mark.parametrize("name, number", [
    ("macvlan", 105), pytest.param("ipvlan", 106, marks=pytest.mark.vm), pytest.param("vlan", 107, marks=pytest.mark.vm),
    pytest.param("ipvlan-tuning", 118, marks=pytest.mark.vm)])
def test_on_a_master(host, stage, a, b, name, number):
    """The containers reach the gateway, and what is behind it where there are routes; of macvlan and ipvlan there can be several."""
    router = add_router(host, number, link="v100" if name == "vlan" else "lan0")
    host.run(["ip", "link", "set", "ens5", "up"])
    router.await_up("lan0")
    network, runtime = load(name), Runtime(host, "plain")
    containers = [a] if name == "vlan" else [a, b]
    for container in containers:
        runtime.add(network, container)
        for address in (f"10.{number}.0.1", f"fd00:{number}::1", *(["198.51.100.1"] if name != "vlan" else [])):
            container.ping(address)
    if len(containers) > 1:
        a.ping(f"10.{number}.1.1")
    if name == "ipvlan-tuning":
        assert a.link("eth0")["mtu"] == 1400 and a.sysctl("ipv4/conf/eth0/arp_filter") == "1"
    for container in containers:
        runtime.check(network, container)
        runtime.delete(network, container)
        assert container.link("eth0") is None


@pytest.mark.parametrize("name, number", [("ptp", 104), ("ptp-portmap", 117)])
def test_ptp(host, stage, outside, a, b, name, number):
    """The containers reach each other, the host and what is outside, by both families; a published port leads to its container."""
    network, runtime = load(name), Runtime(host, "plain")
    runtime.add(network, a, capabilities={"portMappings": PORT})
    runtime.add(network, b)
    for address in (f"10.{number}.0.1", f"10.{number}.0.3", "192.0.2.2", f"fd00:{number}::1", f"fd00:{number}::3", "2001:db8::2"):
        a.ping(address)
    if name == "ptp-portmap":
        serve(a, "tcp", 80)
        for address in ("192.0.2.1", "2001:db8::1"):
            assert ask(outside, "tcp", address, 8080).name == "a"
    for container in (a, b):
        runtime.check(network, container)
        runtime.delete(network, container)
        assert container.link("eth0") is None
    assert "elements" not in host.out(["nft", "list", "ruleset"])


def test_static(host, stage, a, b):
    """The container has the addresses that are written down, another those that the runtime asks for."""
    network, runtime = load("static"), Runtime(host, "plain")
    result = runtime.add(network, a)
    assert a.addresses("eth0") == ["10.97.0.5/24", "fd00:97::5/64"] and result["dns"] == {"nameservers": ["10.97.0.1"]}
    runtime.add(network, b, capabilities={"ips": ["10.97.0.6/24", "fd00:97::6/64"]})
    for address in ("10.97.0.1", "10.97.0.6", "fd00:97::1", "fd00:97::6"):
        a.ping(address)
    for container in (a, b):
        runtime.check(network, container)
        runtime.delete(network, container)
        assert container.link("eth0") is None


def test_tap(host, stage, a):
    """The device is there, with its queues and addresses."""
    network, runtime = load("tap"), Runtime(host, "plain")
    runtime.add(network, a)
    assert a.link("eth0")["linkinfo"]["info_data"]["multi_queue"]
    a.run(["ip", "link", "set", "lo", "up"])
    a.ping("10.96.0.2")
    a.ping("fd00:96::2")
    runtime.check(network, a)
    runtime.delete(network, a)
    assert a.link("eth0") is None


def test_they_are_valid(host, stage):
    """catenactl finds nothing wrong with them."""
    done = host.run([stage / "bin" / "catenactl", "validate", *FILES], env={"CNI_PATH": f"{harness.PLUGINS}:{harness.REFERENCE}"})
    assert done.stdout.splitlines() == [f"{path}: ok" for path in FILES]
