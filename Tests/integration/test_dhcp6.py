"""dhcp, key ipv6: addresses from DHCPv6 servers and of routers' networks, by servers from Debian; the life of such leases."""

import json
import re
import time

import pytest

from harness import REFERENCE, CNIFailure, Runtime
from harness.dhcp import STATE, Daemon, Lan, ask, await_line, connect, receive, send, wait_for

STATEFUL = ("--enable-ra", "--dhcp-range=fd00:9::100,fd00:9::1ff,64,2m")
SLAAC = ("--enable-ra", "--dhcp-range=fd00:9::,ra-only,64,10m")


@pytest.fixture
def lan(host, stage):
    """A LAN with IPv6, and with a place for servers."""
    return Lan(host).add_ipv6()


@pytest.fixture
def daemon(host, lan):
    """A running daemon."""
    return Daemon(host)


def addresses(container):
    """The IPv6 addresses of eth0, without the link-local one: {address with prefix: valid lifetime in seconds}."""
    found = container.ip("-6", "addr", "show", "dev", "eth0")
    return {
        f"{a['local']}/{a['prefixlen']}": a["valid_life_time"]
        for entry in found for a in entry.get("addr_info", []) if not a["local"].startswith("fe80:")}


def link_local(place):
    """The link-local address of eth0."""
    return next(a["local"] for a in place.ip("-6", "addr", "show", "dev", "eth0")[0]["addr_info"] if a["local"].startswith("fe80:"))


def default_routes(container):
    """(gateway, who made it) of the default routes of IPv6."""
    return [(r.get("gateway"), r.get("protocol")) for r in container.ip("-6", "route", "show", "default")]


def server_has(lan, address):
    """Whether dnsmasq has a lease of an address."""
    return f" {address.split('/')[0]} " in lan.host.path("/run/dnsmasq-server.leases").read_text()


FOREVER = 4294967295


# Over the module


def test_a_server_and_a_router(runtime, host, lan, daemon, a):
    """auto: the router's flag M leads to the server. IPv4 comes too; the default route is the kernel's; CHECK and DEL see both leases."""
    lan.dnsmasq(*STATEFUL, "--dhcp-option=option6:dns-server,[fd00:9::53]", "--dhcp-option=option6:domain-search,example.org")
    network = lan.network(ipv6="auto")
    before = host.snapshot()
    result = runtime.add(network, a)
    four, six = result["ips"]
    assert four["gateway"] == "10.9.0.1" and six["address"].endswith("/128") and six["gateway"] == link_local(lan.server)
    assert result["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}]
    assert result["dns"]["nameservers"][-1] == "fd00:9::53" and result["dns"]["search"] == ["example.org"]
    assert list(addresses(a)) == [six["address"]] and default_routes(a) == [(link_local(lan.server), "ra")]
    assert server_has(lan, six["address"])
    a.ping("10.9.0.1")
    a.ping("fd00:9::1")
    wait_for("the lifetime", lambda: 100 < addresses(a)[six["address"]] <= 120)
    runtime.check(network, a)
    assert sorted(host.files(f"{STATE}/leases")) == [f"{STATE}/leases/net:id-a:eth0", f"{STATE}/leases/net:id-a:eth0:6"]
    runtime.delete(network, a)
    wait_for("RELEASE", lambda: not server_has(lan, six["address"]) and not server_has(lan, four["address"]))
    assert daemon.ask("leases") == {"leases": []}
    assert host.snapshot().without(files="dnsmasq|catena/dhcp") == before.without(files="dnsmasq|catena/dhcp")
    runtime.delete(network, a)


def test_an_address_of_a_routers_network(runtime, host, lan, daemon, a):
    """slaac: the address is in the result; the kernel goes on with it, and there is one of it."""
    lan.dnsmasq(*SLAAC, "--dhcp-option=option6:dns-server,[fd00:9::53]")
    network = lan.network(ipv6="slaac", ipv4="none")
    result = runtime.add(network, a)
    address = f"fd00:9::{link_local(a).split('::')[1]}/128"
    assert result["ips"] == [{"address": address, "gateway": link_local(lan.server), "interface": 2}] and "routes" not in result
    assert result["dns"]["nameservers"] == ["fd00:9::53"]
    a.ping("fd00:9::1")
    wait_for("the kernel's word", lambda: addresses(a)[address] <= 1800)
    wait_for("the handover", lambda: a.sysctl("ipv6/conf/eth0/autoconf") == "1")
    assert list(addresses(a)) == [address]
    assert a.routes(6).count(("fd00:9::/64", None, "eth0")) == 1 and default_routes(a) == [(link_local(lan.server), "ra")]
    lease = daemon.lease(a, 6)
    assert (lease["origin"], lease["state"], lease["server"]) == ("slaac", "bound", link_local(lan.server)) and "endsIn" not in lease
    runtime.check(network, a)
    a.run(["ip", "addr", "del", address, "dev", "eth0"])
    with pytest.raises(CNIFailure, match="expected address fd00:9::"):
        runtime.check(network, a)
    runtime.delete(network, a)
    assert daemon.ask("leases") == {"leases": []}


def test_without_a_router(host, catena, lan, a):
    """auto is content with IPv4 where no router is; without IPv4 ADD fails, as it does with slaac, and leaves nothing."""
    lan.dnsmasq()
    Daemon(host, "-resendtimeout", "6s")
    result = catena.add(lan.network(ipv6="auto"), a)
    assert [ip["address"].split(".")[0] for ip in result["ips"]] == ["10"] and a.sysctl("ipv6/conf/eth0/autoconf") == "1"
    catena.check(lan.network(ipv6="auto"), a)
    catena.delete(lan.network(ipv6="auto"), a)
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="no more tries: no router advertises itself"):
        catena.add(lan.network(ipv6="slaac"), a)
    assert a.link("eth0") is None and host.snapshot().without(files="dnsmasq|catena/dhcp") == before.without(files="dnsmasq|catena/dhcp")
    wait_for("RELEASE of IPv4", lambda: "10.9.0." not in host.path("/run/dnsmasq-server.leases").read_text())


