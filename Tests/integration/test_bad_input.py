"""Bad input: one clear CNI error on standard output, exit status 1, and nothing left behind."""

import subprocess

import pytest

import harness
from harness import CNIFailure, bridge, conflist, host_local, portmap, run_plugin

NET = bridge(isGateway=True, ipam=host_local("10.1.0.0/24"))


def hosted(*plugins, **keys):
    """catena's configuration with this chain."""
    return {"cniVersion": "1.0.0", "name": "net", "type": "catena", "chain": list(plugins), **keys}


@pytest.fixture
def refused(host, stage, a):
    """Runs ADD by catena, checks that it fails cleanly, and returns the error."""

    def refused(config, program="catena", leaves=None, **keys):
        before = host.snapshot().without(files=leaves)
        outcome = run_plugin(host, harness.PLUGINS / program, "ADD", config, **keys)
        assert outcome.code == 1, outcome
        error = outcome.error
        assert host.snapshot().without(files=leaves) == before
        assert a.link("eth0") is None
        return error

    return refused


@pytest.mark.parametrize("text, code, words", [
    ("", 6, "empty"), ("{", 6, "line 1"), ("nonsense", 6, "line 1"), ("[]", 6, "expected an object, found a list"), ('"x"', 6, "a string"),
    ('{"cniVersion":"1.0.0","name":"net","type":"catena",}', 6, "column"), ('{"name": 5}', 6, "name: expected a string, found an integer"),
    ('{"name":"net","cniVersion":1}', 6, "cniVersion: expected a string"), ("{}", 7, "missing network name"), ('{"name":""}', 7, "missing network name"),
    ("\0" * 100, 6, "decode"), ('{"name":"net\\u0000"}', 6, "decode"), ("[" * 100000, 6, "decode"),
])
def test_not_a_configuration(refused, text, code, words):
    """Text that is no JSON object, or no configuration."""
    error = refused(text)
    assert error["code"] == code and words in error["msg"]


def test_a_hundred_megabytes(refused):
    """More than a configuration can be is not read to the end."""
    error = refused("x" * 100_000_000)
    assert error["code"] == 5 and "longer than" in error["msg"]


@pytest.mark.parametrize("name", ["a/b", "..", ".", "../../etc", "-a", "a b", "a\n"])
def test_network_names(refused, name):
    """A name that could be a path is refused, with the name."""
    error = refused(hosted(NET, name=name))
    assert error["code"] == 7 and error["details"] == name


@pytest.mark.parametrize("type", ["../bridge", "a/b", "..", "/bin/sh", ".x", ""])
def test_plugin_types(refused, type):
    """So is a type."""
    error = refused(hosted({"type": type}))
    assert error["code"] == 7 and "chain[0].type" in error["msg"]


@pytest.mark.parametrize("type", ["../host-local", "a/b", "/bin/sh"])
def test_ipam_types(refused, host, type):
    """And that of the IPAM plugin."""
    # The bridge is there before IPAM is asked, and stays, as with the reference.
    host.run(["sh", "-ec", "ip link add cni0 type bridge; ip link set cni0 up"])
    error = refused(hosted(bridge(ipam={"type": type})))
    assert error["code"] == 7 and type in error["msg"]


def test_unknown_plugin(refused):
    """The error says where it was looked for; what comes before it is not even begun."""
    error = refused(hosted(NET, {"type": "nope"}))
    assert "\"nope\" not found" in error["msg"] and str(harness.PLUGINS) in error["msg"]


@pytest.mark.parametrize("plugin, words", [
    (bridge(isGateway="yes"), "isGateway: expected true or false, found a string"), (bridge(mtu="1500"), "mtu: expected an integer, found a string"),
    (bridge(bridge=5), "bridge: expected a string, found an integer"), (bridge(ipam=[1]), "ipam: expected an object, found a list"),
    (bridge(ipam={"type": 7}), "ipam.type: expected a string, found an integer"),
])
def test_wrong_types_name_the_key(refused, plugin, words):
    """A value of another type names key and expectation."""
    error = refused(hosted(plugin))
    assert error["code"] == 6 and words in error["msg"]


