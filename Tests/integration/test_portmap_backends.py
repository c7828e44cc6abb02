"""portmap: what differs between its backends, and what only some configurations ask for."""

import hashlib

import pytest

import harness
from harness import CNIFailure, NoAnswer, Runtime, ask, bridge, conflist, host_local, portmap, serve

V4, V6 = "192.0.2.1", "2001:db8::1"
BACKENDS = ["nftables", "iptables"]


def network(*, name="net", version="1.0.0", **keys):
    """A dual-stack bridge with portmap."""
    ipam = host_local("10.1.0.0/24", "fd00:1::/64")
    return conflist(bridge(isDefaultGateway=True, hairpinMode=True, ipam=ipam), portmap(**keys), name=name, version=version)


def port(host, container, protocol="tcp", ip=None):
    mapping = {"hostPort": host, "containerPort": container, "protocol": protocol}
    return {**mapping, "hostIP": ip} if ip else mapping


def publish(runtime, container, *ports, net=None, ifname="eth0", **keys):
    return runtime.add(net or network(**keys), container, ifname=ifname, capabilities={"portMappings": list(ports)})


def silent(place, protocol, address, port):
    with pytest.raises(NoAnswer):
        ask(place, protocol, address, port, timeout=0.5)


def saved(host):
    """The tables nat of both families."""
    return host.out(["iptables-save", "-t", "nat"]) + host.out(["ip6tables-save", "-t", "nat"])


def chain(container, network="net"):
    """The reference's chain of a container."""
    return "CNI-DN-" + hashlib.sha512(f"{network}{container.id}".encode()).hexdigest()[:21]


@pytest.mark.ours("Debian's fails every CHECK")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_everyone_reaches_the_port(runtime, host, outside, a, b, backend, protocol):
    """From outside with the client's own address, from the host, by 127.0.0.1, from a sibling and the container itself; after DEL no one."""
    net = network(backend=backend)
    publish(runtime, a, port(8080, 80, protocol), net=net)
    publish(runtime, b, net=net)
    serve(a, protocol, 80)
    for address in (V4, V6):
        answer = ask(outside, protocol, address, 8080)
        assert answer.name == "a" and answer.source == address[:-1] + "2"
    for address in (V4, V6, "10.1.0.1", "127.0.0.1"):
        assert ask(host, protocol, address, 8080).name == "a", address
    for place in (a, b) if runtime.engine != "reference" else (a,):
        for address in (V4, V6, "10.1.0.1"):
            assert ask(place, protocol, address, 8080).name == "a", (place.name, address)
    runtime.check(net, a)
    runtime.delete(net, a)
    for address in (V4, V6):
        silent(outside, protocol, address, 8080)
    assert "8080" not in saved(host) + host.out(["nft", "list", "ruleset"])
    runtime.delete(net, a)


@pytest.mark.ours("there the first one has it")
@pytest.mark.parametrize("backend", BACKENDS)
def test_host_ip(runtime, host, outside, a, b, backend):
    """One port on two of the host's addresses leads to two containers; one of one address goes before one of all."""
    host.run(["ip", "addr", "add", "192.0.2.9/24", "dev", "out0"])
    net = network(backend=backend)
    publish(runtime, a, port(8080, 80, ip=V4), port(8081, 80), net=net)
    publish(runtime, b, port(8080, 80, ip="192.0.2.9"), port(8081, 80, ip="192.0.2.9"), net=net)
    serve(a, "tcp", 80)
    serve(b, "tcp", 80)
    found = [ask(outside, "tcp", address, number).name for number in (8080, 8081) for address in (V4, "192.0.2.9")]
    assert found == ["a", "b", "a", "b"]
    silent(outside, "tcp", V6, 8080)


