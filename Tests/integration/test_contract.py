"""The exec contract, as the wrappers and the host keep it: variables, standard streams, exit status, versions."""

import json

import pytest

import harness
from harness import bridge, host_local, run_plugin

PROGRAMS = ["catena", "bridge", "host-local", "loopback", "portmap"]
RELEASED = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


@pytest.fixture
def exec(host, plugins):
    """Runs one of our programs: exec(name, command, config, …)."""

    def exec(name, command, config, **keys):
        return run_plugin(host, plugins / name, command, config, **keys)

    return exec


def ipam(version="1.0.0", **keys):
    return {"cniVersion": version, "name": "net", "type": "host-local", "ipam": host_local("10.1.0.0/24"), **keys}


@pytest.mark.parametrize("name", PROGRAMS)
def test_version(exec, name):
    """VERSION lists all released versions, on one line, without reading standard input for more (S25)."""
    outcome = exec(name, "VERSION", '{"cniVersion": "1.1.0"}', cid=None, netns="dummy", ifname="dummy")
    assert outcome.ok and json.loads(outcome.stdout) == {"cniVersion": "1.1.0", "supportedVersions": RELEASED}
    assert outcome.stdout.count("\n") == 1 and outcome.stdout.endswith("\n")


@pytest.mark.parametrize("name", PROGRAMS)
def test_without_a_command_it_introduces_itself(exec, name):
    """No CNI_COMMAND: about text and versions on standard error, exit 0 (S11)."""
    outcome = exec(name, None, "")
    assert outcome.ok and outcome.stdout == ""
    assert outcome.stderr.startswith(f"CNI {name} plugin ") and f"CNI protocol versions supported: {', '.join(RELEASED)}" in outcome.stderr


def test_unknown_command(exec):
    """Standard input is looked at first (S12, S18)."""
    assert exec("bridge", "FOO", ipam()).error == {"code": 4, "msg": "unknown CNI_COMMAND: FOO"}
    assert exec("bridge", "FOO", "nonsense").error["code"] == 6
    assert exec("bridge", "FOO", {"cniVersion": "1.0.0", "name": "a/b"}).error["code"] == 7


@pytest.mark.parametrize("command, missing, named", [
    ("ADD", ("cid", "netns", "ifname", "path"), "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH"), ("ADD", ("netns", "ifname"), "CNI_NETNS,CNI_IFNAME"),
    ("CHECK", ("netns",), "CNI_NETNS"), ("DEL", ("cid", "ifname"), "CNI_CONTAINERID,CNI_IFNAME"), ("GC", ("path",), "CNI_PATH"),
    ("STATUS", ("path",), "CNI_PATH"),
])
@pytest.mark.parametrize("how", [None, ""])
def test_missing_variables_are_named_together(exec, command, missing, named, how):
    """A variable that is not set, or empty, is missing (S2, S4)."""
    outcome = exec("bridge", command, ipam(), **{name: how for name in missing})
    assert outcome.error == {"code": 4, "msg": f"required env variables [{named}] missing"}


@pytest.mark.parametrize("keys", [
    {"cid": "-a"}, {"cid": "a/b"}, {"cid": "../a"}, {"cid": "a b"}, {"cid": "ä"}, {"ifname": "sixteen-bytes-xy"}, {"ifname": "."}, {"ifname": ".."},
    {"ifname": "a/b"}, {"ifname": "a:b"}, {"ifname": "a b"}, {"ifname": "äääääääää"},
])
def test_invalid_variables(exec, keys):
    """Container ID and interface name are checked (S5, S7)."""
    assert exec("bridge", "ADD", ipam(), **keys).error["code"] == 4


def test_only_add_and_version_print(exec):
    """DEL, CHECK, GC and STATUS print nothing when they succeed (S13)."""
    added = exec("host-local", "ADD", ipam("1.1.0"))
    assert added.result["ips"][0]["address"] == "10.1.0.2/24"
    assert exec("host-local", "CHECK", ipam("1.1.0", prevResult=added.result)).stdout == ""
    assert exec("host-local", "GC", ipam("1.1.0", **{"cni.dev/valid-attachments": []})).stdout == ""
    assert exec("host-local", "STATUS", ipam("1.1.0")).stdout == ""
    done = exec("host-local", "DEL", ipam("1.1.0"))
    assert done.ok and done.stdout == ""


def test_form_of_results_and_errors(exec):
    """Four spaces, no newline at the end (S15)."""
    outcome = exec("host-local", "ADD", ipam())
    assert outcome.stdout.startswith('{\n    "cniVersion": "1.0.0",\n    "ips": [\n        {\n') and not outcome.stdout.endswith("\n")
    failed = exec("host-local", "ADD", ipam())
    assert failed.code == 1 and failed.stdout.startswith('{\n    "') and not failed.stdout.endswith("\n")


