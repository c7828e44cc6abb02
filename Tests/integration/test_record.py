"""The host's record of an attachment: DEL undoes what was added, whatever has become of the configuration since."""

import json
import stat

import pytest

import harness
from harness import LOG, CNIFailure, assert_detached, bridge, conflist, host_local, portmap, run_plugin

RECORDS = "/var/lib/cni/catena/attachments"
NET = bridge(isGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24"))
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


def test_the_record(lab, host, a):
    """One file an attachment, only for root, with the plugins as they ran and the result; gone after DEL."""
    runtime = lab.runtime()
    network = conflist(NET, portmap())
    result = runtime.add(network, a, capabilities=PORTS)
    assert host.records() == [f"{RECORDS}/net/id-a:eth0"]
    file = host.path(host.records()[0])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    record = json.loads(file.read_text())
    assert [plugin["type"] for plugin in record["chains"][0]["plugins"]] == ["bridge", "portmap"]
    assert record["chains"][0]["plugins"][1]["runtimeConfig"] == PORTS and record["chains"][0]["result"]["ips"] == result["ips"]
    runtime.delete(network, a)
    assert_detached(host, a)


@pytest.mark.parametrize("now", [
    conflist(NET), conflist(portmap()), conflist({"type": "gone"}), conflist(bridge(bridge="other", ipam=host_local("10.9.0.0/24"))),
    conflist(NET, portmap(snat="nonsense")), conflist(NET, portmap(), {"type": "new"}),
], ids=["lost portmap", "lost bridge", "another plugin", "another bridge", "malformed", "a plugin more"])
@pytest.mark.parametrize("forget", [False, True])
def test_del_after_the_conflist_has_changed(lab, host, a, now, forget):
    """DEL is of what was added: with the runtime's cached result or without, and with the runtime's port mappings or without."""
    runtime = lab.runtime()
    runtime.add(conflist(NET, portmap()), a, capabilities=PORTS)
    runtime.delete(now, a, forget=forget)
    assert_detached(host, a)
    runtime.delete(conflist(NET, portmap()), a)


def test_del_after_the_conflist_file_is_gone(host, stage, a):
    """The file that `conflist` names may be gone; a repeated DEL still succeeds, and ADD says what is missing."""
    file = host.write("/run/test/chain.conflist", conflist(NET, portmap()))
    config = {"type": "catena", "name": "net", "cniVersion": "1.0.0", "conflist": file}
    assert run_plugin(host, harness.PLUGINS / "catena", "ADD", config).ok
    host.path(file).unlink()
    for _ in range(2):
        outcome = run_plugin(host, harness.PLUGINS / "catena", "DEL", config)
        assert outcome.ok and outcome.stdout == "" and file in outcome.stderr
        assert_detached(host, a)
    assert file in run_plugin(host, harness.PLUGINS / "catena", "ADD", config).error["msg"]


def test_a_killed_add_is_undone_by_del(lab, host, a):
    """A host that is killed in the middle of ADD, and its child with it, leaves a record: DEL of a changed conflist undoes what was made."""
    # The child is killed too, before its plugin ends: its death with the parent takes a moment, in which it would undo the chain.
    lab.executable("killer", ADD="kill -9 $(cut -d' ' -f4 /proc/$PPID/stat) $PPID; exit 1")
    with pytest.raises(json.JSONDecodeError):
        lab.runtime().add(conflist(NET, lab.module("second"), {"type": "killer"}), a)
    assert a.link("eth0") is not None and host.records() == [f"{RECORDS}/net/id-a:eth0"]
    lab.runtime().delete(conflist({"type": "other"}), a)
    assert_detached(host, a)


def test_a_failed_add_leaves_no_record(lab, host, a):
    """What was undone needs none; what could not be undone keeps it until DEL has worked."""
    with pytest.raises(CNIFailure):
        lab.runtime().add(conflist(NET, lab.module("failing", FAIL=1)), a)
    assert_detached(host, a)
    with pytest.raises(CNIFailure):
        lab.runtime().add(conflist(lab.executable("stuck", DEL="exit 1"), {"type": "failing"}), a)
    assert host.records() == [f"{RECORDS}/net/id-a:eth0"]
    host.write(f"{LOG}.stuck.fails.DEL", "exit 0")
    lab.runtime().delete(conflist({"type": "other"}), a)
    assert host.records() == []


def test_a_failed_del_keeps_the_record(lab, host, a):
    """DEL can be repeated until it works."""
    runtime = lab.runtime()
    network = conflist(NET, lab.executable("last", DEL="exit 1"))
    runtime.add(network, a)
    with pytest.raises(CNIFailure):
        runtime.delete(network, a)
    assert host.records() == [f"{RECORDS}/net/id-a:eth0"]
    host.write(f"{LOG}.last.fails.DEL", "exit 0")
    runtime.delete(conflist(NET), a)
    assert_detached(host, a)


def test_a_repeated_add_keeps_the_live_attachment(lab, host, a):
    """A second ADD of one attachment is refused, and DEL of the first works as before."""
    runtime = lab.runtime()
    runtime.add(conflist(NET), a)
    with pytest.raises(CNIFailure):
        lab.runtime().add(conflist(NET), a)
    a.ping("10.1.0.1")
    runtime.delete(conflist({"type": "other"}), a)
    assert_detached(host, a)


def test_two_hosts_in_one_list(lab, host, a):
    """A list may run catena more than once for an attachment: each DEL undoes its own chain."""
    first = {"type": "catena", "chain": [NET, lab.module("one")]}
    second = {"type": "catena", "capabilities": {"portMappings": True}, "chain": [portmap(), lab.module("two")]}
    network = conflist(first, second)
    runtime = harness.Runtime(host, "plain", path=["/run/test/bin"], env=lab.env)
    runtime.add(network, a, capabilities=PORTS)
    assert len(json.loads(host.path(host.records()[0]).read_text())["chains"]) == 2
    runtime.delete(network, a)
    assert lab.log() == [("one", "ADD"), ("two", "ADD"), ("two", "DEL"), ("one", "DEL")]
    assert_detached(host, a)


def test_gc_undoes_recorded_attachments(lab, host, a, b):
    """What is not valid gets DEL of its recorded chain, plugins without GC included; a failure does not stop the rest."""
    runtime = lab.runtime()
    network = conflist(NET, portmap(), lab.executable("old"), version="1.1.0")
    runtime.add(network, a, capabilities=PORTS)
    runtime.add(network, b)
    a.delete()
    runtime.gc(conflist(NET, version="1.1.0"), [("id-b", "eth0")])
    assert ("old", "DEL") in lab.log() and host.records() == [f"{RECORDS}/net/id-b:eth0"]
    assert "8080" not in host.out(["nft", "list", "ruleset"])
    b.ping("10.1.0.1")


def test_a_broken_record_counts_as_none(lab, host, a):
    """DEL then goes by the configuration."""
    runtime = lab.runtime()
    runtime.add(conflist(NET), a)
    host.path(host.records()[0]).write_text("{")
    runtime.delete(conflist(NET), a)
    assert a.link("eth0") is None


def test_list_shows_recorded_attachments(lab, host, a):
    """catenactl list shows what catena has added for a runtime without libcni's cache."""
    lab.runtime().add(conflist(NET, portmap()), a)
    entry, = json.loads(host.out([harness.STAGE / "bin" / "catenactl", "list", "--json"]))
    assert entry == {"network": "net", "containerID": "id-a", "ifname": "eth0", "netns": a.path, "ips": ["10.1.0.2/24"],
                     "plugins": ["bridge", "portmap"]}
    assert "bridge,portmap" in host.out([harness.STAGE / "bin" / "catenactl", "list"])


def test_catenactl_del_without_the_configuration(lab, host, a):
    """catenactl DEL works from its cache and record when the network's file is gone or has lost a plugin."""
    tool = [harness.STAGE / "bin" / "catenactl"]
    env = {"NETCONFPATH": "/run/test/net.d", "CAP_ARGS": json.dumps(PORTS)}
    for change in (lambda file: host.write(file, conflist(NET)), lambda file: host.path(file).unlink()):
        file = host.write("/run/test/net.d/10.conflist", conflist(NET, portmap()))
        host.run([*tool, "add", "net", a.path], env=env)
        change(file)
        host.run([*tool, "del", "net", a.path], env={"NETCONFPATH": "/run/test/net.d"})
        assert_detached(host, a)
        assert host.files("/var/lib/cni/results") == {}
