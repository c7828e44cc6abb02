"""flannel: a delegate configured by what flanneld says, through all verbs."""

import json

import pytest

import harness
from harness import CNIFailure, Runtime, conflist, host_local, portmap, run_plugin

ENV = """FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.7.1/24
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
"""
DUAL = ENV + "FLANNEL_IPV6_NETWORK=fd00:244::/48\nFLANNEL_IPV6_SUBNET=fd00:244:0:7::1/64\n"
FILE = "/var/lib/cni/flannel/id-a"


@pytest.fixture
def env(host):
    """The file that flanneld writes."""
    host.write("/run/flannel/subnet.env", ENV)
    return ENV


def network(*plugins, version="1.0.0", name="net", **keys):
    """flannel's usual network."""
    return conflist({"type": "flannel", **keys}, *plugins, version=version, name=name)


def kept(host, path=FILE):
    """The delegate's configuration as it is kept."""
    return json.loads(host.path(path).read_text())


# ADD


def test_the_delegate_is_a_bridge(runtime, host, a, b, env):
    """By default: a bridge with the gateway's address, the MTU, an address of the node's subnet, a route to the whole network."""
    result = runtime.add(network(), a)
    runtime.add(network(), b)
    assert [interface["name"] for interface in result["interfaces"]][::2] == ["cni0", "eth0"]
    assert result["ips"] == [{"address": "10.244.7.2/24", "gateway": "10.244.7.1", "interface": 2}]
    assert result["routes"] == [{"dst": "10.244.0.0/16"}]
    assert a.link("eth0")["mtu"] == 1450 and host.addresses("cni0") == ["10.244.7.1/24"]
    assert ("10.244.0.0/16", "10.244.7.1", "eth0") in a.routes()
    a.ping("10.244.7.3")
    a.ping("10.244.7.1")
    runtime.check(network(), a)


