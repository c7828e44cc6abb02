"""One nftables table: beside Docker, kube-proxy, firewalld and tables of others; flushed and repaired; as long a way with many containers."""

import base64
import json
import time

import pytest

import harness
from harness import CNIFailure, NoAnswer, Runtime, ask, bridge, conflist, firewalld, host_local, iptables_drop, portmap, serve

pytestmark = pytest.mark.ours("it is about our table")

V4, V6 = "192.0.2.1", "2001:db8::1"
PORT = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
TOOL = harness.STAGE / "bin" / "catenactl"


def network(*, name="net", version="1.0.0", firewall=True, **keys):
    """A masqueraded dual-stack bridge with portmap and firewall."""
    made = bridge(isDefaultGateway=True, ipMasq=True, hairpinMode=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"))
    return conflist(made, portmap(), *([{"type": "firewall", **keys}] if firewall else []), name=name, version=version)


def answers(place, address, port, protocol="tcp"):
    try:
        return ask(place, protocol, address, port, timeout=0.7).name
    except NoAnswer:
        return None


def add_docker(host):
    """A host as Docker leaves it: docker0 with a container that has port 9090 published, and its iptables rules."""
    docker = host.add_netns("docker")
    host.run(["sh", "-ec", """
        ip link add docker0 type bridge
        ip addr add 172.17.0.1/16 dev docker0
        ip link set docker0 up
        ip link add veth-docker master docker0 up type veth peer name eth0 netns docker
        ip -n docker addr add 172.17.0.2/16 dev eth0
        ip -n docker link set eth0 up
        ip -n docker link set lo up
        ip -n docker route add default via 172.17.0.1
        echo 1 > /proc/sys/net/ipv4/ip_forward
    """])
    host.run(["iptables-restore"], input="""*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 9090 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
""")
    return docker


def without_ours(saved):
    """Rules of iptables-save without counters and the one jump of ours."""
    return [line.split(" [")[0] for line in saved.splitlines() if "CATENA-FORWARD" not in line and not line.startswith("#")]


def test_docker(runtime, host, outside, a):
    """Both publish ports, both get out, and neither one's rules change the other's; without firewall, Docker drops ours."""
    docker = add_docker(host)
    before = without_ours(host.out(["iptables-save"]))
    serve(docker, "tcp", 80)
    serve(outside, "tcp", 80)
    plain = network(firewall=False)
    runtime.add(plain, a, capabilities={"portMappings": PORT})
    serve(a, "tcp", 80)
    assert answers(a, "192.0.2.2", 80) is None and answers(outside, V4, 8080) is None
    runtime.delete(plain, a)
    runtime.add(network(), a, capabilities={"portMappings": PORT})
    assert ask(outside, "tcp", V4, 8080).name == "a" and ask(outside, "tcp", V4, 9090).name == "docker"
    assert ask(host, "tcp", V4, 8080).name == "a" and ask(host, "tcp", V4, 9090).name == "docker"
    assert answers(a, "192.0.2.2", 80) == answers(docker, "192.0.2.2", 80) == "outside"
    assert ask(docker, "tcp", V4, 8080).name == "a"
    runtime.check(network(), a)
    assert without_ours(host.out(["iptables-save"])) == before
    runtime.delete(network(), a)
    assert without_ours(host.out(["iptables-save"])) == before and ask(outside, "tcp", V4, 9090).name == "docker"


KUBE = """*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j KUBE-SVC-A
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SEP-A -s 10.1.0.2/32 -m comment --comment "default/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-A -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.1.0.2:80
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-A ! -s 10.1.0.0/24 -d 10.96.0.10/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-A -m comment --comment "default/web" -j KUBE-SEP-A
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""


def test_kube_proxy(runtime, host, outside, a, b):
    """A service's address, its node port and a host port lead to one pod, from a pod, the host and outside; the mark 0x4000 stays its own."""
    host.run(["iptables-restore"], input=KUBE)
    host.run(["ip", "route", "add", "default", "via", "192.0.2.2"])
    before = without_ours(host.out(["iptables-save"]))
    runtime.add(network(), a, capabilities={"portMappings": PORT})
    runtime.add(network(), b)
    serve(a, "tcp", 80)
    outside.run(["ip", "route", "add", "10.96.0.0/12", "via", V4])
    # Not from a pod to a pod of its bridge by the service's address: the answer goes past the host, as everywhere without br_netfilter.
    for place, address, number in ((host, "10.96.0.10", 80), (outside, "10.96.0.10", 80), (a, "10.96.0.10", 80), (outside, V4, 30080),
                                   (outside, V4, 8080), (host, V4, 8080), (b, V4, 8080), (a, V4, 8080)):
        assert ask(place, "tcp", address, number).name == "a", (place.name, address, number)
    assert ask(outside, "tcp", "10.96.0.10", 80).source == "10.1.0.1", "masqueraded by kube-proxy's mark"
    assert ask(outside, "tcp", V4, 8080).source == "192.0.2.2", "not masqueraded by anyone"
    runtime.delete(network(), a)
    assert without_ours(host.out(["iptables-save"])) == before


KUBE_NFT = """
table ip kube-proxy {
    map service-ips {
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = { 10.96.0.10 . tcp . 80 : goto service-web }
    }
    chain filter-prerouting { type filter hook prerouting priority -110; policy accept; ct state new accept; }
    chain filter-forward { type filter hook forward priority -110; policy accept; ct state invalid drop; }
    chain nat-prerouting { type nat hook prerouting priority -100; policy accept; jump services; }
    chain nat-output { type nat hook output priority -100; policy accept; jump services; }
    chain nat-postrouting { type nat hook postrouting priority srcnat; policy accept; jump masquerading; }
    chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
    chain service-web { ip daddr 10.96.0.10 tcp dport 80 ip saddr != 10.1.0.0/24 jump mark-for-masquerade; goto endpoint-web; }
    chain endpoint-web { ip saddr 10.1.0.2 jump mark-for-masquerade; meta l4proto tcp dnat to 10.1.0.2:80; }
    chain mark-for-masquerade { meta mark set meta mark | 0x4000; }
    chain masquerading { meta mark & 0x4000 == 0 return; meta mark set meta mark ^ 0x4000; masquerade fully-random; }
}
"""


def test_kube_proxy_of_nftables(runtime, host, outside, a):
    """The same with kube-proxy's own nftables table, which is as it was after DEL."""
    host.run(["nft", "-f", "-"], input=KUBE_NFT)
    host.run(["ip", "route", "add", "default", "via", "192.0.2.2"])
    before = host.out(["nft", "list", "table", "ip", "kube-proxy"])
    runtime.add(network(), a, capabilities={"portMappings": PORT})
    serve(a, "tcp", 80)
    outside.run(["ip", "route", "add", "10.96.0.0/12", "via", V4])
    for place, address, number in ((host, "10.96.0.10", 80), (outside, "10.96.0.10", 80), (outside, V4, 8080), (a, "10.96.0.10", 80), (a, V4, 8080)):
        assert ask(place, "tcp", address, number).name == "a", (place.name, address, number)
    assert ask(outside, "tcp", "10.96.0.10", 80).source == "10.1.0.1" and ask(outside, "tcp", V4, 8080).source == "192.0.2.2"
    runtime.delete(network(), a)
    assert host.out(["nft", "list", "table", "ip", "kube-proxy"]) == before


def test_firewalld(runtime, host, outside, a):
    """Under a running firewalld published ports, masquerading and the way out work, and its rules are as they were after DEL."""
    firewalld(host)
    for change in ("add", "remove"):
        # It makes a zone's chains when the zone is first used.
        host.run(["firewall-cmd", "--zone=trusted", f"--{change}-source=10.9.9.9"])
        host.run(["firewall-cmd", "--zone=trusted", f"--{change}-source=fd09::9"])
    before = host.out(["nft", "-s", "list", "table", "inet", "firewalld"])
    serve(outside, "tcp", 80)
    runtime.add(network(), a, capabilities={"portMappings": PORT})
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).name == ask(outside, "tcp", V6, 8080).name == ask(host, "tcp", "127.0.0.1", 8080).name == "a"
    assert ask(a, "tcp", "192.0.2.2", 80).source == V4 and answers(a, "2001:db8::2", 80) == "outside"
    runtime.check(network(), a)
    runtime.delete(network(), a)
    assert host.out(["nft", "-s", "list", "table", "inet", "firewalld"]) == before