@pytest.mark.parametrize("ipam, named", [
    ({"ipv6": "yes"}, 'ipam.ipv6: expected "none" or "dhcp" or "slaac" or "auto", found "yes"'), ({"ipv6": True}, "ipam.ipv6"),
    ({"ipv4": "none"}, 'ipam.ipv6: must be "dhcp", "slaac" or "auto" where ipv4 is "none"'), ({"ipv4": "static"}, "ipam.ipv4"),
    ({"rapidCommit": "x"}, "ipam.rapidCommit"),
])
def test_configurations_that_are_wrong(catena, lan, daemon, a, ipam, named):
    """Each is told with its place; DEL does not mind."""
    with pytest.raises(CNIFailure) as failure:
        catena.add(lan.network(**ipam), a)
    assert named in failure.value.text
    catena.delete(lan.network(**ipam), a)


def test_macvlan(host, stage, lan, a):
    """A macvlan on a device of the host, by Debian's executable: an address of each family."""
    lan.dnsmasq(*STATEFUL)
    host.run(["sh", "-ec", "ip link add up0 type veth peer name ens5; ip link set up0 master lan0 up; ip link set ens5 up"])
    host.await_up("up0")
    Daemon(host)
    runtime = Runtime(host, "plain", path=[REFERENCE])
    network = lan.network(main={"type": "macvlan", "master": "ens5"}, ipv6="auto")
    result = runtime.add(network, a)
    address = result["ips"][1]["address"]
    assert list(addresses(a)) == [address] and server_has(lan, address)
    a.ping("fd00:9::1")
    runtime.check(network, a)
    runtime.delete(network, a)
    wait_for("RELEASE", lambda: not server_has(lan, address))


def test_an_interface_that_is_up_already(host, catena, lan, daemon, a):
    """What the kernel has made of the router's network before ADD makes way for what ADD reports."""
    lan.dnsmasq(*SLAAC)
    host.run(["sh", "-ec", "ip link add v0 type veth peer name eth0 netns a; ip link set v0 master lan0 up; ip -n a link set eth0 up"])
    wait_for("the kernel's address", lambda: addresses(a))
    result = ask(host, request(a, "slaac"))["result"]
    assert addresses(a) == {}
    a.run(["ip", "addr", "add", result["ips"][0]["address"], "dev", "eth0", "nodad"])
    wait_for("the lifetime", lambda: list(addresses(a).values())[0] <= 1800)
    # Again, by then: the same.
    assert ask(host, request(a, "slaac"))["result"] == result and len(addresses(a)) == 1


# Over the socket: the life of a lease


class Port:
    """eth0 of a container, on the LAN."""

    def __init__(self, host, container):
        self.host, self.container = host, container
        host.run(["ip", "link", "add", f"v-{container.name}", "type", "veth", "peer", "name", "eth0", "netns", container.name])
        host.run(["ip", "link", "set", f"v-{container.name}", "master", "lan0", "up"])

    def add(self, mode="dhcp", **keys):
        """Gets a lease, and gives it to the interface as a main plugin does; the address, with /128."""
        answer = ask(self.host, request(self.container, mode, **keys))
        assert "result" in answer, answer
        address = answer["result"]["ips"][0]["address"]
        self.container.run(["ip", "addr", "add", address, "dev", "eth0", "nodad"])
        return address

    def release(self):
        assert ask(self.host, {"version": 1, "command": "release", **key(self.container)}) == {}


