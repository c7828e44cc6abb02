"""dhcp: addresses from DHCP servers, by way of the daemon, behind bridge, macvlan and vlan; keys, verbs, errors."""

import json

import pytest

from harness import PLUGINS, REFERENCE, CNIFailure, Runtime, run_plugin
from harness.dhcp import STATE, Daemon, Lan, ask, wait_for


@pytest.fixture
def lan(host, stage):
    """A LAN with a place for servers."""
    return Lan(host)


@pytest.fixture
def daemon(host, lan):
    """A running daemon."""
    return Daemon(host)


def server_lease(lan):
    """(address, client ID) that dnsmasq has a lease for; None where it has none."""
    text = lan.host.path("/run/dnsmasq-server.leases").read_text().split()
    return (text[2], bytes.fromhex(text[4].replace(":", ""))) if text else None


def test_add_check_del(runtime, host, lan, daemon, a):
    """Address and default route are in the container, CHECK succeeds, and DEL gives the address back and leaves nothing."""
    lan.dnsmasq()
    network = lan.network()
    before = host.snapshot()
    result = runtime.add(network, a)
    address, identifier = server_lease(lan)
    assert result["ips"] == [{"address": f"{address}/24", "gateway": "10.9.0.1", "interface": 2}]
    assert result["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}]
    assert identifier == b"\0id-a/net/eth0"
    assert a.addresses("eth0") == [f"{address}/24"] and ("default", "10.9.0.1", "eth0") in a.routes()
    a.ping("10.9.0.1")
    runtime.check(network, a)
    runtime.delete(network, a)
    wait_for("RELEASE", lambda: server_lease(lan) is None)
    assert a.link("eth0") is None and daemon.leases() == {}
    assert host.snapshot().without(files="dnsmasq|catena/dhcp") == before.without(files="dnsmasq|catena/dhcp")
    runtime.delete(network, a)
    runtime.delete(network, a, forget=True)


def test_release_comes_from_the_container(runtime, host, lan, daemon, a):
    """RELEASE is sent over the interface, before it is deleted: the host need not reach the server."""
    lan.dnsmasq()
    host.run(["ip", "addr", "del", "10.9.0.2/24", "dev", "lan0"])
    network = lan.network()
    runtime.add(network, a)
    runtime.delete(network, a)
    wait_for("RELEASE", lambda: server_lease(lan) is None)


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, lan, daemon, a, netns):
    """The lease is given back from the host."""
    lan.dnsmasq()
    network = lan.network()
    runtime.add(network, a)
    a.delete()
    wait_for("RELEASE", lambda: server_lease(lan) is None)
    runtime.delete(network, a, netns=netns)


def test_del_without_a_daemon(runtime, host, lan, a):
    """DEL succeeds, and the next daemon gives the lease back. DEL of what has no lease leaves no note."""
    lan.dnsmasq()
    daemon = Daemon(host)
    network = lan.network()
    runtime.add(network, a)
    daemon.stop()
    runtime.delete(network, a)
    assert server_lease(lan) and list(host.files(f"{STATE}/releases")) == [f"{STATE}/releases/net:id-a:eth0"]
    runtime.delete(network, host.add_netns("b"))
    assert len(host.files(f"{STATE}/releases")) == 1
    Daemon(host)
    wait_for("RELEASE", lambda: server_lease(lan) is None)
    assert host.files(f"{STATE}/leases", f"{STATE}/releases") == {}


def test_no_daemon(runtime, host, lan, a):
    """ADD, CHECK and STATUS say that there is none, and what to do; ADD leaves nothing."""
    network = lan.network(version="1.1.0")
    with pytest.raises(CNIFailure, match="connect to the DHCP daemon at /run/cni/dhcp.sock: No such file") as failure:
        runtime.add(network, a)
    assert failure.value.code == 11 and "catena-dhcpd" in failure.value.text
    assert a.link("eth0") is None
    with pytest.raises(CNIFailure, match="connect to the DHCP daemon") as failure:
        runtime.status(network)
    assert failure.value.code == 50
    Daemon(host)
    runtime.status(network)


def test_no_server(runtime, host, lan, a):
    """ADD fails with the reason, and leaves nothing."""
    Daemon(host, "-resendtimeout", "1s")
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="no more tries: no server answers"):
        runtime.add(lan.network(), a)
    assert a.link("eth0") is None and host.snapshot().without(files="catena/dhcp") == before.without(files="catena/dhcp")


