"""catena-dhcpd over its socket: the life of leases, with servers from Debian; restarts; what may go wrong."""

import base64
import json
import os
import random
import socket
import struct
import subprocess
import time

import pytest

from harness import PLUGINS, STAGE
from harness.dhcp import SOCKET, STATE, Daemon, Lan, ask, await_line, connect, receive, send, wait_for

DAEMON = PLUGINS / "catena-dhcpd"
REQUESTED = [1, 121, 33, 3, 6, 15, 26, 42, 119]


@pytest.fixture
def lan(host, stage):
    """A LAN with a place for servers."""
    return Lan(host)


@pytest.fixture
def port(host, lan, a):
    """Container a, with eth0 on the LAN; what asks for its lease."""
    return Port(host, a)


class Port:
    """An interface of a container on the LAN, and requests for it."""

    def __init__(self, host, container, name="eth0"):
        self.host, self.container, self.name = host, container, name
        host.run(["ip", "link", "add", f"v-{container.name}-{name}", "type", "veth", "peer", "name", name, "netns", container.name])
        host.run(["ip", "link", "set", f"v-{container.name}-{name}", "master", "lan0", "up"])

    @property
    def key(self):
        return {"network": "net", "containerID": self.container.id, "ifname": self.name}

    def request(self, **keys):
        """A request for a lease."""
        identifier = f"\0{self.container.id}/net/{self.name}".encode()
        return {
            "version": 1, "command": "allocate", **self.key, "netns": self.container.path, "clientIdentifier": encode(identifier),
            "provide": [], "request": encode(bytes(REQUESTED)), "probe": 0, **keys}

    def lease(self, configure=True, **keys):
        """Gets a lease, and gives it to the interface as a main plugin does; the result."""
        answer = ask(self.host, self.request(**keys))
        assert "result" in answer, answer
        result = answer["result"]
        if configure:
            self.container.run(["ip", "addr", "add", result["ips"][0]["address"], "dev", self.name])
            for route in result.get("routes", []):
                self.container.run(["ip", "route", "add", route["dst"], "via", route["gw"], "dev", self.name])
        return result

    def address(self, **keys):
        return self.lease(**keys)["ips"][0]["address"]


def encode(data):
    return base64.b64encode(data).decode()


def watch(lan):
    """What passes the server's link: lines "source:port > destination:port flags"; it watches when this returns."""
    process = lan.server.start(["python3", "-uc", SNIFFER])
    await_line(process, "READY")
    return process


SNIFFER = r"""
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
s.bind(("eth0", 3))
print("READY", file=sys.stderr, flush=True)
while True:
    p = s.recv(2000)
    if p[0] == 0x45 and p[9] == 17:
        ports = [int.from_bytes(p[n:n + 2], "big") for n in (20, 22)]
        print(f"{socket.inet_ntoa(p[12:16])}:{ports[0]} > {socket.inet_ntoa(p[16:20])}:{ports[1]} {p[38:40].hex()}")
"""


def released(lan):
    """Whether dnsmasq has no lease any more."""
    return lan.host.path("/run/dnsmasq-server.leases").read_text().strip() == ""


# The life of a lease


