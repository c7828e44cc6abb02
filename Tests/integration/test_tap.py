"""tap: a device in the container for a program that handles frames itself, with every combination of its keys."""

import itertools
import subprocess

import pytest

from harness import CNIFailure, Runtime, assert_check_finds, assert_del_leaves_nothing, assert_reaches, conflist, host_local, serve

FILES = r"^/var/lib/cni/networks"
OF_CONFIG, ARGUMENT, OF_RUNTIME = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"

# Attaches to the tap eth0 of each network namespace, by each of its queues, and carries frames from one to the other, as a virtual switch does.
SWITCH = r"""
import ctypes, fcntl, os, select, struct, sys
queues = int(sys.argv[1])
def attach(path):
    with open(path) as netns:
        if ctypes.CDLL(None, use_errno=True).setns(netns.fileno(), 0x40000000):
            sys.exit(f"setns {path}: {os.strerror(ctypes.get_errno())}")
    for _ in range(queues):
        tap = open("/dev/net/tun", "r+b", buffering=0)
        fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"eth0", 0x0002 | 0x1000 | (0x0100 if queues > 1 else 0)))
        yield tap
sides = [list(attach(path)) for path in sys.argv[2:]]
print("READY", flush=True)
while True:
    for tap in select.select(sum(sides, []), [], [])[0]:
        other = sides[tap in sides[0]]
        other[0].write(tap.read(65536))
"""


def network(*, version="1.0.0", ipam=True, **keys):
    """A network of tap."""
    config = {"type": "tap", **keys}
    if ipam:
        config["ipam"] = ipam if isinstance(ipam, dict) else host_local("10.1.0.0/24", "fd00:1::/64")
    return conflist(config, version=version)


def data(container):
    """What the kernel tells of the tap."""
    return container.link("eth0")["linkinfo"]["info_data"]


# ADD


def test_add_makes_what_it_reports(runtime, a):
    """Device, addresses of both families and routes are in the container."""
    result = runtime.add(network(ipam=host_local("10.1.0.0/24", "fd00:1::/64", routes=["0.0.0.0/0", "::/0"])), a)
    link = a.link("eth0")
    assert result["interfaces"] == [{"name": "eth0", "mac": link["address"], "sandbox": a.path}]
    assert result["ips"] == [
        {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0}, {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 0}]
    assert "UP" in link["flags"] and link["linkinfo"]["info_kind"] == "tun"
    told = data(a)
    assert (told["type"], told["pi"], told["vnet_hdr"], told["multi_queue"], told["persist"]) == ("tap", False, False, False, True)
    assert "user" not in told and "group" not in told
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]
    assert ("default", "10.1.0.1", "eth0") in a.routes() and ("default", "fd00:1::1", "eth0") in a.routes(6)


KEYS = {"multiQueue": True, "owner": 0, "group": 0, "mtu": 1300, "mac": OF_CONFIG, "bridge": "br0"}
COMBINATIONS = [chosen for count in range(len(KEYS) + 1) for chosen in itertools.combinations(KEYS, count)]


@pytest.mark.parametrize("chosen", [chosen for chosen in COMBINATIONS if len(chosen) in (0, 1, 2, 5, 6)], ids="-".join)
def test_every_combination_of_keys(wrappers, a, chosen):
    """Each key does what it says whatever the others are, and CHECK agrees."""
    a.run(["ip", "link", "add", "br0", "type", "bridge"])
    wanted = network(ipam=False, **{key: KEYS[key] for key in chosen})
    wrappers.add(wanted, a)
    link, told = a.link("eth0"), data(a)
    assert told["multi_queue"] is ("multiQueue" in chosen)
    assert told.get("user") == ("root" if "owner" in chosen else None) and told.get("group") == ("root" if "group" in chosen else None)
    assert link["mtu"] == (1300 if "mtu" in chosen else 1500)
    assert (link["address"] == OF_CONFIG) is ("mac" in chosen)
    assert link.get("master") == ("br0" if "bridge" in chosen else None)
    wrappers.check(wanted, a)
    wrappers.delete(wanted, a)
    assert a.link("eth0") is None


@pytest.mark.parametrize("queues", [1, 2])
def test_traffic(runtime, host, a, b, queues):
    """A program attaches to the devices of two containers, and they reach each other through it; the devices outlive it."""
    for container in (a, b):
        runtime.add(network(multiQueue=queues > 1, owner=0, group=0), container)
    switch = host.start(["python3", "-S", "-E", "-c", SWITCH, queues, a.path, b.path])
    assert switch.stdout.readline() == "READY\n", switch.communicate()
    serve(b, "tcp", 80)
    assert_reaches(a, b, "10.1.0.3", "fd00:1::3", source=("10.1.0.2", "fd00:1::2"))
    switch.kill()
    switch.wait()
    assert a.link("eth0") is not None


