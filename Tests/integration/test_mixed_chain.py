"""Executables in a chain: what the plugins of the field need of whoever runs them, and that none of them can harm the rest."""

import json
import os

import pytest

import harness
from harness import LOG, CNIFailure, bridge, conflist, host_local, portmap, run_plugin

NET = bridge(isGateway=True, ipam=host_local("10.1.0.0/24"))


def script(lab, type, text):
    """An executable of this text."""
    lab.host.write(f"/run/test/bin/{type}", text, 0o755)
    return {"type": type}


PASS_ON = """#!/usr/bin/env python3
import json, os, sys
config = json.load(sys.stdin)
BODY
if os.environ["CNI_COMMAND"] == "ADD": print(json.dumps(config.get("prevResult", {})))
"""


# What the field's plugins need


@pytest.mark.parametrize("name", ["calico", "calico-ipam"])
def test_dispatch_on_argv0(lab, host, a, name):
    """One program under several names sees its own name, as a full path, and no argument more (Calico, Weave)."""
    text = PASS_ON.replace("BODY", f"""
if os.path.basename(sys.argv[0]) not in ("calico", "calico-ipam") or len(sys.argv) != 1: sys.exit("panic: " + sys.argv[0])
open("{LOG}", "a").write(open("/proc/self/cmdline").read().replace("\\0", " "))""")
    host.write("/run/test/bin/multi", text, 0o755)
    host.path(f"/run/test/bin/{name}").symlink_to("multi")
    lab.runtime().add(conflist(NET, {"type": name}), a)
    assert f"/run/test/bin/{name} " in host.path(LOG).read_text()


def test_the_whole_environment(lab, host, a):
    """All variables reach an executable, those of tracing among them; the CNI_ ones are exact, nothing else of ours but the lock's."""
    text = PASS_ON.replace("BODY", f'open("{LOG}", "w").write(json.dumps(dict(os.environ)))')
    env = {
        "WEAVE_HTTP_ADDR": "127.0.0.1:6784", "TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "TRACESTATE": "a=b", "BAGGAGE": "k=v",
    }
    runtime = lab.runtime()
    config = {**runtime.plugins(conflist(NET, script(lab, "script", text)))[0], "name": "net", "cniVersion": "1.0.0"}
    done = run_plugin(host, runtime.program("catena"), "ADD", config, args="IgnoreUnknown=1;K=V", path=runtime.path, env={**lab.env, **env})
    assert done.ok, str(done)
    seen = json.loads(host.path(LOG).read_text())
    assert {name: seen[name] for name in env} == env
    assert {name: value for name, value in seen.items() if name.startswith("CNI_")} == {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "id-a", "CNI_NETNS": a.path, "CNI_IFNAME": "eth0", "CNI_ARGS": "IgnoreUnknown=1;K=V", "CNI_PATH": runtime.path}
    assert {name for name in seen if name.startswith("CATENA_")} == {"CATENA_MODULE_PATH", "CATENA_ATTACHMENT"}


def test_standard_error_of_a_success(lab, host, a):
    """Many plugins write there and succeed (Flannel, Genie): it is passed on, also of a failure, and standard output stays the result's."""
    runtime = lab.runtime()
    config = {**runtime.plugins(conflist(lab.executable("script")))[0], "name": "net", "cniVersion": "1.0.0"}
    done = run_plugin(host, runtime.program("catena"), "ADD", config, path=runtime.path, env=lab.env)
    assert "a word on standard error" in done.stderr and done.result["ips"]
    host.write(f"{LOG}.script.fails.ADD", "exit 1")
    done = run_plugin(host, runtime.program("catena"), "ADD", config, path=runtime.path, env=lab.env)
    assert "a word on standard error" in done.stderr and done.error["code"] == 999


@pytest.mark.parametrize("result", [
    {"ips": [{"address": "10.7.0.2/24"}]}, {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "0f3a"}], "ips": []},
    {"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.7.0.2/24", "gateway": None}]}, {"interfaces": None, "ips": None, "routes": None},
    {"cniVersion": "0.2.0", "ip4": {"ip": "10.7.0.2/24"}}, {"ips": [{"address": "10.7.0.2/24", "interface": 0}], "interfaces": [{"name": "x"}]}, {},
])
def test_odd_results(lab, a, result):
    """Interfaces missing, a sandbox that is a container ID, no index, a null gateway, an older form: all of that is about (Kuryr, Contiv)."""
    text = f"#!/bin/sh\ncat >/dev/null\n[ $CNI_COMMAND = ADD ] && echo '{json.dumps(result)}'\nexit 0\n"
    network = conflist(script(lab, "odd", text), lab.executable("script"))
    added = lab.runtime().add(network, a)
    assert added["cniVersion"] == "1.0.0"
    assert lab.given("script", "ADD")["prevResult"] == added
    for interface in result.get("interfaces") or []:
        assert added["interfaces"][0].get("sandbox") == interface.get("sandbox")


