"""Modules that misbehave: each ends in one CNI error on standard output that names it, with the chain undone."""

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
    "another namespace": ("setns(call->netns_fd, CLONE_NEWNET)", "left the thread in another network namespace"),
}


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
    network = conflist(NET, portmap(), lab.module("before"), hostile(does), lab.module("after"))
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


@pytest.mark.parametrize("does", ['printf("noise"); fflush(stdout)', 'write(1, "noise", 5) < 0 ? abort() : (void)0', "close(1)",
                                  "for (int i = 0; i < 50; i++) open(\"/dev/null\", O_RDONLY)"])
def test_what_does_no_harm(lab, host, a, hostile, does):
    """Writing to standard output, closing it, leaking descriptors: the result is still the result, and nothing else."""
    network = conflist(NET, hostile(does))
    result = lab.runtime().add(network, a)
    assert result["ips"][0]["address"] == "10.1.0.2/24"
    a.ping("10.1.0.1")
    lab.runtime().delete(network, a)
    assert_detached(host, a)


def test_an_exception_of_cpp(lab, host, a):
    """An exception that leaves the module ends its process, not the host's."""
    import subprocess

    source = (harness.REPO / "Tests" / "abi" / "throws.cpp")
    subprocess.run(["g++", "-std=c++17", "-shared", "-fPIC", f"-I{harness.INCLUDE}", "-o", lab.modules / "throws.so", source], check=True)
    (lab.modules / "throws.so").chmod(0o755)
    with pytest.raises(CNIFailure, match="throws: ADD crashed: signal 6"):
        lab.runtime().add(conflist(NET, {"type": "throws"}), a)
    assert_detached(host, a)


def test_a_delegate_that_crashes(lab, host, a, hostile):
    """It is the delegate that is named."""
    with pytest.raises(CNIFailure, match="hostile: ADD crashed"):
        lab.runtime().add(conflist(bridge(ipam=hostile("abort()"))), a)
    assert a.link("eth0") is None


def test_a_wrapper(lab, host, a, hostile):
    """The wrappers as well: one error object, exit status 1."""
    hostile("abort()")
    host.path("/run/test").mkdir(exist_ok=True)
    wrapper = host.path("/run/test/hostile")
    wrapper.symlink_to(harness.PLUGINS / "catena-exec")
    done = run_plugin(host, "/run/test/hostile", "ADD", {"name": "net", "cniVersion": "1.0.0", "type": "hostile"}, env=lab.env)
    assert done.code == 1 and done.error["cniVersion"] == "1.0.0" and "hostile: ADD crashed: signal 6" in done.error["msg"]