@pytest.mark.ours("ranges are an extension")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ports", ["8000-8019", "9000-9019"])
def test_ranges(runtime, host, outside, a, backend, ports):
    """Each port of a range leads to the one at its place, by TCP and UDP."""
    net = network(backend=backend)
    publish(runtime, a, port("8000-8019", ports), port("8000-8019", ports, "udp"), net=net)
    first, last = map(int, ports.split("-"))
    for number in (first, last - 1):
        for protocol in ("tcp", "udp"):
            serve(a, protocol, number, name=f"{protocol}{number}")
    for protocol in ("tcp", "udp"):
        assert ask(outside, protocol, V4, 8000).name == f"{protocol}{first}"
        assert ask(outside, protocol, V6, 8018).name == f"{protocol}{last - 1}"
    runtime.check(net, a)
    runtime.delete(net, a)
    assert "8018" not in saved(host) + host.out(["nft", "list", "ruleset"])


@pytest.mark.ours("ranges are an extension")
@pytest.mark.parametrize("host_port, container_port, words", [
    ("8000-8010", "80-85", "as many"), ("8010-8000", "80-90", "range"), ("80", 80, "range"), ("0-5", "0-5", "range"), ("8000-70000", "1-2", "range"),
])
def test_ranges_that_cannot_be(runtime, a, host_port, container_port, words):
    with pytest.raises(CNIFailure, match=words) as failure:
        publish(runtime, a, port(host_port, container_port))
    assert failure.value.code == 7


@pytest.mark.ours("nothing of it is refused there")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_port_that_is_taken(runtime, host, outside, a, b, backend):
    """The second container is refused with the owner's name, also within a range; DEL of it leaves the owner's port."""
    net = network(backend=backend)
    publish(runtime, a, port(8080, 80), net=net)
    serve(a, "tcp", 80)
    with pytest.raises(CNIFailure) as failure:
        publish(runtime, b, port("8079-8081", "79-81"), net=net)
    assert "in use by net/id-a/eth0" in failure.value.text
    runtime.delete(net, b, capabilities={"portMappings": [port("8079-8081", "79-81")]})
    assert ask(outside, "tcp", V4, 8080).name == "a"
    runtime.check(net, a)


@pytest.mark.ours("Debian's fails every CHECK")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_port_that_is_waited_for(runtime, host, outside, a, b, backend):
    """allowPortConflicts: as with the reference, the first one keeps the port, and the second gets it when the first is gone."""
    net = network(backend=backend, allowPortConflicts=True)
    publish(runtime, a, port(8080, 80), net=net)
    publish(runtime, b, port(8080, 80), net=net)
    serve(a, "tcp", 80)
    serve(b, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).name == "a"
    runtime.check(net, a)
    runtime.check(net, b)
    runtime.delete(net, a)
    assert ask(outside, "tcp", V4, 8080).name == ask(outside, "tcp", V6, 8080).name == "b"
    runtime.check(net, b)
    runtime.delete(net, b)
    silent(outside, "tcp", V4, 8080)
    assert "8080" not in saved(host) + host.out(["nft", "list", "ruleset"])


@pytest.mark.ours("ours")
def test_one_that_waits_and_goes(runtime, host, outside, a, b):
    """One that waited and is gone does not get the port."""
    net = network(allowPortConflicts=True)
    publish(runtime, a, port(8080, 80), net=net)
    publish(runtime, b, port(8080, 80), net=net)
    runtime.delete(net, b)
    runtime.delete(net, a)
    assert "8080" not in host.out(["nft", "list", "ruleset"])


# Conditions


