"""dummy: an interface of the container's own, with addresses, that leads nowhere. Most of it needs a kernel that has the module."""

import pytest

from harness import CNIFailure, assert_check_finds, assert_del_leaves_nothing, ask, conflist, host_local, serve

FILES = r"^/var/lib/cni/networks"


def network(*subnets, version="1.0.0", routes=(), **keys):
    """A network of dummy."""
    ipam = host_local(*(subnets or ["10.1.0.0/24"]), routes=routes)
    return conflist({"type": "dummy", "ipam": ipam, **keys}, version=version)


def has_dummy(host):
    """Whether the kernel can make such a link."""
    made = host.run(["ip", "link", "add", "probe0", "type", "dummy"], check=False).returncode == 0
    if made:
        host.run(["ip", "link", "del", "probe0"])
    return made


def test_a_kernel_without_the_module(runtime, host, a):
    """ADD and STATUS name what is missing, and nothing is left; where it is there, both succeed."""
    wanted = network(version="1.1.0")
    if has_dummy(host):
        runtime.status(wanted)
        runtime.add(wanted, a)
        return
    before = host.snapshot()
    with pytest.raises(CNIFailure) as failure:
        runtime.add(wanted, a)
    assert "create dummy eth0" in failure.value.text and "the module dummy is not in this kernel" in failure.value.text
    assert host.snapshot().without(files=FILES) == before.without(files=FILES)
    with pytest.raises(CNIFailure, match="the kernel can't make dummy links") as failure:
        runtime.status(wanted)
    assert failure.value.code == 50


@pytest.mark.parametrize("keys", [{}, {"ipam": {}}, {"ipam": {"type": ""}}], ids=["none", "empty", "without a type"])
def test_ipam_is_required(runtime, host, a, keys):
    """Without an IPAM plugin ADD fails; DEL does not."""
    wanted = conflist({"type": "dummy", **keys})
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="requires an IPAM configuration"):
        runtime.add(wanted, a)
    assert host.snapshot() == before
    runtime.delete(wanted, a)


def test_del_without_add(runtime, host, a):
    """DEL of what was never added succeeds; a link of another kind stays."""
    host.run(["ip", "link", "add", "v0", "type", "veth", "peer", "name", "eth0", "netns", "a"])
    runtime.delete(network(), a)
    assert a.link("eth0") is not None
    runtime.delete(network(), a, netns="")
    runtime.delete(network(), a, netns="/run/netns/nowhere")


@pytest.mark.vm
def test_add_makes_what_it_reports(runtime, host, a):
    """Link, addresses of both families and routes are in the container."""
    result = runtime.add(network("10.1.0.0/24", "fd00:1::/64", routes=["10.99.0.0/16", "fd00:99::/32"]), a)
    link = a.link("eth0")
    assert link["linkinfo"]["info_kind"] == "dummy" and "UP" in link["flags"]
    assert result["interfaces"] == [{"name": "eth0", "mac": link["address"], "sandbox": a.path}]
    assert result["ips"] == [
        {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0}, {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 0}]
    assert result["routes"] == [{"dst": "10.99.0.0/16"}, {"dst": "fd00:99::/32"}]
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]
    assert ("10.99.0.0/16", "10.1.0.1", "eth0") in a.routes() and ("fd00:99::/32", "fd00:1::1", "eth0") in a.routes(6)


@pytest.mark.vm
def test_a_service_listens_on_its_address(runtime, a):
    """Within the container the addresses are reachable."""
    runtime.add(network("10.1.0.0/24", "fd00:1::/64"), a)
    a.run(["ip", "link", "set", "lo", "up"])
    serve(a, "tcp", 80)
    assert ask(a, "tcp", "10.1.0.2", 80).name == "a" and ask(a, "tcp", "fd00:1::2", 80).name == "a"


@pytest.mark.vm
def test_dns(runtime, a):
    """DNS settings of the configuration are in the result."""
    result = runtime.add(network(dns={"nameservers": ["192.0.2.53"]}), a)
    assert result["dns"] == {"nameservers": ["192.0.2.53"]}


@pytest.mark.vm
@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_result_versions(runtime, a, version):
    """The result has the form of the configuration's version."""
    result = runtime.add(network(version=version), a)
    assert result["cniVersion"] == version
    if version == "0.2.0":
        assert result["ip4"]["ip"] == "10.1.0.2/24"
    else:
        assert result["ips"][0]["address"] == "10.1.0.2/24" and result["ips"][0]["interface"] == 0


@pytest.mark.vm
def test_check(runtime, a):
    """CHECK of what ADD made succeeds."""
    wanted = network("10.1.0.0/24", "fd00:1::/64", routes=["10.99.0.0/16"])
    runtime.add(wanted, a)
    runtime.check(wanted, a)


@pytest.mark.vm
@pytest.mark.parametrize("damage, named", [
    ("ip addr del 10.1.0.2/24 dev eth0", "10.1.0.2"), ("ip route del 10.99.0.0/16", "10.99.0.0"), ("ip link set eth0 down", "down"),
    ("ip link set eth0 address 02:00:00:00:00:99", "02:00:00:00:00:99"), ("ip link del eth0", "eth0"),
    ("ip link del eth0; ip link add v0 type veth peer name eth0", "expected a dummy"),
], ids=["address", "route", "down", "MAC", "link", "kind"])
def test_check_finds_damage(runtime, a, damage, named):
    """CHECK fails when something is not as ADD made it, and names it."""
    wanted = network(routes=["10.99.0.0/16"])
    assert_check_finds(runtime, a, wanted, damage, named)


@pytest.mark.vm
def test_del_leaves_what_was_there_before(runtime, host, a):
    """After DEL nothing is left, and DEL may be repeated."""
    assert_del_leaves_nothing(runtime, host, a, network())


@pytest.mark.vm
@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, netns):
    """With the namespace gone, DEL still releases the address."""
    runtime.add(network(), a)
    a.delete()
    runtime.delete(network(), a, netns=netns)
    assert host.reservations() == []


@pytest.mark.vm
@pytest.mark.parametrize("routes, named", [
    ([{"dst": "10.99.0.0/16", "gw": "192.0.2.9"}], "add route 10.99.0.0/16 via 192.0.2.9"),
], ids=["route"])
def test_failure_leaves_nothing(runtime, host, a, routes, named):
    """A route that the kernel refuses fails ADD: link and reservation are gone."""
    before = host.snapshot()
    with pytest.raises(CNIFailure, match=named):
        runtime.add(network(routes=routes), a)
    assert host.snapshot().without(files=FILES) == before.without(files=FILES)
    assert a.link("eth0") is None and host.reservations() == []


@pytest.mark.vm
def test_a_failing_ipam_leaves_nothing(lab, host, a):
    """An IPAM plugin that fails fails ADD: the link is gone."""
    runtime = lab.runtime()
    lab.executable("broken", ADD="exit 1")
    with pytest.raises(CNIFailure, match="broken"):
        runtime.add(conflist({"type": "dummy", "ipam": {"type": "broken"}}), a)
    assert a.link("eth0") is None
