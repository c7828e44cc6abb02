"""ptp: a veth pair for each container, over which the host routes."""

import pytest

from harness import (
    CNIFailure, NoAnswer, Runtime, assert_check_finds, assert_failure_leaves_nothing, assert_reaches, ask, conflist, host_local, serve)

FILES = r"^/var/lib/cni/(networks$|networks/net$|networks/net/(lock|last_reserved_ip\.\d+)$|networks/\.catena)|^/run/(xtables\.lock|lock)"
IPAM = host_local("10.1.0.0/24", "fd00:1::/64", routes=["0.0.0.0/0", "::/0"])


def network(*, version="1.0.0", ipam=IPAM, name="net", **keys):
    """A network of ptp."""
    return conflist({"type": "ptp", "ipam": ipam, **keys}, version=version, name=name)


def host_end(host, result):
    """The host's end of the container's interface."""
    return host.link(result["interfaces"][0]["name"])


# ADD


def test_add_reports_what_it_made(runtime, host, a):
    """The result names the host's end and the container's, the addresses with their gateways, the routes."""
    result = runtime.add(network(), a)
    peer, inside = result["interfaces"]
    assert peer["name"].startswith("veth") and len(peer["name"]) == 12 and "sandbox" not in peer
    assert peer["mac"] == host.link(peer["name"])["address"]
    assert inside == {"name": "eth0", "mac": a.link("eth0")["address"], "sandbox": a.path}
    assert result["ips"] == [
        {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 1},
        {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 1}]
    assert result["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]


def test_add_makes_what_it_reports(runtime, host, a):
    """Everything in the container leads to the gateway; the host's end has its address, and the host a route to the container's."""
    result = runtime.add(network(), a)
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]
    assert sorted(a.routes(), key=str) == [
        ("10.1.0.0/24", "10.1.0.1", "eth0"), ("10.1.0.1", None, "eth0"), ("default", "10.1.0.1", "eth0")]
    assert sorted(a.routes(6), key=str) == [
        ("default", "fd00:1::1", "eth0"), ("fd00:1::/64", "fd00:1::1", "eth0"), ("fd00:1::1", None, "eth0")]
    sources = {route["dst"]: route.get("prefsrc") for family in (4, 6) for route in a.ip(f"-{family}", "route")}
    assert [sources[key] for key in ("10.1.0.0/24", "10.1.0.1", "fd00:1::/64", "fd00:1::1")] == ["10.1.0.2"] * 2 + ["fd00:1::2"] * 2
    peer = host_end(host, result)
    assert peer["operstate"] == "UP" and "master" not in peer and a.link("eth0")["linkinfo"]["info_kind"] == "veth"
    assert host.addresses(peer["ifname"]) == ["10.1.0.1/32", "fd00:1::1/128"]
    route, = host.ip("-4", "route", "show", "dev", peer["ifname"])
    assert route["dst"] == "10.1.0.2" and route["scope"] == "host" and "gateway" not in route
    assert [dst for dst, _, _ in host.routes(6) if dst.startswith("fd00")] == ["fd00:1::2"]
    assert host.sysctl("ipv4/ip_forward") == "1" and host.sysctl("ipv6/conf/all/forwarding") == "1"


def test_containers_and_host_reach_each_other(runtime, host, a, b):
    """Two containers of a network reach each other and the host, and the host reaches them, by both families, at once after ADD."""
    for container in (a, b):
        runtime.add(network(), container)
        serve(container, "tcp", 80)
    serve(host, "tcp", 80)
    assert_reaches(a, b, "10.1.0.3", "fd00:1::3", source=("10.1.0.2", "fd00:1::2"))
    assert_reaches(b, a, "10.1.0.2", "fd00:1::2", source=("10.1.0.3", "fd00:1::3"))
    assert_reaches(a, host, "10.1.0.1", "fd00:1::1", source=("10.1.0.2", "fd00:1::2"))
    assert_reaches(host, a, "10.1.0.2", "fd00:1::2", source=("10.1.0.1", "fd00:1::1"))