@pytest.mark.ours("there the latest ADD's conditions count for all, with nftables")
@pytest.mark.parametrize("backend, conditions", [
    ("nftables", {"conditionsV4": ["ip saddr 192.0.2.2"], "conditionsV6": ["ip6 saddr", "{ 2001:db8::2, 2001:db8::7 }"]}),
    ("iptables", {"conditionsV4": ["-s", "192.0.2.2/32"], "conditionsV6": ["-s", "2001:db8::2/128"]}),
])
@pytest.mark.parametrize("named", [True, False])
def test_conditions(runtime, host, outside, a, b, backend, conditions, named):
    """Only packets that match reach the container, each attachment by its own conditions; the backend follows from their syntax."""
    net = network(**conditions, **({"backend": backend} if named else {}))
    publish(runtime, a, port(8080, 80), port(8081, 80, ip=V4), port(5353, 53, "udp"), net=net)
    publish(runtime, b, port(8082, 80), net=network(backend=backend))
    serve(a, "tcp", 80)
    serve(a, "udp", 53)
    serve(b, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).name == ask(outside, "tcp", V6, 8080).name == ask(outside, "tcp", V4, 8081).name == "a"
    assert ask(outside, "udp", V4, 5353).name == "a"
    silent(host, "tcp", V4, 8080)
    silent(host, "tcp", V6, 8080)
    outside.run(["sh", "-ec", "ip addr add 192.0.2.3/24 dev eth0; ip route replace 192.0.2.1 dev eth0 src 192.0.2.3"])
    silent(outside, "tcp", V4, 8080)
    silent(outside, "tcp", V4, 8081)
    assert ask(outside, "tcp", V4, 8082).name == "b"
    runtime.check(net, a)
    runtime.delete(net, a)
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "id-a" not in ruleset and "conditions4_" not in ruleset and "8080" not in saved(host)
    runtime.check(network(backend=backend), b)


@pytest.mark.ours("ours")
def test_conditions_of_containers_that_are_gone(runtime, host, a, b):
    """DEL without mappings and result, and GC, take the chains along."""
    net = network(conditionsV4=["ip saddr 192.0.2.0/24"], version="1.1.0")
    publish(runtime, a, port(8080, 80), net=net)
    publish(runtime, b, port(8081, 80), net=net)
    runtime.delete(net, a, forget=True)
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "id-a" not in ruleset and ruleset.count("chain conditions4_") == 1
    runtime.gc(net, [])
    assert "conditions4_" not in host.out(["nft", "list", "ruleset"])


@pytest.mark.ours("ours")
@pytest.mark.parametrize("damage", ["delete element inet catena conditional_ports4 { tcp . 8080 }", "flush map inet catena conditional_ports4", "flush ruleset"])
def test_check_of_conditions(runtime, host, a, damage):
    net = network(conditionsV4=["ip saddr 192.0.2.0/24"])
    publish(runtime, a, port(8080, 80), net=net)
    runtime.check(net, a)
    host.run(["nft", damage])
    with pytest.raises(CNIFailure, match="8080/tcp|conditional_ports"):
        runtime.check(net, a)


@pytest.mark.ours("ours")
@pytest.mark.parametrize("condition", [
    "ip saddr 10.0.0.1; flush ruleset", "ip saddr 10.0.0.1\nflush ruleset", "ip saddr 10.0.0.1 accept", "ip saddr { 10.0.0.1", "} ip saddr 10.0.0.1 {",
    "ip saddr 10.0.0.1 # ", "jump hairpin_all", "meta mark set 1", 'iifname "x"', "drop", "", "$(id)", "ip saddr 10.0.0.1 dnat to 10.0.0.2", "\\",
])
def test_conditions_that_only_match(runtime, host, a, condition):
    """Nothing but a match gets near nft."""
    host.run(["nft", "add table inet witness"])
    with pytest.raises(CNIFailure, match="conditionsV4") as failure:
        publish(runtime, a, port(8080, 80), conditionsV4=[condition])
    assert failure.value.code == 7
    assert "witness" in host.out(["nft", "list", "tables"])


@pytest.mark.ours("ours")
@pytest.mark.parametrize("conditions, words", [
    (["ip saddr nonsense..address"], "ip saddr nonsense"), (["-s", "10.0.0.0/8", "--no-such-option"], "no-such-option"),
    (["-s", "10.0.0.0/8\n-F"], "conditionsV4"), (["-s", "10.0.0.0/8", "-j", "ACCEPT"], "conditionsV4"),
])
def test_conditions_that_the_backend_refuses(runtime, host, a, conditions, words):
    """Its words are told, with the command, and nothing is left."""
    with pytest.raises(CNIFailure, match=words):
        publish(runtime, a, port(8080, 80), conditionsV4=conditions)
    assert "8080" not in saved(host) + host.out(["nft", "list", "ruleset"])


