"""Modules that misbehave: each ends in one CNI error on standard output that names it, with the chain undone."""

import json
import subprocess

import pytest

import harness
from harness import CNIFailure, assert_detached, bridge, conflist, host_local, portmap, run_plugin

NET = bridge(isGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24"))
DEADLY = {
    "a null pointer": ("*(volatile int *)0 = 1", "crashed: signal 11"), "abort": ("abort()", "crashed: signal 6"),
    "a trap": ("__builtin_trap()", "crashed: signal 4"), "exit 0": ("exit(0)", "exit status 0"), "exit 3": ("_exit(3)", "exit status 3"),
    "kill": ("raise(SIGKILL)", "crashed: signal 9"), "the stack": ("memset(alloca(1 << 26), 1, 1 << 26)", "crashed: signal 11"),
    "stdout and death": ('printf("{}"); fflush(stdout); abort()', "crashed: signal 6"),
    "all descriptors closed": ("for (int fd = 0; fd < 64; fd++) close(fd); abort()", "crashed: signal 6"),
    "hanging without descriptors": ("for (int fd = 0; fd < 64; fd++) close(fd); for (;;) pause()", "did not end within its limit"),
    "output": ('printf("noise"); fflush(stdout)', "wrote to standard output: noise"),
    "output that is not flushed": ('printf("{}")', "wrote to standard output: {}"),
    "raw output": ('write(1, "noise", 5) < 0 ? abort() : (void)0', "wrote to standard output: noise"),
    "standard output closed": ("close(1)", "closed standard output"),
    "another standard output": ('dup2(open("/dev/null", O_WRONLY), 1)', "put something else under standard output"),
    "a loop": ("for (;;) {}", "did not end within its limit"),
    "a failing assertion": ('fputs("assertion failed\\n", stderr); abort()', "crashed: signal 6"),
    "another program": ('execl("/bin/sleep", "sleep", "60", (char *)NULL)', "did not end within its limit"),
    "another namespace": ("setns(call->netns_fd, CLONE_NEWNET)", "left the thread in another network namespace"),
}
#: What ends with the module's process, and harms nothing: `catenactl module check` finds it.
HARMLESS = ["close(0); close(2)",
            "for (int i = 0; i < 50; i++) open(\"/dev/null\", O_RDONLY)", "umask(077); chdir(\"/\"); signal(SIGTERM, SIG_IGN)"]


@pytest.fixture
def hostile(lab, compile_module):
    """A module that does something on a verb."""

    def hostile(does, verb="CATENA_ADD", type="hostile"):
        compile_module("hostile.c", lab.modules, type, DOES=does, VERB=verb)
        return {"type": type}

    return hostile


@pytest.mark.parametrize("fault", DEADLY)
def test_add(lab, host, a, hostile, fault):
    """ADD: the error names the module and how it ended; it and those before it get DEL, those after it nothing."""
    does, words = DEADLY[fault]
    network = conflist(NET, portmap(), lab.module("before"), {**hostile(does), "catena": {"timeout": 1}}, lab.module("after"))
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(network, a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    assert failure.value.message.startswith("hostile: ") and words in failure.value.message
    assert lab.log() == [("before", "ADD"), ("hostile", "1"), ("hostile", "2"), ("before", "DEL")]
    assert_detached(host, a)
    lab.runtime().delete(network, a)


def test_a_module_that_dies_in_its_undo_too(lab, host, a, hostile):
    """Those before it still get their DEL; the error says what is left."""
    network = conflist(NET, lab.module("before"), hostile("abort()", "call->operation"))
    with pytest.raises(CNIFailure) as failure:
        lab.runtime().add(network, a)
    assert failure.value.message.startswith("hostile: ADD crashed") and "hostile: DEL crashed" in failure.value.error["details"]
    assert lab.log()[-1] == ("before", "DEL")
    assert_detached(host, a)


@pytest.mark.parametrize("verb, number", [("del", "CATENA_DEL"), ("check", "CATENA_CHECK")])
def test_other_verbs(lab, host, a, hostile, verb, number):
    """DEL and CHECK: an error, and DEL can be repeated with a module that is mended."""
    network = conflist(NET, hostile("abort()", number))
    runtime = lab.runtime()
    runtime.add(network, a)
    with pytest.raises(CNIFailure, match="crashed: signal 6"):
        {"del": runtime.delete, "check": runtime.check}[verb](network, a)
    hostile("return 0", number)
    runtime.delete(network, a)
    assert_detached(host, a)


def test_a_module_that_hangs(lab, host, a, hostile):
    """It is killed after the limit of its configuration, and undone."""
    network = conflist(NET, {**hostile("for (;;) pause()"), "catena": {"timeout": 1}})
    with pytest.raises(CNIFailure, match="did not end within its limit") as failure:
        lab.runtime().add(network, a)
    assert failure.value.code == 11
    assert_detached(host, a)


@pytest.mark.parametrize("does", HARMLESS)
def test_what_does_no_harm(lab, host, a, hostile, does):
    """Leaking descriptors, changing what is the process's: the result is the result, and nothing else."""
    network = conflist(NET, hostile(does))
    result = lab.runtime().add(network, a)
    assert result["ips"][0]["address"] == "10.1.0.2/24"
    a.ping("10.1.0.1")
    lab.runtime().delete(network, a)
    assert_detached(host, a)


@pytest.mark.parametrize("verb, number", [("del", "CATENA_DEL"), ("gc", "CATENA_GC")])
def test_output_of_del_and_gc(lab, host, a, hostile, verb, number):
    """Their work is done: a failure would only have it repeated for ever. Standard output stays empty, and the log has it."""
    network = conflist(NET, hostile('printf("noise")', number), version="1.1.0")
    runtime = lab.runtime()
    runtime.env = {**lab.env, "CATENA_LOG_TO": "/run/test/catena.log"}
    runtime.add(network, a)
    if verb == "gc":
        runtime.gc(network, [(a.id, "eth0")])
    runtime.delete(network, a)
    assert f"{verb.upper()} wrote to standard output: noise" in host.path("/run/test/catena.log").read_text()
    assert_detached(host, a)


@pytest.fixture
def foreign(lab):
    """Modules in C++ and Swift: foreign(type) makes one."""

    def foreign(type):
        target = lab.modules / f"{type}.so"
        source, command = {
            "throws": ("throws.cpp", ["g++", "-std=c++17", "-shared", "-fPIC", f"-I{harness.INCLUDE}"]),
            "traps": ("traps.swift", [
                "swiftc", "-O", "-wmo", "-parse-as-library", "-enable-experimental-feature", "Embedded", "-emit-library",
                "-module-name", "traps", "-import-objc-header", harness.INCLUDE / "catena" / "module.h"]),
        }[type]
        subprocess.run([*command, "-o", target, harness.REPO / "Tests" / "abi" / source], check=True)
        target.chmod(0o755)
        return {"type": type}

    return foreign


FOREIGN = {"throws": "crashed: signal 6", "traps": "crashed: signal 4"}


@pytest.mark.parametrize("type", FOREIGN)
def test_an_exception_of_cpp_and_a_trap_of_swift(lab, host, a, foreign, type):
    """An exception that leaves the module, or a trap in it, ends its process, not the host's."""
    with pytest.raises(CNIFailure, match=f"{type}: ADD {FOREIGN[type]}"):
        lab.runtime().add(conflist(NET, lab.module("before"), foreign(type)), a)
    assert lab.log() == [("before", "ADD"), ("before", "DEL")]
    assert_detached(host, a)


def test_a_delegate_that_crashes(lab, host, a, hostile):
    """It is the delegate that is named."""
    with pytest.raises(CNIFailure, match="hostile: ADD crashed"):
        lab.runtime().add(conflist(bridge(ipam=hostile("abort()"))), a)
    assert a.link("eth0") is None


@pytest.mark.parametrize("signal, words", [("SEGV", "deadly: ADD crashed: signal 11"), ("KILL", "deadly: ADD crashed: signal 9")])
def test_a_module_of_our_own_that_dies(lab, host, a, signal, words):
    """Where all modules are Catena's, their process shares its parent's memory: the parent lives on, and undoes."""
    host.write("/run/test/bin/deadly", f"#!/bin/sh\ncat >/dev/null\n[ $CNI_COMMAND != ADD ] || kill -{signal} $PPID\n", 0o755)
    with pytest.raises(CNIFailure, match=words):
        lab.runtime().add(conflist(bridge(ipMasq=True, ipam={"type": "deadly"}), portmap()), a)
    assert a.link("eth0") is None and host.records() == []


def test_a_delegate_of_others_has_memory_of_its_own(lab, host, a, hostile):
    """A chain of our modules, but for the IPAM plugin: what that writes to standard output is noticed."""
    with pytest.raises(CNIFailure, match="hostile: ADD wrote to standard output: noise"):
        lab.runtime().add(conflist(bridge(ipam=hostile('printf("noise"); fflush(stdout)'))), a)
    assert a.link("eth0") is None and host.records() == []


@pytest.fixture
def wrapper(lab, host):
    """ADD of a module by its wrapper: one error object, exit status 1, nothing else on standard output."""

    def wrapper(type, limit=60):
        host.path("/run/test").mkdir(exist_ok=True)
        host.path(f"/run/test/{type}").symlink_to(harness.PLUGINS / "catena-exec")
        config = {"name": "net", "cniVersion": "1.0.0", "type": type, "catena": {"timeout": limit}}
        return run_plugin(host, f"/run/test/{type}", "ADD", {**config, "prevResult": {"cniVersion": "1.0.0"}}, env=lab.env)

    return wrapper


@pytest.mark.parametrize("fault", DEADLY)
def test_a_wrapper(host, a, hostile, wrapper, fault):
    """The wrappers as well."""
    does, words = DEADLY[fault]
    hostile(does)
    done = wrapper("hostile", 1)
    assert done.code == 1 and done.error["cniVersion"] == "1.0.0"
    assert done.error["msg"].removeprefix("hostile: ").startswith("ADD ") and words in done.error["msg"]


@pytest.mark.parametrize("does", HARMLESS)
def test_a_wrapper_and_what_does_no_harm(host, a, hostile, wrapper, does):
    hostile(does)
    done = wrapper("hostile")
    assert done.result == {"cniVersion": "1.0.0"}


@pytest.mark.parametrize("type", FOREIGN)
def test_a_wrapper_of_another_language(host, a, foreign, wrapper, type):
    foreign(type)
    assert f"{type}: ADD {FOREIGN[type]}" in wrapper(type).error["msg"]


# catenactl


@pytest.fixture
def tool(lab, host, stage):
    """catenactl with a network of these plugins."""

    def tool(command, network, a, check=False):
        host.write("/run/test/net.d/10-net.conflist", network)
        ports = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80}]})
        env = {**lab.env, "NETCONFPATH": "/run/test/net.d", "CAP_ARGS": ports}
        return host.run([stage / "bin" / "catenactl", command, "net", *([a.path] if a else [])], env=env, check=check)

    return tool