def key(container):
    return {"network": "net", "containerID": container.id, "ifname": "eth0"}


def request(container, mode, rapidCommit=False, **keys):
    """A request for IPv6 addresses alone."""
    duid = "AAQ" + (container.id.encode() * 10)[:18].hex()[:21]
    return {
        "version": 1, "command": "allocate", **key(container), "netns": container.path, "clientIdentifier": "", "ipv4": False, "probe": 0,
        "ipv6": {"mode": mode, "duid": duid, "iaid": 7, "rapidCommit": rapidCommit}, **keys}


@pytest.fixture
def port(host, lan, a):
    """Container a, with eth0 on the LAN."""
    return Port(host, a)


def sent(daemon, kind):
    """How many messages of a kind the daemon has sent."""
    return daemon.metric(f'catena_dhcpv6_messages_sent_total{{type="{kind}"}}')


def test_renewing(host, lan, port):
    """Past T1 the server extends the lease: the address stays, with a new lifetime."""
    lan.kea6()
    daemon = Daemon(host)
    address = port.add()
    wait_for("the lifetime", lambda: addresses(port.container)[address] <= 6)
    wait_for("two extensions", lambda: daemon.metric("catena_dhcp_leases_renewed_total") >= 2)
    assert list(addresses(port.container)) == [address] and daemon.metric("catena_dhcp_leases_changed_total") == 0
    assert sent(daemon, "renew") >= 2 and sent(daemon, "rebind") == 0 and sent(daemon, "solicit") == 1
    assert daemon.ask("check", **key(port.container)) == {"addresses": [address]}


RENEW_IS_LOST = """table netdev t {
    chain c {
        type filter hook ingress device eth0 priority 0
        udp dport 547 @th,64,8 5 counter drop
    }
}
"""


def test_rebinding(host, lan, port):
    """Past T2 any server is asked: one that RENEW does not reach extends the lease all the same."""
    lan.kea6()
    lan.server.run(["nft", "-f", "-"], input=RENEW_IS_LOST)
    daemon = Daemon(host)
    address = port.add()
    wait_for("an extension", lambda: daemon.metric("catena_dhcp_leases_renewed_total") >= 1)
    assert list(addresses(port.container)) == [address] and daemon.metric("catena_dhcp_leases_lost_total") == 0
    assert sent(daemon, "rebind") >= 1 and "packets 0 " not in lan.server.out(["nft", "list", "ruleset"])


def test_a_lease_that_ends_and_comes_back(host, lan, port):
    """Without a server the address goes when the lease ends, and comes again when there is one."""
    server = lan.kea6(renew=1, rebind=2, preferred=2, valid=3)
    daemon = Daemon(host)
    address = port.add()
    server.kill()
    server.wait()
    wait_for("the end", lambda: addresses(port.container) == {} and daemon.metric("catena_dhcp_leases_lost_total") == 1)
    assert "address" not in daemon.lease(port.container, 6)
    assert "there is no lease for net/id-a/eth0 (IPv6) at present" in daemon.ask("check", **key(port.container))["error"]["msg"]
    lan.kea6(renew=100, rebind=200, preferred=300, valid=400)
    wait_for("a lease", lambda: list(addresses(port.container)) == [address], 20)
    wait_for("the lifetime", lambda: 390 <= addresses(port.container)[address] <= 400)


def test_the_kernel_ends_it_without_the_daemon(host, lan, port):
    """The address has the lease's lifetime: no daemon is needed to take it away."""
    lan.kea6(valid=4, preferred=3)
    daemon = Daemon(host)
    address = port.add()
    wait_for("the lifetime", lambda: addresses(port.container)[address] <= 4)
    daemon.stop(kill=True)
    wait_for("the end", lambda: addresses(port.container) == {})


@pytest.mark.parametrize("change", ["apply", "release"])
def test_another_address(host, lan, port, change):
    """A server that has moved to other addresses: the new one is applied; or all is given back and told."""
    server = lan.kea6()
    daemon = Daemon(host)
    address = port.add(change=change)
    server.kill()
    server.wait()
    lan.kea6(pool="fd00:9::a00 - fd00:9::aff", renew=100, rebind=200, preferred=300, valid=400)
    if change == "apply":
        wait_for("the new address", lambda: [new for new in addresses(port.container) if new.startswith("fd00:9::a")])
        wait_for("the old one's end", lambda: address not in addresses(port.container))
        assert daemon.lease(port.container, 6)["address"] == list(addresses(port.container))[0]
        assert daemon.ask("check", **key(port.container)) == {"addresses": list(addresses(port.container))}
    else:
        wait_for("the end", lambda: addresses(port.container) == {} and (daemon.lease(port.container, 6) or {}).get("state") == "ended")
        assert host.files(f"{STATE}/leases") == {}