def test_the_configuration_is_kept(runtime, host, a, env):
    """It is what the reference's flannel writes, under its name, for no one else to read."""
    runtime.add(network(), a)
    assert kept(host) == {
        "name": "net", "cniVersion": "1.0.0", "type": "bridge", "ipMasq": False, "mtu": 1450, "isGateway": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.7.0/24"}]], "routes": [{"dst": "10.244.0.0/16"}]}}
    assert host.path(FILE).stat().st_mode & 0o777 == 0o600 and host.path("/var/lib/cni/flannel").stat().st_mode & 0o777 == 0o700
    runtime.delete(network(), a)
    assert host.files("/var/lib/cni/flannel") == {}


def test_keys_of_the_delegate(runtime, host, a, env):
    """Keys under delegate and ipam go along, and win over what flannel would set; routes are joined."""
    wanted = network(
        delegate={"bridge": "flan0", "mtu": 1400, "isDefaultGateway": True, "ipMasq": True, "hairpinMode": True},
        ipam={"dataDir": "/var/lib/cni/elsewhere", "routes": [{"dst": "10.99.0.0/16", "gw": "10.244.7.9"}]})
    result = runtime.add(wanted, a)
    assert a.link("eth0")["mtu"] == 1400 and host.link("flan0") is not None
    assert sorted(route["dst"] for route in result["routes"]) == ["0.0.0.0/0", "10.244.0.0/16", "10.99.0.0/16"]
    assert "masquerade" in host.out(["nft", "list", "table", "inet", "catena"])
    assert kept(host)["isGateway"] is True and kept(host)["ipam"]["dataDir"] == "/var/lib/cni/elsewhere"
    runtime.delete(wanted, a)
    assert "elements" not in host.out(["nft", "list", "ruleset"])


@pytest.mark.parametrize("masquerades", ["true", "false", "1"])
def test_who_masquerades(wrappers, host, a, masquerades):
    """flanneld or the delegate, never both."""
    host.write("/run/flannel/subnet.env", ENV.replace("=true", f"={masquerades}"))
    wrappers.add(network(), a)
    assert kept(host)["ipMasq"] is (masquerades != "true")


@pytest.mark.parametrize("text, addresses, routes", [
    (DUAL, ["10.244.7.2/24", "fd00:244:0:7::2/64"], ["10.244.0.0/16", "fd00:244::/48"]),
    ("FLANNEL_IPV6_NETWORK=fd00:244::/48\nFLANNEL_IPV6_SUBNET=fd00:244:0:7::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n",
     ["fd00:244:0:7::2/64"], ["fd00:244::/48"]),
    (ENV.replace("/16", "/16,10.245.0.0/16,10.244.0.0/16"), ["10.244.7.2/24"], ["10.244.0.0/16", "10.245.0.0/16"]),
    ("# flanneld\n\n" + ENV.replace("1450", '"1450"').replace("\n", "\r\n") + "OTHER=1\nFLANNEL_IPV6\n", ["10.244.7.2/24"], ["10.244.0.0/16"]),
], ids=["dual stack", "IPv6", "several networks", "other lines"])
def test_what_flanneld_may_say(runtime, host, a, text, addresses, routes):
    """Both families, one of them, several networks each once, and lines that are of no concern."""
    host.write("/run/flannel/subnet.env", text)
    result = runtime.add(network(), a)
    assert a.addresses("eth0") == addresses and [route["dst"] for route in result["routes"]] == routes
    runtime.check(network(), a)


def test_places(runtime, host, a):
    """subnetFile and dataDir."""
    host.write("/run/elsewhere/env", ENV)
    wanted = network(subnetFile="/run/elsewhere/env", dataDir="/run/elsewhere/data")
    runtime.add(wanted, a)
    assert sorted(host.files("/run/elsewhere/data")) == ["/run/elsewhere/data/id-a"]
    runtime.delete(wanted, a)
    assert host.files("/run/elsewhere/data") == {}


def test_another_delegate(runtime, host, a, env):
    """Any plugin can be the delegate, with flannel's addresses; a bridge's keys are not forced on it."""
    wanted = network(delegate={"type": "tap"})
    runtime.add(wanted, a)
    assert a.link("eth0")["linkinfo"]["info_kind"] == "tun" and a.link("eth0")["mtu"] == 1450 and a.addresses("eth0") == ["10.244.7.2/24"]
    assert "isGateway" not in kept(host)
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert a.link("eth0") is None and host.reservations() == []


def test_an_executable_as_delegate(lab, host, a, env):
    """A delegate without a module is run as an executable, with the same configuration, for each verb."""
    runtime = lab.runtime()
    wanted = network({"type": "portmap"}, delegate={"type": "script", "key": 1}, version="1.1.0")
    lab.executable("script")
    runtime.add(wanted, a)
    assert lab.given("script", "ADD") == kept(host) and kept(host)["key"] == 1
    runtime.check(wanted, a)
    runtime.status(wanted)
    runtime.gc(wanted, [(a.id, "eth0")])
    runtime.delete(wanted, a)
    assert [verb for _, verb in lab.log()] == ["ADD", "CHECK", "STATUS", "GC", "DEL"]
    assert lab.given("script", "DEL")["ipam"]["ranges"] == [[{"subnet": "10.244.7.0/24"}]] and "prevResult" in lab.given("script", "DEL")


def test_runtime_config(wrappers, host, a, env):
    """What the runtime hands over reaches the delegate."""
    wanted = network(capabilities={"mac": True})
    wrappers.add(wanted, a, capabilities={"mac": "02:00:00:00:00:01"})
    assert a.link("eth0")["address"] == "02:00:00:00:00:01" and kept(host)["runtimeConfig"] == {"mac": "02:00:00:00:00:01"}


def test_the_usual_chain(runtime, host, outside, a, env):
    """kube-flannel's: with portmap behind it."""
    wanted = network(portmap(), delegate={"hairpinMode": True, "isDefaultGateway": True})
    runtime.add(wanted, a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    harness.serve(a, "tcp", 80)
    assert harness.ask(outside, "tcp", "192.0.2.1", 8080).name == "a"
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert "elements" not in host.out(["nft", "list", "ruleset"]) and host.reservations() == []


# What flanneld has not said


def test_flanneld_is_not_there_yet(runtime, host, a):
    """ADD says to try again, STATUS that it is not available, both where to look; DEL succeeds."""
    wanted = network(version="1.1.0")
    with pytest.raises(CNIFailure, match="read /run/flannel/subnet.env: No such file") as failure:
        runtime.add(wanted, a)
    assert failure.value.code == 11 and "is it running here" in failure.value.text
    with pytest.raises(CNIFailure, match="read /run/flannel/subnet.env") as failure:
        runtime.status(wanted)
    assert failure.value.code == 50 and "is it running here" in failure.value.text
    runtime.delete(wanted, a)
    assert host.files("/var/lib/cni/flannel") == {}
    host.write("/run/flannel/subnet.env", ENV)
    runtime.status(wanted)
    runtime.add(wanted, a)


@pytest.mark.parametrize("text, code, named", [
    ("", 11, "FLANNEL_NETWORK or FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ are missing"),
    (ENV.replace("FLANNEL_MTU=1450\n", ""), 11, "FLANNEL_MTU is missing"), ("FLANNEL_MTU\n" + ENV.replace("1450", ""), 11, "FLANNEL_MTU is missing"),
    (ENV.replace("FLANNEL_SUBNET", "SUBNET"), 11, "FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET is missing"),
    (ENV.replace("1450", "big"), 6, 'FLANNEL_MTU: expected a number, found "big"'), (ENV.replace("7.1/24", "7.1"), 6, "FLANNEL_SUBNET: expected IPv4 networks"),
    (ENV.replace("10.244.0.0/16", "fd00::/16"), 6, "FLANNEL_NETWORK: expected IPv4 networks"),
], ids=["empty", "no MTU", "MTU without a value", "no subnet", "MTU", "subnet", "family"])
def test_flanneld_says_half(wrappers, host, a, text, code, named):
    """What is missing, or wrong, is named (the reference panics where a line has no value)."""
    host.write("/run/flannel/subnet.env", text)
    with pytest.raises(CNIFailure) as failure:
        wrappers.add(network(), a)
    assert failure.value.code == code and named in failure.value.text
    wrappers.delete(network(), a)


@pytest.mark.parametrize("keys, named", [
    ({"delegate": {"name": "x"}}, "delegate.name: must not be there"), ({"delegate": {"ipam": {}}}, "delegate.ipam: must not be there"),
    ({"delegate": {"type": 5}}, "delegate.type: expected a string"), ({"delegate": {"type": "flannel"}}, "can't be its own delegate"),
    ({"delegate": {"type": "nope"}}, 'plugin "nope" not found'), ({"delegate": {"type": "../x"}}, "can't be a plugin's name"),
    ({"ipam": []}, "ipam: expected an object"), ({"ipam": {"routes": [{"dst": "x"}]}}, "ipam.routes[0].dst"), ({"subnetFile": 1}, "subnetFile"),
    ({"ipam": {"type": "nope"}}, 'plugin "nope" not found'), ({"delegate": {"hairpinMode": 1}}, "hairpinMode"),
], ids=str)
def test_failure_leaves_nothing(runtime, host, a, env, keys, named):
    """What can't be is refused by name, by flannel or by its delegate, and nothing is left."""
    with pytest.raises(CNIFailure) as failure:
        runtime.add(network(**keys), a)
    assert named in failure.value.text
    assert a.link("eth0") is None and host.files("/var/lib/cni/flannel") == {} and host.reservations() == []


# DEL


def test_del_goes_by_what_was_kept(runtime, host, a, env):
    """flanneld may say something else by now, or nothing: what ADD made is undone."""
    wanted = network(delegate={"ipMasq": True})
    runtime.add(wanted, a)
    host.write("/run/flannel/subnet.env", ENV.replace("10.244", "10.245"))
    runtime.check(wanted, a)
    host.path("/run/flannel/subnet.env").unlink()
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert a.link("eth0") is None and host.reservations() == [] and "elements" not in host.out(["nft", "list", "ruleset"])
    runtime.delete(wanted, a)
    runtime.delete(wanted, a, forget=True)


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"type": "../x", "name": "net"}'], ids=["gone", "empty", "torn", "odd", "hostile"])
def test_del_without_what_was_kept(runtime, host, a, env, content):
    """What flanneld says has to do: address and link are not left behind, as they are with the reference."""
    runtime.add(network(), a)
    if content is None:
        host.path(FILE).unlink()
    else:
        host.write(FILE, content)
    runtime.delete(network(), a)
    assert a.link("eth0") is None and host.reservations() == []


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, env, netns):
    runtime.add(network(), a)
    a.delete()
    runtime.delete(network(), a, netns=netns)
    assert host.reservations() == [] and host.files("/var/lib/cni/flannel") == {}