def test_a_subnet_that_is_exhausted(host, stage, catena, a, b):
    """The error says so; the chain's links are gone again."""
    network = conflist(bridge(ipam=host_local("10.1.0.0/30")))
    catena.add(network, a)
    before = host.snapshot()
    with pytest.raises(CNIFailure) as failure:
        catena.add(network, b)
    assert "no IP addresses available in range set: 10.1.0.1-10.1.0.2" in failure.value.text
    assert b.link("eth0") is None and host.snapshot().without(files="last_reserved|catena") == before.without(files="last_reserved|catena")


@pytest.mark.ours("leaves the interface to the runtime's DEL [bug]")
def test_a_result_that_the_version_cannot_hold(host, runtime, a):
    """Before 0.3.0 a result needs an address: the chain is undone when it has none."""
    with pytest.raises(CNIFailure) as failure:
        runtime.add(conflist(bridge(), version="0.2.0"), a)
    assert "no valid IP addresses" in failure.value.text
    assert a.link("eth0") is None


def test_del_with_a_result_that_cannot_be_read(host, stage, a):
    """DEL removes what it can, and says what it could not read."""
    config = hosted(NET)
    assert run_plugin(host, harness.PLUGINS / "catena", "ADD", config).ok
    outcome = run_plugin(host, harness.PLUGINS / "catena", "DEL", {**config, "prevResult": {"cniVersion": "1.0.0", "ips": "nonsense"}})
    assert outcome.ok and "prevResult" in outcome.stderr and a.link("eth0") is None
    assert not [name for name in host.files("/var/lib/cni") if name.endswith("10.1.0.2")]