def test_rapid_commit(host, lan, port):
    """Two messages in place of four, where it is wanted and the server does it."""
    lan.kea6(rapid=True)
    daemon = Daemon(host)
    port.add(rapidCommit=True)
    assert sent(daemon, "solicit") == 1 and sent(daemon, "request") == 0
    port.release()
    assert sent(daemon, "release") == 1
    port.container.run(["ip", "addr", "flush", "dev", "eth0", "scope", "global"])
    port.add()
    assert sent(daemon, "request") == 1


def test_no_free_address(host, lan, port):
    """One address, two containers: the second one is told why there is none; RELEASE of the first makes it free."""
    lan.kea6(pool="fd00:9::100 - fd00:9::100", valid=600, preferred=600, renew=300, rebind=400)
    Daemon(host, "-resendtimeout", "5s")
    other = Port(host, host.add_netns("b"))
    assert port.add() == "fd00:9::100/128"
    error = ask(host, request(other.container, "dhcp"))["error"]
    assert error["code"] == 11 and "offers no address: NoAddrsAvail" in error["msg"], error
    port.release()
    assert addresses(port.container) == {}
    assert other.add() == "fd00:9::100/128"


def test_no_server(host, lan, port):
    """ADD fails when the time is over, and nothing is kept."""
    daemon = Daemon(host, "-resendtimeout", "3500ms")
    error = ask(host, request(port.container, "dhcp"))["error"]
    assert error["msg"] == "get a lease for eth0: no more tries: no DHCPv6 server answers" and "DHCPv6 server" in error["details"]
    assert daemon.ask("leases") == {"leases": []} and host.files(f"{STATE}/leases") == {} and sent(daemon, "solicit") >= 1


def test_an_address_in_use(host, lan, port):
    """Someone has the address: it is declined, and another one taken."""
    host.run(["ip", "addr", "add", "fd00:9::100/128", "dev", "lan0", "nodad"])
    lan.kea6(valid=600, preferred=600, renew=300, rebind=400)
    daemon = Daemon(host)
    address = port.add(probe=200)
    assert address != "fd00:9::100/128" and sent(daemon, "decline") == 1


@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_leases_survive_a_restart(host, lan, port, kill):
    """The next daemon goes on: it knows the lease, extends it, and gives it back on DEL, as the server sees."""
    server = lan.kea6()
    daemon = Daemon(host)
    address = port.add()
    daemon.stop(kill)
    daemon = Daemon(host)
    assert daemon.lease(port.container, 6)["address"] == address
    wait_for("an extension", lambda: daemon.metric("catena_dhcp_leases_renewed_total") >= 1)
    assert sent(daemon, "solicit") == 0 and list(addresses(port.container)) == [address]
    port.release()
    await_line(server, "DHCP6_RELEASE_NA ")
    assert daemon.ask("leases") == {"leases": []} and host.files(f"{STATE}/leases") == {} and addresses(port.container) == {}


def test_a_note_of_del(host, lan, port):
    """A lease whose DEL found no daemon is given back when one starts."""
    server = lan.kea6(valid=600, preferred=600, renew=300, rebind=400)
    daemon = Daemon(host)
    port.add()
    daemon.stop()
    host.write(f"{STATE}/releases/net:id-a:eth0", "")
    daemon = Daemon(host)
    await_line(server, "DHCP6_RELEASE_NA ")
    assert daemon.ask("leases") == {"leases": []} and host.files(f"{STATE}/leases", f"{STATE}/releases") == {}


def test_an_interface_that_vanishes(host, lan, port):
    """Its lease is forgotten; the daemon keeps no namespace alive."""
    lan.kea6(valid=600, preferred=600, renew=300, rebind=400)
    daemon = Daemon(host)
    port.add()
    port.container.delete()
    wait_for("the namespace's end", lambda: host.link("v-a") is None)
    wait_for("the lease's", lambda: daemon.ask("leases") == {"leases": []})
    assert daemon.metric("catena_dhcp_interfaces_vanished_total") == 1 and host.files(f"{STATE}/leases") == {}


