"""Deleting links: modules of a chain queue theirs, and all are deleted in one message, for which the kernel waits once."""

import re
import shutil

import pytest

import harness
from harness import CNIFailure, assert_detached, bridge, conflist, host_local, portmap, run_plugin

LIMITS = {"type": "bandwidth", "ingressRate": 20_000_000, "ingressBurst": 2_000_000, "egressRate": 8_000_000, "egressBurst": 1_000_000}
BRIDGE = bridge(isGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24"))
PTP = {"type": "ptp", "ipMasq": True, "ipam": host_local("10.1.0.0/24")}
interfaces = pytest.mark.parametrize("interface", [BRIDGE, PTP], ids=["bridge", "ptp"])


def deletions(runtime, command, network, container, **keys):
    """Runs a verb of a network's only plugin with what the runtime knows of the attachment. The datagrams that delete links of the host:
    sockets of another namespace are not decoded."""
    if not shutil.which("strace"):
        pytest.fail("needs strace: make deps-test", pytrace=False)
    attachment, result = runtime.cache[(network["name"], container.id, "eth0")]
    plugin = runtime.plugins(network)[0]
    done = run_plugin(
        runtime.host, runtime.program(plugin["type"]), command, runtime.request(network, plugin, attachment, result), path=runtime.path,
        env=runtime.env, prefix=["strace", "-f", "-e", "trace=sendto", "-e", "abbrev=none", "-o", "/run/trace"], **keys)
    assert done.ok, str(done)
    return [line for line in runtime.host.path("/run/trace").read_text().splitlines() if "RTM_DELLINK" in line]


def grouped(datagram):
    """The links that a datagram puts into a group of their own, and deletes by that; none where it deletes one link without."""
    groups = re.findall(r"nla_type=IFLA_GROUP\}, (\w+)\]", datagram)
    links = re.findall(r'RTM_SETLINK.*?if_nametoindex\("(\w+)"\)', datagram)
    assert len(set(groups)) <= 1 and all(int(group, 0) >= 1 << 31 for group in groups), "a number that nobody uses"
    assert datagram.count("RTM_DELLINK") == 1 and len(groups) == (len(links) + 1 if links else 0), datagram
    assert "NLM_F_ACK" in datagram.split("RTM_DELLINK")[1] and "NLM_F_ACK" not in datagram.split("RTM_DELLINK")[0], datagram
    return links


def shaping_links(host):
    return [link["ifname"] for link in host.ip("link") if link["ifname"].startswith("bwp")]


def host_ends(host):
    return [link["ifname"] for link in host.ip("link") if link["ifname"].startswith("veth")]


def groups(host):
    return {link["ifname"]: link["group"] for link in host.ip("link")}


# First-party chains


@interfaces
def test_one_message_deletes_veth_and_ifb(catena, host, a, interface):
    """DEL of a chain with bandwidth deletes both as one group; it may be repeated."""
    network = conflist(interface, portmap(), LIMITS)
    catena.add(network, a)
    links = shaping_links(host) + host_ends(host)
    assert len(links) == 2
    sent = deletions(catena, "DEL", network, a)
    assert [sorted(grouped(datagram)) for datagram in sent] == [sorted(links)]
    assert shaping_links(host) + host_ends(host) == [] and set(groups(host).values()) == {"default"}
    assert_detached(host, a)
    assert deletions(catena, "DEL", network, a) == []
    catena.delete(network, a)
    catena.delete(network, a, forget=True)


@interfaces
def test_one_link_needs_no_group(catena, host, a, interface):
    """Without bandwidth only the container's end is deleted, in its namespace."""
    network = conflist(interface, portmap())
    catena.add(network, a)
    assert deletions(catena, "DEL", network, a) == [] and host_ends(host) == []
    assert_detached(host, a)


@interfaces
def test_the_ifb_is_gone_already(catena, host, a, interface):
    """Then the veth is the only one to delete."""
    network = conflist(interface, LIMITS)
    catena.add(network, a)
    host.run(["ip", "link", "del", shaping_links(host)[0]])
    assert deletions(catena, "DEL", network, a) == [] and host_ends(host) == []
    assert_detached(host, a)


@interfaces
def test_the_veth_is_gone_already(catena, host, a, interface):
    """Then the ifb is the only one."""
    network = conflist(interface, LIMITS)
    catena.add(network, a)
    host.run(["ip", "link", "del", host_ends(host)[0]])
    assert [grouped(datagram) for datagram in deletions(catena, "DEL", network, a)] == [[]]
    assert shaping_links(host) == []
    assert_detached(host, a)


@interfaces
@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_without_the_namespace(catena, host, a, interface, netns):
    """The kernel takes the veth along with the namespace, in its own time: the ifb is deleted in any case, and nothing is left."""
    network = conflist(interface, LIMITS)
    catena.add(network, a)
    a.delete()
    catena.delete(network, a, netns=netns)
    assert shaping_links(host) + host_ends(host) == [] and host.reservations() == [] and host.records() == []


@interfaces
def test_a_namespace_that_is_not_told(catena, host, a, interface):
    """It is there, but DEL comes without CNI_NETNS: the host's end is found by the result, and deleted with the ifb."""
    network = conflist(interface, LIMITS)
    catena.add(network, a)
    links = shaping_links(host) + host_ends(host)
    assert [sorted(grouped(datagram)) for datagram in deletions(catena, "DEL", network, a, netns="")] == [sorted(links)]
    assert_detached(host, a)


@interfaces
def test_a_host_end_that_is_not_certain(catena, host, a, interface):
    """Where it has another address than ADD reported, the container's end is deleted, and the ifb by itself."""
    network = conflist(interface, LIMITS)
    catena.add(network, a)
    host.run(["ip", "link", "set", host_ends(host)[0], "address", "02:00:00:00:00:01"])
    assert [grouped(datagram) for datagram in deletions(catena, "DEL", network, a)] == [[]]
    assert shaping_links(host) + host_ends(host) == []
    assert_detached(host, a)


def test_each_plugin_by_itself(wrappers, host, a):
    """As a process of its own, bandwidth deletes its ifb before it ends."""
    network = conflist(BRIDGE, LIMITS)
    wrappers.add(network, a)
    wrappers._exec("DEL", network, LIMITS, *wrappers.cache[("net", a.id, "eth0")])
    assert shaping_links(host) == [] and len(host_ends(host)) == 1
    wrappers.delete(network, a)
    assert_detached(host, a)


def test_gc_deletes_many_as_one(catena, host, a):
    """GC of bandwidth: one message for all that are not in use."""
    network = conflist(LIMITS, version="1.1.0")
    for number in range(3):
        host.run(["ip", "link", "add", f"bwp{number:012}", "type", "ifb"])
        host.run(["ip", "link", "set", f"bwp{number:012}", "alias", f"net/gone-{number}/eth0"])
    catena.cache[("net", a.id, "eth0")] = (harness.cni.Attachment("", "", "", None, None), None)
    config = catena.request(network, catena.plugins(network)[0], *catena.cache[("net", a.id, "eth0")], {"cni.dev/valid-attachments": []})
    trace = ["strace", "-f", "-e", "trace=sendto", "-e", "abbrev=none", "-o", "/run/trace"]
    assert run_plugin(host, catena.program("catena"), "GC", config, cid="", netns="", ifname="", path=catena.path, prefix=trace).ok
    sent = [line for line in host.path("/run/trace").read_text().splitlines() if "RTM_DELLINK" in line]
    assert [len(grouped(datagram)) for datagram in sent] == [3] and shaping_links(host) == []


def test_a_failed_add(catena, host, a):
    """Its undo deletes both."""
    wanted = conflist(BRIDGE, LIMITS, {"type": "tuning", "sysctl": {"net.ipv4.no_such_parameter": "1"}})
    with pytest.raises(CNIFailure):
        catena.add(wanted, a)
    assert shaping_links(host) + host_ends(host) == []
    assert_detached(host, a)


# Modules of others, by catena/module.h


@pytest.fixture
def spares(host):
    """Links of the host."""
    names = [f"spare{number}" for number in range(4)]
    for name in names:
        host.run(["ip", "link", "add", name, "type", "ifb"])
    return names


def words(lab, type):
    """What a sample module noted, in order."""
    return [word for name, word in lab.log() if name == type]


def test_a_module_that_queues(lab, host, a, spares):
    """What is queued is there until the chain has run all its modules, and is then deleted, once; a link that is gone is no error."""
    first = lab.module("first", QUEUES_LINKS='"spare0"', MAKES=1)
    script = lab.executable("script", DEL="ip -o link show spare1 >>/run/test/seen 2>&1")
    second = lab.module("second", QUEUES_LINKS='"spare1","spare2","spare1"')
    network = conflist(first, script, second)
    runtime = lab.runtime()
    runtime.add(network, a)
    runtime.delete(network, a)
    assert words(lab, "second") == ["ADD", "DEL", "3-queued"] and words(lab, "first") == ["ADD", "DEL", "1-queued"]
    assert "does not exist" in host.path("/run/test/seen").read_text(), "deleted before an executable runs"
    assert [host.link(name) is None for name in spares] == [True, True, True, False]


def test_a_module_that_deletes_what_is_queued(lab, host, a, spares):
    """delete_queued deletes also what others have queued, and leaves the queue empty."""
    first = lab.module("first", QUEUES_LINKS='"spare0"', DELETES_LINKS=1)
    network = conflist(BRIDGE, first, lab.module("second", QUEUES_LINKS='"spare1","spare2"'), LIMITS)
    runtime = lab.runtime()
    runtime.add(network, a)
    assert [len(grouped(datagram)) for datagram in deletions(runtime, "DEL", network, a)] == [4]
    assert words(lab, "first") == ["ADD", "DEL", "4-queued", "0-left,gone"] and shaping_links(host) == []
    assert [host.link(name) is None for name in spares] == [True, True, True, False]


def test_a_module_that_fails_after_it(lab, host, a, spares, engine):
    """Whoever fails then, what is queued is deleted; and so by a plugin as a process of its own."""
    fails = lab.module("fails", QUEUES_LINKS='"spare0"', FAIL_DEL=1)
    network = conflist(lab.module("first", MAKES=1), fails, lab.module("last", QUEUES_LINKS='"spare1"'))
    host.run(["mkdir", "-p", "/run/test/bin"])
    for type in ("first", "fails", "last"):
        host.run(["ln", "-s", harness.PLUGINS / "catena-exec", f"/run/test/bin/{type}"])
    runtime = lab.runtime(engine)
    runtime.add(network, a)
    with pytest.raises(CNIFailure, match="sample cannot delete") as failure:
        runtime.delete(network, a)
    assert failure.value.code == 104 and words(lab, "first") == ["ADD"]
    assert [host.link(name) is None for name in spares] == [True, True, False, False]


def test_a_link_that_cannot_be_deleted(lab, host, a, spares):
    """The error names it; the others are deleted; it is in no other group than before."""
    network = conflist(lab.module("first", QUEUES_LINKS='"spare0","lo","spare1"'))
    runtime = lab.runtime()
    runtime.add(network, a)
    with pytest.raises(CNIFailure, match="delete link lo: Operation not supported"):
        runtime.delete(network, a)
    assert [host.link(name) is None for name in spares] == [True, True, False, False]
    assert groups(host)["lo"] == "default"


@pytest.mark.parametrize("macros, named", [
    ({"QUEUES_LINKS": '"spare0"', "IN_ADD": 1}, "delete link spare0: only DEL and GC can queue it, ADD has to delete its links itself"),
    ({"QUEUES_LINKS": '"no-such-link"'}, "delete link no-such-link: 0 is no link's index"),
], ids=["ADD", "index"])
def test_what_cannot_be_queued(lab, host, a, spares, macros, named):
    """It is refused by name, and nothing is deleted."""
    network = conflist(lab.module("first", **macros))
    runtime = lab.runtime()
    with pytest.raises(CNIFailure) as failure:
        runtime.add(network, a)
        runtime.delete(network, a)
    assert named in failure.value.message and host.link("spare0")


def test_gc_by_a_module(lab, host, a, spares):
    """GC may queue, too."""
    lab.runtime().gc(conflist(lab.module("first", QUEUES_LINKS='"spare0","spare1"'), version="1.1.0"), [])
    assert words(lab, "first") == ["GC", "2-queued"] and [host.link(name) is None for name in spares] == [True, True, False, False]