def test_one_family_only(runtime, host, a):
    """The host forwards the family that the container has, and no other."""
    runtime.add(network(ipam=host_local("10.1.0.0/24")), a)
    assert host.sysctl("ipv4/ip_forward") == "1" and host.sysctl("ipv6/conf/all/forwarding") == "0"
    a.ping("10.1.0.1")


def test_several_addresses_with_one_gateway(runtime, host, a):
    """Two addresses of one network share the gateway: the host's end has it once."""
    ranges = [[{"subnet": "10.1.0.0/24", "rangeStart": f"10.1.0.{start}", "gateway": "10.1.0.1"}] for start in (10, 200)]
    ranges[0][0]["rangeEnd"] = "10.1.0.19"
    wanted = network(ipam={"type": "host-local", "ranges": ranges})
    result = runtime.add(wanted, a)
    assert [ip["address"] for ip in result["ips"]] == ["10.1.0.10/24", "10.1.0.200/24"]
    assert host.addresses(host_end(host, result)["ifname"]) == ["10.1.0.1/32"]
    host.ping("10.1.0.10")
    host.ping("10.1.0.200")
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert host.reservations() == []


def addresses_without_a_network(host):
    """An IPAM plugin, `single`, that gives each container addresses that are networks of their own."""
    host.write("/run/test/bin/single", """#!/bin/sh
        cat >/dev/null
        case $CNI_CONTAINERID in id-a) last=2 ;; *) last=3 ;; esac
        [ "$CNI_COMMAND" != ADD ] || echo '{"cniVersion": "1.0.0", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}], "ips": [
          {"address": "10.7.0.'$last'/32", "gateway": "169.254.1.1"}, {"address": "fd00:7::'$last'/128", "gateway": "fe80::1"}]}'""", 0o755)


def test_address_without_a_network(lab, host, a):
    """An address of its own network, /32 or /128, works like any other."""
    addresses_without_a_network(host)
    wanted, runtime = network(ipam={"type": "single"}), lab.runtime()
    runtime.add(wanted, a)
    serve(host, "tcp", 80)
    host.ping("10.7.0.2")
    host.ping("fd00:7::2")
    a.ping("169.254.1.1")
    assert ("default", "169.254.1.1", "eth0") in a.routes() and ("default", "fe80::1", "eth0") in a.routes(6)
    runtime.check(wanted, a)


def test_mtu(runtime, host, a):
    """mtu is set on both ends."""
    result = runtime.add(network(mtu=1400), a)
    assert [host_end(host, result)["mtu"], a.link("eth0")["mtu"]] == [1400, 1400]


@pytest.mark.ours("there the container has a random one")
@pytest.mark.parametrize("given, wins", [
    ({"args": "IgnoreUnknown=1;MAC=02:00:00:00:00:01"}, "02:00:00:00:00:01"),
    ({"capabilities": {"mac": "02:00:00:00:00:02"}}, "02:00:00:00:00:02"),
    ({"args": "IgnoreUnknown=1;MAC=02:00:00:00:00:01", "capabilities": {"mac": "02:00:00:00:00:02"}}, "02:00:00:00:00:02"),
], ids=["CNI_ARGS", "runtimeConfig.mac", "runtimeConfig over CNI_ARGS"])
def test_hardware_address(runtime, a, given, wins):
    """The container's MAC comes from CNI_ARGS or runtimeConfig.mac; the later one wins."""
    result = runtime.add(network(capabilities={"mac": True}), a, **given)
    assert a.link("eth0")["address"] == wins == result["interfaces"][1]["mac"]