def test_check_finds_a_lost_lease(runtime, host, lan, daemon, a):
    """CHECK fails where the daemon has no lease, and where it is of another address than ADD reported."""
    lan.dnsmasq()
    network = lan.network()
    runtime.add(network, a)
    ask(host, {"version": 1, "command": "release", "network": "net", "containerID": "id-a", "ifname": "eth0"})
    with pytest.raises(CNIFailure, match="there is no lease for net/id-a/eth0"):
        runtime.check(network, a)


def test_gc(runtime, host, lan, daemon, a, b):
    """GC gives back what no valid attachment holds; without a daemon notes are left."""
    lan.dnsmasq()
    network = lan.network(version="1.1.0")
    for container in (a, b):
        runtime.add(network, container)
    runtime.gc(network, [("id-a", "eth0"), ("id-b", "eth0")])
    assert set(daemon.leases()) == {"id-a", "id-b"}
    runtime.gc(network, [("id-a", "eth0")])
    assert set(daemon.leases()) == {"id-a"}
    daemon.stop()
    runtime.gc(network, [])
    daemon = Daemon(host)
    assert daemon.leases() == {}
    wait_for("RELEASE", lambda: server_lease(lan) is None)


# Options


def test_everything_a_server_tells(runtime, host, lan, daemon, a):
    """Routes of option 121 in place of a default route, DNS, search domains, MTU: all that a result has a field for."""
    lan.dnsmasq(
        "--dhcp-option=121,192.0.2.0/24,10.9.0.2,198.51.100.0/24,0.0.0.0,0.0.0.0/0,10.9.0.1", "--dhcp-option=6,192.0.2.53,192.0.2.54",
        "--dhcp-option=15,example.org", "--dhcp-option=119,eng.example.org,example.org", "--dhcp-option=26,1400", "--dhcp-option=42,192.0.2.99")
    result = runtime.add(lan.network(version="1.1.0", priority=77), a)
    assert result["routes"] == [
        {"dst": "192.0.2.0/24", "gw": "10.9.0.2", "mtu": 1400, "priority": 77},
        {"dst": "198.51.100.0/24", "mtu": 1400, "priority": 77, "scope": 253},
        {"dst": "0.0.0.0/0", "gw": "10.9.0.1", "mtu": 1400, "priority": 77}]
    assert result["dns"] == {"nameservers": ["192.0.2.53", "192.0.2.54"], "domain": "example.org", "search": ["eng.example.org", "example.org"]}
    assert set(a.routes()) >= {("192.0.2.0/24", "10.9.0.2", "eth0"), ("198.51.100.0/24", None, "eth0"), ("default", "10.9.0.1", "eth0")}
    assert "metric 77 mtu 1400" in a.out(["ip", "route", "show", "default"])
    assert daemon.lease(a)["ntp"] == ["192.0.2.99"] and daemon.lease(a)["mtu"] == 1400


def test_routes_of_option_33(runtime, host, lan, daemon, a):
    """Without option 121 those of option 33 count, and the default route."""
    lan.dnsmasq("--dhcp-option=33,172.16.0.0,10.9.0.2")
    result = runtime.add(lan.network(), a)
    assert result["routes"] == [{"dst": "172.16.0.0/16", "gw": "10.9.0.2"}, {"dst": "0.0.0.0/0", "gw": "10.9.0.1"}]


SEEN = r"""
import json, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x800))
print("READY", flush=True)
while True:
    p = s.recv(2000)
    if p[9] != 17 or p[22:24] != b"\0\x43":
        continue
    options, rest = {}, p[28 + 240:]
    while rest and rest[0] != 255:
        if rest[0]:
            options[rest[0]] = rest[2:2 + rest[1]].hex()
            rest = rest[2 + rest[1]:]
        else:
            rest = rest[1:]
    print(json.dumps(options), flush=True)
"""


def messages(lan):
    """Reads what clients send, in the server's place: the options of the next message of a kind, {code: value}."""
    process = lan.server.start(["python3", "-c", SEEN])
    assert process.stdout.readline() == "READY\n"

    def read(kind):
        """The next one of this kind: others may have been sent again."""
        while True:
            options = {int(code): bytes.fromhex(value) for code, value in json.loads(process.stdout.readline()).items()}
            if options[53] == bytes([kind]):
                return options

    return read