def test_a_table_of_ones_own(runtime, host, outside, a):
    """A table that drops what it does not know accepts by the mark; its other drops count."""
    host.run(["nft", "-f", "-"], input="""table inet mine { chain forward {
        type filter hook forward priority 0; policy drop; tcp dport 81 drop; meta mark & 0x1000 == 0x1000 accept; }
    }""")
    serve(outside, "tcp", 80)
    serve(outside, "tcp", 81)
    runtime.add(network(), a)
    assert answers(a, "192.0.2.2", 80) == "outside" and answers(a, "192.0.2.2", 81) is None


# Flushed, and repaired


DAMAGE = ["nft flush ruleset", "nft delete table inet catena", "iptables -F; iptables -X; nft flush ruleset"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_repair(runtime, host, outside, a, b, damage):
    """CHECK reports what a flush took, and `catenactl repair` brings all of it back: ports, masquerading, accepts."""
    iptables_drop(host)
    net = network(ingressPolicy="isolated")
    for number, container in enumerate((a, b)):
        runtime.add(net, container, capabilities={"portMappings": [{**PORT[0], "hostPort": 8080 + number}]})
    if runtime.engine == "wrappers":
        for container in (a, b):
            keep_as_libcni(host, net, runtime, container)
    before = host.out(["nft", "list", "table", "inet", "catena"])
    host.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure, match="expected"):
        runtime.check(net, a)
    iptables_drop(host)
    host.run([TOOL, "repair", "net"])
    assert sorted(host.out(["nft", "list", "table", "inet", "catena"]).split()) == sorted(before.split())
    for container, number in ((a, 8080), (b, 8081)):
        runtime.check(net, container)
        serve(container, "tcp", 80)
        assert ask(outside, "tcp", V4, number).name == ask(outside, "tcp", V6, number).name == container.name
        container.ping("192.0.2.2")
    host.run([TOOL, "repair"])
    assert sorted(host.out(["nft", "list", "table", "inet", "catena"]).split()) == sorted(before.split())
    for container in (a, b):
        runtime.delete(net, container)
    assert "id-" not in host.out(["nft", "list", "ruleset"])