@pytest.mark.parametrize("fault", DEADLY)
def test_catenactl(lab, host, a, hostile, tool, fault):
    """catenactl lives on: one error that names the module, exit status 1, and the chain is undone."""
    does, words = DEADLY[fault]
    network = conflist(NET, portmap(), lab.module("before"), {**hostile(does), "catena": {"timeout": 1}}, lab.module("after"))
    done = tool("add", network, a)
    assert done.returncode == 1 and done.stdout == "" and "catenactl: hostile: " in done.stderr and words in done.stderr, done
    assert lab.log() == [("before", "ADD"), ("hostile", "1"), ("hostile", "2"), ("before", "DEL")]
    assert_detached(host, a)
    assert host.files("/var/lib/cni/results") == {} and "hostile" not in json.dumps(host.files("/var/lib/cni/catena"))


@pytest.mark.parametrize("does", HARMLESS)
def test_catenactl_and_what_does_no_harm(lab, host, a, hostile, tool, does):
    """The result on standard output is the result, and nothing else."""
    network = conflist(NET, hostile(does))
    assert json.loads(tool("add", network, a).stdout)["ips"][0]["address"] == "10.1.0.2/24"
    assert tool("check", network, a).returncode == 0
    assert tool("del", network, a).returncode == 0
    assert_detached(host, a)


