"""What is so with every interface module: nothing half-made is seen. And what loopback and dummy are good for."""

import pytest

from harness import Runtime, assert_reaches, bridge, conflist, host_local, serve

IPAM = host_local("10.1.0.0/24", "fd00:1::/64")
MASTER = {"master": "ens5"}
CONFIGS = {
    "bridge": bridge(isGateway=True, ipam=IPAM), "ptp": {"ipam": IPAM}, "macvlan": {**MASTER, "ipam": IPAM}, "ipvlan": {**MASTER, "ipam": IPAM},
    "vlan": {**MASTER, "vlanId": 100, "ipam": IPAM}, "host-device": {"device": "ens5", "ipam": IPAM}, "dummy": {"ipam": IPAM},
    "tap": {"ipam": IPAM}, "loopback": {},
}
ELSEWHERE = ("ipvlan", "vlan", "dummy")
# The kernel that has all is slow: one engine is enough there.
CASES = [(kind, engine) for kind in CONFIGS if kind not in ELSEWHERE for engine in ("catena", "wrappers")]
CASES += [pytest.param((kind, "catena"), marks=pytest.mark.vm) for kind in ELSEWHERE]


def network(kind):
    """A network of the module, whose master or device, if it has one, is ens5."""
    return conflist({"type": kind, **CONFIGS[kind]})


# Tells the names of the links of which the kernel tells anything.
WATCH = r"""
import socket, struct
kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
kernel.bind((0, 1))
print("READY", flush=True)
while True:
    data = kernel.recv(1 << 16)
    while len(data) >= 16:
        length = struct.unpack("I", data[:4])[0]
        message, rest, data = data[:length], data[32:length], data[(length + 3) & ~3:]
        while len(rest) >= 4:
            size, kind = struct.unpack("HH", rest[:4])
            if kind == 3:
                print(rest[4:size].rstrip(b"\0").decode(), flush=True)
            rest = rest[(size + 3) & ~3:]
"""


class Watch:
    """Sees the names of links at a place, as udev or NetworkManager would."""

    def __init__(self, place):
        self.place, self.seen = place, set()
        self.there = self.names()
        self.process = place.start(["python3", "-S", "-E", "-c", WATCH])
        assert self.process.stdout.readline() == "READY\n"

    def names(self):
        return {link["ifname"] for link in self.place.ip("link")}

    def others(self):
        """The names that were seen, and were there neither before nor are now."""
        there = self.there | self.names()
        self.place.run(["ip", "link", "add", "end0", "type", "bridge"])
        while (name := self.process.stdout.readline().strip()) != "end0":
            self.seen.add(name)
        return self.seen - there


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_no_other_name_is_seen(host, stage, a, lan, case):
    """Links are made in place, under their final names: who watches sees no other, in the host or in the container."""
    kind, outside, inside = case[0], Watch(host), Watch(a)
    Runtime(host, case[1]).add(network(kind), a)
    assert outside.others() == set()
    # The kernel moves a device first, and renames it then, in one go.
    assert inside.others() == ({"ens5"} if kind == "host-device" else set())
    assert ("lo" if kind == "loopback" else "eth0") in inside.seen


def test_loopback_carries_traffic(runtime, a):
    """Up, the container reaches itself by both families; after DEL it is as it was."""
    before = a.link("lo")["flags"], a.routes(), a.routes(6)
    runtime.add(network("loopback"), a)
    server = serve(a, "tcp", 80)
    assert_reaches(a, a, "127.0.0.1", "::1")
    server.kill()
    server.wait()
    runtime.delete(network("loopback"), a)
    assert (a.link("lo")["flags"], a.routes(), a.routes(6)) == before


@pytest.mark.vm
def test_a_service_on_a_dummy(wrappers, a, b):
    """A dummy holds a service's addresses: another container reaches them over the interface that leads to this one."""
    lan = conflist(bridge(ipam=IPAM), name="lan")
    for container in (a, b):
        wrappers.add(lan, container)
    wrappers.add(conflist({"type": "dummy", "ipam": host_local("10.94.0.0/24", "fd00:94::/64")}), a, ifname="anycast0")
    for name in ("ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"):
        a.sysctl(name, 1)
    b.run(["sh", "-ec", "ip route add 10.94.0.0/24 via 10.1.0.2; ip route add fd00:94::/64 via fd00:1::2"])
    serve(a, "tcp", 80)
    assert_reaches(b, a, "10.94.0.2", "fd00:94::2", source=("10.1.0.3", "fd00:1::3"))
