"""Rules of the specification, and of libcni and skel, that no other test shows: see docs/spec-conformance.md for the numbers."""

import json

import pytest

import harness
from harness import LOG, CNIFailure, bridge, conflist, host_local, portmap, run_plugin

NET = bridge(isGateway=True, ipam=host_local("10.1.0.0/24"))


@pytest.fixture
def exec(host, plugins):
    """Runs one of our programs: exec(name, command, config, …)."""

    def exec(name, command, config, **keys):
        return run_plugin(host, plugins / name, command, {"name": "net", "cniVersion": "1.1.0", **config}, **keys)

    return exec


@pytest.mark.parametrize("command", ["GC", "STATUS"])
def test_s2_verbs_without_an_attachment(exec, command):
    """GC and STATUS look neither at the container ID nor at the interface's name."""
    keys = {"cni.dev/valid-attachments": []} if command == "GC" else {}
    assert exec("bridge", command, {**NET, **keys}, cid="a/b", ifname="x" * 40, netns=None).ok


def test_s4_an_invalid_value_comes_before_missing_ones(exec):
    error = exec("bridge", "ADD", NET, cid="-a", ifname=None, path=None).error
    assert error["code"] == 4 and error["msg"].startswith("CNI_CONTAINERID: ") and error["details"] == "-a"
    assert exec("bridge", "ADD", NET, ifname="a/b").error["msg"].startswith("CNI_IFNAME: ")


def test_s17_an_error_without_a_code_is_999(exec, a):
    a.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"])
    assert exec("bridge", "ADD", NET).error["code"] == 999


def test_s31_del_in_the_hosts_own_namespace(exec, host, a):
    """The address is given back and no link is touched; then it fails with code 8."""
    assert exec("bridge", "ADD", NET).ok
    host.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"])
    error = exec("bridge", "DEL", NET, netns="/proc/self/ns/net").error
    assert error["code"] == 8 and host.link("eth0") is not None
    assert not [name for name in host.files("/var/lib/cni/networks/net") if name.endswith("10.1.0.2")]


def test_s32_bridge_starts_a_new_result(exec, a):
    """As the reference's: a result that it gets does not show in its own. It is meant to be first."""
    previous = {"cniVersion": "1.1.0", "interfaces": [{"name": "x"}], "ips": [{"address": "10.9.0.2/24", "interface": 0}]}
    result = exec("bridge", "ADD", {**NET, "prevResult": previous}).result
    assert len(result["interfaces"]) == 3 and [ip["address"] for ip in result["ips"]] == ["10.1.0.2/24"]


@pytest.mark.parametrize("path", ["/run/netns/plain", "/run", "/proc/self/ns/mnt"])
def test_s33_del_with_a_namespace_that_is_none(exec, host, a, path):
    """What is no network namespace (any more) counts as gone: the rest is given back."""
    host.write("/run/netns/plain", "")
    assert exec("bridge", "ADD", NET).ok
    done = exec("bridge", "DEL", NET, netns=path)
    assert done.ok and "it counts as gone" in done.stderr
    assert not [name for name in host.files("/var/lib/cni/networks/net") if name.endswith("10.1.0.2")]


def test_s37_a_verb_that_a_module_does_not_have(exec):
    for command, keys in (("GC", {"cni.dev/valid-attachments": []}), ("STATUS", {})):
        done = exec("loopback", command, {"type": "loopback", **keys})
        assert done.ok and done.stdout == "" and done.stderr == ""


def test_s40_the_error_object_has_its_version(exec, a):
    """From the moment it is known; also where it is the version that is refused."""
    assert exec("bridge", "ADD", {**NET, "mtu": "x"}).error["cniVersion"] == "1.1.0"
    assert exec("bridge", "CHECK", {**NET, "cniVersion": "0.3.1"}).error["cniVersion"] == "0.3.1"


