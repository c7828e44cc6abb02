"""bridge with macspoofchk: a container sends from its own hardware address, or not at all."""

import json

import pytest

import harness
from harness import CNIFailure, Runtime, assert_check_finds, assert_del_leaves_nothing, bridge, conflist, hear_frames, host_local, send_frames

FOREIGN = "02:00:00:00:00:99"


def network(*, version="1.0.0", name="net", **keys):
    """A network whose bridge is the gateway and checks source addresses."""
    return conflist(bridge(isGateway=True, macspoofchk=True, ipam=host_local("10.1.0.0/24"), **keys), version=version, name=name)


def table(host):
    """Our table of frames; empty where there is none."""
    return host.run(["nft", "list", "table", "bridge", "catena"], check=False).stdout


def test_frames_from_another_address_are_dropped(runtime, host, a, b):
    """What a container sends from a foreign address reaches no one; what it sends from its own, and its packets, do."""
    runtime.add(network(), a)
    runtime.add(conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24"))), b)
    own = a.link("eth0")["address"]
    with_check, without = hear_frames(b, "eth0"), hear_frames(a, "eth0")
    send_frames(a, "eth0", FOREIGN, "forged")
    send_frames(a, "eth0", own, "honest")
    assert with_check.stdout.readline() == f"{own} honest\n", "the first that arrives is not the forged one"
    a.ping("10.1.0.3")
    a.ping("10.1.0.1")
    send_frames(b, "eth0", FOREIGN, "unchecked")
    assert without.stdout.readline() == f"{FOREIGN} unchecked\n", "a port without the check is not concerned"


def test_an_address_is_good_at_its_own_port_only(runtime, host, a, b):
    """The address of one checked container is a foreign one for another."""
    c = host.add_netns("c")
    for container in (a, b, c):
        runtime.add(network(), container)
    heard = hear_frames(c, "eth0")
    send_frames(a, "eth0", b.link("eth0")["address"], "forged")
    send_frames(b, "eth0", b.link("eth0")["address"], "honest")
    assert heard.stdout.readline().split()[1] == "honest"


def test_the_address_that_was_asked_for(runtime, host, a, b):
    """The check is of the hardware address that the container has, whoever chose it."""
    wanted = network(capabilities={"mac": True})
    runtime.add(wanted, a, capabilities={"mac": "02:00:00:00:00:07"})
    runtime.add(wanted, b)
    heard = hear_frames(b, "eth0")
    send_frames(a, "eth0", "02:00:00:00:00:07", "own")
    assert heard.stdout.readline() == "02:00:00:00:00:07 own\n"
    runtime.check(wanted, a)


@pytest.mark.ours("the objects are our own")
def test_two_elements_a_container(runtime, host, a, b):
    """What belongs to a container are two elements with its name; the rule is one for all."""
    for container in (a, b):
        runtime.add(network(), container)
    text = table(host)
    assert text.count("net/id-a/eth0") == text.count("net/id-b/eth0") == 2 and text.count("drop") == 1
    runtime.delete(network(), a)
    text = table(host)
    assert "id-a" not in text and text.count("net/id-b/eth0") == 2
    b.ping("10.1.0.1")


def test_del_leaves_nothing(runtime, host, a):
    """DEL removes the elements; the empty table stays, and a second round changes nothing."""
    runtime.add(network(), a)
    runtime.delete(network(), a)
    assert "elements" not in table(host) and "id-a" not in host.out(["nft", "list", "ruleset"])
    if runtime.engine != "reference":
        assert_del_leaves_nothing(runtime, host, a, network())


@pytest.mark.reference_differs("the rules stay without a namespace [bug]")
@pytest.mark.parametrize("forget", [False, True], ids=["prevResult", "no prevResult"])
@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, netns, forget):
    """With the namespace gone the elements are removed, also where nothing is known but whose they are."""
    runtime.add(network(), a)
    a.delete()
    runtime.delete(network(), a, netns=netns, forget=forget)
    assert "id-a" not in host.out(["nft", "list", "ruleset"])