def test_extra_keys_of_a_result(lab, a):
    """What a plugin prints beyond the specification is there for those behind it, also past modules."""
    extra = {"vendor": {"port": [1, "x"]}, "k8s": None}
    text = f"#!/bin/sh\ncat >/dev/null\n[ $CNI_COMMAND = ADD ] && echo '{json.dumps({'ips': [{'address': '10.7.0.2/24'}], **extra})}'\nexit 0\n"
    result = lab.runtime().add(conflist(script(lab, "odd", text), portmap(), lab.module("one", MAKES=1), lab.executable("last")), a)
    given = lab.given("last", "ADD")["prevResult"]
    assert {key: given[key] for key in extra} == {key: result[key] for key in extra} == extra


def test_version_that_fails(lab, a):
    """A plugin that fails on VERSION runs all the same (Contiv)."""
    text = PASS_ON.replace("BODY", 'if os.environ["CNI_COMMAND"] == "VERSION" or not os.environ["CNI_ARGS"]: sys.exit("fatal: no CNI_ARGS")')
    lab.runtime().add(conflist(NET, script(lab, "contivk8s", text)), a, args="IgnoreUnknown=1")


def test_state_between_steps(lab, a):
    """An executable sees in the namespace what the modules before it made (Cilium's generic-veth, tuning), and changes of it stay."""
    text = PASS_ON.replace("BODY", f"""
import subprocess
net = ["nsenter", "--net=" + os.environ["CNI_NETNS"]]
if os.environ["CNI_COMMAND"] == "ADD":
    open("{LOG}", "w").write(subprocess.run(net + ["ip", "-4", "addr", "show", "dev", "eth0"], capture_output=True, text=True).stdout)
    subprocess.run(net + ["ip", "link", "set", "eth0", "address", "0a:58:0a:01:00:4d"], check=True)
    config["prevResult"]["interfaces"][2]["mac"] = "0a:58:0a:01:00:4d" """)
    runtime = lab.runtime()
    network = conflist(NET, script(lab, "cilium-cni", text), portmap())
    result = runtime.add(network, a)
    assert "10.1.0.2/24" in lab.host.path(LOG).read_text()
    assert result["interfaces"][2]["mac"] == a.link("eth0")["address"] == "0a:58:0a:01:00:4d"
    runtime.check(network, a)


def test_descriptors_and_namespace_of_an_executable(lab, host, a):
    """It runs in the host's namespaces, with standard streams and no other descriptor: none of ours leaks."""
    text = PASS_ON.replace("BODY", f"""
seen = json.dumps([os.listdir("/proc/self/fd"), os.readlink("/proc/self/ns/net")])
open("{LOG}", "w").write(seen)""")
    lab.runtime().add(conflist(NET, script(lab, "script", text), portmap()), a)
    descriptors, namespace = json.loads(host.path(LOG).read_text())
    assert sorted(map(int, descriptors))[:3] == [0, 1, 2] and len(descriptors) <= 4, "the fourth is the listing itself"
    assert namespace == host.out(["readlink", "/proc/self/ns/net"])


