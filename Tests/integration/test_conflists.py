"""Every file of conflists/ does what it is for: attached, reachable, checked, detached."""

import json

import pytest

import harness
from harness import Runtime, ask, serve

FILES = sorted((harness.REPO / "conflists").glob("*.conflist"))


def first(file):
    """The first plugin of a file's chain."""
    plugin = json.loads(file.read_text())["plugins"][0]
    return (plugin.get("chain") or [plugin])[0]


BRIDGES = [file for file in FILES if first(file)["type"] == "bridge"]
PORT = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]


def test_there_is_one_of_each_kind():
    """The field's hello-world, with ports, dual stack, and the single-binary form of each."""
    names = {path.stem for path in FILES}
    assert names >= {"bridge", "bridge-portmap", "dual-stack", "catena-bridge", "catena-bridge-portmap", "catena-dual-stack"}
    assert names >= {"dummy", "firewall", "host-device", "tap"}


def test_names_bridges_and_subnets_are_apart():
    """They can be used side by side."""
    networks = [json.loads(path.read_text()) for path in FILES]
    subnets = [range["subnet"] for file in FILES for set in first(file)["ipam"]["ranges"] for range in set]
    for values in ([n["name"] for n in networks], [first(file)["bridge"] for file in BRIDGES], subnets):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("file", BRIDGES, ids=lambda path: path.stem)
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


def test_host_device(host, stage, a):
    """The device goes to the container, which reaches the gateway and what is behind it; and comes back."""
    router = host.add_netns("router")
    host.run(["ip", "link", "add", "ens5", "type", "veth", "peer", "name", "lan0", "netns", "router"])
    # A link-local address that is still being checked for duplicates keeps the router from resolving its neighbours.
    router.run(["sysctl", "-qw", "net.ipv6.conf.lan0.accept_dad=0"])
    for address in ("10.95.0.1/16", "fd00:95::1/64", "198.51.100.1/32"):
        router.run(["ip", "addr", "add", address, "dev", "lan0", *(["nodad"] if ":" in address else [])])
    router.run(["ip", "link", "set", "lan0", "up"])
    network, runtime = load("host-device"), Runtime(host, "plain")
    runtime.add(network, a)
    router.await_up("lan0")
    for address in ("10.95.0.1", "fd00:95::1", "198.51.100.1"):
        a.ping(address)
    runtime.check(network, a)
    runtime.delete(network, a)
    assert a.link("eth0") is None and host.link("ens5") is not None


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
    done = host.run([stage / "bin" / "catenactl", "validate", *FILES], env={"CNI_PATH": harness.PLUGINS})
    assert done.stdout.splitlines() == [f"{path}: ok" for path in FILES]