@pytest.mark.parametrize("where", ["plugin", "ipam", "prevResult"])
def test_s51_to_s53_a_result_without_a_version(lab, a, where):
    """It is of the configuration's version."""
    answer = """[ $CNI_COMMAND = ADD ] && echo '{"ips": [{"version": "4", "address": "10.7.0.2/24"}]}'; exit 0"""
    if where == "prevResult":
        result = lab.runtime().add(conflist(lab.executable("script"), version="0.4.0"), a, previous={"ips": [{"version": "4", "address": "10.7.0.2/24"}]})
    else:
        lab.executable("script", ADD=answer)
        chain = [{"type": "script"}] if where == "plugin" else [bridge(ipam={"type": "script"})]
        result = lab.runtime().add(conflist(*chain, version="0.4.0"), a)
    assert result["cniVersion"] == "0.4.0" and result["ips"][0]["address"] == "10.7.0.2/24"


def test_s60_and_s63_files(host, stage, a):
    """A single plugin in a .json file; a list without plugins and without a folder."""
    tool = [harness.STAGE / "bin" / "catenactl"]
    env = {"NETCONFPATH": "/run/test/net.d"}
    host.write("/run/test/net.d/10.json", {**NET, "name": "net", "cniVersion": "1.0.0"})
    host.write("/run/test/net.d/20.conflist", {"name": "empty", "cniVersion": "1.1.0"})
    assert json.loads(host.out([*tool, "add", "net", a.path], env=env))["ips"]
    done = host.run([*tool, "add", "empty", a.path], env=env, check=False)
    assert done.returncode == 1 and "no plugin configs found" in done.stderr


@pytest.mark.parametrize("command, version", [("DEL", "0.4.0"), ("CHECK", "1.0.0"), ("DEL", "1.1.0")])
def test_s66_prev_result_of_del_and_check(lab, a, command, version):
    """Every plugin gets what ADD of the whole chain gave."""
    runtime = lab.runtime()
    network = conflist(NET, lab.executable("script"), lab.module("last"), version=version)
    result = runtime.add(network, a)
    runtime.check(network, a) if command == "CHECK" else runtime.delete(network, a)
    assert lab.given("script", command)["prevResult"] == result


def test_s68_and_s69_the_request(lab, a):
    """`capabilities` stay in it, as with libcni; GC and STATUS get name and version, and empty variables."""
    network = conflist(NET, {**lab.executable("script"), "capabilities": {"mac": True}, "some": {"unknown": ["key", 1.5, None]}}, version="1.1.0")
    runtime = lab.runtime()
    runtime.add(network, a)
    given = lab.given("script", "ADD")
    assert given["capabilities"] == {"mac": True} and given["some"] == {"unknown": ["key", 1.5, None]} and "runtimeConfig" not in given
    runtime.status(network)
    runtime.gc(network, [("id-a", "eth0")])
    for verb in ("STATUS", "GC"):
        assert "prevResult" not in lab.given("script", verb)
        assert f"script {verb} cid= ifname= args= netns=" in lab.host.path(LOG).read_text()


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_s88_both_keys_of_gc(lab, exec, host, a, key):
    """Either is read; both are sent."""
    lab.executable("script")
    config = {"type": "catena", "chain": [NET, {"type": "script"}], key: [{"containerID": "x", "ifname": "eth0"}]}
    assert exec("catena", "GC", config, path=f"{harness.PLUGINS}:/run/test/bin").ok
    given = lab.given("script", "GC")
    assert given["cni.dev/valid-attachments"] == given["cni.dev/attachments"] == config[key]


def test_s36_gc_without_the_list(lab, exec, host, a):
    """`cnitool gc` sends no list: modules then remove nothing, and executables get none either."""
    lab.runtime().add(conflist(NET, lab.executable("script"), version="1.1.0"), a)
    done = exec("catena", "GC", {"type": "catena", "chain": [NET, {"type": "script"}]}, path=f"{harness.PLUGINS}:/run/test/bin")
    assert done.ok and "modules remove nothing" in done.stderr and "cni.dev/valid-attachments" not in lab.given("script", "GC")
    a.ping("10.1.0.1")


def test_s93_a_bare_result_in_the_cache(host, stage, a):
    """Before the format had a name, a cache file was the result."""
    tool = [harness.STAGE / "bin" / "catenactl"]
    env = {"NETCONFPATH": "/run/test/net.d"}
    host.write("/run/test/net.d/10.conflist", conflist(NET))
    result = host.out([*tool, "add", "net", a.path, "--container-id", "id-a"], env=env)
    host.write("/var/lib/cni/results/net-id-a-eth0", result, 0o600)
    host.run([*tool, "check", "net", a.path, "--container-id", "id-a"], env=env)
    a.run(["ip", "link", "del", "eth0"])
    assert host.run([*tool, "check", "net", a.path, "--container-id", "id-a"], env=env, check=False).returncode == 1


