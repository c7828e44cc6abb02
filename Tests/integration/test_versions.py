"""Plugins of a chain that speak only older CNI versions: results and configurations are converted both ways at that boundary."""

import json

import pytest

import harness
from harness import CNIFailure, bridge, conflist, host_local

NET = bridge(isGateway=True, mtu=1400, ipam=host_local("10.1.0.0/24", "fd00:1::/64", routes=[{"dst": "0.0.0.0/0", "priority": 7}]))

# A plugin that speaks only VERSIONS, with the reference's checks, and notes each call.
OLD = '''#!/usr/bin/env python3
import json, os, sys
command, versions = os.environ["CNI_COMMAND"], VERSIONS
raw = sys.stdin.read()
with open("/run/test/old", "a") as log: log.write(json.dumps([command, dict(os.environ), raw]) + "\\n")
def fail(code, message): print(json.dumps({"code": code, "msg": message})); sys.exit(1)
if command == "VERSION":
    if "VERSION" not in VERBS: fail(4, "unknown CNI_COMMAND: VERSION")
    print(json.dumps({"cniVersion": versions[-1], "supportedVersions": versions})); sys.exit()
if command not in VERBS: fail(4, "unknown CNI_COMMAND: " + command)
config = json.loads(raw)
if config.get("cniVersion", "0.1.0") not in versions: fail(1, "incompatible CNI versions")
if command == "ADD":
    result = config.get("prevResult") or {"ip4": {"ip": "10.7.0.2/24"}}
    result["cniVersion"] = config["cniVersion"]
    print(json.dumps(result))
'''


@pytest.fixture
def old(lab):
    """An old plugin: old(versions, verbs)."""

    def old(versions, verbs=("ADD", "DEL", "CHECK", "VERSION")):
        lab.host.write("/run/test/bin/old", OLD.replace("VERSIONS", repr(list(versions))).replace("VERBS", repr(list(verbs))), 0o755)
        return {"type": "old"}

    return old


def details(lab):
    """A plugin that adds what only 1.1.0 has words for."""
    lab.host.write("/run/test/bin/details", """#!/usr/bin/env python3
import json, os, sys
result = json.load(sys.stdin).get("prevResult")
if os.environ["CNI_COMMAND"] == "ADD":
    result["interfaces"][2].update(mtu=1400, pciID="0000:00:1f.6")
    print(json.dumps(result))
""", 0o755)
    return {"type": "details"}


def calls(lab):
    return [json.loads(line) for line in lab.host.path("/run/test/old").read_text().splitlines()]


def verbs(lab):
    return [(command, json.loads(raw)["cniVersion"]) for command, _, raw in calls(lab)]


@pytest.mark.parametrize("versions, spoken", [
    (["0.1.0", "0.2.0"], "0.2.0"), (["0.3.0"], "0.3.0"), (["0.3.0", "0.3.1"], "0.3.1"), (["0.4.0"], "0.4.0"), (["0.4.0", "1.0.0"], "1.0.0"),
    (["1.1.0"], "1.1.0"),
])
def test_an_old_executable_in_the_middle(lab, old, a, versions, spoken):
    """It gets configuration and prevResult in the newest version that both speak, and nothing is lost behind it."""
    network = conflist(NET, details(lab), old(versions), lab.executable("script"), version="1.1.0")
    result = lab.runtime().add(network, a)
    told = json.loads(calls(lab)[-1][2])
    assert told["cniVersion"] == spoken and told["prevResult"]["cniVersion"] == spoken
    assert ("ip4" in told["prevResult"]) == (spoken == "0.2.0")
    if spoken.startswith("0.3") or spoken == "0.4.0":
        assert [ip["version"] for ip in told["prevResult"]["ips"]] == ["4", "6"]
        assert "mtu" not in told["prevResult"]["interfaces"][2]
    given = lab.given("script", "ADD")["prevResult"]
    assert given["cniVersion"] == "1.1.0" and result == given
    assert [entry["name"] for entry in given["interfaces"]][::2] == ["cni0", "eth0"] and given["interfaces"][2]["mtu"] == 1400 and given["interfaces"][2]["pciID"]
    assert given["interfaces"][2]["sandbox"] == a.path
    assert [(ip["address"], ip["interface"]) for ip in given["ips"]] == [("10.1.0.2/24", 2), ("fd00:1::2/64", 2)]
    assert given["routes"] == [{"dst": "0.0.0.0/0", "priority": 7}]
    asked = [command for command, _, _ in calls(lab)]
    assert asked == (["ADD"] if spoken == "1.1.0" else ["ADD", "VERSION", "ADD"]), "VERSION is asked only of a plugin that refuses"


