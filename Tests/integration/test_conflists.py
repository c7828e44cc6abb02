"""Every file of conflists/ does what it is for: attached, reachable, checked, detached."""

import json

import pytest

import harness
from harness import Runtime, ask, serve

FILES = sorted((harness.REPO / "conflists").glob("*.conflist"))
PORT = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]


def test_there_is_one_of_each_kind():
    """The field's hello-world, with ports, dual stack, and the single-binary form of each."""
    names = {path.stem for path in FILES}
    assert names >= {"bridge", "bridge-portmap", "dual-stack", "catena-bridge", "catena-bridge-portmap", "catena-dual-stack"}


def test_names_bridges_and_subnets_are_apart():
    """They can be used side by side."""
    networks = [json.loads(path.read_text()) for path in FILES]
    bridges = [(network["plugins"][0].get("chain") or network["plugins"])[0] for network in networks]
    subnets = [range["subnet"] for bridge in bridges for set in bridge["ipam"]["ranges"] for range in set]
    for values in ([n["name"] for n in networks], [b["bridge"] for b in bridges], subnets):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
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


def test_they_are_valid(host, stage):
    """catenactl finds nothing wrong with them."""
    done = host.run([stage / "bin" / "catenactl", "validate", *FILES], env={"CNI_PATH": harness.PLUGINS})
    assert done.stdout.splitlines() == [f"{path}: ok" for path in FILES]