def test_wrappers_are_found_by_name(lab, host, a):
    """Plugins that run `host-local` or `bridge` out of CNI_PATH, as Flannel and Calico do, find our wrappers."""
    text = f"""#!/usr/bin/env python3
import json, os, subprocess, sys
config = json.load(sys.stdin)
delegate = {{"type": "bridge", "name": config["name"], "cniVersion": config["cniVersion"], **config["delegate"]}}
for directory in os.environ["CNI_PATH"].split(":"):
    if os.path.exists(directory + "/bridge"):
        done = subprocess.run([directory + "/bridge"], input=json.dumps(delegate), capture_output=True, text=True)
        sys.stderr.write("flannel: " + json.dumps(delegate)); sys.stdout.write(done.stdout); sys.exit(done.returncode)
sys.exit("no bridge")
"""
    flannel = {**script(lab, "other-flannel", text), "delegate": {"isDefaultGateway": True, "ipam": host_local("10.1.0.0/24")}}
    runtime = lab.runtime()
    network = conflist(flannel, portmap(), version="0.3.1", name="cbr0")
    result = runtime.add(network, a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    assert result["ips"][0]["address"] == "10.1.0.2/24"
    a.ping("10.1.0.1")
    runtime.delete(network, a)
    assert a.link("eth0") is None and "elements" not in host.out(["nft", "list", "ruleset"])


def test_a_lock_is_not_carried_into_an_executable(lab, host, a):
    """A plugin that runs catena again, for the same attachment, does not wait for ourselves; nor does catenactl's catena."""
    inner = {"type": "catena", "name": "net", "cniVersion": "1.0.0", "chain": [NET]}
    text = f"""#!/bin/sh
cat >/dev/null
echo '{json.dumps(inner)}' | exec {harness.PLUGINS}/catena
"""
    network = conflist(script(lab, "meta", text))
    runtime = lab.runtime()
    runtime.add(network, a)
    a.ping("10.1.0.1")
    runtime.delete(network, a)
    assert a.link("eth0") is None


# Ends


def test_a_plugin_that_hangs(lab, host, a):
    """It is killed after its limit with all that it has started; the error says so; the chain is undone."""
    sleeper = "echo before >&2; sleep 1000 & echo $! >/run/test/child; wait"
    network = conflist(NET, {**lab.executable("script", ADD=sleeper), "catena": {"timeout": 1}})
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(network, a)
    assert failure.value.code == 11 and "did not end within 1 s and was killed" in failure.value.message
    assert "before" in failure.value.outcome.stderr and a.link("eth0") is None
    child = host.path("/run/test/child").read_text().strip()
    assert host.run(["kill", "-0", child], check=False).returncode != 0 or "Z" in host.out(["sh", "-c", f"cut -d' ' -f3 /proc/{child}/stat || true"])
    assert "catena" not in lab.given("script", "ADD"), "the limit is not the plugin's matter"


@pytest.mark.parametrize("keys, seconds", [({"timeout": 2}, 2), ({}, None)])
def test_the_limit_of_all_plugins(lab, a, host, keys, seconds):
    """`timeout` of catena's configuration is for all its plugins, delegates too."""
    lab.executable("script", ADD="sleep 3")
    config = {"type": "catena", "name": "net", "cniVersion": "1.0.0", "chain": [bridge(ipam={"type": "script"})], **keys}
    done = run_plugin(host, harness.PLUGINS / "catena", "ADD", config, path=f"{harness.PLUGINS}:/run/test/bin", env=lab.env)
    if seconds:
        assert done.error["code"] == 11 and f"within {seconds} s" in done.error["msg"]
    else:
        assert done.ok


@pytest.mark.parametrize("value", [0, -1, 86401, "10", 1.5])
def test_limits_that_cannot_be(lab, host, a, value):
    for keys in ({"timeout": value, "chain": [NET]}, {"chain": [{**NET, "catena": {"timeout": value}}]}):
        done = run_plugin(host, harness.PLUGINS / "catena", "ADD", {"type": "catena", "name": "net", "cniVersion": "1.0.0", **keys})
        assert "timeout" in done.error["msg"] and done.error["code"] in (6, 7)


def test_a_descendant_that_keeps_the_pipe(lab, a):
    """A daemon that a plugin leaves behind with its standard output does not hold up the chain."""
    network = conflist(lab.executable("script", ADD="sleep 50 & echo $! >/run/test/child"))
    assert lab.runtime().add(network, a)["ips"]
    lab.host.run(["sh", "-c", "kill $(cat /run/test/child)"])


def test_an_executable_that_is_being_written(lab, host, a):
    """Text file busy: it is waited for, a little."""
    lab.executable("script")
    writer = host.start(["sh", "-c", "exec 3>>/run/test/bin/busy; cat /run/test/bin/script >&3; chmod 755 /run/test/bin/busy; echo; sleep 0.15"])
    writer.stdout.readline()
    host.path(f"{LOG}.busy.fails.ADD").write_text("true")
    lab.runtime().add(conflist({"type": "busy"}), a)


@pytest.mark.parametrize("output, code, words", [
    ('{"code": 11, "msg": "later", "details": "soon"}', 11, "later; soon"), ('{"cniVersion":"0.4.0","code":7,"msg":"bad"}', 7, "bad"),
    ('{"msg": "no code"}', 999, "no code"), ('{"code": "7", "msg": "text"}', 999, "exit status 1"), ("[1]", 999, "exit status 1"),
])
def test_errors_of_executables(lab, a, output, code, words):
    """The plugin's own code, message and details; what is no error object is told as it is."""
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(conflist(lab.executable("script", ADD=f"echo '{output}'; exit 1")), a)
    assert failure.value.code == code and words in failure.value.text


def test_every_order(lab, a):
    """Module and executable in every order of four: each gets the result of the one before."""
    runtime = lab.runtime()
    for mask in range(16):
        plugins = [lab.executable(f"x{mask}-{i}") if mask >> i & 1 else lab.module(f"m{mask}-{i}", **({"MAKES": 1} if i == 0 else {})) for i in range(4)]
        network = conflist(*plugins)
        result = runtime.add(network, a)
        assert result["ips"][0]["address"] == "10.7.0.2/24"
        runtime.check(network, a)
        runtime.delete(network, a)
    calls = lab.log()
    assert len(calls) == 16 * 12 and [name for name, verb in calls[:4]] == ["m0-0", "m0-1", "m0-2", "m0-3"]


def test_an_executable_that_stays_busy(lab, host, a):
    """After the wait it is an error for every verb: never an empty success."""
    lab.executable("script")
    writer = host.start(["sh", "-c", "exec 3>>/run/test/bin/script; echo; exec sleep 60"])
    writer.stdout.readline()
    with pytest.raises(CNIFailure, match="Text file busy"):
        lab.runtime().add(conflist({"type": "script"}), a)
    with pytest.raises(CNIFailure, match="Text file busy"):
        lab.runtime().status(conflist({"type": "script"}, version="1.1.0"))