@pytest.mark.parametrize("version", RELEASED)
def test_every_version(exec, version):
    """ADD and DEL work in each version, and the result is of that version (S20, S46 to S48)."""
    result = exec("host-local", "ADD", ipam(version)).result
    assert result["cniVersion"] == version
    if version < "0.3.0":
        assert result["ip4"] == {"ip": "10.1.0.2/24", "gateway": "10.1.0.1"} and result["dns"] == {} and "ips" not in result
    elif version < "1.0.0":
        assert result["ips"] == [{"version": "4", "address": "10.1.0.2/24", "gateway": "10.1.0.1"}] and result["dns"] == {}
    else:
        assert result == {"cniVersion": version, "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}]}
    assert exec("host-local", "DEL", ipam(version)).ok


def test_a_missing_version_is_0_1_0(exec):
    """S21."""
    config = ipam()
    del config["cniVersion"]
    assert exec("host-local", "ADD", config).result["cniVersion"] == "0.1.0"


@pytest.mark.parametrize("version", ["1.2.0", "2.0.0", "1.0", "1.0.0-rc1", "x"])
def test_unknown_versions(exec, version):
    """Only the released ones are served (S22)."""
    error = exec("host-local", "ADD", ipam(version)).error
    assert error["code"] == 1 and error["msg"] == "incompatible CNI versions" and version in error["details"]


@pytest.mark.parametrize("command, version", [("CHECK", "0.3.1"), ("GC", "1.0.0"), ("STATUS", "0.4.0")])
@pytest.mark.parametrize("name", ["catena", "host-local"])
def test_verbs_have_their_version(exec, name, command, version):
    """CHECK came with 0.4.0, GC and STATUS with 1.1.0 (S24)."""
    error = exec(name, command, ipam(version)).error
    assert error["code"] == 1 and error["msg"] == f"config version does not allow {command}"


def test_the_hosts_own_namespace_is_refused(exec, host):
    """A CNI_NETNS that is the plugin's own is code 8, before anything is made, unless CNI_NETNS_OVERRIDE (S31)."""
    config = {"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "cni0"}
    error = exec("bridge", "ADD", config, netns="/proc/self/ns/net").error
    assert error["code"] == 8 and error["msg"] == "plugin's netns and netns from CNI_NETNS should not be the same"
    assert host.link("cni0") is None
    for value in ("1", "true", "TRUE"):
        outcome = exec("loopback", "ADD", {**config, "type": "loopback"}, netns="/proc/self/ns/net", env={"CNI_NETNS_OVERRIDE": value})
        assert outcome.ok, outcome


def test_prev_result_of_another_family_of_versions(exec):
    """S53."""
    config = {"cniVersion": "1.0.0", "name": "net", "type": "portmap", "prevResult": {"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.2/24"}}}
    assert exec("portmap", "ADD", config).error["code"] == 6


def test_keys_are_found_in_any_case(exec):
    """As Go's encoding/json does it: a configuration that works with the reference works here."""
    config = {"cniversion": "1.0.0", "NAME": "net", "Type": "host-local", "IPAM": {"type": "host-local", "Ranges": [[{"SUBNET": "10.1.0.0/24"}]]}}
    assert exec("host-local", "ADD", config).result["ips"][0]["address"] == "10.1.0.2/24"


def test_copies_and_links_of_the_wrapper(exec, host, plugins):
    """argv[0] picks the module, whatever the file is; one without a module says what it is for."""
    host.run(["sh", "-c", f"mkdir -p /run/test/bin && ln -s {plugins}/catena-exec /run/test/bin/host-local && ln -s {plugins}/catena-exec /run/test/bin/nope"])
    assert run_plugin(host, "/run/test/bin/host-local", "ADD", ipam()).result["ips"]
    error = run_plugin(host, "/run/test/bin/nope", "ADD", ipam()).error
    assert "no module \"nope\"" in error["msg"]


def test_loopback(exec, host, a):
    """lo is set up and reported; CHECK sees it; DEL sets it down; a namespace that is gone is no error."""
    config = {"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}
    result = exec("loopback", "ADD", config, ifname="lo").result
    assert result["interfaces"] == [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": a.path}]
    assert result["ips"] == [{"interface": 0, "address": "127.0.0.1/8"}, {"interface": 0, "address": "::1/128"}]
    a.ping("127.0.0.1")
    assert exec("loopback", "CHECK", config, ifname="lo").ok
    assert exec("loopback", "DEL", config, ifname="lo").ok
    assert "UP" not in a.link("lo")["flags"] and not exec("loopback", "CHECK", config, ifname="lo").ok
    a.delete()
    assert exec("loopback", "DEL", config, ifname="lo").ok


def test_loopback_hands_a_result_on(exec, a):
    """With a prevResult that is the result; a foreign address on lo is an error."""
    previous = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": a.path}], "ips": [{"address": "10.1.0.2/24", "interface": 0}]}
    config = {"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}
    assert exec("loopback", "ADD", {**config, "prevResult": previous}, ifname="lo").result == previous
    a.run(["ip", "addr", "add", "10.3.0.1/32", "dev", "lo"])
    assert "10.3.0.1/32" in exec("loopback", "ADD", config, ifname="lo").error["msg"]