def keep_as_libcni(host, net, runtime, container):
    """What libcni's cache has of an attachment."""
    attachment, result = runtime.cache[(net["name"], container.id, "eth0")]
    config = base64.b64encode(json.dumps(net).encode()).decode()
    host.write(f"/var/lib/cni/results/net-{container.id}-eth0", {
        "kind": "cniCacheV1", "containerId": container.id, "config": config, "ifName": "eth0", "networkName": "net",
        "netns": container.path, "capabilityArgs": attachment.capabilities, "result": result}, 0o600)


def test_repair_of_what_catenactl_added(host, stage, outside, a):
    """And its own attachments, with capability arguments from their ADD; those of containers that are gone are left out, and told."""
    host.write("/run/test/net.d/10.conflist", network())
    env = {"NETCONFPATH": "/run/test/net.d", "CNI_PATH": str(harness.PLUGINS), "CAP_ARGS": json.dumps({"portMappings": PORT})}
    host.run([TOOL, "add", "net", a.path], env=env)
    host.run(["nft", "flush", "ruleset"])
    host.run([TOOL, "repair", "net"])
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).name == "a"
    host.run([TOOL, "check", "net", a.path], env=env)
    assert host.run([TOOL, "repair", "other"]).stderr == ""
    host.run(["nft", "flush", "ruleset"])
    for process in host.processes:
        process.kill()
        process.wait()
    a.delete()
    assert "is gone" in host.run([TOOL, "repair"]).stderr
    assert host.out(["nft", "list", "ruleset"]) == ""