@pytest.mark.parametrize("command", ["del", "check", "gc", "status"])
def test_catenactl_other_commands(lab, host, a, hostile, tool, command):
    """Each ends in an error that names the module; a DEL can be repeated with a module that is mended."""
    verb = f"CATENA_{command.upper()}"
    network = conflist(NET, hostile("abort()", verb), version="1.1.0")
    tool("add", network, a, check=True)
    done = tool(command, network, a)
    assert done.returncode == 1 and done.stdout == "" and f"hostile: {command.upper()} crashed: signal 6" in done.stderr, done
    hostile("return 0", verb)
    tool("del", network, a, check=True)
    assert_detached(host, a)


@pytest.mark.parametrize("type", FOREIGN)
def test_catenactl_of_another_language(lab, host, a, foreign, tool, type):
    done = tool("add", conflist(NET, foreign(type)), a)
    assert done.returncode == 1 and f"{type}: ADD {FOREIGN[type]}" in done.stderr
    assert_detached(host, a)


def test_a_module_that_crashes_when_it_is_opened(lab, host, a, hostile, tool, stage):
    """`module list` and `validate` live on too, and say so."""
    at_once = "__attribute__((constructor)) static void at_once(void) { abort(); }"
    lab._compile("hostile.c", lab.modules, "constructed", AT_FILE_SCOPE=at_once)
    done = tool("add", conflist(NET, {"type": "constructed"}), a)
    assert done.returncode == 1 and "constructed: opening the module crashed: signal 6" in done.stderr
    assert_detached(host, a)
    listed = json.loads(host.out([stage / "bin" / "catenactl", "module", "list", "--json"], env=lab.env))
    entry, = [entry for entry in listed if entry["type"] == "constructed"]
    assert "constructed: opening the module crashed: signal 6" in entry["refused"]
    assert {"bridge", "portmap"} <= {entry["type"] for entry in listed if "refused" not in entry}
