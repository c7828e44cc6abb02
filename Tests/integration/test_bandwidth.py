"""bandwidth: containers receive and send no faster than they may, and CHECK sees every number of it."""

import json
import os

import pytest

import harness
from harness import CNIFailure, Runtime, assert_del_leaves_nothing, bits_per_second, bridge, conflist, host_local

MBIT = 1_000_000
# What goes through at the least where nothing limits it: in an emulated machine the processor does.
UNLIMITED = (40 if os.environ.get("CATENA_VM") else 100) * MBIT


def limits(*, runtime_config=None, **keys):
    """The plugin bandwidth."""
    return {"type": "bandwidth", "capabilities": {"bandwidth": True}, **keys}


def network(*plugins, version="1.0.0", name="net", **keys):
    """A network of bridge and bandwidth."""
    return conflist(
        bridge(isGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64")), limits(**keys), *plugins, version=version, name=name)


BOTH = {"ingressRate": 20 * MBIT, "ingressBurst": 2 * MBIT, "egressRate": 8 * MBIT, "egressBurst": MBIT}


def ends(result):
    """The names of the host's veth and of the ifb in a result."""
    host_side = [interface["name"] for interface in result["interfaces"] if "sandbox" not in interface]
    return next(name for name in host_side if name.startswith("veth")), next((name for name in host_side if name.startswith("bwp")), None)


def qdisc(host, link):
    """The root qdisc of a link, as tc tells it."""
    return next((q for q in json.loads(host.out(["tc", "-j", "qdisc", "show", "dev", link])) if q.get("root")), None)


def bucket(host, link):
    """Rate (bytes a second), burst (bytes) and what tc tells of the rest, of a token bucket."""
    found = qdisc(host, link)
    assert found["kind"] == "tbf", found
    return found["options"]["rate"], found["options"]["burst"]


# What the numbers are


def test_add_reports_what_it_made(runtime, host, a):
    """The result is the bridge's, and the ifb, up, with the veth's MTU, whose alias says whose it is."""
    result = runtime.add(conflist(bridge(mtu=1400, ipam=host_local("10.1.0.0/24")), limits(**BOTH)), a)
    veth, ifb = ends(result)
    link = host.link(ifb)
    assert result["interfaces"][-1] == {"name": ifb, "mac": link["address"]} and len(ifb) == 15
    assert [interface["name"] for interface in result["interfaces"]] == ["cni0", veth, "eth0", ifb]
    assert link["linkinfo"]["info_kind"] == "ifb" and "UP" in link["flags"] and link["mtu"] == 1400 and link.get("txqlen", 0) == 0
    assert link["ifalias"] == "net/id-a/eth0"
    assert bucket(host, veth) == (20 * MBIT // 8, 2 * MBIT // 8) and bucket(host, ifb) == (MBIT, MBIT // 8)
    filters = json.loads(host.out(["tc", "-j", "filter", "show", "dev", veth, "parent", "ffff:"]))
    actions = [action for entry in filters for action in entry.get("options", {}).get("actions", [])]
    assert len(actions) == 1 and actions[0]["to_dev"] == ifb and actions[0]["mirred_action"] == "redirect"


@pytest.mark.parametrize("rate, burst", [
    (20 * MBIT, 2 * MBIT), (8 * MBIT, MBIT), (1_234_567, 98_765), (8 * MBIT, 2**31 - 1), (10_000 * MBIT, 80 * MBIT), (30_000 * MBIT, 400 * MBIT),
    (8_000, 80_000),
])
def test_same_numbers_as_the_reference(host, stage, a, b, rate, burst):
    """tc tells the same of our limit and of the reference's, to whose CHECK ours are right."""
    wanted = network(ingressRate=rate, ingressBurst=burst)
    ours, theirs = Runtime(host, "wrappers"), Runtime(host, "reference")
    ours_link = ends(ours.add(wanted, a))[0]
    theirs_link = ends(theirs.add(wanted, b))[0]
    fields = [{key: value for key, value in qdisc(host, link).items() if key not in ("dev", "refcnt")} for link in (ours_link, theirs_link)]
    assert fields[0] == fields[1]
    ours.check(wanted, a)
    theirs.cache.update(ours.cache)
    theirs._exec("CHECK", wanted, wanted["plugins"][1], *ours.cache[("net", a.id, "eth0")])


def test_a_burst_of_minutes(wrappers, host, a):
    """A burst that takes longer than the kernel's field of ticks holds (275 s): what runtimes set at a low rate. All of it counts, where
    the reference's number overflows."""
    wanted = network(ingressRate=MBIT, ingressBurst=2**31 - 1, egressRate=64_000, egressBurst=8 * 2**31)
    result = wrappers.add(wanted, a)
    wrappers.check(wanted, a)
    before = bits_per_second(host, a, "10.1.0.2", seconds=0.5)
    assert before > 5 * MBIT, "the burst is 268 MB"
    assert qdisc(host, ends(result)[0])["options"]["rate"] == MBIT // 8


def test_a_rate_of_64_bits(wrappers, host, a):
    """Rates above 2^32 bytes a second."""
    wanted = network(ingressRate=100_000 * MBIT, ingressBurst=800 * MBIT, egressRate=100_000 * MBIT, egressBurst=800 * MBIT)
    result = wrappers.add(wanted, a)
    assert [bucket(host, link)[0] for link in ends(result)] == [12_500 * MBIT] * 2
    wrappers.check(wanted, a)


# Traffic


@pytest.mark.parametrize("address, gateway", [("10.1.0.2", "10.1.0.1"), ("fd00:1::2", "fd00:1::1")], ids=["IPv4", "IPv6"])
def test_rates(runtime, host, a, b, address, gateway):
    """Both directions, measured within 10 %; the other container is not limited."""
    runtime.add(network(**BOTH), a)
    unlimited = conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64")))
    runtime.add(unlimited, b)
    # What TCP carries of a frame of 1514 bytes.
    payload = (1514 - 14 - 32 - (20 if "." in address else 40)) / 1514
    rate(host, a, address, 20 * MBIT * payload, 2 * MBIT // 4)
    rate(a, host, gateway, 8 * MBIT * payload, MBIT // 4)
    assert bits_per_second(host, b, address.replace("2", "3") if "." in address else "fd00:1::3", seconds=0.5, port=5003) > UNLIMITED


def rate(sender, receiver, address, wanted, skip):
    """Never more than 10 % above what is wanted; and not less than 10 % below, unless the machine is busy: then it is tried again."""
    for attempt in range(4):
        share = bits_per_second(sender, receiver, address, seconds=3, skip=skip, port=5001 + attempt) / wanted
        assert share < 1.1, f"{share:.0%} of the rate"
        if share > 0.9:
            return
    raise AssertionError(f"{share:.0%} of the rate")


def test_one_direction(runtime, host, a):
    """A limit for one direction is no limit for the other."""
    runtime.add(network(egressRate=4 * MBIT, egressBurst=MBIT), a)
    assert bits_per_second(host, a, "10.1.0.2", seconds=0.5) > UNLIMITED
    assert bits_per_second(a, host, "10.1.0.1", seconds=2, skip=MBIT // 4, port=5002) < 1.1 * 4 * MBIT


# Where the limits come from


def test_limits_of_the_runtime(runtime, host, a):
    """runtimeConfig.bandwidth counts where the configuration has none of the four keys; else those keys alone."""
    offered = {"bandwidth": {"ingressRate": 4 * MBIT, "ingressBurst": MBIT, "egressRate": 2 * MBIT, "egressBurst": MBIT}}
    veth, ifb = ends(runtime.add(network(), a, capabilities=offered))
    assert bucket(host, veth)[0] == 4 * MBIT // 8 and bucket(host, ifb)[0] == 2 * MBIT // 8
    runtime.delete(network(), a)
    veth, ifb = ends(runtime.add(network(ingressRate=16 * MBIT, ingressBurst=MBIT), a, capabilities=offered))
    assert bucket(host, veth)[0] == 2 * MBIT and ifb is None


@pytest.mark.parametrize("keys", [{}, {"ingressRate": 0, "ingressBurst": 0}], ids=["none", "zero"])
def test_nothing_to_limit(runtime, host, a, keys):
    """Without limits the result is the previous one, and CHECK finds nothing to compare."""
    wanted = network(**keys)
    result = runtime.add(wanted, a)
    veth, ifb = ends(result)
    assert ifb is None and qdisc(host, veth)["kind"] != "tbf"
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert a.link("eth0") is None and host.reservations() == []


def test_without_a_previous_result(wrappers, a):
    """An error, no crash (the reference panics), with limits and without."""
    for keys in ({}, BOTH):
        with pytest.raises(CNIFailure, match="must be called as chained plugin") as failure:
            wrappers.add(conflist(limits(**keys)), a)
        assert failure.value.code == 7


# Errors


@pytest.mark.parametrize("keys, named", [
    ({"ingressRate": MBIT}, "ingressBurst: must be set"), ({"ingressBurst": MBIT}, "ingressRate: must be set"),
    ({"egressRate": MBIT}, "egressBurst: must be set"), ({"egressBurst": MBIT}, "egressRate: must be set"),
    ({"ingressRate": MBIT, "ingressBurst": 8 * (2**32 - 1)}, "less than 4 GiB"), ({"ingressRate": 7, "ingressBurst": 8}, "at least 8 bits a second"),
    ({"ingressRate": 8, "ingressBurst": 7}, "at least 8 bits"), ({"ingressRate": -1, "ingressBurst": 8}, "ingressRate: must not be negative"),
    ({"ingressRate": "1M", "ingressBurst": 8}, "ingressRate: expected an integer"),
], ids=str)
def test_limits_that_cannot_be(runtime, host, a, keys, named):
    """Refused by name; nothing is left; DEL succeeds all the same."""
    before = host.snapshot()
    with pytest.raises(CNIFailure) as failure:
        runtime.add(network(**keys), a)
    assert named in failure.value.text
    if runtime.engine == "catena":
        assert a.link("eth0") is None and host.reservations() == []
    runtime.delete(network(**keys), a)
    assert host.snapshot().without(links=["cni0"], files="^/var/lib/cni|^/run/lock") == before.without(files="^/var/lib/cni|^/run/lock")


def test_an_interface_that_is_no_veth(runtime, host, a):
    """Only veth pairs have an end on the host: another interface is an error that says so."""
    with pytest.raises(CNIFailure, match="limit eth0: it is not a veth but a tun") as failure:
        runtime.add(conflist({"type": "tap", "ipam": host_local("10.1.0.0/24")}, limits(**BOTH)), a)
    assert "veth pair" in failure.value.text


def test_a_result_without_the_host_end(wrappers, a, host):
    """The plugin before has to report the veth's end on the host."""
    host.run(["sh", "-c", "ip link add v0 type veth peer name eth0 netns a"])
    with pytest.raises(CNIFailure, match="does not have v0"):
        wrappers.add(conflist(limits(**BOTH)), a, previous={"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": a.path}]})


def test_failure_leaves_nothing(wrappers, host, a):
    """A step that fails, here since there is an ingress qdisc already, takes the steps before it back."""
    host.run(["sh", "-c", "ip link add v0 type veth peer name eth0 netns a; tc qdisc add dev v0 ingress"])
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="add an ingress qdisc to v0: File exists"):
        wrappers.add(
            conflist(limits(**BOTH)), a,
            previous={"cniVersion": "1.0.0", "interfaces": [{"name": "v0"}, {"name": "eth0", "sandbox": a.path}]})
    assert host.snapshot() == before and qdisc(host, "v0") is None
    assert "ingress" in host.out(["tc", "qdisc", "show", "dev", "v0"])


def test_add_twice(wrappers, host, a):
    """Limits that are there are an error, and stay."""
    result = wrappers.add(network(**BOTH), a)
    with pytest.raises(CNIFailure, match="File exists|there already"):
        wrappers._exec("ADD", network(**BOTH), limits(**BOTH), *wrappers.cache[("net", a.id, "eth0")])
    assert bucket(host, ends(result)[0])[0] == 20 * MBIT // 8
    wrappers.check(network(**BOTH), a)


def test_a_burst_smaller_than_a_packet(wrappers, host, a):
    """It works as the kernel has it, and the log warns: longer packets never get through."""
    wrappers.env = {"CATENA_LOG": "info"}
    wanted = network(ingressRate=MBIT, ingressBurst=8_000)
    added = wrappers.add(conflist(wanted["plugins"][0]), a)
    outcome = wrappers._exec("ADD", wanted, wanted["plugins"][1], wrappers.cache[("net", a.id, "eth0")][0], added)
    assert "ingressBurst 8000 is less than a packet of MTU 1500" in outcome.stderr


# DEL, GC, STATUS


def test_del_leaves_what_was_there_before(runtime, host, a):
    """After DEL no link is left but the bridge; DEL may be repeated."""
    runtime.add(conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64")), name="first"), a, ifname="first")
    assert_del_leaves_nothing(runtime, host, a, network(**BOTH))


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, netns):
    """The ifb, which the namespace does not take along, is deleted."""
    runtime.add(network(**BOTH), a)
    a.delete()
    runtime.delete(network(**BOTH), a, netns=netns)
    assert [link["ifname"] for link in host.ip("link") if link["ifname"].startswith("bwp")] == []


def test_two_interfaces_of_a_container(runtime, host, a):
    """Each has its own ifb, also in one network; DEL of one leaves the other's limit."""
    results = [runtime.add(network(**BOTH), a, ifname=name) for name in ("eth0", "eth1")]
    assert ends(results[0])[1] != ends(results[1])[1]
    runtime.delete(network(**BOTH), a, ifname="eth0")
    assert host.link(ends(results[0])[1]) is None
    runtime.check(network(**BOTH), a, ifname="eth1")


def test_gc(runtime, host, a, b):
    """GC deletes the ifbs of attachments that are not in use, and no other network's."""
    wanted = network(version="1.1.0", **BOTH)
    other = network(version="1.1.0", name="other", **BOTH)
    kept = ends(runtime.add(wanted, a))[1]
    gone = ends(runtime.add(wanted, b))[1]
    others = ends(runtime.add(other, b, ifname="eth1"))[1]
    host.run(["ip", "link", "add", "bwp0123456789ab", "type", "ifb"])
    runtime.gc(wanted, [(a.id, "eth0")])
    assert [host.link(name) is None for name in (kept, gone, others, "bwp0123456789ab")] == [False, True, False, False]


def test_status(runtime, host):
    """STATUS changes nothing."""
    before = host.snapshot()
    runtime.status(network(version="1.1.0"))
    assert host.snapshot().without(nftables=True) == before.without(nftables=True)


def test_a_kernel_without_ifb(host, stage):
    """STATUS tells what is missing: the second message of netlink, which makes an ifb, fails as there."""
    config = {**limits(), "name": "net", "cniVersion": "1.1.0"}
    error = harness.run_plugin(
        host, harness.PLUGINS / "bandwidth", "STATUS", config,
        prefix=["strace", "-f", "-o", "/dev/null", "-e", "inject=sendto:error=EOPNOTSUPP:when=1"]).error
    assert error["code"] == 50 and "can't make limits" in error["msg"] and "ifb" in error["details"]


# CHECK


@pytest.mark.parametrize("damage, named", [
    ("tc qdisc del dev VETH root", "VETH: expected a limit of 2500000 bytes a second"),
    ("tc qdisc change dev VETH root handle 1: tbf rate 10mbit burst 250000 latency 25ms", "VETH: rate: expected 2500000"),
    ("tc qdisc change dev VETH root handle 1: tbf rate 20mbit burst 125000 limit 312500", "VETH: burst"),
    ("tc qdisc change dev VETH root handle 1: tbf rate 20mbit burst 250000 limit 312501", "VETH: limit: expected 312500 bytes, found 312501"),
    ("tc qdisc replace dev VETH root pfifo", "found pfifo"),
    ("tc qdisc change dev IFB root handle 1: tbf rate 10mbit burst 125000 latency 25ms", "IFB: rate: expected 1000000"),
    ("tc qdisc del dev IFB root", "IFB: expected a limit"), ("ip link del IFB", "ifb IFB: found none"), ("ip link set IFB down", "IFB: expected up"),
    ("tc qdisc del dev VETH ingress", "VETH: expected all it receives redirected to IFB, found none"),
    ("tc filter del dev VETH parent ffff:; ip link add other type ifb; tc filter add dev VETH parent ffff: protocol all prio 1 u32 match u32 0 0 "
     "action mirred egress redirect dev other", "found another filter"),
    ("tc filter del dev VETH parent ffff:; tc filter add dev VETH parent ffff: protocol all prio 1 u32 match ip src 10.9.9.9 "
     "action mirred egress redirect dev IFB", "found another filter"),
], ids=["no limit", "rate", "burst", "limit", "another qdisc", "ifb's rate", "ifb's limit", "no ifb", "ifb down", "no redirection",
        "redirected elsewhere", "not all redirected"])
def test_check_finds_damage(runtime, host, a, damage, named):
    """CHECK of what ADD made succeeds; it fails when a number or a part is not so, and names it."""
    veth, ifb = ends(runtime.add(network(**BOTH), a))
    runtime.check(network(**BOTH), a)
    host.run(["sh", "-ec", damage.replace("VETH", veth).replace("IFB", ifb)])
    with pytest.raises(CNIFailure) as failure:
        runtime.check(network(**BOTH), a)
    assert named.replace("VETH", veth).replace("IFB", ifb) in failure.value.text


# Changing over


def test_a_container_of_the_reference(host, stage, a):
    """CHECK and DEL of what the reference plugins attached."""
    wanted = network(**BOTH)
    reference, ours = Runtime(host, "reference"), Runtime(host, "wrappers")
    veth, ifb = ends(reference.add(wanted, a))
    ours.cache = reference.cache
    ours._exec("CHECK", wanted, wanted["plugins"][1], *ours.cache[("net", a.id, "eth0")])
    ours.delete(wanted, a)
    assert host.link(veth) is None and host.link(ifb) is None