def test_a_repeated_add_restores(catena, host, outside, a):
    """The next container's ADD after a flush sets up what all share, and works itself."""
    catena.add(network(), a, capabilities={"portMappings": PORT})
    host.run(["nft", "flush", "ruleset"])
    catena.delete(network(), a)
    catena.add(network(), a, capabilities={"portMappings": PORT})
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).name == "a"
    catena.check(network(), a)


def full_network():
    """Every chain that attachments share is there with it."""
    net = network(ingressPolicy="isolated", iptablesAdminChainName="OFFICE")
    net["plugins"][0]["macspoofchk"] = True
    net["plugins"][1]["conditionsV4"] = ["ip saddr 192.0.2.0/24"]
    return net


def chains_with_rules(host):
    """The handles of the rules of our chains."""
    found = {}
    for item in json.loads(host.out(["nft", "-j", "list", "ruleset"]))["nftables"]:
        if "rule" in item and item["rule"]["table"] == "catena":
            rule = item["rule"]
            found.setdefault((rule["family"], rule["chain"]), []).append(rule["handle"])
    return found


def test_rules_that_are_gone(catena, host, a):
    """Each single rule of each chain: CHECK names the chain that lacks it, and `catenactl repair` brings it back, and nothing twice."""
    catena.add(full_network(), a, capabilities={"portMappings": PORT})
    before = sorted(host.out(["nft", "-s", "list", "ruleset"]).split())
    places = [(place, index) for place, handles in chains_with_rules(host).items() for index in range(len(handles))]
    assert len({place for place, _ in places}) >= 17
    for (family, chain), index in places:
        handle = chains_with_rules(host)[family, chain][index]
        host.run(["nft", "delete", "rule", family, "catena", chain, "handle", handle])
        with pytest.raises(CNIFailure, match=f"{chain}[ ,]"):
            catena.check(full_network(), a)
        host.run([TOOL, "repair"])
        assert sorted(host.out(["nft", "-s", "list", "ruleset"]).split()) == before, (chain, index)
    catena.check(full_network(), a)


# What each attachment costs


def opened_libnftables(host):
    """Whether a plugin that ran since the last question has opened libnftables."""
    trace = host.path("/run/test/trace")
    text = trace.read_text()
    trace.unlink()
    assert "libmnl.so" in text, "the trace tells nothing"
    return "libnftables.so" in text


@pytest.mark.parametrize("policy", ["open", "same-bridge", pytest.param("isolated", marks=pytest.mark.both_kernels)])
def test_a_network_in_use_needs_no_libnftables(runtime, host, a, b, policy):
    """The first ADD sets up chains by it; then ADD and DEL of masquerade, ports, accepts, policies, checks and limits are netlink alone."""
    host.run(["mkdir", "/run/test"])
    runtime.prefix = ["strace", "-f", "-A", "-o", "/run/test/trace", "-e", "trace=openat"]
    net = network(ingressPolicy=policy)
    net["plugins"][0]["macspoofchk"] = True
    net["plugins"].append({"type": "bandwidth", "ingressRate": 10**9, "ingressBurst": 10**7, "egressRate": 10**9, "egressBurst": 10**7})

    def ports(first):
        return {"portMappings": [
            {"hostPort": first, "containerPort": 80, "protocol": "tcp"}, {"hostPort": first, "containerPort": 53, "protocol": "udp"},
            {"hostPort": first + 1, "containerPort": 80, "protocol": "tcp", "hostIP": V4}]}

    runtime.add(net, a, capabilities=ports(8080))
    assert opened_libnftables(host), "the first one does"
    for _ in range(2):
        runtime.add(net, b, capabilities=ports(8090))
        assert not opened_libnftables(host), "ADD"
        runtime.delete(net, b)
        assert not opened_libnftables(host), "DEL"
    runtime.add(net, b, capabilities=ports(8090))
    runtime.delete(net, a)
    assert not opened_libnftables(host)
    runtime.check(net, b)
    assert "id-a" not in host.out(["nft", "list", "ruleset"])


