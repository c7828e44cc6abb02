"""The engine: modules and executables in one chain, what they are given, and that a failed ADD leaves nothing."""

import concurrent.futures
import json

import pytest

import harness
from harness import LOG, CNIFailure, Runtime, bridge, conflist, host_local, portmap, run_plugin

NET = bridge(isGateway=True, ipam=host_local("10.1.0.0/24"))


# Order and hand-over


def test_order_of_the_verbs(lab, a):
    """ADD and CHECK run in order, DEL in reverse, GC and STATUS in order; modules and executables alike."""
    network = conflist(lab.module("first", MAKES=1), lab.executable("second"), lab.module("third"), version="1.1.0")
    runtime = lab.runtime()
    runtime.add(network, a)
    runtime.check(network, a)
    runtime.delete(network, a)
    runtime.gc(network, [])
    runtime.status(network)
    names = ["first", "second", "third"]
    assert lab.log() == (
        [(name, "ADD") for name in names] + [(name, "CHECK") for name in names] + [(name, "DEL") for name in names[::-1]]
        + [(name, "GC") for name in names] + [(name, "STATUS") for name in names])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_executable_anywhere_in_the_chain(lab, a, place):
    """An executable gets prevResult as JSON of the configuration's version, and what it prints goes on to the next."""
    others = [lab.module("one", MAKES=1), lab.module("two")]
    network = conflist(*others[:place], lab.executable("script"), *others[place:])
    result = lab.runtime().add(network, a)
    assert result["ips"][0]["address"] == "10.7.0.2/24"
    given = lab.given("script", "ADD")
    assert given["name"] == "net" and given["cniVersion"] == "1.0.0" and given["type"] == "script"
    assert ("prevResult" in given) == (place > 0)
    if place:
        assert given["prevResult"]["cniVersion"] == "1.0.0" and given["prevResult"]["interfaces"][0]["mtu"] == 1400


def test_executable_environment(lab, a):
    """All CNI_ variables are the runtime's; argv[0] is the plugin's name; what it says on standard error is passed on."""
    runtime = lab.runtime()
    network = conflist(lab.executable("script"))
    outcome = run_plugin(
        lab.host, runtime.program("catena"), "ADD", {**runtime.plugins(network)[0], "name": "net", "cniVersion": "1.0.0"}, args="A=b;C=d",
        path=runtime.path, env=lab.env)
    assert outcome.ok and "a word on standard error" in outcome.stderr
    assert lab.host.path(LOG).read_text() == "script ADD cid=id-a ifname=eth0 args=A=b;C=d netns=/run/netns/a\n"


def test_nft_is_committed_before_an_executable(lab, a):
    """What modules queued is in the kernel when an executable runs, and at the end of the chain."""
    queued = lab.module("queues", QUEUES='"add table inet sample"')
    script = lab.executable("script", ADD="nft list tables >>" + LOG + ".tables")
    lab.runtime().add(conflist(lab.module("makes", MAKES=1), queued, script), a)
    assert "table inet sample" in lab.host.path(f"{LOG}.tables").read_text()


def test_capabilities_and_args_reach_those_that_declare_them(lab, a):
    """An inner plugin gets the capabilities that it declares, and the host's args."""
    network = conflist(lab.executable("script"))
    config = {
        "type": "catena", "name": "net", "cniVersion": "1.0.0", "args": {"cni": {"labels": [1]}},
        "capabilities": {"mac": True, "ips": True}, "runtimeConfig": {"mac": "0a:58:0a:01:00:05", "ips": ["10.1.0.5"]},
        "chain": [{**network["plugins"][0], "capabilities": {"mac": True, "bandwidth": True}}],
    }
    runtime = lab.runtime()
    assert run_plugin(lab.host, runtime.program("catena"), "ADD", config, path=runtime.path, env=lab.env).ok
    given = lab.given("script", "ADD")
    assert given["runtimeConfig"] == {"mac": "0a:58:0a:01:00:05"} and given["args"] == {"cni": {"labels": [1]}}