def test_what_is_sent(runtime, host, lan, daemon, a):
    """provide and request as they are configured: values, CNI_ARGS, numbers and names, skipDefault, in DISCOVER and REQUEST."""
    lan.dnsmasq()
    read = messages(lan)
    provide = [
        {"option": "host-name", "fromArg": "K8S_POD_NAME", "value": "unused"}, {"option": "vendor-class-identifier", "value": "catena"},
        {"option": "user-class", "value": "x"}, {"option": "200", "value": "text"}, {"option": "201", "fromArg": "ABSENT", "value": "unused"},
        {"option": "dhcp-client-identifier", "value": "mine"}]
    network = lan.network(provide=provide, request=[{"skipDefault": True, "option": "subnet-mask"}, {"option": "routers"}, {"option": "121"}])
    runtime.add(network, a, args="IgnoreUnknown=1;K8S_POD_NAME=web")
    for kind in (1, 3):
        sent = read(kind)
        assert sent[55] == bytes([1, 3, 121]) and sent[61] == b"mine" and sent[57] == bytes([5, 220])
        assert (sent[12], sent[60], sent[77], sent[200]) == (b"web", b"catena", b"x", b"text") and 201 not in sent
    runtime.delete(network, a)
    sent = read(7)
    assert sent[61] == b"mine" and sent[54] == bytes([10, 9, 0, 1])


def test_what_is_asked_for_by_default(runtime, host, lan, daemon, a):
    """121 before 33 and 3, as RFC 3442 wants it; what is configured comes on top."""
    lan.dnsmasq()
    read = messages(lan)
    runtime.add(lan.network(request=[{"option": "44"}, {"option": "routers"}]), a)
    assert read(1)[55] == bytes([1, 121, 33, 3, 6, 15, 26, 42, 119, 44])


def test_identifiers_of_rfc_4361(runtime, host, lan, daemon, a):
    """Type 255, IAID, DUID: the same for the same container."""
    lan.dnsmasq()
    network = lan.network(clientIdentifier="duid")
    found = []
    for _ in range(2):
        runtime.add(network, a)
        found.append(server_lease(lan)[1])
        runtime.delete(network, a)
        wait_for("RELEASE", lambda: server_lease(lan) is None)
    assert found[0] == found[1] and found[0][0] == 255 and found[0][5:7] == b"\0\4" and len(found[0]) == 23


@pytest.mark.parametrize("ipam, named", [
    ({"provide": [{"option": "hostname", "value": "x"}]}, 'ipam.provide[0].option: expected a number from 1 to 254 or one of subnet-mask'),
    ({"provide": [{"option": "12", "value": "x" * 256}]}, "must be 255 bytes or less"), ({"request": [{"option": "256"}]}, "ipam.request[0].option"),
    ({"request": [{}]}, "ipam.request[0].option"), ({"provide": {}}, "ipam.provide: expected a list"), ({"priority": -1}, "ipam.priority"),
    ({"onChange": "panic"}, 'ipam.onChange: expected "apply" or "release", found "panic"'), ({"probe": 70000}, "ipam.probe"),
    ({"clientIdentifier": "x"}, "ipam.clientIdentifier"), ({"daemonSocketPath": 7}, "ipam.daemonSocketPath"),
])
def test_configurations_that_are_wrong(catena, host, lan, daemon, a, ipam, named):
    """Each is told with its place; DEL does not mind, but for where the daemon is."""
    network = lan.network(**ipam)
    with pytest.raises(CNIFailure) as failure:
        catena.add(network, a)
    assert named in failure.value.text
    if "daemonSocketPath" not in ipam:
        catena.delete(network, a)


def test_a_socket_elsewhere(runtime, host, lan, a):
    """daemonSocketPath leads to the daemon."""
    lan.dnsmasq()
    Daemon(host, "-socketpath", "/run/else/dhcp.sock")
    network = lan.network(daemonSocketPath="/run/else/dhcp.sock")
    runtime.add(network, a)
    runtime.check(network, a)
    runtime.delete(network, a)


# Other interfaces