def test_other_arguments_are_no_error(wrappers, a):
    """Names in CNI_ARGS that are not known do not matter, as in the reference; host-local would mind, so another IPAM is asked."""
    wrappers.host.write("/run/test/bin/easy", """#!/bin/sh
        cat >/dev/null
        [ "$CNI_COMMAND" != ADD ] || echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.7.0.2/24", "gateway": "10.7.0.1"}]}'""", 0o755)
    wrappers.path += ":/run/test/bin"
    wrappers.add(network(ipam={"type": "easy"}), a, args="K8S_POD=x;MAC=02:00:00:00:00:01")
    assert a.link("eth0")["address"] == "02:00:00:00:00:01"


@pytest.mark.ours("there IPAM comes first")
def test_the_link_is_there_before_ipam(lab, host, a):
    """An IPAM plugin finds the interface, as a DHCP client needs it."""
    host.write("/run/test/bin/client", """#!/bin/sh
        cat >/dev/null
        [ "$CNI_COMMAND" != ADD ] || {
            ip -n a link set "$CNI_IFNAME" up
            ip -n a -o link show dev "$CNI_IFNAME" >/run/test/seen
            echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.7.0.2/24", "gateway": "10.7.0.1"}]}'
        }""", 0o755)
    lab.runtime().add(network(ipam={"type": "client"}), a)
    assert "LOWER_UP" in host.path("/run/test/seen").read_text()
    a.ping("10.7.0.1")


@pytest.mark.parametrize("version", [
    "0.2.0", "0.3.1", "0.4.0", "1.0.0", pytest.param("1.1.0", marks=pytest.mark.ours("1.1.1 of the reference ends at 1.0.0"))])
def test_result_versions(runtime, a, version):
    """The result has the form of the configuration's version."""
    result = runtime.add(network(version=version), a)
    assert result["cniVersion"] == version
    if version == "0.2.0":
        assert result["ip4"]["ip"] == "10.1.0.2/24" and result["ip6"]["ip"] == "fd00:1::2/64"
    else:
        assert [ip["interface"] for ip in result["ips"]] == [1, 1] and ("version" in result["ips"][0]) == (version < "1")


@pytest.mark.reference_differs("1.1.1 loses IPAM's DNS")
def test_dns(runtime, host, a, b):
    """DNS settings of the configuration replace those of IPAM; where there are none, IPAM's count."""
    host.write("/run/test/resolv.conf", "nameserver 192.0.2.53\nsearch ipam.example\n")
    ipam = host_local("10.1.0.0/24", resolvConf="/run/test/resolv.conf")
    assert runtime.add(network(ipam=ipam), a)["dns"] == {"nameservers": ["192.0.2.53"], "search": ["ipam.example"]}
    assert runtime.add(network(ipam=ipam, dns={"domain": "example"}), b)["dns"] == {"domain": "example"}