def test_two_attachments_of_a_container(runtime, host, a, env):
    """In one network, and in two: each has its own configuration kept (the reference overwrites the first one's)."""
    other = network(name="other", delegate={"bridge": "br2"}, ipam={"dataDir": "/var/lib/cni/other"})
    runtime.add(network(), a)
    runtime.add(network(), a, ifname="eth1")
    runtime.add(other, a, ifname="eth2")
    assert sorted(host.files("/var/lib/cni/flannel")) == [FILE, f"{FILE}_eth1", f"{FILE}_eth2"]
    runtime.delete(other, a, ifname="eth2")
    runtime.delete(network(), a)
    assert a.link("eth0") is None and a.link("eth1") is not None and host.reservations() == ["10.244.7.3"]
    runtime.check(network(), a, ifname="eth1")
    runtime.delete(network(), a, ifname="eth1")
    assert host.files("/var/lib/cni/flannel") == {} and host.reservations() == []


def test_undone_when_a_later_plugin_fails(lab, host, a, env):
    """The delegate's work, and its delegate's, is undone with the chain."""
    runtime = lab.runtime()
    with pytest.raises(CNIFailure, match="not today"):
        runtime.add(network(lab.executable("last", ADD="""echo '{"code":100,"msg":"not today"}'; exit 1""")), a)
    assert a.link("eth0") is None and host.reservations() == [] and host.files("/var/lib/cni/flannel") == {}