def test_s94_empty_names(host, stage, a):
    tool = [harness.STAGE / "bin" / "catenactl"]
    host.write("/run/test/net.d/10.conflist", conflist(NET))
    done = host.run([*tool, "add", "net", a.path, "--container-id", ""], env={"NETCONFPATH": "/run/test/net.d"}, check=False)
    assert done.returncode == 1 and "CNI error code 3" in done.stderr
    done = host.run([*tool, "add", "net", a.path, "-i", ""], env={"NETCONFPATH": "/run/test/net.d"}, check=False)
    assert done.returncode == 1 and "CNI error code 4" in done.stderr


def test_s97_gc_and_status_of_a_delegate(lab, exec):
    """An IPAM plugin that is an executable gets them too, with the caller's configuration."""
    lab.executable("script")
    config = {**bridge(ipam={"type": "script"}), "cni.dev/valid-attachments": []}
    for command in ("GC", "STATUS"):
        assert exec("bridge", command, config, path=f"{harness.PLUGINS}:/run/test/bin", env=lab.env).ok
        assert lab.given("script", command)["ipam"] == {"type": "script"}
    assert lab.log() == [("script", "GC"), ("script", "STATUS")]


# What the reference plugins get wrong, and Catena must not (docs/reference-bugs.md)


def test_layer_2_can_be_checked(runtime, a):
    """The reference's bridge calls CHECK of an IPAM plugin that there is not."""
    network = conflist(bridge())
    runtime.add(network, a)
    runtime.check(network, a)


def test_del_without_a_namespace_leaves_no_rule(runtime, host, a):
    """The reference's bridge leaves its masquerading where the namespace is gone."""
    network = conflist({**NET, "ipMasq": True})
    runtime.add(network, a)
    a.delete()
    runtime.delete(network, a, netns="")
    assert "elements" not in host.out(["nft", "list", "ruleset"])
    assert not [name for name in host.files("/var/lib/cni/networks/net") if name.endswith("10.1.0.2")]


def test_two_interfaces_of_a_container_in_one_network(runtime, host, a):
    """The reference's iptables chains are one for both; DEL of one takes the other's rules away."""
    network = conflist({**NET, "ipMasq": True}, portmap())
    for number, name in enumerate(("eth0", "eth1")):
        runtime.add(network, a, ifname=name, capabilities={"portMappings": [{"hostPort": 8080 + number, "containerPort": 80, "protocol": "tcp"}]})
    runtime.delete(network, a, ifname="eth0")
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "8080" not in ruleset and "8081" in ruleset and "10.1.0.2" not in ruleset and "10.1.0.3" in ruleset
    runtime.check(network, a, ifname="eth1")


def test_a_container_in_two_networks(runtime, host, a):
    """The reference's nftables rules name only the container: DEL of one network takes the other's ports away."""
    for number, name in enumerate(("one", "two")):
        network = conflist(bridge(bridge=f"br{number}", isGateway=True, ipam=host_local(f"10.{number}.0.0/24")), portmap(), name=name)
        runtime.add(network, a, ifname=f"eth{number}", capabilities={"portMappings": [{"hostPort": 8080 + number, "containerPort": 80, "protocol": "tcp"}]})
    runtime.delete(conflist(bridge(bridge="br0", ipam=host_local("10.0.0.0/24")), portmap(), name="one"), a, ifname="eth0")
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "8080" not in ruleset and "8081" in ruleset


def test_the_result_is_not_followed_by_an_error(exec, a):
    """skel checks the namespace after it has printed the result: two JSON objects on standard output."""
    done = exec("bridge", "ADD", NET, netns="/proc/self/ns/net")
    assert json.loads(done.stdout)["code"] == 8


def test_large_integers_survive(lab, a):
    """libcni reads numbers as floating point: beyond 2^53 they change on their way to the plugin."""
    lab.runtime().add(conflist({**lab.executable("script"), "number": 9007199254740993}), a)
    assert lab.given("script", "ADD")["number"] == 9007199254740993