def test_a_client_that_goes_away(host, lan, port):
    """A connection that closes before there is a lease takes the request back, also that of the other family."""
    lan.dnsmasq()
    daemon = Daemon(host)
    with connect(host) as client:
        send(client, {**request(port.container, "dhcp"), "ipv4": True, "request": "AQM=", "clientIdentifier": "AAE="})
        wait_for("the lease of IPv4", lambda: (daemon.lease(port.container) or {}).get("state") == "bound")
    wait_for("the end", lambda: daemon.ask("leases") == {"leases": []})
    wait_for("RELEASE", lambda: "10.9.0." not in host.path("/run/dnsmasq-server.leases").read_text())


# What is sent to port 546, and as advertisements, before and between what servers and routers send.
NOISE = r"""
import os, random, socket, sys, time
random.seed(1)
index = socket.if_nametoindex("lan0")
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
icmp = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
for s in (udp, icmp):
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
icmp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
to = sys.argv[1]
def send():
    for body in (b"", b"\7", b"\2\1\2\3\0\1\0\xff", b"\7\0\0\0" + os.urandom(200), b"\x0c" * 300, os.urandom(600)):
        udp.sendto(body, (to, 546, 0, index))
    for body in (b"\0" * 4, bytes(14) + b"\5\0\0\0\0\0\0\0", bytes(14) + os.urandom(80), bytes(14) + b"\3\4" + b"\xff" * 40):
        icmp.sendto(b"\x86\0\0\0" + body, ("ff02::1", 0, 0, index))
        icmp.sendto(b"\x88\0\0\0" + body, ("ff02::1", 0, 0, index))
ready = False
while True:
    try:
        send()
    except OSError:  # its own link-local address may still be tentative
        time.sleep(0.005)
        continue
    if not ready:
        print("READY", file=sys.stderr, flush=True)
        ready = True
    time.sleep(0.005)
"""


def test_malformed_packets(host, lan, port):
    """Garbage is dropped and counted; the lease comes all the same."""
    lan.kea6(valid=600, preferred=600, renew=300, rebind=400)
    port.container.run(["ip", "link", "set", "eth0", "up"])
    wait_for("the link-local address", lambda: "tentative" not in port.container.out(["ip", "-6", "addr", "show", "dev", "eth0"]))
    noise = host.start(["python3", "-c", NOISE, link_local(port.container)])
    await_line(noise, "READY")
    daemon = Daemon(host)
    assert port.add(probe=300) == "fd00:9::100/128"
    assert daemon.metric("catena_dhcp_packets_malformed_total") > 5


def test_what_is_in_a_request(host, lan, port):
    """Modes, DUID and IAID are looked at."""
    Daemon(host)
    good = request(port.container, "dhcp")
    for keys, named in [
        ({"ipv6": None}, "neither IPv4 nor IPv6"), ({"ipv6": {**good["ipv6"], "mode": "x"}}, "mode"),
        ({"ipv6": {**good["ipv6"], "duid": "AA=="}}, "duid"), ({"ipv6": {**good["ipv6"], "iaid": -1}}, "iaid"),
        ({"netns": "/run/netns/none"}, "/run/netns/none"),
    ]:
        assert named in ask(host, {**good, **keys})["error"]["msg"]
    host.run(["ip", "link", "set", "v-a", "mtu", "1200"])
    port.container.run(["ip", "link", "set", "eth0", "mtu", "1200"])
    assert "mtu 1200: IPv6 needs 1280 bytes" in ask(host, good)["error"]["msg"]


# For people


def test_catenactl(host, stage, lan, daemon, a):
    """Both leases in the table; counters of both."""
    lan.dnsmasq(*STATEFUL)
    Runtime(host, "plain").add(lan.network(ipv6="dhcp"), a)
    catenactl = stage / "bin" / "catenactl"
    lines = [line.split() for line in host.out([catenactl, "dhcp", "leases"]).splitlines()[1:]]
    assert [line[5] for line in lines] == ["bound", "bound"] and lines[1][3].endswith("/128") and lines[1][4] == link_local(lan.server)
    found = json.loads(host.out([catenactl, "dhcp", "leases", "--json"]))[1]
    assert (found["family"], found["origin"], found["gateway"]) == (6, "dhcp", link_local(lan.server))
    metrics = host.out([catenactl, "dhcp", "metrics"])
    assert 'catena_dhcpv6_leases{state="bound"} 1' in metrics and re.search(r'dhcpv6_messages_received_total{type="reply"} [1-9]', metrics)
    host.run([catenactl, "dhcp", "release", "net", "id-a"])
    assert daemon.ask("leases") == {"leases": []}
