"""static: addresses as they are written down, in a bridge's chain, and by itself."""

import pytest

import harness
from harness import CNIFailure, assert_del_leaves_nothing, bridge, conflist, run_plugin

ADDRESSES = [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "fd00:1::5/64", "gateway": "fd00:1::1"}]


def network(addresses=ADDRESSES, version="1.0.0", **ipam):
    return conflist(bridge(isGateway=True, capabilities={"ips": True}, ipam={"type": "static", "addresses": addresses, **ipam}), version=version)


def plugin(host, command, ipam, *, reference=False, version="1.0.0", keys=None, **rest):
    """Runs static by itself, ours or the reference's."""
    program = (harness.REFERENCE if reference else harness.PLUGINS) / "static"
    config = {"cniVersion": version, "name": "net", "type": "x", "ipam": {"type": "static", **ipam}, **(keys or {})}
    return run_plugin(host, program, command, config, **rest)


def test_in_a_chain(runtime, host, a, b):
    """Addresses, gateways, routes and DNS are as written; traffic flows; DEL leaves nothing."""
    wanted = network(routes=[{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9", "priority": 7}, {"dst": "::/0"}], dns={
        "nameservers": ["10.1.0.53"], "domain": "example.com", "search": ["example.com"], "options": ["ndots:2"]})
    result = runtime.add(wanted, a)
    assert [(ip["address"], ip["gateway"]) for ip in result["ips"]] == [(entry["address"], entry["gateway"]) for entry in ADDRESSES]
    assert result["dns"]["nameservers"] == ["10.1.0.53"] and result["dns"]["options"] == ["ndots:2"]
    assert a.addresses("eth0") == ["10.1.0.5/24", "fd00:1::5/64"]
    assert ("default", "10.1.0.1", "eth0") in a.routes() and ("10.9.0.0/16", "10.1.0.9", "eth0") in a.routes()
    runtime.add(network([{"address": "10.1.0.6/24"}, {"address": "fd00:1::6/64"}]), b)
    for address in ("10.1.0.1", "10.1.0.6", "fd00:1::1", "fd00:1::6"):
        a.ping(address)
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    runtime.delete(wanted, b)
    assert_del_leaves_nothing(runtime, host, a, wanted)


@pytest.mark.parametrize("given", [{"capabilities": {"ips": ["10.1.0.77/24"]}}, {"args": "IgnoreUnknown=1;IP=10.1.0.77/24;GATEWAY=10.1.0.1"}])
def test_addresses_of_the_runtime(runtime, a, given):
    """By the capability they replace those of the configuration, by CNI_ARGS they are added; CHECK and DEL know of them."""
    wanted = network([{"address": "10.2.0.5/24"}])
    result = runtime.add(wanted, a, **given)
    added = ["10.2.0.5/24"] if "args" in given else []
    assert sorted(a.addresses("eth0")) == sorted(["10.1.0.77/24", *added]) and len(result["ips"]) == 1 + len(added)
    a.ping("10.1.0.1")
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert a.link("eth0") is None


def test_check_finds_what_is_not_so(host, stage):
    """An address that prevResult lacks, another prefix length, another gateway: all in one error."""
    given = plugin(host, "ADD", {"addresses": ADDRESSES}).result
    assert plugin(host, "CHECK", {"addresses": ADDRESSES}, keys={"prevResult": given}).ok
    lacking = {**given, "ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.254"}]}
    error = plugin(host, "CHECK", {"addresses": ADDRESSES}, keys={"prevResult": lacking}).error
    text = error["msg"] + error["details"]
    assert "10.1.0.5/24: expected gateway 10.1.0.1, found 10.1.0.254" in text and "fd00:1::5/64 is configured, but prevResult does not have it" in text
    assert "prevResult" in plugin(host, "CHECK", {"addresses": ADDRESSES}).error["msg"]
    without = {**given, "ips": given["ips"][:1]}
    assert plugin(host, "CHECK", {"addresses": ADDRESSES}, keys={"prevResult": without}, reference=True).ok, "the reference has become stricter"


def test_check_in_a_chain(runtime, a):
    """An address that was taken from the interface is found by the interface plugin; one that was never given, by static."""
    wanted = network()
    runtime.add(wanted, a)
    a.run(["ip", "addr", "del", "10.1.0.5/24", "dev", "eth0"])
    with pytest.raises(CNIFailure, match="10.1.0.5/24"):
        runtime.check(wanted, a)