def assert_attaches(lan, runtime, network, container):
    """ADD brings the container into the LAN, CHECK finds nothing, and DEL gives the lease back."""
    runtime.add(network, container)
    assert f"{server_lease(lan)[0]}/24" in container.addresses("eth0")
    container.ping("10.9.0.1")
    runtime.check(network, container)
    runtime.delete(network, container)
    wait_for("RELEASE", lambda: server_lease(lan) is None)


def test_macvlan(host, stage, lan, a):
    """A macvlan on a device of the host, by Debian's executable: it gets a lease of the LAN, and gives it back."""
    lan.dnsmasq()
    host.run(["sh", "-ec", "ip link add up0 type veth peer name ens5; ip link set up0 master lan0 up; ip link set ens5 up"])
    host.await_up("up0")
    daemon = Daemon(host)
    runtime = Runtime(host, "plain", path=[REFERENCE])
    network = lan.network(main={"type": "macvlan", "master": "ens5"})
    assert_attaches(lan, runtime, network, a)
    assert daemon.leases() == {}


@pytest.mark.vm
def test_vlan(host, stage, lan, a):
    """A VLAN of a device of the host: the server is in that VLAN."""
    host.run(["sh", "-ec", """
        ip link add ens5 type veth peer name eth1 netns server
        ip link set ens5 up
        ip -n server link set eth1 up
        ip -n server link add link eth1 name eth1.5 type vlan id 5
        ip -n server addr flush dev eth0
        ip -n server addr add 10.9.0.1/24 dev eth1.5
        ip -n server link set eth1.5 up
    """])
    host.await_up("ens5")
    lan.dnsmasq(interface="eth1.5")
    Daemon(host)
    runtime = Runtime(host, "plain", path=[REFERENCE])
    network = lan.network(main={"type": "vlan", "master": "ens5", "vlanId": 5})
    assert_attaches(lan, runtime, network, a)


@pytest.mark.vm
def test_ipvlan(host, stage, lan, a, b):
    """Interfaces that share a hardware address: servers are asked to broadcast, and each client has an identifier of its own."""
    lan.dnsmasq()
    host.run(["sh", "-ec", "ip link add up0 type veth peer name ens5; ip link set up0 master lan0 up; ip link set ens5 up"])
    host.await_up("up0")
    Daemon(host)
    for container in (a, b):
        host.run(["ip", "link", "add", "link", "ens5", "name", "eth0", "netns", container.name, "type", "ipvlan", "mode", "l2"])
        config = {"cniVersion": "1.0.0", "name": "net", "type": "x", "ipam": {"type": "dhcp"}}
        outcome = run_plugin(host, PLUGINS / "dhcp", "ADD", config, cid=container.id, netns=container.path)
        assert outcome.ok, outcome
    assert len(set(line.split()[2] for line in host.path("/run/dnsmasq-server.leases").read_text().splitlines())) == 2


# For people


def test_catenactl(host, stage, lan, daemon, a):
    """The leases as a table and as JSON, the counters, and release by hand."""
    lan.dnsmasq()
    runtime = Runtime(host, "plain")
    catenactl = stage / "bin" / "catenactl"
    assert host.out([catenactl, "dhcp", "leases"]).splitlines() == [
        "NETWORK  CONTAINER  IFNAME  ADDRESS  SERVER  STATE  RENEW  ENDS  PROBLEM"]
    runtime.add(lan.network(), a)
    address = server_lease(lan)[0]
    line = host.out([catenactl, "dhcp", "leases"]).splitlines()[1].split()
    assert line[:6] == ["net", "id-a", "eth0", f"{address}/24", "10.9.0.1", "bound"] and 100 < int(line[7]) <= 120 and line[8] == "-"
    assert json.loads(host.out([catenactl, "dhcp", "leases", "--json"]))[0]["mac"] == a.link("eth0")["address"]
    assert 'catena_dhcp_leases{state="bound"} 1' in host.out([catenactl, "dhcp", "metrics"]).splitlines()
    host.run([catenactl, "dhcp", "release", "net", "id-a"])
    assert daemon.leases() == {}
    daemon.stop()
    done = host.run([catenactl, "dhcp", "leases"], check=False)
    assert done.returncode == 1 and "connect to the DHCP daemon at /run/cni/dhcp.sock" in done.stderr