@pytest.mark.ours("says it in other words")
def test_an_interface_name_that_is_taken(host, runtime, a):
    """A second ADD fails, and what the first one made works on."""
    network = conflist(bridge(isGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24")))
    runtime.add(network, a)
    before = host.snapshot()
    with pytest.raises(CNIFailure) as failure:
        runtime.add(network, a)
    assert "eth0 already exists" in failure.value.text
    assert host.snapshot() == before
    a.ping("10.1.0.1")
    runtime.check(network, a)


@pytest.mark.parametrize("path, words", [
    ("/run/netns/missing", "No such file"), ("/run/netns/plain", "not a network namespace"), ("/run", "not a network namespace"),
    ("/proc/self/ns/mnt", "not a network namespace"),
])
def test_a_namespace_that_is_none(refused, host, path, words):
    """A path that leads nowhere or to something else is code 8 with the path."""
    host.write("/run/netns/plain", "")
    error = refused(hosted(NET), netns=path)
    assert error["code"] == 8 and path in error["msg"] and words in error["msg"]


def test_a_bridge_name_of_another_link(refused, host):
    """The error says what it is."""
    host.run(["ip", "link", "add", "cni0", "type", "veth", "peer", "name", "other"])
    error = refused(hosted(NET))
    assert "cni0" in error["msg"] and "veth" in error["msg"]


@pytest.mark.parametrize("mappings, words", [
    ([{"hostPort": 0, "containerPort": 80}], "hostPort: must be from 1 to 65535, is 0"), ([{"hostPort": 80}], "containerPort: is missing"),
    ([{"hostPort": 65536, "containerPort": 80}], "is 65536"), ([{"hostPort": 80, "containerPort": -1}], "is -1"),
    ([{"hostPort": 80, "containerPort": 70000}], "containerPort"), ([{"hostPort": "80", "containerPort": 80}], "hostPort: expected an integer"),
    ([{"hostPort": 80, "containerPort": 80, "protocol": "icmp"}], "icmp"), ([{"hostPort": 80, "containerPort": 80, "hostIP": "x"}], "hostIP"),
    ([{"hostPort": 80, "containerPort": 80}, {"hostPort": 80, "containerPort": 81, "protocol": "tcp"}], "80/tcp is published twice"), ({}, "portMappings: expected a list"),
])
def test_port_mappings_that_cannot_be(refused, host, mappings, words):
    """A port out of range, twice, or of no protocol: the chain is undone."""
    config = hosted(NET, portmap(), capabilities={"portMappings": True}, runtimeConfig={"portMappings": mappings})
    host.run(["sh", "-ec", "ip link add cni0 type bridge; ip link set cni0 up; ip addr add 10.1.0.1/24 dev cni0"])
    error = refused(config, leaves="/var/lib/cni")
    assert error["code"] in (6, 7) and words in error["msg"]
    assert not [name for name in host.files("/var/lib/cni") if name.endswith("10.1.0.2")]


def test_portmap_without_a_result(refused):
    """portmap has to be chained."""
    error = refused(hosted(portmap(), capabilities={"portMappings": True}, runtimeConfig={"portMappings": []}))
    assert "prevResult" in error["msg"] and "chained" in error["msg"]


@pytest.mark.parametrize("arguments, words", [("MAC", "MAC"), ("FOO=1", "FOO"), ("MAC=x", "x"), ("MAC=1;", "pair"), ("IgnoreUnknown=2;A=1", "IgnoreUnknown")])
def test_arguments_that_cannot_be(refused, arguments, words):
    """CNI_ARGS that no plugin can read."""
    assert words in refused(hosted(NET), args=arguments)["msg"]


def test_without_the_capability(host, stage, a):
    """Without CAP_NET_ADMIN the error says what is missing."""
    outcome = run_plugin(
        host, harness.PLUGINS / "catena", "ADD", hosted(NET), prefix=["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"])
    assert "Operation not permitted" in outcome.error["msg"] and "CAP_NET_ADMIN" in outcome.error["details"]
    assert a.link("eth0") is None and host.link("cni0") is None


# Module files


@pytest.fixture
def modules(scratch):
    """A directory for modules of the test's own."""
    directory = scratch / "modules"
    directory.mkdir(mode=0o755)
    return directory


def run_with(host, modules, type="odd"):
    return run_plugin(host, harness.PLUGINS / "catena", "ADD", hosted({"type": type}), env={"CATENA_MODULE_PATH": modules}).error


def test_a_module_that_is_none(host, stage, a, modules):
    """A file that is no shared object."""
    (modules / "odd.so").write_text("not a module\n" * 100)
    (modules / "odd.so").chmod(0o755)
    assert "odd.so" in run_with(host, modules)["msg"] and "ELF" in run_with(host, modules)["msg"]


def test_a_library_without_the_entry(host, stage, a, modules, scratch):
    """A shared object that is no module."""
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", modules / "odd.so", "-"], input=b"int x;", check=True)
    (modules / "odd.so").chmod(0o755)
    assert "catena_module_entry" in run_with(host, modules)["msg"]


def test_a_module_of_another_abi(host, stage, a, modules, compile_module):
    """Another major number is refused with both numbers."""
    compile_module("sample.c", modules, "odd", ABI="2u")
    error = run_with(host, modules)
    assert "ABI 2" in error["msg"] and "odd.so" in error["msg"]


def test_a_module_of_another_type(host, stage, a, modules, compile_module):
    """A file that says it is another plugin."""
    compile_module("sample.c", modules, "sample")
    (modules / "sample.so").rename(modules / "odd.so")
    assert "\"sample\"" in run_with(host, modules)["msg"]


@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_module_that_others_may_write(host, stage, a, modules, compile_module, what):
    """Refused, with the reason, and not replaced by an executable of the name."""
    compile_module("sample.c", modules, "odd", MAKES=1)
    (modules if what == "directory" else modules / "odd.so").chmod(0o777)
    host.write("/run/test/bin/odd", "#!/bin/sh\necho '{}'\n", 0o755)
    error = run_plugin(host, harness.PLUGINS / "catena", "ADD", hosted({"type": "odd"}), env={"CATENA_MODULE_PATH": modules}, path="/run/test/bin").error
    assert "writable by others" in error["msg"] and str(modules) in error["msg"]