@pytest.mark.parametrize("given, wins", [
    ({"config": OF_CONFIG}, OF_CONFIG), ({"config": OF_CONFIG, "argument": ARGUMENT}, ARGUMENT), ({"runtime": OF_RUNTIME}, OF_RUNTIME),
    ({"config": OF_CONFIG, "argument": ARGUMENT, "runtime": OF_RUNTIME}, OF_RUNTIME),
], ids=["mac", "CNI_ARGS over mac", "runtimeConfig.mac", "runtimeConfig over all"])
def test_hardware_address(runtime, a, given, wins):
    """The MAC comes from mac, CNI_ARGS, or runtimeConfig.mac; the later one wins. args.cni is not looked at."""
    keys = {"mac": given["config"]} if "config" in given else {}
    wanted = network(capabilities={"mac": True}, args={"cni": {"mac": "02:00:00:00:00:04"}}, **keys)
    result = runtime.add(
        wanted, a, args=f"IgnoreUnknown=1;MAC={given['argument']}" if "argument" in given else None,
        capabilities={"mac": given["runtime"]} if "runtime" in given else None)
    assert a.link("eth0")["address"] == wins == result["interfaces"][0]["mac"]
    runtime.check(wanted, a)


def test_bridge_carries_the_address(runtime, a):
    """In a bridge of the container the tap is a port of it."""
    a.run(["ip", "link", "add", "br0", "type", "bridge"])
    wanted = network(bridge="br0", ipam=host_local("10.1.0.0/24"))
    runtime.add(wanted, a)
    assert a.link("eth0")["master"] == "br0" and a.addresses("eth0") == ["10.1.0.2/24"]
    runtime.delete(wanted, a)
    assert a.link("br0") is not None


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_result_versions(runtime, a, version):
    """The result has the form of the configuration's version."""
    result = runtime.add(network(version=version, dns={"nameservers": ["192.0.2.53"]}), a)
    assert result["cniVersion"] == version and result["dns"]["nameservers"] == ["192.0.2.53"]
    if version == "0.2.0":
        assert result["ip4"]["ip"] == "10.1.0.2/24"
    else:
        assert result["ips"][0]["address"] == "10.1.0.2/24" and result["ips"][0]["interface"] == 0


# Failures


@pytest.mark.parametrize("keys, named", [
    ({"bridge": "br9"}, "there is no interface br9"), ({"bridge": "lo"}, "not a bridge"), ({"bridge": "a/b"}, "bridge: "),
    ({"mac": "nonsense"}, "nonsense"), ({"mac": "01:00:00:00:00:01"}, "address 01:00:00:00:00:01 on eth0"),
    ({"mtu": 10}, "mtu 10"), ({"mtu": 1 << 20}, "mtu 1048576"), ({"mtu": -1}, "mtu"), ({"owner": "root"}, "owner"), ({"group": -1}, "group"),
    ({"owner": 4294967295}, "set owner 4294967295"), ({"group": 4294967295}, "set group 4294967295"), ({"multiQueue": 1}, "multiQueue"),
    ({"ipam": host_local("10.1.0.0/24", routes=[{"dst": "10.99.0.0/16", "gw": "192.0.2.9"}])}, "add route"),
    ({"ipam": host_local("10.1.0.0/33")}, "10.1.0.0/33"),
], ids=str)
def test_failure_leaves_nothing(runtime, host, a, keys, named):
    """What can't be is refused by name: no device, no reservation is left; DEL succeeds."""
    before, inside = host.snapshot(), a.ip("link")
    with pytest.raises(CNIFailure) as failure:
        runtime.add(network(**keys), a)
    assert named in failure.value.text
    assert host.snapshot().without(files=FILES) == before.without(files=FILES)
    assert [link["ifname"] for link in a.ip("link")] == [link["ifname"] for link in inside] and host.reservations() == []
    if "10.1.0.0/33" not in str(keys):
        runtime.delete(network(**keys), a)


def test_unknown_argument(runtime, a):
    """An unknown name in CNI_ARGS fails ADD, not DEL."""
    with pytest.raises(CNIFailure, match="K8S"):
        runtime.add(network(), a, args="K8S=1")
    runtime.delete(network(), a, args="K8S=1")


def test_interface_name_is_taken(wrappers, a):
    """A link of that name is an error, and stays, also on DEL."""
    a.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "v0"])
    with pytest.raises(CNIFailure, match="already exists"):
        wrappers.add(network(ipam=False), a, previous={"cniVersion": "1.0.0"})
    wrappers.delete(network(ipam=False), a)
    assert a.link("eth0") is not None


# SELinux


def test_selinux_context_without_selinux(runtime, host, a):
    """Where there is no SELinux, a context can't be had: ADD says so, and leaves nothing."""
    if host.path("/sys/fs/selinux/enforce").exists():
        return
    with pytest.raises(CNIFailure, match="SELinux context a:b:c:s0.*attr/exec") as failure:
        runtime.add(network(selinuxContext="a:b:c:s0"), a)
    assert "needs a kernel with SELinux" in failure.value.text
    assert a.link("eth0") is None and host.reservations() == []


