"""STATUS tells whether ADD would work, with the codes of CNI 1.1.0: 50, not available; 51, limited connectivity."""

import shutil

import pytest

import harness
from harness import CNIFailure, bridge, conflist, host_local, portmap, run_plugin

NET = bridge(isGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24"))


def inject(host, plugin, config, fault):
    """STATUS of a plugin in a kernel that fails as strace(1) is told."""
    if not shutil.which("strace"):
        pytest.fail("needs strace: make deps-test", pytrace=False)
    config = {**config, "name": "net", "cniVersion": "1.1.0"}
    return run_plugin(host, harness.PLUGINS / plugin, "STATUS", config, prefix=["strace", "-f", "-o", "/dev/null", "-e", f"inject={fault}"])


@pytest.mark.parametrize("ipMasq", [True, False])
def test_it_changes_nothing(runtime, host, ipMasq):
    """It tries the kernel where it disturbs no one."""
    before = host.snapshot()
    runtime.status(conflist({**NET, "ipMasq": ipMasq}, portmap(), version="1.1.0"))
    assert host.snapshot().without(nftables=True) == before.without(nftables=True)


def test_a_kernel_without_bridges(host, stage):
    """The second message of netlink, which makes a bridge, fails as it does where there is no such kind of link."""
    error = inject(host, "bridge", {**NET, "ipMasq": False}, "sendto:error=EOPNOTSUPP:when=2").error
    assert error["code"] == 50 and "the kernel can't make bridges" in error["msg"] and "not supported" in error["msg"]


@pytest.mark.parametrize("plugin, config", [("bridge", NET), ("portmap", portmap())])
def test_a_kernel_without_nftables(host, stage, plugin, config):
    """NETLINK_NETFILTER sockets can't be had."""
    host.ip("link", "add", "cni0", "type", "bridge")
    first = 1 if plugin == "portmap" else 2
    error = inject(host, plugin, config, f"socket:error=EPROTONOSUPPORT:when={first}+").error
    assert error["code"] == 50 and "Protocol not supported" in error["msg"]


def test_a_link_that_is_no_bridge(runtime, host):
    host.run(["ip", "link", "add", "cni0", "type", "veth", "peer", "name", "other"])
    with pytest.raises(CNIFailure, match="is not a bridge") as failure:
        runtime.status(conflist(NET, version="1.1.0"))
    assert failure.value.code == 50


@pytest.mark.parametrize("chain", [[bridge(ipam={"type": "nope"})], [NET, {"type": "nope"}]])
def test_a_plugin_that_is_missing(catena, chain):
    """Of the chain, or a delegate: ADD could not work."""
    with pytest.raises(CNIFailure, match="nope") as failure:
        catena.status(conflist(*chain, version="1.1.0"))
    assert failure.value.code == 50


def test_a_module_that_cannot_be_opened(lab):
    """Told as not available, with the reason."""
    (lab.modules / "broken.so").write_bytes(b"not an object")
    (lab.modules / "broken.so").chmod(0o755)
    with pytest.raises(CNIFailure, match="open module") as failure:
        lab.runtime().status(conflist(NET, {"type": "broken"}, version="1.1.0"))
    assert failure.value.code == 50


@pytest.mark.parametrize("code", [50, 51, 11])
def test_the_plugins_own_code_stays(lab, code):
    """Of a plugin of the chain, and of a delegate."""
    for chain in ([NET, lab.executable("last", STATUS=f"""echo '{{"code":{code},"msg":"not now"}}'; exit 1""")],
                  [bridge(ipam=lab.executable("ipam", STATUS=f"""echo '{{"code":{code},"msg":"not now"}}'; exit 1"""))]):
        with pytest.raises(CNIFailure, match="not now") as failure:
            lab.runtime().status(conflist(*chain, version="1.1.0"))
        assert failure.value.code == code


def test_before_any_attachment(runtime):
    """A node that has just started, with nothing of Catena on it, is ready."""
    runtime.status(conflist(NET, portmap(), version="1.1.0"))
