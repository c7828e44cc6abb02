"""firewall: packets of containers pass where others are dropped, and stay apart where a policy says so."""

import json

import pytest

from harness import CNIFailure, NoAnswer, ask, bridge, conflist, firewalld, host_local, iptables_drop, portmap, serve

V4, V6 = "192.0.2.1", "2001:db8::1"
BACKENDS = ["nftables", "iptables"]


def network(number=1, *, name=None, ports=False, version="1.0.0", **keys):
    """A dual-stack bridge with firewall, behind it portmap where asked for."""
    made = bridge(
        bridge=f"br{number}", isDefaultGateway=True, ipam=host_local(f"10.{number}.0.0/24", f"fd00:{number}::/64"))
    chain = [made, *([portmap()] if ports else []), {"type": "firewall", **keys}]
    return conflist(*chain, name=name or f"net{number}", version=version)


def answers(place, address, port=80, *, protocol="tcp"):
    """Whether a server answers."""
    try:
        ask(place, protocol, address, port, timeout=0.7)
    except NoAnswer:
        return False
    return True


def address(result, family=4):
    """The container's address in a result."""
    return next(ip["address"].split("/")[0] for ip in result["ips"] if (":" in ip["address"]) == (family == 6))


def let_outside_answer(outside):
    """Routes from outside back to the containers."""
    outside.run(["sh", "-ec", f"ip route add 10.0.0.0/8 via {V4}; ip -6 route add fd00::/16 via {V6}"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_forward_policy_drop(runtime, host, outside, a, backend):
    """Where iptables drops what is forwarded, the container's packets and their answers pass, no others; after DEL they don't either."""
    iptables_drop(host)
    let_outside_answer(outside)
    serve(outside, "tcp", 80)
    net = network(backend=backend)
    result = runtime.add(net, a)
    assert answers(a, "192.0.2.2") and answers(a, "2001:db8::2")
    runtime.check(net, a)
    serve(a, "tcp", 81)
    assert not answers(outside, address(result), 81) and not answers(outside, address(result, 6), 81)
    plain = network(2)
    del plain["plugins"][1]
    b = host.add_netns("b")
    runtime.add(plain, b)
    assert not answers(b, "192.0.2.2")
    before = host.out(["iptables-save", "-t", "filter"])
    runtime.delete(net, a)
    after = host.out(["iptables-save", "-t", "filter"])
    assert "10.1.0.2" not in after and "id-a" not in host.out(["nft", "list", "ruleset"])
    assert "10.1.0.2" in before or backend == "nftables"
    runtime.delete(net, a)
    runtime.delete(net, a, forget=True)


@pytest.mark.ours("nothing is found there without the result")
@pytest.mark.parametrize("backend", BACKENDS)
def test_delete_without_the_result(runtime, host, a, backend):
    """Neither result nor record is left: the addresses are those of the interface."""
    net = network(backend=backend, ingressPolicy="isolated")
    runtime.add(net, a)
    host.run(["rm", "-rf", "/var/lib/cni/catena"])
    runtime.delete(net, a, forget=True)
    left = host.out(["nft", "list", "ruleset"])
    assert "10.1.0.2" not in left and "fd00:1::2" not in left and "br1" not in left


@pytest.mark.ours("the reference accepts answers only")
def test_published_ports_pass(runtime, host, outside, a):
    """nftables: what comes through a published port passes a FORWARD chain that drops, too."""
    iptables_drop(host)
    runtime.add(network(ports=True), a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).name == "a" and ask(outside, "tcp", V6, 8080).name == "a"


@pytest.mark.ours("nftables")
def test_iptables_reads_our_rule_as_its_own(runtime, host, a, b):
    """One rule for all containers, that iptables-save shows and iptables-restore takes; nothing of ours is in its way."""
    iptables_drop(host)
    for container in (a, b):
        runtime.add(network(), container)
    saved = host.out(["iptables-save", "-t", "filter"])
    assert saved.count("CATENA-FORWARD -m mark --mark 0x1000/0x1000") == 1 and saved.count("-A FORWARD -j CATENA-FORWARD") == 1
    host.run(["iptables-restore"], input=saved + "\n")
    host.run(["iptables", "-A", "FORWARD", "-s", "10.9.9.9", "-j", "DROP"])
    assert host.out(["iptables-save", "-t", "filter"]).count("CATENA-FORWARD") == 3
    runtime.check(network(), a)


@pytest.mark.ours("nftables")
def test_the_mark_does_not_stay(runtime, host, outside, a):
    """The mark that the packets carry through the chain FORWARD is gone behind it, and other bits are left alone."""
    host.run(["nft", "-f", "-"], input="""
        table inet probe {
            chain before { type filter hook prerouting priority -200; meta mark set 0x2; }
            chain during { type filter hook forward priority 0; iifname "br1" meta mark 0x1002 counter; }
            chain after { type filter hook postrouting priority 0; oifname "out0" meta mark 0x2 counter; meta mark 0x1002 drop; }
        }""")
    let_outside_answer(outside)
    runtime.add(network(), a)
    a.ping("192.0.2.2")
    listing = host.out(["nft", "list", "table", "inet", "probe"])
    assert listing.count("counter packets 1") == 2, listing


@pytest.mark.ours("there policies stay for ever, and need br_netfilter")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy, same, other", [("open", True, True), ("same-bridge", True, False), ("isolated", False, False)])
def test_ingress_policy(runtime, host, outside, a, b, backend, policy, same, other):
    """Who reaches a container: one of its bridge, one of another bridge with a policy; outside and the host are reached in any case."""
    one, two = network(1, backend=backend, ingressPolicy=policy), network(2, backend=backend, ingressPolicy=policy)
    c = host.add_netns("c")
    let_outside_answer(outside)
    serve(outside, "tcp", 80)
    target = runtime.add(one, a)
    runtime.add(one, b)
    runtime.add(two, c)
    serve(a, "tcp", 80)
    for family in (4, 6):
        assert answers(b, address(target, family)) == same, family
        assert answers(c, address(target, family)) == other, family
        assert answers(host, address(target, family))
    if policy != "open" and backend == "nftables":
        dropped = json.loads(host.out(["nft", "-j", "list", "counter", "inet", "catena", "ingress_br1"]))["nftables"][1]["counter"]
        assert dropped["packets"] > 0, "the policy counts what it drops"
    assert answers(b, "192.0.2.2") and answers(c, "192.0.2.2") and answers(outside, address(target))
    for net, container in ((one, a), (one, b), (two, c)):
        runtime.check(net, container)
    for net, container in ((one, a), (one, b), (two, c)):
        runtime.delete(net, container)
    assert "counter ingress_" not in host.out(["nft", "list", "ruleset"]) and "br1" not in host.out(["nft", "list", "ruleset"]), "the last of a network takes its policy along"
    if backend == "iptables":
        assert "CNI-" not in host.out(["iptables-save"]) + host.out(["ip6tables-save"])


@pytest.mark.ours("the reference leaves it")
def test_a_policy_stays_while_it_is_used(runtime, host, a, b):
    """DEL of one container leaves the policy to the others of its bridge."""
    one, two = network(1, ingressPolicy="same-bridge"), network(2, ingressPolicy="same-bridge")
    c = host.add_netns("c")
    target = runtime.add(one, a)
    runtime.add(one, b)
    runtime.add(two, c)
    runtime.delete(one, b)
    serve(a, "tcp", 80)
    assert not answers(c, address(target))
    runtime.check(one, a)


@pytest.mark.ours("it has no nftables")
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_administrator_comes_first(runtime, host, outside, a, backend):
    """Rules of the admin chain count before ours, and stay when containers come and go."""
    iptables_drop(host)
    let_outside_answer(outside)
    serve(outside, "tcp", 80)
    serve(outside, "tcp", 81)
    net = network(backend=backend, iptablesAdminChainName="OFFICE")
    runtime.add(net, a)
    if backend == "nftables":
        host.run(["nft", "add rule inet catena OFFICE tcp dport 81 drop"])
    else:
        host.run(["iptables", "-A", "OFFICE", "-p", "tcp", "--dport", "81", "-j", "DROP"])
    assert answers(a, "192.0.2.2") and not answers(a, "192.0.2.2", 81)
    runtime.delete(net, a)
    runtime.add(net, a)
    assert answers(a, "192.0.2.2") and not answers(a, "192.0.2.2", 81)


@pytest.mark.ours("it has no nftables")
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_shape_of_the_reference(host, runtime, a, backend):
    """iptables: chains and rules have the reference's names; nftables: each element says whose it is."""
    runtime.add(network(backend=backend), a)
    if backend == "nftables":
        ruleset = host.out(["nft", "list", "table", "inet", "catena"])
        assert '10.1.0.2 comment "net1/id-a/eth0"' in ruleset
        assert 'fd00:1::2 comment "net1/id-a/eth0"' in ruleset
        assert host.out(["iptables-save"]) == ""
        return
    saved = host.out(["iptables-save", "-t", "filter"])
    for line in ('-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD',
                 '-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN',
                 "-A CNI-FORWARD -d 10.1.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A CNI-FORWARD -s 10.1.0.2/32 -j ACCEPT"):
        assert line in saved, saved


@pytest.mark.ours("its rules have another form")
@pytest.mark.parametrize("keys, damage, words", [
    ({}, "nft delete element inet catena firewall4 { 10.1.0.2 }", "10.1.0.2"), ({}, "nft flush ruleset", "forward_accept"),
    ({}, "iptables -F FORWARD", "CATENA-FORWARD"), ({"ingressPolicy": "isolated"}, "nft flush set inet catena ingress_bridges", "br1"),
    ({"ingressPolicy": "isolated"}, "for port in $(ip -br link show master br1 | cut -d@ -f1); do bridge link set dev $port isolated off; done", "isolated"),
    ({"ingressPolicy": "same-bridge"}, "nft flush map inet catena ingress6", "fd00:1::2"),
    ({"ingressPolicy": "same-bridge"}, "nft flush set inet catena ingress_same_bridge4", "10.1.0.2 . \"br1\""),
    ({"ingressPolicy": "isolated"}, "nft flush chain inet catena ingress", "chain ingress"),
    ({"backend": "iptables"}, "iptables -D CNI-FORWARD -s 10.1.0.2/32 -j ACCEPT", "-s 10.1.0.2/32"),
    ({"backend": "iptables", "ingressPolicy": "isolated"}, "ip6tables -F CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-1"),
])
def test_check_finds_damage(runtime, host, a, keys, damage, words):
    """CHECK passes after ADD, and names what is not as it was made."""
    iptables_drop(host)
    net = network(**keys)
    runtime.add(net, a)
    runtime.check(net, a)
    host.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure) as failure:
        runtime.check(net, a)
    assert words in failure.value.text


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_gc_and_status(runtime, host, a, b):
    """GC removes what is not in use, and the policy of a bridge that has no container any more; STATUS is content."""
    one, two = network(1, version="1.1.0", ingressPolicy="isolated"), network(2, version="1.1.0", ingressPolicy="isolated")
    runtime.add(one, a)
    runtime.add(two, b)
    runtime.status(one)
    runtime.gc(one, [])
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "id-a" not in ruleset and "br1" not in ruleset
    assert "id-b" in ruleset and "counter ingress_br2 {" in ruleset


@pytest.mark.ours("each failure has its code")
@pytest.mark.parametrize("keys, words", [
    ({"backend": "pf"}, "backend"), ({"ingressPolicy": "closed"}, "ingressPolicy"), ({"iptablesAdminChainName": "a b"}, "iptablesAdminChainName"),
])
def test_what_cannot_be(runtime, host, a, keys, words):
    """A word that means nothing is refused before anything is made."""
    with pytest.raises(CNIFailure, match=words) as failure:
        runtime.add(network(**keys), a)
    assert failure.value.code == 7


def test_two_networks_of_one_container(runtime, host, outside, a):
    """Each has its own address: DEL of one leaves the other's way open."""
    iptables_drop(host)
    let_outside_answer(outside)
    runtime.add(network(1), a)
    runtime.add(network(2), a, ifname="eth1")
    runtime.delete(network(1), a)
    a.run(["ip", "route", "replace", "default", "via", "10.2.0.1"])
    a.ping("192.0.2.2")
    runtime.check(network(2), a, ifname="eth1")


# firewalld


@pytest.mark.parametrize("backend", ["firewalld", None])
def test_firewalld(runtime, host, outside, a, backend):
    """A running firewalld rejects what it does not know: the container's packets pass as those of its zone, until DEL."""
    firewalld(host)
    let_outside_answer(outside)
    serve(outside, "tcp", 80)
    net = network(**({"backend": backend} if backend else {}))
    runtime.add(net, a)
    assert answers(a, "192.0.2.2") and answers(a, "2001:db8::2")
    assert host.out(["firewall-cmd", "--zone=trusted", "--list-sources"]).split() == ["10.1.0.2/32", "fd00:1::2/128"]
    runtime.check(net, a)
    runtime.delete(net, a)
    runtime.delete(net, a)
    assert host.out(["firewall-cmd", "--zone=trusted", "--list-sources"]) == ""


@pytest.mark.ours("its CHECK does not look at the answer")
def test_firewalld_that_was_reloaded(runtime, host, a):
    """A reload drops the addresses: CHECK tells, and a source that is bound elsewhere is taken over by the next ADD."""
    firewalld(host)
    net = network(backend="firewalld", firewalldZone="work")
    runtime.add(net, a)
    host.run(["firewall-cmd", "--reload"])
    with pytest.raises(CNIFailure, match="10.1.0.2/32 in zone work"):
        runtime.check(net, a)
    runtime.delete(net, a)
    host.run(["firewall-cmd", "--zone=public", "--add-source=10.1.0.3/32"])
    runtime.add(net, a)
    assert "10.1.0.3/32" in host.out(["firewall-cmd", "--zone=work", "--list-sources"])


@pytest.mark.ours("its STATUS says nothing")
def test_firewalld_that_does_not_run(runtime, host, a):
    """ADD and STATUS say so, DEL succeeds."""
    net = network(backend="firewalld", version="1.1.0")
    with pytest.raises(CNIFailure, match="firewalld"):
        runtime.add(net, a)
    runtime.delete(net, a)
    with pytest.raises(CNIFailure, match="firewalld") as failure:
        runtime.status(net)
    assert failure.value.code == 50