# Stands between the engine and the kernel: what is written to attr/exec goes to a file.
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
int open(const char *path, int flags, ...) {
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    if (strstr(path, "/attr/exec")) return next(LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);
    return next(path, flags, 0600);
}
int open64(const char *path, int flags, ...) { return open(path, flags, 0600); }
"""


@pytest.mark.parametrize("keys", [{}, {"multiQueue": True, "owner": 0, "group": 0, "mtu": 1300, "mac": OF_CONFIG}], ids=["alone", "with all"])
def test_selinux_context(host, stage, scratch, a, keys):
    """With a context the program ip makes the device, started in that context; the other keys count as ever."""
    (scratch / "shim.c").write_text(SHIM)
    log = "/run/context"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f'-DLOG="{log}"', "-o", scratch / "shim.so", scratch / "shim.c", "-ldl"], check=True)
    runtime = Runtime(host, "wrappers", env={"LD_PRELOAD": scratch / "shim.so"})
    context = "system_u:system_r:container_t:s0:c1,c2"
    wanted = network(ipam=host_local("10.1.0.0/24"), selinuxContext=context, **keys)
    runtime.add(wanted, a)
    assert host.path(log).read_text() == context
    told = data(a)
    assert told["multi_queue"] is bool(keys) and told.get("user") == ("root" if keys else None) and told["type"] == "tap"
    if keys:
        assert a.link("eth0")["mtu"] == 1300 and a.link("eth0")["address"] == OF_CONFIG
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert a.link("eth0") is None


# DEL


def test_del_leaves_what_was_there_before(runtime, host, a):
    """After DEL nothing is left, and DEL may be repeated."""
    assert_del_leaves_nothing(runtime, host, a, network())


def test_del_without_add(runtime, host, a):
    """DEL of what was never added succeeds."""
    before = host.snapshot()
    runtime.delete(network(ipam=False), a)
    assert host.snapshot() == before


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, netns):
    """With the namespace gone, DEL still releases the addresses."""
    runtime.add(network(), a)
    a.delete()
    runtime.delete(network(), a, netns=netns)
    assert host.reservations() == []


def test_del_after_the_device_is_gone(runtime, host, a):
    """With the device gone, DEL still releases the addresses."""
    runtime.add(network(), a)
    a.run(["ip", "link", "del", "eth0"])
    runtime.delete(network(), a)
    assert host.reservations() == []


# CHECK, STATUS, GC


@pytest.mark.parametrize("damage, named", [
    ("ip addr del 10.1.0.2/24 dev eth0", "10.1.0.2"), ("ip route del 10.99.0.0/16", "10.99.0.0"), ("ip link set eth0 down", "down"),
    ("ip link set eth0 address 02:00:00:00:00:99", "02:00:00:00:00:99"), ("ip link set eth0 mtu 1400", "MTU: expected 1300, found 1400"),
    ("ip link set eth0 nomaster", "bridge: expected br0, found none"), ("ip link del eth0", "eth0"),
    ("ip link del eth0; ip link add v0 type veth peer name eth0", "expected a tun"),
    ("ip link del eth0; ip tuntap add mode tap name eth0", "multiqueue: expected on, found off"),
    ("ip link del eth0; ip tuntap add mode tap name eth0 multi_queue", "owner: expected 0, found none"),
    ("ip link del eth0; ip tuntap add mode tap name eth0 multi_queue user 0", "group: expected 0, found none"),
    ("ip link del eth0; ip tuntap add mode tun name eth0 multi_queue user 0 group 0", "type: expected tap, found tun"),
], ids=["address", "route", "down", "MAC", "MTU", "bridge", "device", "kind", "queues", "owner", "group", "type"])
def test_check_finds_damage(runtime, a, damage, named):
    """CHECK of what ADD made succeeds; it fails when something is not so, and names it."""
    a.run(["ip", "link", "add", "br0", "type", "bridge"])
    wanted = network(
        multiQueue=True, owner=0, group=0, mtu=1300, bridge="br0", ipam=host_local("10.1.0.0/24", routes=["10.99.0.0/16"]))
    assert_check_finds(runtime, a, wanted, damage, named)


def test_status(runtime, host, a):
    """STATUS succeeds where taps can be made, and says so where they can't."""
    wanted = network(version="1.1.0")
    before = host.snapshot()
    runtime.status(wanted)
    assert host.snapshot() == before
    host.run(["mount", "-t", "tmpfs", "tmpfs", "/dev/net"])
    with pytest.raises(CNIFailure, match="can't make tap devices.*/dev/net/tun") as failure:
        runtime.status(wanted)
    assert failure.value.code == 50
    with pytest.raises(CNIFailure, match="create tap eth0: open /dev/net/tun: No such file"):
        runtime.add(wanted, a)
    assert host.reservations() == []


def test_gc(runtime, host, a):
    """GC releases the addresses of attachments that are not in use."""
    wanted = network(version="1.1.0")
    runtime.add(wanted, a)
    runtime.gc(wanted, [(a.id, "eth0")])
    assert host.reservations() == ["10.1.0.2", "fd00:1::2"]
    runtime.gc(wanted, [])
    assert host.reservations() == []