@pytest.mark.ours("the reference finds its rules by comment")
def test_del_after_the_address_has_changed(runtime, host, a):
    """Also where a later plugin has changed the container's address, as prevResult then says, both elements go."""
    result = runtime.add(network(), a)
    result["interfaces"][2]["mac"] = FOREIGN
    runtime.delete(network(), a)
    assert "elements" not in table(host)


@pytest.mark.ours("the reference does not look at them")
@pytest.mark.parametrize("damage", [
    "delete table bridge catena", "flush set bridge catena macspoofchk_ports", "flush set bridge catena macspoofchk_macs",
], ids=["table", "port", "address"])
def test_check_finds_what_is_missing(runtime, host, a, damage):
    """CHECK fails when an element or all is gone; the next ADD sets the table up anew."""
    runtime.add(network(), a)
    runtime.check(network(), a)
    host.run(["nft", damage])
    with pytest.raises(CNIFailure, match="macspoofchk"):
        runtime.check(network(), a)
    runtime.delete(network(), a)
    runtime.add(network(), a)
    runtime.check(network(), a)


@pytest.mark.ours("the reference does not look at them")
def test_check_finds_another_address(runtime, a):
    """Another hardware address than the one that is checked cuts the container off: CHECK says so."""
    assert_check_finds(runtime, a, network(), f"ip link set eth0 address {FOREIGN}", FOREIGN)


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_gc(runtime, host, a, b):
    """GC removes the elements of this network's containers that are not in use."""
    wanted, other = network(version="1.1.0"), network(version="1.1.0", name="other")
    runtime.add(wanted, a)
    runtime.add(wanted, b)
    c = host.add_netns("c")
    runtime.add(conflist(bridge(macspoofchk=True), name="other", version="1.1.0"), c)
    a.delete()
    runtime.gc(wanted, [(b.id, "eth0")])
    text = table(host)
    assert "id-a" not in text and text.count("net/id-b/eth0") == 2 and text.count("other/id-c/eth0") == 2
    runtime.status(other)


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_a_failed_add_leaves_nothing(runtime, host, a, b):
    """When a later step fails, no element is left."""
    small = conflist(bridge(isGateway=True, macspoofchk=True, ipam=host_local("10.1.0.0/30")))
    runtime.add(small, a)
    with pytest.raises(CNIFailure, match="no IP addresses available"):
        runtime.add(small, b)
    assert "id-b" not in table(host)


def test_masquerade_too(runtime, host, outside, a):
    """With ipMasq both are in one transaction, and both go."""
    runtime.add(network(ipMasq=True), a)
    a.run(["ip", "route", "add", "default", "via", "10.1.0.1"])
    a.ping("192.0.2.2")
    runtime.delete(network(ipMasq=True), a)
    assert "id-a" not in host.out(["nft", "list", "ruleset"])


@pytest.fixture
def theirs(host, stage):
    """The reference plugins."""
    if not (harness.REFERENCE / "bridge").exists():
        pytest.fail(f"the reference plugins are not in {harness.REFERENCE}", pytrace=False)
    return Runtime(host, "reference")


def test_rules_of_the_reference(host, theirs, a, b, engine):
    """Our DEL of a container that the reference attached removes its chains and rules, and no others."""
    for container in (a, b):
        theirs.add(network(), container)
    ours = Runtime(host, engine)
    ours.cache = theirs.cache
    ours.delete(network(), a)
    ruleset = host.out(["nft", "list", "table", "bridge", "nat"])
    assert "id-a" not in ruleset and ruleset.count("macspoofchk-id-b-eth0") == 4
    assert "cni-br-iface-id-b-eth0-mac" in ruleset
    ours.delete(network(), b)
    chains = [item for item in json.loads(host.out(["nft", "-j", "list", "table", "bridge", "nat"]))["nftables"] if "chain" in item]
    assert [item["chain"]["name"] for item in chains] == ["PREROUTING"]