def test_gateway_counts_for_all(host, stage):
    """Wherever the addresses come from; one of no network is left out with a warning."""
    for ipam, keys in [({"addresses": [{"address": "10.1.0.5/24"}]}, {}), ({}, {"args": {"cni": {"ips": ["10.1.0.5/24"]}}}),
                       ({}, {"runtimeConfig": {"ips": ["10.1.0.5/24"]}})]:
        added = plugin(host, "ADD", ipam, keys=keys, args="GATEWAY=10.1.0.9,10.9.0.9")
        assert added.result["ips"] == [{"address": "10.1.0.5/24", "gateway": "10.1.0.9"}]
        assert "10.9.0.9" in added.stderr and "10.1.0.9" not in added.stderr.replace("10.9.0.9", "")
    assert "gateway" not in plugin(host, "ADD", {"addresses": [{"address": "10.1.0.5/24"}]}, args="GATEWAY=10.1.0.9", reference=True).result["ips"][0]


@pytest.mark.parametrize("ipam, keys, args", [
    ({"addresses": ADDRESSES, "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.2"}], "dns": {"nameservers": ["192.0.2.53"], "search": ["x.example"]}}, {}, None),
    ({"addresses": ADDRESSES}, {}, "IP=10.2.0.5/24,10.3.0.5/24;GATEWAY=10.2.0.1"),
    ({"addresses": ADDRESSES}, {"args": {"cni": {"ips": ["10.4.0.5/24"]}}}, "IP=10.2.0.5/24"),
    ({"addresses": ADDRESSES}, {"args": {"cni": {"ips": ["10.4.0.5/24"]}}, "runtimeConfig": {"ips": ["10.5.0.5/24"]}}, None),
    ({"addresses": []}, {}, None), ({}, {}, "IgnoreUnknown=1;MAC=x"),
])
def test_the_same_as_the_reference(host, stage, ipam, keys, args):
    """The results are equal, but for empty DNS settings, which its older releases print."""
    ours, theirs = (plugin(host, "ADD", ipam, keys=keys, args=args, reference=reference).result for reference in (False, True))
    assert ours == {key: value for key, value in theirs.items() if value != {}}


@pytest.mark.parametrize("ipam, args, words, code", [
    ({"addresses": [{"address": "10.1.0.5"}]}, None, "ipam.addresses[0].address", 7), ({}, "IP=10.1.0.5", "10.1.0.5", 4), ({}, "MAC=x", "MAC", 4),
    ({"addresses": [{"address": "10.1.0.5/24", "gateway": "x"}]}, None, "ipam.addresses[0].gateway", 7),
])
def test_what_cannot_be(host, stage, ipam, args, words, code):
    """ADD and CHECK say what is wrong; DEL works all the same; STATUS finds what is wrong with the configuration."""
    error = plugin(host, "ADD", ipam, args=args).error
    assert words in error["msg"] and error["code"] == code
    assert plugin(host, "DEL", ipam, args=args).ok and plugin(host, "DEL", {"addresses": 7}).ok
    assert plugin(host, "STATUS", ipam, version="1.1.0").ok == (args is not None)


def test_one_of_a_family_in_old_versions(host, stage):
    """Before 0.3.0 a result has one address of a family."""
    two = {"addresses": [{"address": "10.1.0.5/24"}, {"address": "10.2.0.5/24"}]}
    assert "more than 1 address per family" in plugin(host, "ADD", two, version="0.2.0").error["msg"]
    assert len(plugin(host, "ADD", two, version="0.3.0").result["ips"]) == 2
    assert plugin(host, "ADD", {"addresses": ADDRESSES}, version="0.2.0").result["ip6"] == {"ip": "fd00:1::5/64", "gateway": "fd00:1::1"}


def test_no_address_is_an_error_of_the_interface_plugin(runtime, host, a):
    """The empty result is valid; bridge can do nothing with it, and leaves nothing."""
    with pytest.raises(CNIFailure):
        runtime.add(network([]), a)
    assert a.link("eth0") is None
    runtime.delete(network([]), a)