@pytest.mark.ours("ours")
def test_a_failed_add_leaves_no_rule(wrappers, host, a):
    """The second family fails when the first one's rules are in force: ADD takes them back itself."""
    net = network(conditionsV4=["-s", "192.0.2.0/24"], conditionsV6=["-s", "no address"])
    with pytest.raises(CNIFailure, match="ip6tables-restore"):
        publish(wrappers, a, port(8080, 80), net=net)
    assert "CNI-DN-" not in saved(host)


@pytest.mark.ours("ours")
@pytest.mark.parametrize("keys", [
    {"backend": "nftables", "conditionsV4": ["-s", "10.0.0.0/8"]}, {"backend": "iptables", "conditionsV4": ["ip saddr 10.0.0.0/8"]},
    {"backend": "nftables", "externalSetMarkChain": "X"}, {"markMasqBit": 3, "externalSetMarkChain": "X"}, {"externalSetMarkChain": "a b"},
    {"backend": "ipfw"},
])
def test_options_that_contradict(runtime, a, keys):
    with pytest.raises(CNIFailure) as failure:
        publish(runtime, a, port(8080, 80), **keys)
    assert failure.value.code == 7


# iptables


def test_the_shape_of_the_reference(runtime, host, a):
    """Chains, rules and comments are the reference's: what people look for is found."""
    publish(runtime, a, port(8080, 80), port(5353, 53, "udp", V4), backend="iptables")
    rules = host.out(["iptables-save", "-t", "nat"])
    name = chain(a)
    for line in ("-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT", "-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
                 '-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ',
                 '-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000',
                 "-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE",
                 f"-A {name} -s 10.1.0.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
                 f"-A {name} -s 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
                 f"-A {name} -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
                 f"-A {name} -d 192.0.2.1/32 -p udp -m udp --dport 5353 -j DNAT --to-destination 10.1.0.2:53"):
        assert line in rules, (line, rules)
    assert f'-p tcp -m comment --comment "dnat name: \\"net\\" id: \\"id-a\\"' in rules and f"--dports 8080 -j {name}" in rules
    assert f"--dport 8080 -j DNAT --to-destination [fd00:1::2]:80" in host.out(["ip6tables-save", "-t", "nat"])


@pytest.mark.ours("compares the two")
def test_rules_are_those_of_the_reference(host, stage, a):
    """The reference's ADD and ours leave the same table nat, but for the interface in the entries' comments.

    (In that of the other family its entries list also the ports of hostIP, which nothing there leads on.)"""
    if not (harness.REFERENCE / "portmap").exists():
        pytest.fail("needs the reference plugins: make deps-test", pytrace=False)
    ports = [port(8080, 80), port(8081, 81, ip=V4), port(5353, 53, "udp")]
    tables = []
    for engine in ("reference", "wrappers"):
        runtime, net = Runtime(host, engine), network(**({"backend": "iptables"} if engine == "wrappers" else {}))
        publish(runtime, a, *ports, net=net)
        lines = sorted(line for line in host.out(["iptables-save", "-t", "nat"]).splitlines() if line.startswith("-A"))
        tables.append([line.replace(' if: \\"eth0\\"', "") for line in lines])
        runtime.delete(net, a)
        for program in ("iptables", "ip6tables"):
            host.run(["sh", "-c", f"{program} -t nat -F; {program} -t nat -X"])
        host.run(["rm", "-rf", "/var/lib/cni/networks"])
    assert tables[0] == tables[1]


@pytest.mark.ours("moves between the two")
def test_each_removes_what_the_other_made(host, stage, a, b):
    """The reference's DEL removes our rules; ours removes the reference's."""
    theirs, ours = Runtime(host, "reference"), Runtime(host, "wrappers")
    net = network(backend="iptables")
    publish(theirs, a, port(8080, 80), net=net)
    publish(ours, b, port(8081, 80), net=net)
    theirs.cache, ours.cache = ours.cache, theirs.cache
    ours.delete(net, a)
    assert "8080" not in saved(host) and chain(a) not in saved(host) and "8081" in saved(host)
    theirs.delete(net, b)
    assert "8081" not in saved(host) and chain(b) not in saved(host)