def test_the_last_one_goes_meanwhile(lab, host, a, b):
    """What the policy's elements lead to was there when ADD asked, and is gone when it commits: it is made then."""
    lab._compile("hostile.c", lab.modules, "meanwhile", DOES='if (system("sh /run/test/meanwhile")) return CATENA_OK')
    net = conflist(*network(ingressPolicy="same-bridge")["plugins"], {"type": "meanwhile"})
    runtime = lab.runtime()
    host.write("/run/test/meanwhile", "")
    runtime.add(net, a)
    # What the last DEL does.
    host.write("/run/test/meanwhile", "nft 'flush map inet catena ingress4; flush map inet catena ingress6;"
                                      " delete counter inet catena ingress_cni0; delete element inet catena ingress_bridges { \"cni0\" }'")
    runtime.add(net, b)
    runtime.check(net, b)
    assert "counter ingress_cni0 {" in host.out(["nft", "list", "ruleset"])


# The length of a packet's way


def rules(host):
    """How many rules there are in all chains."""
    return sum("rule" in item for item in json.loads(host.out(["nft", "-j", "list", "table", "inet", "catena"]))["nftables"])


def fill(host, count):
    """The elements of many more containers, as many at once as go through a socket of a user namespace."""
    maps = {"masquerade4": [], "hairpin4": [], "firewall4": [], "ports4": []}
    for number in range(count):
        address, comment = f"10.1.{100 + number // 250}.{number % 250 + 1}", f'comment "net/{number:064x}/eth0"'
        maps["masquerade4"].append(f"{address} {comment}")
        maps["hairpin4"].append(f"{address} {comment}")
        maps["firewall4"].append(f"{address} {comment}")
        maps["ports4"].append(f"tcp . {20000 + number} {comment} : {address} . 80")
    for name, elements in maps.items():
        for start in range(0, count, 400):
            host.run(["nft", "-f", "-"], input=f"add element inet catena {name} {{ {', '.join(elements[start:start + 400])} }}\n")


def trace(host, place, address, port):
    """How many rules a connection's first packet matches, as the kernel traces it."""
    host.run(["nft", "-f", "-"], input=f"""table inet probe {{
        chain first {{ type filter hook prerouting priority -300; tcp dport {port} meta nftrace set 1; }}
    }}""")
    file = host.path("/run/trace")
    monitor = host.start(["sh", "-c", "exec stdbuf -oL nft monitor trace >/run/trace"])
    deadline = time.monotonic() + 20
    while not file.exists() or file.stat().st_size == 0:
        assert time.monotonic() < deadline, "nft monitor trace tells nothing"
        ask(place, "tcp", address, port)
    ask(place, "tcp", address, port, source=41000)
    while True:
        # Each packet's lines begin with "trace id NUMBER"; the first line of a packet has its ports.
        lines = [line.split(" ", 3) for line in file.read_text().splitlines() if line.startswith("trace id ")]
        ids = [words[2] for words in lines if "sport 41000" in words[3] and "syn" in words[3]]
        own = [words[3] for words in lines if ids and words[2] == ids[0]]
        if any("masquerade_10.1.0.0/24 policy" in line for line in own):
            break
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.05)
    monitor.kill()
    monitor.wait()
    host.run(["nft", "delete", "table", "inet", "probe"])
    file.unlink()
    # A number may be given again to a later packet: the first one's lines end here.
    own = own[:next(index for index, line in enumerate(own) if "masquerade_10.1.0.0/24 policy" in line)]
    return sum("inet catena" in line and " rule " in line for line in own)


def test_the_way_is_as_long_with_many_containers(catena, host, outside, a):
    """With 2,000 containers more there is no rule more, and a packet matches no more of them."""
    catena.add(network(), a, capabilities={"portMappings": PORT})
    serve(a, "tcp", 80)
    few, way = rules(host), trace(host, outside, V4, 8080)
    fill(host, 2000)
    assert rules(host) == few and trace(host, outside, V4, 8080) == way and 5 <= way <= 9
    catena.check(network(), a)
    catena.delete(network(), a)
    assert "id-a" not in host.out(["nft", "list", "ruleset"])