def test_published_ports(runtime, host, a, outside):
    """portmap leads a port of the host to the container."""
    chain = network(ipMasq=True)
    chain["plugins"].append({"type": "portmap", "capabilities": {"portMappings": True}, "snat": True})
    runtime.add(chain, a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", "192.0.2.1", 8080).name == "a" and ask(outside, "tcp", "2001:db8::1", 8080).name == "a"
    runtime.check(chain, a)
    runtime.delete(chain, a)
    with pytest.raises(NoAnswer):
        ask(outside, "tcp", "192.0.2.1", 8080)


# Masquerade


def test_masquerade(runtime, host, a, b, outside):
    """With ipMasq, what leaves the network has the host's address as source; what stays in it has its own."""
    for container in (a, b):
        runtime.add(network(ipMasq=True), container)
    serve(outside, "tcp", 80)
    serve(b, "tcp", 80)
    assert_reaches(a, outside, "192.0.2.2", "2001:db8::2", source=("192.0.2.1", "2001:db8::1"))
    assert_reaches(a, b, "10.1.0.3", "fd00:1::3", source=("10.1.0.2", "fd00:1::2"))


def test_masquerade_and_ports_of_addresses_without_a_network(lab, host, a, b, outside):
    """Addresses that are networks of their own, /32 and /128, share one chain, however many there are; who is no client of its own
    network is not masqueraded."""
    addresses_without_a_network(host)
    chain = network(ipam={"type": "single"}, ipMasq=True)
    chain["plugins"].append({"type": "portmap", "capabilities": {"portMappings": True}})
    runtime = lab.runtime()
    runtime.add(chain, a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    rules = host.out(["nft", "list", "ruleset"]).count("masquerade\n")
    runtime.add(chain, b, capabilities={"portMappings": [{"hostPort": 8081, "containerPort": 80, "protocol": "tcp"}]})
    assert host.out(["nft", "list", "ruleset"]).count("masquerade\n") == rules
    serve(outside, "tcp", 80)
    assert_reaches(a, outside, "192.0.2.2", "2001:db8::2", source=("192.0.2.1", "2001:db8::1"))
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", "192.0.2.1", 8080).source == "192.0.2.2"
    assert ask(b, "tcp", "192.0.2.1", 8080).source == "169.254.1.1", "b leaves its network: ipMasq"
    for place, address in ((host, "127.0.0.1"), (a, "192.0.2.1"), (a, "2001:db8::1")):
        assert ask(place, "tcp", address, 8080).name == "a", address
    runtime.check(chain, a)
    host.run(["nft", "flush set inet catena hairpin_hosts4; flush set inet catena masquerade_hosts6"])
    with pytest.raises(CNIFailure) as failure:
        runtime.check(chain, a)
    assert "masquerade_hosts6: expected an element for fd00:7::2" in failure.value.text
    runtime.delete(chain, a)
    runtime.delete(chain, b)
    assert "elements" not in host.out(["nft", "list", "ruleset"])


def test_no_masquerade(runtime, host, a, outside):
    """Without ipMasq the container's own address is the source."""
    runtime.add(network(), a)
    assert not a.ping("192.0.2.2", check=False)
    outside.run(["ip", "route", "add", "10.1.0.0/24", "via", "192.0.2.1"])
    outside.run(["ip", "route", "add", "fd00:1::/64", "via", "2001:db8::1"])
    serve(outside, "tcp", 80)
    assert_reaches(a, outside, "192.0.2.2", "2001:db8::2", source=("10.1.0.2", "fd00:1::2"))
    serve(a, "tcp", 80)
    assert_reaches(outside, a, "10.1.0.2", "fd00:1::2")


def test_masquerade_backends(wrappers, host, a):
    """A backend that is none is refused, where it would count; DEL is content. (iptables: test_masquerade_iptables.py)"""
    assert_failure_leaves_nothing(wrappers, host, a, network(ipMasq=True, ipMasqBackend="pf"), 'expected "nftables" or "iptables"')
    wrappers.delete(network(ipMasq=True, ipMasqBackend="pf"), a)
    wrappers.add(network(ipMasqBackend="pf"), a)


# Failures


@pytest.mark.parametrize("keys, named", [
    ({"ipam": {}}, "requires an IPAM configuration"), ({"ipam": {"type": ""}}, "requires an IPAM configuration"), ({"mtu": -1}, "mtu"),
    ({"mtu": 10}, "mtu 10"), ({"ipMasq": "yes"}, "ipMasq"), ({"ipam": host_local("10.1.0.0/33")}, "10.1.0.0/33"),
    ({"ipam": host_local("10.1.0.0/24", routes=[{"dst": "10.99.0.0/16", "gw": "192.0.2.9"}])}, "add route 10.99.0.0/16 via 192.0.2.9"),
], ids=str)
def test_failure_leaves_nothing(wrappers, host, a, keys, named):
    """What can't be is refused by name: no link at either end, no route, no reservation is left."""
    # The first ADD lets the host forward, and that stays.
    host.sysctl("ipv4/ip_forward", 1)
    assert_failure_leaves_nothing(wrappers, host, a, network(**keys), named)


@pytest.mark.ours("the reference leaks what is reserved")
@pytest.mark.parametrize("ips, named", [
    ("[]", "returned no IP address"), ('[{"address": "10.7.0.2/24"}]', "10.7.0.2/24 without a gateway")])
def test_an_ipam_result_of_no_use(lab, host, a, ips, named):
    """Without an address, or without its gateway, there is nothing to route: IPAM's DEL is run, and no link is left."""
    host.write("/run/test/bin/odd", f"""#!/bin/sh
        cat >/dev/null
        echo $CNI_COMMAND >>/run/test/calls
        [ "$CNI_COMMAND" != ADD ] || echo '{{"cniVersion": "1.0.0", "ips": {ips}}}'""", 0o755)
    before = host.snapshot()
    with pytest.raises(CNIFailure, match=named):
        lab.runtime().add(network(ipam={"type": "odd"}), a)
    assert host.path("/run/test/calls").read_text().split()[:2] == ["ADD", "DEL"]
    assert a.link("eth0") is None and host.snapshot().links == before.links


def test_failure_of_a_later_plugin_leaves_nothing(lab, host, a):
    """When a later plugin of the chain fails, link, routes, masquerade and addresses are gone."""
    chain = network(ipMasq=True)
    chain["plugins"].append(lab.executable("broken", ADD="exit 1"))
    with pytest.raises(CNIFailure, match="broken"):
        lab.runtime().add(chain, a)
    assert a.link("eth0") is None and host.reservations() == [] and "10.1.0.2" not in host.snapshot().ruleset


def test_interface_name_is_taken(wrappers, host, a):
    """A link of that name is an error."""
    a.run(["ip", "link", "add", "eth0", "type", "bridge"])
    assert_failure_leaves_nothing(wrappers, host, a, network(), "eth0 already exists in /run/netns/a", previous={"cniVersion": "1.0.0"})
    wrappers.delete(network(), a)
    assert a.link("eth0") is not None


# DEL


def test_del_leaves_what_was_there_before(runtime, host, a):
    """After DEL only the shared leftovers are there: host-local's own files, empty nftables chains."""
    before, inside = host.snapshot(), a.ip("addr")
    runtime.add(network(ipMasq=True), a)
    runtime.delete(network(ipMasq=True), a)
    after = host.snapshot()
    assert after.without(files=FILES, nftables=True) == before.without(files=FILES, nftables=True)
    assert "10.1.0.2" not in after.ruleset and "id-a" not in after.ruleset and "elements" not in after.ruleset
    assert a.ip("addr") == inside
    runtime.delete(network(ipMasq=True), a)
    runtime.delete(network(ipMasq=True), a, forget=True)
    assert host.snapshot() == after


def test_del_takes_only_its_own(runtime, host, a, b, outside):
    """DEL of one container leaves another's masquerade, link and routes."""
    for container in (a, b):
        runtime.add(network(ipMasq=True), container)
    runtime.delete(network(ipMasq=True), a)
    b.ping("192.0.2.2")
    b.ping("2001:db8::2")
    runtime.check(network(ipMasq=True), b)


def test_del_without_add(runtime, host, a):
    """DEL of what was never added succeeds, also with values that ADD refuses."""
    before = host.snapshot()
    for keys in ({}, {"ipMasq": True}, {"ipam": {}, "mtu": "x", "ipMasqBackend": "pf", "ipMasq": "yes"}):
        runtime.delete(network(**keys), a)
        runtime.delete(network(**keys), a, netns="")
        runtime.delete(network(**keys), a, netns="/run/netns/nowhere")
    assert host.snapshot().without(files=FILES, nftables=True) == before.without(files=FILES, nftables=True)


@pytest.mark.reference_differs("masquerade stays when the namespace is gone [bug]")
@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
@pytest.mark.parametrize("forget", [False, True], ids=["prevResult", "no prevResult"])
def test_del_after_the_namespace_is_gone(runtime, host, a, netns, forget):
    """With the namespace gone, DEL still removes masquerade and addresses."""
    runtime.add(network(ipMasq=True), a)
    a.delete()
    runtime.delete(network(ipMasq=True), a, netns="/run/netns/a" if netns is None else netns, forget=forget)
    assert host.reservations() == [] and "10.1.0.2" not in host.snapshot().ruleset and "fd00:1::2" not in host.snapshot().ruleset


@pytest.mark.ours("the reference leaves the pair")
def test_del_without_netns_while_the_namespace_is_there(runtime, host, a):
    """Without CNI_NETNS the pair is deleted by the host's end that prevResult names."""
    result = runtime.add(network(), a)
    runtime.delete(network(), a, netns="")
    assert host_end(host, result) is None and a.link("eth0") is None and host.reservations() == []


@pytest.mark.reference_differs("masquerade stays when the link is gone [bug]")
def test_del_after_the_link_is_gone(runtime, host, a):
    """With the interface gone, DEL still removes masquerade and addresses."""
    runtime.add(network(ipMasq=True), a)
    a.run(["ip", "link", "del", "eth0"])
    runtime.delete(network(ipMasq=True), a)
    assert host.reservations() == [] and "10.1.0.2" not in host.snapshot().ruleset


# CHECK


@pytest.mark.parametrize("damage, named", [
    ("ip addr del 10.1.0.2/24 dev eth0", "10.1.0.2"), ("ip -6 addr del fd00:1::2/64 dev eth0", "fd00:1::2"),
    ("ip route del default", "0.0.0.0/0"), ("ip -6 route del default", "::/0"), ("ip route del 10.1.0.0/24", "10.1.0.0/24"),
    ("ip -6 route del fd00:1::/64", "fd00:1::/64"),
    ("ip route replace 10.1.0.0/24 dev eth0", "expected route 10.1.0.0/24 via 10.1.0.1, found another way"),
    ("ip -6 route del fd00:1::1 dev eth0", "expected a route to its gateway fd00:1::1"),
    ("ip link set eth0 down", "eth0: expected up, found down"), ("ip link set eth0 mtu 1280", "eth0: MTU: expected 1400, found 1280"),
    ("ip link set eth0 address 02:00:00:00:00:99", "02:00:00:00:00:99"), ("ip link del eth0", "eth0"),
    ("ip link del eth0; ip link add eth0 type bridge", "expected a veth"),
    ("ip link del eth0; ip link add eth0 type veth peer name v0", "host-side veth of eth0: found none"),
], ids=["IPv4 address", "IPv6 address", "IPv4 default", "IPv6 default", "IPv4 network", "IPv6 network", "network on the link", "gateway",
        "down", "MTU", "MAC", "link", "kind", "another veth"])
@pytest.mark.ours("the reference sees less")
def test_check_finds_damage(runtime, a, damage, named):
    """CHECK of what ADD made succeeds; it fails when something in the container is not so, and names it."""
    assert_check_finds(runtime, a, network(mtu=1400), damage, named)


@pytest.mark.parametrize("damage, named", [
    ("ip addr del 10.1.0.1/32 dev {end}", "expected gateway address 10.1.0.1"),
    ("ip addr del fd00:1::1/128 dev {end}", "gateway address fd00:1::1"),
    ("ip route del 10.1.0.2", "expected a route to 10.1.0.2"), ("ip -6 route del fd00:1::2", "expected a route to fd00:1::2"),
    ("ip link set {end} down", "{end}: expected up"), ("ip link set {end} mtu 1280", "{end}: MTU: expected 1400, found 1280"),
    ("ip link set {end} down; ip link set {end} name veth9; ip link set veth9 up", "found veth9, which prevResult does not have"),
    ("sysctl -qw net.ipv4.ip_forward=0", "/proc/sys/net/ipv4/ip_forward: expected 1, found 0"),
    ("sysctl -qw net.ipv6.conf.all.forwarding=0", "/proc/sys/net/ipv6/conf/all/forwarding: expected 1, found 0"),
    ("nft delete element inet catena masquerade4 {{ 10.1.0.2 }}", "masquerade4: expected an element for 10.1.0.2"),
    ("nft delete element inet catena masquerade6 {{ fd00:1::2 }}", "masquerade6: expected an element for fd00:1::2"),
    ("nft flush ruleset", "nftables"), ("rm /var/lib/cni/networks/net/10.1.0.2", "10.1.0.2"),
], ids=["IPv4 gateway", "IPv6 gateway", "IPv4 route", "IPv6 route", "down", "MTU", "name", "IPv4 forwarding", "IPv6 forwarding",
        "IPv4 masquerade", "IPv6 masquerade", "nftables", "reservation"])
@pytest.mark.ours("the reference does not look at the host")
def test_check_finds_changes_of_the_host(runtime, host, a, damage, named):
    """CHECK fails when the host's side is not as ADD made it."""
    wanted = network(mtu=1400, ipMasq=True)
    end = runtime.add(wanted, a)["interfaces"][0]["name"]
    runtime.check(wanted, a)
    host.run(["sh", "-ec", damage.format(end=end)])
    with pytest.raises(CNIFailure) as failure:
        runtime.check(wanted, a)
    assert named.format(end=end) in failure.value.text


# STATUS, GC


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_status(runtime, host, a):
    """STATUS is fine while there are addresses, and says code 50 when there are none."""
    small = network(version="1.1.0", ipMasq=True, ipam=host_local("10.1.0.0/30"))
    before = host.snapshot()
    runtime.status(small)
    assert host.snapshot().without(nftables=True) == before.without(nftables=True)
    runtime.add(small, a)
    with pytest.raises(CNIFailure, match="no IP addresses available") as failure:
        runtime.status(small)
    assert failure.value.code == 50


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_gc(runtime, host, a, b):
    """GC removes address and masquerade of attachments that are not valid any more, and leaves the rest."""
    wanted = network(version="1.1.0", ipMasq=True)
    for container in (a, b):
        runtime.add(wanted, container)
    a.delete()
    runtime.gc(wanted, [(b.id, "eth0")])
    assert host.reservations() == ["10.1.0.3", "fd00:1::3"]
    assert "10.1.0.2" not in host.snapshot().ruleset and "10.1.0.3" in host.snapshot().ruleset
    runtime.check(wanted, b)


# The way of addresses


def test_an_address_that_is_used_again(runtime, host, a, b, outside):
    """The next container with an address is reached at once, although the last one's veth is still there, its DEL not having come."""
    only = {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}], "ranges": [
        [{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "rangeEnd": "10.1.0.5"}],
        [{"subnet": "fd00:1::/64", "rangeStart": "fd00:1::5", "rangeEnd": "fd00:1::5"}]]}
    wanted = network(ipMasq=True, ipam=only)
    for container in (a, b):
        runtime.add(wanted, container)
        serve(container, "tcp", 80)
        assert_reaches(host, container, "10.1.0.5", "fd00:1::5")
        container.ping("192.0.2.2")
        if container is a:
            host.run(["sh", "-c", "rm /var/lib/cni/networks/net/10.1.0.5 /var/lib/cni/networks/net/fd00*"])


# The reference plugin


@pytest.mark.parametrize("order", [("reference", "wrappers"), ("wrappers", "reference")], ids="->".join)
def test_changing_over(host, stage, a, outside, order):
    """Either plugin removes what the other one made; ours also its masquerade."""
    add, other = (Runtime(host, engine) for engine in order)
    wanted = network(ipMasq=order[0] == "reference")
    add.add(wanted, a)
    a.ping("10.1.0.1")
    other.cache = add.cache
    other.delete(wanted, a)
    assert a.link("eth0") is None and host.reservations() == [] and "10.1.0.2" not in host.snapshot().ruleset
    assert [name for name in host.snapshot().links if name.startswith("veth")] == []