def test_a_lease(host, lan, port):
    """The result has what the server gave; RELEASE reaches the server, and the file is gone."""
    lan.dnsmasq("--dhcp-option=option:dns-server,192.0.2.53", "--dhcp-option=option:domain-name,example.org")
    daemon = Daemon(host)
    result = port.lease()
    address = result["ips"][0]["address"]
    assert result["ips"] == [{"address": address, "gateway": "10.9.0.1"}] and address.endswith("/24")
    assert result["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}]
    assert result["dns"] == {"nameservers": ["192.0.2.53"], "domain": "example.org"}
    port.container.ping("10.9.0.1")
    lease = daemon.lease(port.container)
    assert lease["state"] == "bound" and lease["address"] == address and 0 < lease["renewIn"] <= 60 and 0 < lease["endsIn"] <= 120
    assert list(host.files(f"{STATE}/leases")) == [f"{STATE}/leases/net:id-a:eth0"]
    assert daemon.ask("check", **port.key) == {"addresses": [address]}
    assert port.lease(configure=False)["ips"][0]["address"] == address
    assert daemon.ask("release", **port.key) == {}
    wait_for("RELEASE", lambda: released(lan))
    assert daemon.leases() == {} and host.files(f"{STATE}/leases") == {}
    assert daemon.ask("release", **port.key) == {}
    assert daemon.ask("check", **port.key)["error"]["msg"] == "there is no lease for net/id-a/eth0"


def test_renewing_by_unicast(host, lan, port):
    """Past T1 the server is asked directly, and the lease begins anew."""
    lan.udhcpd(lease=6)
    daemon = Daemon(host)
    seen = watch(lan)
    address = port.address()
    ip = address.split("/")[0]
    wait_for("an extension", lambda: daemon.metric("catena_dhcp_leases_renewed_total") >= 1)
    assert daemon.lease(port.container)["address"] == address and port.container.addresses("eth0") == [address]
    assert daemon.metric("catena_dhcp_leases_changed_total") == 0
    seen.terminate()
    assert f"{ip}:68 > 10.9.0.1:67" in seen.stdout.read()


UNICAST_IS_LOST = """table netdev t {
    chain c {
        type filter hook ingress device eth0 priority 0
        ip daddr 10.9.0.1 udp dport 67 counter drop
    }
}
"""


def test_rebinding_by_broadcast(host, lan, port):
    """Past T2 any server is asked: one that unicast does not reach extends the lease all the same."""
    lan.kea(renew=1, rebind=2, valid=4)
    lan.server.run(["nft", "-f", "-"], input=UNICAST_IS_LOST)
    daemon = Daemon(host)
    address = port.address()
    wait_for("an extension", lambda: daemon.metric("catena_dhcp_leases_renewed_total") >= 1)
    assert port.container.addresses("eth0") == [address] and daemon.metric("catena_dhcp_leases_lost_total") == 0
    assert "packets 0 " not in lan.server.out(["nft", "list", "ruleset"])


def test_a_lease_that_ends_and_comes_back(host, lan, port):
    """Without a server the address is taken from the interface when the lease ends, and given again when there is one."""
    server = lan.udhcpd(lease=2)
    daemon = Daemon(host)
    address = port.address()
    server.kill()
    server.wait()
    wait_for("the end", lambda: port.container.addresses("eth0") == [], 10)
    lease = daemon.lease(port.container)
    assert "address" not in lease and "no server extended it" in lease["problem"]
    assert "there is no lease for net/id-a/eth0 at present" in daemon.ask("check", **port.key)["error"]["msg"]
    lan.udhcpd(lease=60)
    wait_for("a lease", lambda: port.container.addresses("eth0") == [address], 20)
    assert ("default", "10.9.0.1", "eth0") in port.container.routes()
    port.container.ping("10.9.0.1")


def test_a_refused_extension_brings_another_address(host, lan, port):
    """NAK while renewing: the old address goes at once, the new one is applied."""
    server = lan.kea(renew=1, rebind=2, valid=20)
    daemon = Daemon(host)
    assert port.address() == "10.9.0.50/24"
    server.kill()
    server.wait()
    lan.dnsmasq(first="10.9.0.150", last="10.9.0.159")
    wait_for("the new address", lambda: [a for a in port.container.addresses("eth0") if a.startswith("10.9.0.15")], 20)
    assert len(port.container.addresses("eth0")) == 1 and daemon.metric("catena_dhcp_leases_lost_total") == 1
    assert ("default", "10.9.0.1", "eth0") in port.container.routes()
    port.container.ping("10.9.0.1")


def test_a_changed_gateway_is_applied(host, lan, port):
    """The default route follows the server's word; address and other routes stay."""
    server = lan.udhcpd(lease=6)
    daemon = Daemon(host)
    address = port.address()
    server.terminate()  # it writes its leases down
    server.wait()
    lan.udhcpd(lease=60, options=("option subnet 255.255.255.0", "option router 10.9.0.2"))
    wait_for("the route", lambda: ("default", "10.9.0.2", "eth0") in port.container.routes())
    assert ("default", "10.9.0.1", "eth0") not in port.container.routes() and port.container.addresses("eth0") == [address]
    assert daemon.metric("catena_dhcp_leases_changed_total") == 1


def test_a_change_that_is_not_wanted(host, lan, port):
    """onChange release: the changed lease is given back, its address removed, and CHECK tells why."""
    server = lan.udhcpd(lease=6)
    daemon = Daemon(host)
    port.address(change="release")
    server.terminate()  # it writes its leases down
    server.wait()
    lan.udhcpd(lease=60, options=("option subnet 255.255.255.0", "option router 10.9.0.2"))
    wait_for("the end", lambda: port.container.addresses("eth0") == [])
    lease = daemon.lease(port.container)
    assert lease["state"] == "ended" and "0.0.0.0/0 via 10.9.0.2" in lease["problem"]
    assert "lease changed" in daemon.ask("check", **port.key)["error"]["details"]
    assert host.files(f"{STATE}/leases") == {}
    assert daemon.ask("release", **port.key) == {} and daemon.leases() == {}


# Servers that are difficult


def test_no_server(host, lan, port):
    """ADD fails when the time is over, and nothing is kept."""
    daemon = Daemon(host, "-resendtimeout", "1500ms")
    error = ask(host, port.request())["error"]
    assert error["code"] == 11 and error["msg"] == "get a lease for eth0: no more tries: no server answers" and "DHCP server" in error["details"]
    assert daemon.leases() == {} and host.files(f"{STATE}/leases") == {}


def test_an_exhausted_pool(host, lan, port):
    """One address, two containers: the second one's ADD fails; when the first gives it back, it is to be had."""
    lan.dnsmasq(first="10.9.0.50", last="10.9.0.50")
    daemon = Daemon(host, "--resendtimeout=2s")
    assert port.address() == "10.9.0.50/24"
    other = Port(host, host.add_netns("b"))
    assert "no server answers" in ask(host, other.request())["error"]["msg"]
    daemon.ask("release", **port.key)
    wait_for("RELEASE", lambda: released(lan))
    assert other.address() == "10.9.0.50/24"


def test_two_servers(host, lan, port):
    """The first offer counts; the other server does not keep an address for the client."""
    second = host.add_netns("second")
    host.run(["sh", "-ec", "ip link add srv1 type veth peer name eth0 netns second; ip link set srv1 master lan0 up;"
                           "ip -n second addr add 10.9.0.3/24 dev eth0; ip -n second link set eth0 up"])
    host.await_up("srv1")
    lan.dnsmasq(first="10.9.0.50", last="10.9.0.59")
    lan.dnsmasq(place=second, first="10.9.0.150", last="10.9.0.159")
    daemon = Daemon(host)
    address = port.address()
    server = daemon.lease(port.container)["server"]
    assert (server, address[:9]) in [("10.9.0.1", "10.9.0.5"), ("10.9.0.3", "10.9.0.15")] or address.startswith("10.9.0.5")
    lines = sum(host.path(f"/run/dnsmasq-{name}.leases").read_text().count("10.9.0.") for name in ("server", "second"))
    assert lines == 1 and daemon.metric('catena_dhcp_messages_received_total{type="ack"}') == 1


def test_an_address_in_use(host, lan, port):
    """Someone has the offered address: it is declined, and the next one taken."""
    host.run(["ip", "addr", "add", "10.9.0.50/32", "dev", "lan0"])
    lan.kea(valid=600)
    daemon = Daemon(host)
    assert port.address(probe=300) == "10.9.0.51/24"
    assert daemon.metric('catena_dhcp_messages_sent_total{type="decline"}') == 1


def test_a_server_that_does_not_confirm(host, lan, port):
    """An offer without an ACK: the search begins anew, and the error says what happened."""
    fake = lan.server.start(["python3", "-c", OFFERS_ONLY])
    await_line(fake, "READY")
    Daemon(host, "-timeout", "1s", "-resendtimeout", "2500ms")
    assert "the server does not confirm its offer" in ask(host, port.request())["error"]["msg"]


OFFERS_ONLY = r"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.bind(("", 67))
print("READY", file=sys.stderr, flush=True)
while True:
    m = s.recv(1500)
    if m[242] == 1:
        o = b"\x63\x82\x53\x63\x35\1\2\x36\4\x0a\x09\0\1\x33\4\0\0\1\0\1\4\xff\xff\xff\0\xff"
        s.sendto(b"\2\1\6\0" + m[4:8] + bytes(8) + b"\x0a\x09\0\x32" + bytes(8) + m[28:44] + bytes(192) + o, ("255.255.255.255", 68))
"""

# What is sent to port 68 before and between the server's answers.
NOISE = r"""
import os, random, socket, sys, time
random.seed(1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0")
s.bind(("10.9.0.2", 67))
print("READY", file=sys.stderr, flush=True)
header = b"\2\1\6\0" + bytes(232) + b"\x63\x82\x53\x63"
while True:
    for body in (b"", os.urandom(300), header[:100], header + b"\x35", header + b"\x35\x09\2", header + b"\x34\1\3\xff", header + os.urandom(200), b"\2" * 1400):
        s.sendto(body, ("255.255.255.255", 68))
    time.sleep(0.005)
"""


def test_malformed_packets(host, lan, port):
    """Garbage on port 68 is dropped and counted; the lease comes all the same."""
    lan.kea(valid=600)
    noise = host.start(["python3", "-c", NOISE])
    await_line(noise, "READY")
    daemon = Daemon(host)
    assert port.address(probe=300) == "10.9.0.50/24"
    assert daemon.metric("catena_dhcp_packets_malformed_total") > 5


def test_a_server_that_asks_for_broadcast(host, lan, port):
    """-broadcast sets the flag; the server's answers go to all."""
    lan.dnsmasq()
    seen = watch(lan)
    Daemon(host, "-broadcast")
    port.address()
    ask(host, {"version": 1, "command": "release", **port.key})
    seen.terminate()
    text = seen.stdout.read()
    assert "0.0.0.0:68 > 255.255.255.255:67 8000" in text and "10.9.0.1:67 > 255.255.255.255:68" in text


# Restarts


@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_leases_survive_a_restart(host, lan, port, kill):
    """The next daemon goes on: it knows the lease, extends it, and gives it back on DEL."""
    lan.udhcpd(lease=6)
    daemon = Daemon(host)
    address = port.address()
    assert daemon.stop(kill) == (-9 if kill else 0)
    assert host.path(SOCKET).exists() == kill
    daemon = Daemon(host)
    assert daemon.lease(port.container)["address"] == address
    wait_for("an extension", lambda: daemon.metric("catena_dhcp_leases_renewed_total") >= 1)
    assert port.container.addresses("eth0") == [address]
    assert daemon.ask("release", **port.key) == {}
    assert daemon.metric("catena_dhcp_leases_released_total") == 1 and host.files(f"{STATE}/leases") == {}


def test_a_lease_that_ended_while_no_daemon_ran(host, lan, port):
    """It is not used any longer; a new one is got and applied."""
    lan.udhcpd(lease=1)
    daemon = Daemon(host)
    port.address()
    daemon.stop()
    file = host.path(f"{STATE}/leases/net:id-a:eth0")
    lease = json.loads(file.read_text())
    lease["lease"]["start"] -= 2000
    file.write_text(json.dumps(lease))
    daemon = Daemon(host)
    wait_for("a new lease", lambda: daemon.lease(port.container).get("address"))
    assert daemon.metric("catena_dhcp_leases_lost_total") >= 1 and len(port.container.addresses("eth0")) == 1


def test_leases_of_an_earlier_boot(host, lan, port):
    """Their interfaces went with it: they are forgotten. A file that is none is told, and stays."""
    lan.dnsmasq()
    daemon = Daemon(host)
    port.address()
    daemon.stop()
    file = host.path(f"{STATE}/leases/net:id-a:eth0")
    file.write_text(json.dumps({**json.loads(file.read_text()), "boot": "another"}))
    host.write(f"{STATE}/leases/net:id-z:eth0", '{"version": 1, "boot"')
    host.write(f"{STATE}/leases/net:id-y:eth0", "")
    daemon = Daemon(host)
    assert daemon.leases() == {} and not file.exists()
    daemon.stop()
    assert "forgot 1 leases of an earlier boot" in "".join(daemon.log) and "net:id-z:eth0: it is no JSON object" in "".join(daemon.log)


def test_a_note_of_del(host, lan, port):
    """A lease whose DEL found no daemon is given back when one starts, or at once while one runs."""
    lan.dnsmasq()
    daemon = Daemon(host)
    port.address()
    daemon.stop()
    host.write(f"{STATE}/releases/net:id-a:eth0", "")
    daemon = Daemon(host)
    wait_for("RELEASE", lambda: released(lan))
    assert daemon.leases() == {} and host.files(f"{STATE}/leases", f"{STATE}/releases") == {}
    port.container.run(["ip", "addr", "flush", "dev", "eth0"])
    port.address()
    host.run(["touch", f"{STATE}/releases/net:id-a:eth0"])
    wait_for("RELEASE", lambda: daemon.leases() == {} and released(lan))


def test_killed_at_any_moment(host, lan, a):
    """SIGKILL while leases are asked for and given back: what was granted is there afterwards, no address twice; what is given back is gone."""
    lan.kea(valid=600, pool="10.9.0.50 - 10.9.0.250")
    held, number = {}, 0
    host.run(["sh", "-ec", "ip link add v0 type veth peer name eth0 netns a; ip link set v0 master lan0 up; ip -n a link set eth0 up"])
    host.await_up("v0")
    generator = random.Random(1)
    for _ in range(50):
        daemon = Daemon(host)
        assert {lease["containerID"]: lease["address"] for lease in daemon.ask("leases")["leases"]} == held
        clients = []
        for _ in range(3):
            number += 1
            key = {"version": 1, "network": "net", "containerID": f"c{number}", "ifname": "eth0"}
            clients.append((key["containerID"], connect(host)))
            send(clients[-1][1], {
                **key, "command": "allocate", "netns": a.path, "clientIdentifier": encode(key["containerID"].encode()), "probe": 0,
                "request": encode(bytes([1, 3]))})
        time.sleep(generator.uniform(0, 0.02))
        daemon.stop(kill=True)
        for name, client in clients:
            answer = receive(client)
            client.close()
            if answer and "result" in answer:
                held[name] = answer["result"]["ips"][0]["address"]
        known = {json.loads(text)["request"]["containerID"]: json.loads(text)["lease"]["address"]
                 for name, (_, text) in host.files(f"{STATE}/leases").items() if not name.endswith(":tmp")}
        # One that was written, and not yet answered, is the runtime's to give back by DEL.
        assert held.items() <= known.items()
        held = known
    assert held and len(set(held.values())) == len(held)
    daemon = Daemon(host)
    assert daemon.ask("collect", network="net", valid=[]) == {"released": len(held)}
    assert host.files(f"{STATE}/leases") == {}


# Interfaces that go away


@pytest.mark.parametrize("how", ["link", "namespace", "while no daemon runs"])
def test_an_interface_that_vanishes(host, lan, port, how):
    """Its lease is given back, from the host; the daemon keeps no namespace alive."""
    lan.dnsmasq()
    daemon = Daemon(host)
    port.address()
    if how == "while no daemon runs":
        daemon.stop()
    if how == "namespace":
        port.container.delete()
        wait_for("the namespace's end", lambda: host.link("v-a-eth0") is None)
    else:
        host.run(["ip", "link", "del", "v-a-eth0"])
    if how == "while no daemon runs":
        daemon = Daemon(host)
    wait_for("RELEASE", lambda: released(lan))
    assert daemon.leases() == {} and daemon.metric("catena_dhcp_interfaces_vanished_total") == 1
    assert host.files(f"{STATE}/leases") == {}


def test_an_interface_made_anew(host, lan, port):
    """ADD for another interface of the same name gets a lease for that one."""
    lan.dnsmasq()
    daemon = Daemon(host)
    address = port.address()
    host.run(["sh", "-ec", "ip -n a link set eth0 netns a name old0; ip link add v1 type veth peer name eth0 netns a; ip link set v1 master lan0 up"])
    port.container.run(["ip", "link", "del", "old0"])
    assert port.address() and daemon.lease(port.container)["mac"] == port.container.link("eth0")["address"]
    assert len(daemon.leases()) == 1 and address


def test_a_client_that_goes_away(host, lan, port):
    """A connection that closes before there is a lease takes the request back."""
    daemon = Daemon(host)
    with connect(host) as client:
        send(client, port.request())
        wait_for("the search", lambda: daemon.leases())
    wait_for("its end", lambda: daemon.leases() == {})


def test_a_link_that_comes_up_late(host, lan, a):
    """The search begins when the link is operational, not before."""
    lan.dnsmasq()
    host.run(["ip", "link", "add", "late", "type", "veth", "peer", "name", "eth0", "netns", "a"])
    host.run(["ip", "link", "set", "late", "master", "lan0"])
    daemon = Daemon(host)
    port = object.__new__(Port)
    port.host, port.container, port.name = host, a, "eth0"
    with connect(host) as client:
        send(client, port.request())
        assert wait_for("the wait", lambda: daemon.lease(a))["state"] == "waiting-for-link"
        host.run(["ip", "link", "set", "late", "up"])
        assert "result" in receive(client)


def test_many(host, lan, a):
    """Many interfaces at once, in one daemon."""
    lan.dnsmasq(first="10.9.0.50", last="10.9.0.200")
    host.run(["sh", "-ec", "for i in $(seq 40); do ip link add m$i type veth peer name e$i netns a; ip link set m$i master lan0 up; done"])
    daemon = Daemon(host, env={"CATENA_LOG": "info"})
    clients = []
    for index in range(1, 41):
        port = object.__new__(Port)
        port.host, port.container, port.name = host, a, f"e{index}"
        clients.append(connect(host))
        send(clients[-1], port.request(clientIdentifier=encode(f"\0{index}".encode())))
        if index % 20 == 0:
            answers = [receive(client) for client in clients[index - 20:index]]
            assert all("result" in answer for answer in answers), answers
    addresses = {lease["address"] for lease in daemon.ask("leases")["leases"]}
    assert len(addresses) == 40
    for client in clients:
        client.close()
    assert daemon.ask("collect", network="net", valid=[{"containerID": "id-a", "ifname": "e7"}]) == {"released": 39}
    assert [lease["ifname"] for lease in daemon.ask("leases")["leases"]] == ["e7"]
    assert len(os.listdir(f"/proc/{daemon.pid}/fd")) < 20


# The socket


@pytest.mark.parametrize("body, named", [
    (b"", "decode request"), (b"{", "decode request"), (b"[]", "expected an object"), (b"{}", "version 0"),
    (b'{"version": 2, "command": "status"}', "version 2"), (b'{"version": 1, "command": "dance"}', "unknown command"),
    (b'{"version": 1, "command": "release", "network": "../x", "containerID": "a", "ifname": "eth0"}', "network name"),
    (b'{"version": 1, "command": "release", "network": "n", "containerID": "a/b", "ifname": "eth0"}', "container ID"),
    (b'{"version": 1, "command": "allocate", "network": "n", "containerID": "a", "ifname": "eth0", "netns": "/run/netns/none"}', "/run/netns/none"),
    (b'{"version": 1, "command": "allocate", "network": "n", "containerID": "a", "ifname": "eth0", "netns": "/run/netns/a"}', "does not exist"),
    (b'{"version": 1, "command": "allocate", "network": "n", "containerID": "a", "ifname": "lo", "netns": "/run/netns/a"}', "no Ethernet address"),
    (b'{"version": 1, "command": "allocate", "network": "n", "containerID": "a", "ifname": "eth0", "clientIdentifier": "%"}', "Base64"),
    (b'{"version": 1, "command": "collect", "network": "n", "valid": 7}', "valid"),
])
def test_requests_that_are_wrong(host, stage, a, body, named):
    """Each is answered by an error."""
    Daemon(host)
    with connect(host) as client:
        send(client, body)
        assert named in receive(client)["error"]["msg"]


def test_frames_that_are_wrong(host, stage):
    """Too long a message, more than one, and connections that say nothing do no harm."""
    daemon = Daemon(host)
    idle = [connect(host) for _ in range(50)]
    for data in (struct.pack(">I", 1 << 30), struct.pack(">I", 2) + b"{}{}", b"GET / HTTP/1.1\r\n\r\n"):
        with connect(host) as client:
            client.sendall(data)
            assert receive(client) is None
    request = b'{"version": 1, "command": "status"}'
    with connect(host) as client:
        for byte in struct.pack(">I", len(request)) + request:
            client.sendall(bytes([byte]))
        assert receive(client) == {"pid": daemon.ask("status")["pid"]}
    for client in idle:
        client.close()


CLIENT = """
import os, socket, struct, sys
os.fchdir(int(sys.argv[1]))
os.setgroups([int(group) for group in sys.argv[4].split(",") if group])
os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
client = socket.socket(socket.AF_UNIX)
client.connect("dhcp.sock")
body = b'{"version": 1, "command": "status"}'
try:
    client.sendall(struct.pack(">I", len(body)) + body)
    print("answered" if client.recv(100) else "refused")
except OSError:
    print("refused")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="root alone can be another user")
@pytest.mark.parametrize("user, group, groups, mode, expected", [
    (0, 0, "", 0o666, "answered"), (1000, 1000, "", 0o666, "refused"), (1000, 0, "", 0o666, "answered"), (1000, 1000, "0", 0o666, "answered"),
    (65534, 65534, "", 0o666, "refused"),
])
def test_who_may_connect(host, stage, user, group, groups, mode, expected):
    """Root and the socket's group, where its mode lets the group write; a user that this user namespace has no number for may not."""
    daemon = Daemon(host)
    host.run(["chmod", "755", "/run/cni"])
    host.run(["chmod", oct(mode)[2:], SOCKET])
    directory = os.open(host.path("/run/cni"), os.O_PATH)
    try:
        done = subprocess.run(
            ["python3", "-c", CLIENT, str(directory), str(user), str(group), groups], pass_fds=[directory], capture_output=True, text=True)
    finally:
        os.close(directory)
    assert done.stdout.strip() == expected, done
    assert daemon.metric("catena_dhcp_connections_refused_total") == (expected == "refused")


# The program


def test_the_command_line(host, stage):
    """Flags as Go's flag package takes them; what is wrong is told, with exit status 2."""
    for argv, problem in [
        (["-dance"], "flag provided but not defined: -dance"), (["-timeout"], "flag needs an argument: -timeout"),
        (["-timeout", "10"], 'invalid value "10" for flag -timeout'), (["--broadcast=maybe"], 'invalid value "maybe" for flag -broadcast'),
        (["-resendmax=-1s"], "invalid value"), (["word"], "unexpected argument: word"),
    ]:
        done = host.run([DAEMON, *argv], check=False)
        assert done.returncode == 2 and problem in done.stderr and "Usage of catena-dhcpd" in done.stderr, argv
    done = host.run([DAEMON, "-help"])
    assert "-socketpath string" in done.stderr
    assert "catena-dhcpd " in host.out([DAEMON, "-version"])
    assert "absolute path" in host.run([DAEMON, "-pidfile", "x"], check=False).stderr


def test_places(host, stage):
    """-pidfile, -hostprefix, -socketpath, and `dhcp daemon` as the reference's unit file has it; SIGTERM removes what was made."""
    host.run(["mkdir", "-p", "/run/root"])
    flags = ["--pidfile=/run/dhcpd.pid", "-hostprefix", "/run/root", "-socketpath=/x/dhcp.sock", "-broadcast=false", "--timeout", "1m30s"]
    process = host.start([PLUGINS / "dhcp", "daemon", *flags])
    await_line(process, "listening at /run/root/x/dhcp.sock")
    pid = int(host.path("/run/dhcpd.pid").read_text())
    assert ask(host, {"version": 1, "command": "status"}, "/run/root/x/dhcp.sock")["pid"] == pid
    assert host.path("/run/root/var/lib/cni/catena/dhcp/leases").is_dir()
    process.terminate()
    assert process.wait(timeout=5) == 0
    assert not host.path("/run/dhcpd.pid").exists() and not host.path("/run/root/x/dhcp.sock").exists()


def test_a_second_daemon(host, stage):
    """It does not take the socket, nor the leases, of the first one."""
    daemon = Daemon(host)
    done = host.run([DAEMON], check=False)
    assert done.returncode == 1 and "another catena-dhcpd is running" in done.stderr
    done = host.run([DAEMON, "-statedir", "/run/other"], check=False)
    assert done.returncode == 1 and "another daemon listens there" in done.stderr
    assert daemon.ask("status")["pid"]


ACTIVATE = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind("/run/activated.sock")
server.listen()
if server.fileno() != 3:
    os.dup2(server.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])
os.execv(sys.argv[1], sys.argv[1:2])
"""


def test_socket_activation(host, stage):
    """A socket that systemd hands over is served, and stays when the daemon stops."""
    process = host.start(["python3", "-c", ACTIVATE, DAEMON, 1])
    await_line(process, "listening at /run/activated.sock")
    assert "pid" in ask(host, {"version": 1, "command": "status"}, "/run/activated.sock")
    process.terminate()
    assert process.wait(timeout=5) == 0 and host.path("/run/activated.sock").exists()
    host.run(["rm", "/run/activated.sock"])
    done = host.run(["python3", "-c", ACTIVATE, DAEMON, 2], check=False)
    assert done.returncode == 1 and "2 sockets were handed over" in done.stderr


def test_systemds_own_activation(host, stage):
    """systemd-socket-activate starts the daemon for the first request, which is answered."""
    process = host.start(["systemd-socket-activate", "-l", "/run/activated.sock", DAEMON])
    await_line(process, "Listening on /run/activated.sock")
    assert "pid" in ask(host, {"version": 1, "command": "status"}, "/run/activated.sock")
    await_line(process, "listening at /run/activated.sock")
    process.terminate()
    assert process.wait(timeout=5) == 0


def test_unit_files(host, stage):
    """They lead to the program, systemd finds nothing wrong with them, and the daemon may use the sockets that it has to."""
    units = STAGE / "lib/systemd/system"
    socket_unit, service = [(units / f"catena-dhcpd.{kind}").read_text() for kind in ("socket", "service")]
    assert "ListenStream=/run/cni/dhcp.sock" in socket_unit
    program = next(line for line in service.splitlines() if line.startswith("ExecStart="))
    assert program.endswith("/lib/cni/catena-dhcpd")
    families = next(line for line in service.splitlines() if line.startswith("RestrictAddressFamilies="))
    assert set(families.split("=")[1].split()) == {"AF_UNIX", "AF_INET", "AF_INET6", "AF_PACKET", "AF_NETLINK"}
    # Where it is installed, as far as systemd can tell.
    host.write("/run/units/catena-dhcpd.service", service.replace(program, f"ExecStart={DAEMON}"))
    host.write("/run/units/catena-dhcpd.socket", socket_unit)
    done = host.run(["systemd-analyze", "verify", "--man=no", "/run/units/catena-dhcpd.service", "/run/units/catena-dhcpd.socket"])
    assert done.stderr == ""