# CHECK, GC, STATUS


def test_check_finds_damage(runtime, a, env):
    """By the delegate, and by its IPAM plugin."""
    runtime.add(network(), a)
    a.run(["ip", "link", "set", "eth0", "mtu", "1400"])
    a.run(["ip", "route", "del", "10.244.0.0/16"])
    with pytest.raises(CNIFailure, match="10.244.0.0/16"):
        runtime.check(network(), a)


def test_gc(runtime, host, a, b, env):
    """Addresses and configurations of what is not in use go; those of other networks stay."""
    wanted = network(version="1.1.0")
    for container in (a, b):
        runtime.add(wanted, container)
    host.write("/var/lib/cni/flannel/id-z", '{"name": "other", "type": "bridge"}')
    runtime.gc(wanted, [(a.id, "eth0")])
    assert host.reservations() == ["10.244.7.2"] and sorted(host.files("/var/lib/cni/flannel")) == [FILE, "/var/lib/cni/flannel/id-z"]


def test_status_of_the_delegate(runtime, host, env):
    """The delegate is asked too."""
    host.run(["ip", "link", "add", "cni0", "type", "veth", "peer", "name", "other"])
    with pytest.raises(CNIFailure, match="cni0 is not a bridge") as failure:
        runtime.status(network(version="1.1.0"))
    assert failure.value.code == 50


def test_the_delegates_own_code_stays(lab, a, env):
    """An error of the delegate arrives as it is."""
    lab.executable("script", ADD="""echo '{"code":117,"msg":"no room","details":"ask again"}'; exit 1""")
    with pytest.raises(CNIFailure, match="no room; ask again") as failure:
        lab.runtime().add(network(delegate={"type": "script"}), a)
    assert failure.value.code == 117
    assert [verb for _, verb in lab.log()][:2] == ["ADD", "DEL"]


def test_version(host, stage, a, env):
    """The delegate's result has the version of the network's configuration."""
    for version in ("0.3.1", "0.4.0", "1.0.0"):
        config = {"type": "flannel", "name": "net", "cniVersion": version}
        done = run_plugin(host, harness.PLUGINS / "flannel", "ADD", config, cid=f"id-{version}", ifname=f"v{version}")
        assert done.result["cniVersion"] == version, done