def test_prev_result_from_outside_goes_to_the_first(lab, a):
    """The host may itself be chained: its prevResult is the first inner plugin's."""
    previous = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": a.path}], "ips": [{"address": "10.9.0.2/24", "interface": 0}]}
    result = lab.runtime().add(conflist(lab.executable("script"), lab.module("last")), a, previous=previous)
    assert lab.given("script", "ADD")["prevResult"] == previous and result == previous


def test_behind_the_reference_bridge(lab, host, a):
    """The reference bridge makes the interface, catena's chain publishes a port of it."""
    if not (harness.REFERENCE / "bridge").exists():
        pytest.fail(f"the reference plugins are not in {harness.REFERENCE}")
    network = conflist(NET, {"type": "catena", "capabilities": {"portMappings": True}, "chain": [portmap()]})
    runtime = Runtime(host, "plain", path=[harness.REFERENCE])
    runtime.program = lambda name: f"{harness.REFERENCE if name == 'bridge' else harness.PLUGINS}/{name}"
    runtime.add(network, a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    a.ping("10.1.0.1")
    assert "tcp . 8080" in host.out(["nft", "list", "ruleset"])
    runtime.check(network, a)
    runtime.delete(network, a)
    assert "elements" not in host.out(["nft", "list", "ruleset"]) and a.link("eth0") is None


def test_ipam_as_an_executable(lab, host, a):
    """A module delegates to an IPAM plugin that is an executable, for ADD, CHECK and DEL."""
    network = conflist(bridge(ipam={"type": "script"}))
    lab.executable("script")
    runtime = lab.runtime()
    assert runtime.add(network, a)["ips"] == [{"address": "10.7.0.2/24", "interface": 2}]
    runtime.check(network, a)
    runtime.delete(network, a)
    assert lab.log() == [("script", "ADD"), ("script", "CHECK"), ("script", "DEL")]
    assert lab.given("script", "ADD")["ipam"] == {"type": "script"}


def test_the_reference_bridge_delegates_to_our_host_local(host, stage, a):
    """Our wrapper is the IPAM plugin of the reference bridge."""
    network = conflist(NET)
    runtime = Runtime(host, "plain")
    runtime.program = lambda name: f"{harness.REFERENCE}/{name}"
    assert runtime.add(network, a)["ips"][0]["address"] == "10.1.0.2/24"
    runtime.check(network, a)
    runtime.delete(network, a)
    assert [name for name in host.files("/var/lib/cni/networks/net") if name.endswith("10.1.0.2")] == []


# Where the chain is from


def test_chain_from_a_named_conflist(lab, host, a):
    """`conflist` names a file with the chain."""
    host.write("/run/test/chain.conflist", {"name": "other", "cniVersion": "0.4.0", "plugins": [NET]})
    config = {"type": "catena", "name": "net", "cniVersion": "1.0.0", "conflist": "/run/test/chain.conflist"}
    outcome = run_plugin(host, harness.PLUGINS / "catena", "ADD", config)
    assert outcome.ok and outcome.result["cniVersion"] == "1.0.0"
    a.ping("10.1.0.1")


def test_chain_from_the_default_place(lab, host, a):
    """Without chain and conflist it is /etc/catena/net.d/<name>.conflist."""
    host.own_etc()
    host.write("/etc/catena/net.d/net.conflist", {"name": "net", "cniVersion": "1.0.0", "plugins": [NET]})
    assert run_plugin(host, harness.PLUGINS / "catena", "ADD", {"type": "catena", "name": "net", "cniVersion": "1.0.0"}).ok
    a.ping("10.1.0.1")
    outcome = run_plugin(host, harness.PLUGINS / "catena", "ADD", {"type": "catena", "name": "none", "cniVersion": "1.0.0"})
    assert outcome.error["code"] == 7 and "/etc/catena/net.d/none.conflist" in outcome.error["msg"]


@pytest.mark.parametrize("keys, words", [
    ({"chain": []}, "chain"), ({"chain": {}}, "chain: expected a list"), ({"conflist": "relative"}, "absolute"),
    ({"conflist": "/run/test/missing"}, "/run/test/missing"), ({"chain": [{"type": "catena"}]}, "catena"),
    ({"chain": [{"type": "bridge"}], "conflist": "/x"}, "not both"), ({"chain": [{"bridge": "x"}]}, "chain[0].type"),
])
def test_a_chain_that_cannot_be(lab, host, a, keys, words):
    """Each is a configuration error that says what is wrong."""
    outcome = run_plugin(host, harness.PLUGINS / "catena", "ADD", {"type": "catena", "name": "net", "cniVersion": "1.0.0", **keys})
    assert outcome.error["code"] in (6, 7) and words in outcome.error["msg"]


# Failure


@pytest.mark.parametrize("kind", ["module", "executable", "silent", "malformed"])
def test_a_failed_add_is_undone_in_reverse(lab, host, a, kind):
    """When a plugin fails, it and those before it get DEL in reverse order, and nothing is left of the chain."""
    failing = {
        "module": lambda: lab.module("failing", FAIL=1), "silent": lambda: lab.module("failing", SILENT=1),
        "malformed": lambda: lab.module("failing", MALFORMED=1),
        "executable": lambda: lab.executable("failing", ADD="""echo '{"code":101,"msg":"sample cannot","details":"it was told so"}'; exit 1"""),
    }[kind]()
    network = conflist(
        {**NET, "ipMasq": True}, lab.module("second", QUEUES='"add table inet sample"'), lab.executable("third"), failing, lab.module("never"))
    before = host.snapshot()
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(network, a)
    assert failure.value.message.startswith("failing: ")
    if kind in ("module", "executable"):
        assert failure.value.error == {"cniVersion": "1.0.0", "code": 101, "msg": "failing: sample cannot", "details": "it was told so"}
    assert lab.log() == [
        ("second", "ADD"), ("third", "ADD"), ("failing", "ADD"), ("failing", "DEL"), ("third", "DEL"), ("second", "DEL")]
    after = host.snapshot()
    assert a.link("eth0") is None
    left = r"^/run/test|^/var/lib/cni"
    assert after.without(links=["cni0"], files=left, nftables=True) == before.without(files=left, nftables=True)
    assert "elements" not in after.ruleset
    assert not [name for name in after.files if name.endswith("10.1.0.2")]


def test_queued_nft_is_dropped_when_the_chain_fails(lab, host, a):
    """What was queued and not committed never reaches the kernel."""
    network = conflist(lab.module("makes", MAKES=1), lab.module("queues", QUEUES='"add table inet sample"'), lab.module("failing", FAIL=1))
    with pytest.raises(CNIFailure):
        lab.runtime().add(network, a)
    assert host.out(["nft", "list", "tables"]) == ""


def test_nft_that_the_kernel_refuses(lab, host, a):
    """A transaction that fails fails ADD, names the module and the purpose, and undoes the chain."""
    network = conflist(NET, lab.module("queues", QUEUES='"add table inet sample\\nadd rule inet sample missing accept"'))
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(network, a)
    assert "queues: a table of the sample" in failure.value.message and "missing" in failure.value.message
    assert a.link("eth0") is None and host.out(["nft", "list", "tables"]) == ""


def test_what_an_undo_leaves_is_said(lab, a):
    """If DEL of the undo fails as well, the error says so."""
    network = conflist(lab.executable("first", DEL="echo '{\"code\":5,\"msg\":\"stuck\"}'; exit 1"), lab.module("failing", FAIL=1))
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(network, a)
    assert failure.value.code == 101 and "first" in failure.value.text and "stuck" in failure.value.text


@pytest.mark.parametrize("commands, words", [
    ("echo nonsense; exit 3", ["exit status 3", "nonsense"]), ("echo oops >&2; exit 1", ["exit status 1", "oops"]),
    ("kill -9 $$", ["signal 9"]), ("exit 0", ["decode result"]), ("echo '[]'; exit 0", ["expected an object"]),
])
def test_executables_that_misbehave(lab, a, commands, words):
    """However an executable ends, the runtime gets one CNI error that names it."""
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(conflist(lab.executable("script", ADD=commands)), a)
    for word in ["script", *words]:
        assert word in failure.value.text


def test_del_stops_at_the_first_failure_and_can_be_repeated(lab, host, a):
    """As runtimes do: what earlier plugins hold stays until DEL of the later ones has worked."""
    network = conflist(NET, lab.executable("last"))
    runtime = lab.runtime()
    runtime.add(network, a)
    host.write(f"{LOG}.last.fails.DEL", "exit 1")
    with pytest.raises(CNIFailure):
        runtime.delete(network, a)
    assert a.link("eth0") is not None
    host.write(f"{LOG}.last.fails.DEL", "true")
    runtime.delete(network, a)
    assert a.link("eth0") is None


def test_gc_goes_on_past_failures(lab):
    """Every plugin's GC runs; the failures are reported together."""
    network = conflist(lab.executable("first", GC="exit 1"), lab.executable("second", GC="exit 1"), lab.module("third"), version="1.1.0")
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().gc(network, [("c", "eth0")])
    assert "first" in failure.value.text and "second" in failure.value.text
    assert [call for call in lab.log() if call[1] != "VERSION"] == [("first", "GC"), ("second", "GC"), ("third", "GC")]
    assert lab.given("first", "GC")["cni.dev/valid-attachments"] == [{"containerID": "c", "ifname": "eth0"}]


def test_delegate_gets_del_when_its_add_fails(lab, a):
    """CNI 1.1.0, section 4: an IPAM plugin whose ADD failed gets DEL."""
    lab.executable("script", ADD="echo '{\"code\":11,\"msg\":\"later\"}'; exit 1")
    with pytest.raises(CNIFailure) as failure:
        lab.runtime("wrappers").add(conflist(bridge(ipam={"type": "script"})), a)
    assert failure.value.code == 11 and lab.log()[:2] == [("script", "ADD"), ("script", "DEL")]
    assert a.link("eth0") is None


# Modules


@pytest.mark.parametrize("version, code", [("0.4.0", None), ("1.1.0", None), ("0.3.1", 1), ("0.2.0", 1)])
def test_a_module_gets_only_versions_it_serves(lab, a, version, code):
    """The sample serves 0.4.0, 1.0.0 and 1.1.0."""
    network = conflist(lab.module("sample", MAKES=1), version=version)
    if code is None:
        assert lab.runtime().add(network, a)["cniVersion"] == version
    else:
        with pytest.raises(CNIFailure) as failure:
            lab.runtime().add(network, a)
        assert failure.value.code == code


def test_module_directories_are_searched_in_order(lab, a):
    """CATENA_MODULE_PATH is a list; the first directory that has the type counts."""
    lab.env["CATENA_MODULE_PATH"] = f"/nonexistent:{lab.modules}"
    assert lab.runtime().add(conflist(lab.module("sample", MAKES=1)), a)["ips"]


# Many at once


def test_parallel_adds_and_dels(host, stage):
    """16 containers at once: each address once, all reachable, nothing left after DEL."""
    network = conflist(bridge(isGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24")), portmap())
    containers = [host.add_netns(f"c{number}") for number in range(16)]
    runtime = Runtime(host, "catena")

    def attach(pair):
        number, container = pair
        ports = [{"hostPort": 8000 + number, "containerPort": 80, "protocol": "tcp"}]
        return runtime.add(network, container, capabilities={"portMappings": ports})

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = list(pool.map(attach, enumerate(containers)))
        addresses = [result["ips"][0]["address"] for result in results]
        assert len(set(addresses)) == 16
        for container in containers:
            container.ping("10.1.0.1")
        list(pool.map(lambda container: runtime.check(network, container), containers))
        list(pool.map(lambda container: runtime.delete(network, container), containers))
    assert [name for name, link in host.snapshot().links.items() if link["kind"] == "veth"] == []
    assert "elements" not in host.out(["nft", "list", "ruleset"])
    assert not [name for name in host.files("/var/lib/cni/networks/net") if name.split("/")[-1].startswith("10.1.")]
