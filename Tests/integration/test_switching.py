"""A node changes over from the reference plugins to Catena, and back, with containers running."""

import hashlib
import json
import shutil

import pytest

import harness
from harness import CNIFailure, Runtime, ask, bridge, conflist, host_local, portmap, run_plugin, serve

NET = bridge(isDefaultGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"))
NETWORK = conflist(NET, portmap(snat=True))


@pytest.fixture
def theirs(host, stage):
    """The reference plugins with their iptables backend."""
    if not (harness.REFERENCE / "portmap").exists() or not shutil.which("iptables"):
        pytest.fail("needs the reference plugins and iptables: make deps-test", pytrace=False)
    return Runtime(host, "reference")


def take_over(ours, theirs):
    """What libcni's cache does: results of one runtime are there for the other."""
    ours.cache = theirs.cache


def ports(number):
    return {"portMappings": [{"hostPort": 8080 + number, "containerPort": 80, "protocol": "tcp"}]}


def chains(host, container):
    """The reference's own chains of a container."""
    name = hashlib.sha512(f"net{container.id}".encode()).hexdigest()
    ruleset = host.out(["nft", "list", "ruleset"])
    return [chain for chain in (f"CNI-{name[:24]}", f"CNI-DN-{name[:21]}") if chain in ruleset]


@pytest.mark.parametrize("cached", [True, False])
def test_containers_of_the_reference(host, theirs, a, b, outside, engine, cached):
    """Our CHECK names what differs, our DEL removes reservations, links and their iptables rules; the other container stays as it was."""
    for number, container in enumerate((a, b)):
        theirs.add(NETWORK, container, capabilities=ports(number))
    assert len(chains(host, a)) == len(chains(host, b)) == 2
    ours = Runtime(host, engine)
    if cached:
        take_over(ours, theirs)
    ours.delete(NETWORK, a, capabilities=ports(0))
    assert chains(host, a) == [] and len(chains(host, b)) == 2
    assert a.link("eth0") is None and host.reservations() == ["10.1.0.3", "fd00:1::3"]
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "8080" not in ruleset and "8081" in ruleset and "10.1.0.2" not in ruleset and "fd00:1::2" not in ruleset
    b.ping("10.1.0.1")
    serve(b, "tcp", 80)
    assert ask(outside, "tcp", "192.0.2.1", 8081).name == "b"
    ours.delete(NETWORK, a, capabilities=ports(0), forget=True)
    new = host.add_netns("new")
    assert ours.add(NETWORK, new, capabilities=ports(0))["ips"][0]["address"].startswith("10.1.0."), "they live side by side"
    new.ping("10.1.0.3")
    ours.delete(NETWORK, b, netns=b.path, capabilities=ports(1))
    assert chains(host, b) == [] and "8081" not in host.out(["nft", "list", "ruleset"])


def test_back_to_the_reference(host, theirs, a, b, catena):
    """Containers of Catena are detached by the reference: addresses and links go; a last GC takes what only we know of."""
    network = {**NETWORK, "cniVersion": "1.0.0"}
    for number, container in enumerate((a, b)):
        catena.add(network, container, capabilities=ports(number))
    take_over(theirs, catena)
    a.ping("10.1.0.1")
    try:
        theirs.delete(network, a, capabilities=ports(0))
    except CNIFailure as failure:
        # Debian's 1.1.1 takes it for an error that a rule of its own is missing, after it has done the rest: runtimes repeat DEL.
        assert "CNI-" in failure.message and "does not exist" in failure.message
        theirs.delete(network, a, capabilities=ports(0))
    assert a.link("eth0") is None and host.reservations() == ["10.1.0.3", "fd00:1::3"]
    new = host.add_netns("new")
    theirs.add(network, new, capabilities=ports(5))
    new.ping("10.1.0.3")
    assert "8080" in host.out(["nft", "list", "table", "inet", "catena"]), "this they can't know of"
    Runtime(host, "catena").gc({**network, "cniVersion": "1.1.0"}, [("id-b", "eth0"), ("id-new", "eth0")])
    left = host.out(["nft", "list", "table", "inet", "catena"])
    assert "8080" not in left and "8081" in left and "id-a" not in left
    assert host.reservations() == sorted(["10.1.0.3", "fd00:1::3", *(ip["address"].split("/")[0] for ip in theirs.cached(network, new)["ips"])])
    b.ping("10.1.0.1")


def test_back_with_the_cache_of_libcni(host, stage, theirs, a):
    """What libcni left in its cache is deleted by catenactl, with the reference's rules: the other way to change over."""
    result = theirs.add(NETWORK, a, capabilities=ports(0))
    host.write("/run/test/net.d/10.conflist", NETWORK)
    entry = {
        "kind": "cniCacheV1", "containerId": a.id, "config": "", "ifName": "eth0", "networkName": "net", "netns": a.path,
        "capabilityArgs": ports(0), "result": result,
    }
    host.write("/var/lib/cni/results/net-id-a-eth0", entry, 0o600)
    tool = [harness.STAGE / "bin" / "catenactl"]
    env = {"NETCONFPATH": "/run/test/net.d"}
    assert "id-a" in host.out([*tool, "list"])
    host.run([*tool, "gc", "net"], env=env)
    assert chains(host, a) == [] and host.reservations() == [] and a.link("eth0") is None
    assert host.files("/var/lib/cni/results") == {}


def masquerade_comment(network, cid, ifname):
    def hash(text):
        return hashlib.sha512(text.encode()).hexdigest()[:16]

    return f"{hash(network)}-{hash(f'{ifname}:{cid}')}, net: {network}, if: {ifname}, id: {cid}"


def nftables_backend(host, cid, address, port):
    """The rules of the reference's nftables backend for a container, as its newer versions make them."""
    host.run(["nft", "-f", "-"], input=f"""
        add table inet cni_plugins_masquerade
        add chain inet cni_plugins_masquerade masq_checks
        add chain inet cni_plugins_masquerade postrouting {{ type nat hook postrouting priority 100; policy accept; }}
        add rule inet cni_plugins_masquerade masq_checks ip saddr {address} ip daddr != 10.1.0.0/24 masquerade comment "{masquerade_comment('net', cid, 'eth0')}"
        add table ip cni_hostport
        add chain ip cni_hostport hostports
        add chain ip cni_hostport hostip_hostports
        add chain ip cni_hostport masquerading {{ type nat hook postrouting priority 100; policy accept; }}
        add rule ip cni_hostport hostports tcp dport {port} dnat to {address}:80 comment "{cid}"
        add rule ip cni_hostport masquerading ip saddr {address} ip daddr {address} masquerade comment "{cid}"
    """)


def test_rules_of_their_nftables_backend(host, stage, a, b, engine):
    """Those of the container go, those of others, and of the container in another network, stay."""
    runtime = Runtime(host, engine)
    for number, container in enumerate((a, b)):
        address = runtime.add(NETWORK, container)["ips"][0]["address"].split("/")[0]
        nftables_backend(host, container.id, address, 8080 + number)
    nftables_backend(host, "id-a", "10.5.0.2", 9999)
    host.run(["nft", "delete", "rule", "inet", "cni_plugins_masquerade", "masq_checks", "handle", last_handle(host)])
    runtime.delete(NETWORK, a)
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "10.1.0.2" not in ruleset and "10.1.0.3:80" in ruleset and "10.5.0.2:80" in ruleset
    assert ruleset.count("ip saddr 10.1.0.3 ip daddr") == 2


def last_handle(host):
    listing = json.loads(host.out(["nft", "-j", "list", "chain", "inet", "cni_plugins_masquerade", "masq_checks"]))
    return max(item["rule"]["handle"] for item in listing["nftables"] if "rule" in item)


def test_without_their_rules_nothing_is_listed(host, stage, a):
    """Where the reference left nothing, DEL does not list chains: its cost does not grow with foreign rules."""
    if not shutil.which("strace"):
        pytest.fail("needs strace: make deps-test", pytrace=False)
    host.run(["nft", "-f", "-"], input="add table ip nat\nadd chain ip nat POSTROUTING")
    for block in range(10):
        host.run(["nft", "-f", "-"], input="".join(
            f"add rule ip nat POSTROUTING ip saddr 10.9.{block}.{number} counter accept\n" for number in range(200)))
    runtime = Runtime(host, "wrappers")
    runtime.add(NETWORK, a)
    config = {**NET, "name": "net", "cniVersion": "1.0.0"}
    done = run_plugin(host, harness.PLUGINS / "bridge", "DEL", config, prefix=["strace", "-f", "-o", "/run/trace"])
    assert done.ok, str(done)
    received = sum(int(line.rsplit("=", 1)[1].split()[0]) for line in host.path("/run/trace").read_text().splitlines()
                   if "recv" in line and line.rsplit("=", 1)[1].split()[0].isdigit())
    assert received < 100_000, "2000 rules would be more"