def test_the_version_call(lab, old, a):
    """VERSION is called as libcni calls it."""
    lab.runtime().add(conflist(old(["0.4.0"]), version="1.0.0"), a)
    command, environment, raw = calls(lab)[1]
    assert command == "VERSION" and json.loads(raw) == {"cniVersion": "1.1.0"}
    assert [environment[f"CNI_{name}"] for name in ("NETNS", "IFNAME", "PATH")] == ["dummy"] * 3


def test_before_version_there_was_0_1_0(lab, old, a):
    """A plugin that does not know VERSION speaks 0.1.0."""
    result = lab.runtime().add(conflist(NET, old(["0.1.0"], ["ADD", "DEL"])), a)
    assert verbs(lab)[-1] == ("ADD", "0.1.0") and len(result["interfaces"]) == 3


def test_a_result_without_addresses_has_no_old_form(lab, old, a):
    """Such a prevResult is left out, as it was before there were chains."""
    result = lab.runtime().add(conflist(bridge(), old(["0.2.0"])), a)
    assert "prevResult" not in json.loads(calls(lab)[-1][2])
    assert [ip["address"] for ip in result["ips"]] == ["10.7.0.2/24"] and len(result["interfaces"]) == 3


@pytest.mark.parametrize("versions, check", [(["0.3.1"], False), (["0.4.0"], True), (["1.0.0"], True)])
def test_later_verbs_of_an_old_plugin(lab, old, a, versions, check):
    """DEL and CHECK go in its version; a verb that came later is left out, which is no failure."""
    network = conflist(NET, old(versions), version="1.1.0")
    runtime = lab.runtime()
    runtime.add(network, a)
    runtime.check(network, a)
    assert (verbs(lab)[-1] == ("CHECK", versions[0])) == check
    runtime.status(network)
    runtime.gc(network, [("id-a", "eth0")])
    runtime.delete(network, a)
    assert verbs(lab)[-1] == ("DEL", versions[0])


@pytest.mark.parametrize("versions", [["2.0.0"], []])
def test_no_version_in_common(lab, old, a, versions):
    """The plugin's own error stays, and the chain is undone."""
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(conflist(NET, old(versions)), a)
    assert failure.value.code == 1 and failure.value.message == "old: incompatible CNI versions" and a.link("eth0") is None


def test_a_module_that_serves_older_versions(lab, a):
    """A module gets the newest version that it serves; results are structs, which the host converts."""
    network = conflist(lab.module("sample", MAKES=1, VERSIONS='"0.3.1", "0.4.0"'), version="1.1.0")
    runtime = lab.runtime()
    assert runtime.add(network, a)["cniVersion"] == "1.1.0"
    assert '"cniVersion":"0.4.0"' in lab.host.path(harness.LOG).read_text()
    runtime.check(network, a)
    runtime.status(network)
    assert lab.log() == [("sample", "ADD"), ("sample", "CHECK")], "it has no STATUS: that came with 1.1.0"


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_debian_plugins_inside_our_chain(lab, host, a, version):
    """The reference's bridge, host-local and tuning as Debian has them (no 1.1.0) run as executables of a chain of any version."""
    if not (harness.REFERENCE / "tuning").exists():
        pytest.fail(f"the reference plugins are not in {harness.REFERENCE}")
    host.run(["sh", "-c", f"mkdir -p /run/test/bin; cp {harness.REFERENCE}/tuning {harness.REFERENCE}/host-local /run/test/bin/"])
    host.path("/run/test/bin/host-local").rename(host.path("/run/test/bin/theirs"))
    ours = bridge(isGateway=True, ipam={**host_local("10.1.0.0/24"), "type": "theirs"})
    network = conflist(ours, {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}}, lab.module("last"), version=version)
    runtime = lab.runtime()
    if version == "0.3.1":
        network["plugins"].pop()
    result = runtime.add(network, a)
    assert result["cniVersion"] == version and [ip["address"] for ip in result["ips"]] == ["10.1.0.2/24"] and len(result["interfaces"]) == 3
    assert a.sysctl("ipv4/conf/eth0/arp_filter") == "1"
    a.ping("10.1.0.1")
    if version >= "0.4.0":
        runtime.check(network, a)
    if version == "1.1.0":
        runtime.status(network)
        runtime.gc(network, [("id-a", "eth0")])
    runtime.delete(network, a)
    assert a.link("eth0") is None and not [name for name in host.files("/var/lib/cni/networks/net") if name.endswith("10.1.0.2")]