@pytest.mark.ours("there they share a chain")
def test_two_interfaces_in_one_network(runtime, host, outside, a):
    """Each interface's ports are its own: DEL of one leaves the other's, whichever came first."""
    net = network(backend="iptables")
    for first, second in (("eth0", "eth1"), ("eth1", "eth0")):
        for number, ifname in enumerate(("eth0", "eth1")):
            publish(runtime, a, port(8080 + number, 80), net=net, ifname=ifname)
        assert saved(host).count('if: \\"eth0\\"') == saved(host).count('if: \\"eth1\\"') == 2
        runtime.delete(net, a, ifname=first, forget=True)
        runtime.check(net, a, ifname=second)
        runtime.delete(net, a, ifname=second)
        assert "CNI-DN-" not in saved(host)


@pytest.mark.ours("nothing is found there without the mappings")
def test_delete_without_the_mappings(runtime, host, a, b):
    """The runtime tells neither ports nor result: the container's own chains go."""
    net = network(backend="iptables")
    publish(runtime, a, port(8080, 80), net=net)
    publish(runtime, b, port(8081, 80), net=net)
    a.delete()
    runtime.delete(net, a, forget=True)
    assert "8080" not in saved(host) and chain(a) not in saved(host)
    runtime.check(net, b)


def test_mark_bit_and_foreign_mark_chain(runtime, host, outside, a, b):
    """markMasqBit is the bit; externalSetMarkChain marks in place of ours, and nothing of ours masquerades then."""
    publish(runtime, a, port(8080, 80), markMasqBit=5)
    assert ("--set-xmark 0x20/0x20" in saved(host)) == (runtime.engine == "reference"), "nftables needs no mark"
    runtime.delete(network(markMasqBit=5), a)
    net = network(backend="iptables", markMasqBit=5)
    publish(runtime, a, port(8080, 80), net=net)
    assert "--set-xmark 0x20/0x20" in saved(host)
    serve(a, "tcp", 80)
    assert ask(a, "tcp", V4, 8080).source == "10.1.0.1"
    runtime.delete(net, a)
    for program in ("iptables", "ip6tables"):
        host.run(["sh", "-ec", f"{program} -t nat -F; {program} -t nat -X; {program} -t nat -N KUBE-MARK-MASQ"])
    net = network(externalSetMarkChain="KUBE-MARK-MASQ")
    publish(runtime, a, port(8080, 80), net=net)
    assert "-j KUBE-MARK-MASQ" in saved(host) and "CNI-HOSTPORT-MASQ" not in saved(host)


@pytest.mark.ours("GC and STATUS came with CNI 1.1.0")
def test_gc_and_status(runtime, host, a, b):
    net = network(backend="iptables", version="1.1.0")
    runtime.status(net)
    publish(runtime, a, port(8080, 80), net=net)
    publish(runtime, b, port(8081, 80), net=net)
    runtime.gc(net, [("id-b", "eth0")])
    assert "8080" not in saved(host) and "8081" in saved(host)


@pytest.mark.ours("each difference is named")
@pytest.mark.parametrize("damage", [
    "iptables -t nat -F CNI-HOSTPORT-DNAT", "iptables -t nat -D OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT", "nft flush ruleset",
    "ip6tables -t nat -F PREROUTING", "iptables -t nat -F POSTROUTING", "iptables -t nat -F CNI-HOSTPORT-SETMARK",
    "ip6tables -t nat -F CNI-HOSTPORT-MASQ",
])
def test_check_finds_damage(runtime, host, a, damage):
    net = network(backend="iptables")
    publish(runtime, a, port(8080, 80), net=net)
    runtime.check(net, a)
    host.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure, match="tables: expected"):
        runtime.check(net, a)
