"""host-device: the device goes into the container, and comes back as it was, whatever happens in between.

The device is the end of a veth pair whose other end is in the namespace `lan`, as if that were the network behind a port.
"""

import os
import pathlib
import signal
import subprocess
import time

import pytest

from harness import CNIFailure, Runtime, assert_check_finds, ask, conflist, host_local, run_plugin, serve
from harness.dhcp import wait_for
from harness.host import Place

FILES = r"^/var/lib/cni/networks"
MAC = "02:00:00:00:00:05"
# The extra network card of the virtual machine.
CARD = "52:54:00:ca:7e:01"


def network(*, selector=None, version="1.0.0", ipam=True, **keys):
    """A network of host-device; the device is ens5 if nothing else is said."""
    config = {"type": "host-device", **({"device": "ens5"} if selector is None else selector), **keys}
    if ipam:
        config["ipam"] = ipam if isinstance(ipam, dict) else host_local("10.1.0.0/24", "fd00:1::/64")
    return conflist(config, version=version)


@pytest.fixture
def lan(host):
    """What is behind the device: 10.1.0.1 and fd00:1::1. The device ens5 is up."""
    made = host.add_netns("lan")
    host.run(["sh", "-ec", f"""
        ip link add ens5 address {MAC} type veth peer name lan0 netns lan
        ip link set ens5 mtu 1400 up
        ip -n lan link set lan0 mtu 1400 up
        ip -n lan link set lo up
        ip -n lan addr add 10.1.0.1/24 dev lan0
        ip -n lan addr add fd00:1::1/64 dev lan0 nodad
    """])
    return made


def state(host, name="ens5"):
    """What of the device has to be as before."""
    link = host.link(name)
    # Whether there is a carrier the kernel tells in its own time.
    return link and (
        link["ifname"], link["address"], link["mtu"], sorted(set(link["flags"]) - {"NO-CARRIER", "LOWER_UP"}), link.get("ifalias"))


# ADD


def test_add_makes_what_it_reports(runtime, host, a, lan):
    """The device is in the container, under the new name and up, with addresses; its old name is its alias."""
    result = runtime.add(network(), a)
    assert result["interfaces"] == [{"name": "eth0", "mac": MAC, "sandbox": a.path}]
    assert result["ips"] == [
        {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0}, {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 0}]
    assert "dns" not in result
    link = a.link("eth0")
    assert "UP" in link["flags"] and link["ifalias"] == "ens5" and link["address"] == MAC and link["mtu"] == 1400
    assert a.addresses("eth0") == ["10.1.0.2/24", "fd00:1::2/64"]
    assert host.link("ens5") is None


def test_traffic(runtime, host, a, lan):
    """The container and what is behind the device reach each other, by both families; afterwards the host can use it again."""
    runtime.add(network(), a)
    serve(lan, "tcp", 80)
    serve(a, "tcp", 81)
    assert ask(a, "tcp", "10.1.0.1", 80).source == "10.1.0.2" and ask(a, "tcp", "fd00:1::1", 80).source == "fd00:1::2"
    assert ask(lan, "tcp", "10.1.0.2", 81).name == "a" and ask(lan, "tcp", "fd00:1::2", 81).name == "a"
    for process in host.processes:
        process.kill()
        process.wait()
    runtime.delete(network(), a)
    host.run(["ip", "addr", "add", "10.1.0.9/24", "dev", "ens5"])
    host.ping("10.1.0.1")


def test_routes_and_dns(runtime, a, lan):
    """Routes of IPAM are set, DNS settings of the configuration are in the result."""
    routes = ["0.0.0.0/0", {"dst": "10.99.0.0/16", "gw": "10.1.0.9"}]
    result = runtime.add(network(ipam=host_local("10.1.0.0/24", routes=routes), dns={"nameservers": ["192.0.2.53"]}), a)
    assert result["dns"] == {"nameservers": ["192.0.2.53"]}
    assert ("default", "10.1.0.1", "eth0") in a.routes() and ("10.99.0.0/16", "10.1.0.9", "eth0") in a.routes()


def test_without_ipam(runtime, host, a, lan):
    """Without ipam the device is up in the container and has no addresses; CHECK and DEL work."""
    wanted = network(ipam=False)
    result = runtime.add(wanted, a)
    assert result == {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "mac": MAC, "sandbox": a.path}]}
    assert "UP" in a.link("eth0")["flags"] and a.addresses("eth0") == []
    assert a.sysctl("ipv6/conf/eth0/accept_dad") == "1"
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert host.link("ens5") is not None


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_result_versions(runtime, a, lan, version):
    """The result has the form of the configuration's version."""
    result = runtime.add(network(version=version), a)
    assert result["cniVersion"] == version
    if version == "0.2.0":
        assert result["ip4"]["ip"] == "10.1.0.2/24" and result["ip6"]["ip"] == "fd00:1::2/64"
    else:
        assert result["interfaces"][0]["mac"] == MAC and result["ips"][0]["interface"] == 0
        assert ("version" in result["ips"][0]) == (version < "1")


def test_an_interface_in_a_chain(runtime, host, a, outside, lan):
    """A plugin behind it finds the container's address."""
    chain = network(ipam=host_local("10.1.0.0/24"))
    chain["plugins"].append({"type": "portmap", "capabilities": {"portMappings": True}, "snat": False})
    runtime.add(chain, a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    assert "10.1.0.2" in host.out(["nft", "list", "ruleset"])
    runtime.check(chain, a)
    runtime.delete(chain, a)
    assert state(host)[0] == "ens5" and "10.1.0.2" not in host.out(["nft", "list", "ruleset"])


# Which device


def fake_sysfs(host, *devices):
    """A /sys of the host's own with these devices: {path: None for a directory, or the target of a link}."""
    host.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/sys"])
    for tree in devices:
        for name, target in tree.items():
            path = host.path(f"/sys/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            if target is None:
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.symlink_to(target)


def pci(id, driver, *interfaces, virtio=False):
    """A PCI device in sysfs."""
    directory = f"bus/pci/devices/{id}"
    tree = {directory: None, **({f"{directory}/driver": f"../../../../bus/pci/drivers/{driver}"} if driver else {})}
    tree.update({f"{directory}/{'virtio3/' if virtio else ''}net/{name}": None for name in interfaces})
    return tree


PCI = "0000:00:1f.6"
SELECTORS = {
    "device": {"device": "ens5"}, "hwaddr": {"hwaddr": MAC.upper()}, "kernelpath": {"kernelpath": "/sys/devices/pci0000:00/0000:00:1f.6"},
    "pciBusID": {"pciBusID": PCI},
}


@pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS)
@pytest.mark.parametrize("virtio", [False, True], ids=["", "virtio"])
def test_selectors(runtime, host, a, lan, selector, virtio):
    """Each selector finds the device; CHECK and DEL work when it is found no more."""
    tree = pci(PCI, "e1000e", "ens5", virtio=virtio)
    fake_sysfs(host, tree, {f"devices/pci0000:00/{PCI}": f"../../bus/pci/devices/{PCI}"})
    before = state(host)
    wanted = network(selector=selector)
    result = runtime.add(wanted, a)
    assert result["interfaces"][0]["mac"] == MAC == a.link("eth0")["address"]
    assert result["interfaces"][0].get("pciID") == (PCI if "pciBusID" in selector else None)
    host.run(["umount", "/sys"])
    fake_sysfs(host)
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert state(host) == before


@pytest.mark.parametrize("id, tree", [
    (PCI, pci(PCI, "e1000e", "ens5")),
    ("mlx5_core.sf.4", {"bus/auxiliary/devices/mlx5_core.sf.4/net/ens5": None}),
], ids=["PCI", "auxiliary"])
def test_device_id(runtime, host, a, lan, id, tree):
    """The runtime's deviceID is a PCI address or an auxiliary device, and comes before pciBusID."""
    fake_sysfs(host, tree)
    wanted = network(selector={"pciBusID": "0000:00:00.0"}, capabilities={"deviceID": True})
    runtime.add(wanted, a, capabilities={"deviceID": id})
    assert a.link("eth0")["address"] == MAC
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert host.link("ens5") is not None


def test_order_of_selectors(runtime, host, a, lan):
    """Of several selectors the first in the documented order counts."""
    host.run(["ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1"])
    runtime.add(network(selector={"device": "other0", "hwaddr": MAC, "pciBusID": "0000:00:00.0"}), a)
    assert host.link("ens5") is not None and host.link("other0") is None


def test_hwaddr_of_several_devices(runtime, host, a, lan):
    """An address that several devices have is an error, which names them: none is moved."""
    host.run(["ip", "link", "add", "twin0", "address", MAC, "type", "veth", "peer", "name", "twin1"])
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="several interfaces.*(ens5.*twin0|twin0.*ens5)"):
        runtime.add(network(selector={"hwaddr": MAC}), a)
    assert host.snapshot() == before


@pytest.mark.parametrize("driver", ["vfio-pci", "uio_pci_generic", "igb_uio"])
@pytest.mark.parametrize("ipam", [True, False], ids=["ipam", "no ipam"])
def test_device_of_a_program(runtime, host, a, driver, ipam):
    """A device without network interface (DPDK): the result has its PCI address and the addresses; nothing is moved."""
    fake_sysfs(host, pci(PCI, driver))
    wanted = network(selector={"pciBusID": PCI}, ipam=ipam)
    links = a.ip("link")
    result = runtime.add(wanted, a)
    assert result["interfaces"] == [{"name": "eth0", "sandbox": a.path, "pciID": PCI}]
    assert [ip["address"] for ip in result.get("ips", [])] == (["10.1.0.2/24", "fd00:1::2/64"] if ipam else [])
    assert a.ip("link") == links
    runtime.check(wanted, a)
    host.path(f"/sys/bus/pci/devices/{PCI}/driver").unlink()
    with pytest.raises(CNIFailure, match="expected a driver"):
        runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert host.reservations() == []


WRONG = {
    "none": ({}, "no device"), "empty": ({"device": "", "hwaddr": ""}, "no device"), "missing": ({"device": "ens9"}, "no interface ens9"),
    "not a name": ({"device": "a/b"}, "device: "), "hwaddr": ({"hwaddr": "nonsense"}, "hwaddr: expected"),
    "no such hwaddr": ({"hwaddr": "02:00:00:00:00:aa"}, "02:00:00:00:00:aa"),
    "path elsewhere": ({"kernelpath": "/etc"}, "kernelpath: expected"), "relative path": ({"kernelpath": "sys/devices/x"}, "kernelpath: expected"),
    "path that leads out": ({"kernelpath": "/sys/devices/../../etc"}, "kernelpath: expected"),
    "no such path": ({"kernelpath": "/sys/devices/nowhere"}, "no device /sys/devices/nowhere"),
    "not a PCI address": ({"pciBusID": "../../x"}, "pciBusID: expected"), "no such PCI device": ({"pciBusID": "0000:00:00.9"}, "0000:00:00.9"),
    "no driver": ({"pciBusID": "0000:00:02.0"}, "no driver"), "no interface": ({"pciBusID": "0000:00:03.0"}, "no network interface"),
}


@pytest.mark.parametrize("selector, named", WRONG.values(), ids=WRONG)
def test_a_device_that_is_not_there(runtime, host, a, lan, selector, named):
    """ADD fails and says why; DEL succeeds all the same."""
    fake_sysfs(host, pci("0000:00:02.0", None), pci("0000:00:03.0", "e1000e"))
    before = host.snapshot()
    with pytest.raises(CNIFailure, match=named):
        runtime.add(network(selector=selector), a)
    assert host.snapshot().without(files=FILES) == before.without(files=FILES)
    runtime.delete(network(selector=selector), a)


@pytest.mark.parametrize("id", ["nowhere", "../x", "0000:00:00.9"])
def test_a_device_id_that_is_not_there(runtime, host, a, id):
    """A deviceID that names no device fails ADD and not DEL."""
    wanted = network(selector={}, capabilities={"deviceID": True})
    with pytest.raises(CNIFailure, match="deviceID"):
        runtime.add(wanted, a, capabilities={"deviceID": id})
    runtime.delete(wanted, a, capabilities={"deviceID": id})


def test_a_link_that_cannot_leave(runtime, host, a):
    """lo can't leave its namespace: ADD says so."""
    with pytest.raises(CNIFailure, match="move link lo.*Invalid argument.*can't leave"):
        try:
            runtime.add(network(selector={"device": "lo"}), a)
        except CNIFailure as failure:
            failure.args = (failure.text,)
            raise


# DEL


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_del_gives_the_device_back_as_it_was(runtime, host, a, lan, up):
    """After DEL the host is as before: name, state, alias; and no address is reserved."""
    if not up:
        host.run(["ip", "link", "set", "ens5", "down"])
    before, inside, device = host.snapshot(), a.ip("link"), state(host)
    runtime.add(network(), a)
    runtime.delete(network(), a)
    assert state(host) == device
    assert host.snapshot().without(files=FILES) == before.without(files=FILES) and a.ip("link") == inside
    assert host.reservations() == []


def test_again_and_again(runtime, host, a, b, lan):
    """The device can be given to one container after the other."""
    device = state(host)
    for container in (a, b, a):
        runtime.add(network(), container)
        container.ping("10.1.0.1")
        runtime.delete(network(), container)
        assert state(host) == device


def test_del_again(runtime, host, a, lan):
    """DEL may be repeated, with and without prevResult."""
    runtime.add(network(), a)
    runtime.delete(network(), a)
    after = host.snapshot()
    runtime.delete(network(), a)
    runtime.delete(network(), a, forget=True)
    assert host.snapshot() == after


def test_del_without_add(runtime, host, a, lan):
    """DEL of what was never added succeeds, and moves nothing: not the device, nor a link of someone else."""
    a.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "v0"])
    runtime.delete(network(), a)
    a.run(["ip", "link", "set", "eth0", "alias", "uplink to rack 3"])
    runtime.delete(network(), a)
    assert a.link("eth0") is not None and host.link("ens5") is not None and host.link("eth0") is None


def test_del_without_prev_result(runtime, host, a, lan):
    """DEL needs no prevResult: the link tells its name."""
    device = state(host)
    runtime.add(network(), a)
    runtime.delete(network(), a, forget=True)
    assert state(host) == device and host.reservations() == []


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, lan, netns):
    """With the namespace gone (and a virtual device with it), DEL releases the addresses."""
    runtime.add(network(), a)
    a.delete()
    runtime.delete(network(), a, netns=netns)
    assert host.reservations() == []


def test_del_without_netns_while_the_namespace_is_there(runtime, host, a, lan):
    """DEL without CNI_NETNS releases the addresses; a second one with it gives the device back."""
    runtime.add(network(), a)
    attachment = runtime.cache[("net", a.id, "eth0")]
    runtime.delete(network(), a, netns="")
    assert host.reservations() == []
    runtime.cache[("net", a.id, "eth0")] = attachment
    runtime.delete(network(), a)
    assert host.link("ens5") is not None


def test_del_after_the_device_is_gone(runtime, host, a, lan):
    """With the device gone, DEL releases the addresses."""
    runtime.add(network(), a)
    a.run(["ip", "link", "del", "eth0"])
    runtime.delete(network(), a)
    assert host.reservations() == []


@pytest.mark.parametrize("also", [(), ("eth0",), ("dev0", "dev1")], ids=["name", "name and container's name", "name and others"])
def test_del_when_the_name_is_taken(runtime, host, a, lan, also):
    """A device whose name another one has by now comes back under a free name; its alias tells which it is."""
    runtime.add(network(), a)
    for name in ("ens5", *also):
        host.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"])
    runtime.delete(network(), a)
    assert a.link("eth0") is None and host.reservations() == []
    back = host.link("dev2" if "dev0" in also else "dev0")
    assert back["address"] == MAC and back["ifalias"] == "ens5" and "UP" in back["flags"]


def test_del_when_the_alias_is_gone(runtime, host, a, lan):
    """Without its alias the configuration tells the device's name, and the result that it is the device."""
    runtime.add(network(), a)
    a.run(["ip", "link", "set", "eth0", "alias", ""])
    runtime.delete(network(), a)
    assert host.link("ens5")["address"] == MAC


def test_del_without_alias_and_name(runtime, host, a, lan):
    """Where nothing tells its name, the device still comes back."""
    wanted = network(selector={"hwaddr": MAC})
    runtime.add(wanted, a)
    a.run(["ip", "link", "set", "eth0", "alias", ""])
    runtime.delete(wanted, a)
    assert host.link("dev0")["address"] == MAC and a.link("eth0") is None


def test_device_keeps_a_name_that_is_the_same(runtime, host, a, lan):
    """The interface in the container may be called as the device in the host."""
    device = state(host)
    runtime.add(network(), a, ifname="ens5")
    assert a.link("ens5")["ifalias"] == "ens5"
    runtime.check(network(), a, ifname="ens5")
    runtime.delete(network(), a, ifname="ens5")
    assert state(host) == device


def test_container_has_an_interface_of_the_devices_name(runtime, host, a, lan):
    """The device's old name and number may be in use in the container."""
    device = state(host)
    a.run(["ip", "link", "add", "ens5", "type", "veth", "peer", "name", "v0"])
    assert any(link["ifindex"] == host.link("ens5")["ifindex"] for link in a.ip("link"))
    runtime.add(network(), a)
    a.ping("10.1.0.1")
    runtime.delete(network(), a)
    assert state(host) == device and a.link("ens5") is not None


# Failures


def test_interface_name_is_taken(wrappers, host, a, lan):
    """Where the container has an interface of that name, the device stays where it is."""
    a.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "v0"])
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="already exists"):
        wrappers.add(network(), a, previous={"cniVersion": "1.0.0"})
    assert host.snapshot() == before


def test_a_move_that_fails_half_way(runtime, host, a, lan):
    """A name that the kernel refuses only after it has moved the device: the device is back as it was."""
    before, inside, device = host.snapshot(), a.ip("link"), state(host)
    with pytest.raises(CNIFailure, match="move link ens5 to another network namespace as a%b: Invalid argument"):
        runtime.add(network(), a, ifname="a%b")
    assert state(host) == device and a.ip("link") == inside
    assert host.snapshot().without(files=FILES) == before.without(files=FILES)


@pytest.mark.parametrize("ipam, named", [
    (host_local("10.1.0.0/24", routes=[{"dst": "10.99.0.0/16", "gw": "192.0.2.9"}]), "add route"),
    (host_local("10.1.0.0/33"), "10.1.0.0/33"), ({"type": "nowhere"}, "nowhere"),
], ids=["route", "range", "no such IPAM"])
def test_failure_gives_the_device_back(runtime, host, a, lan, ipam, named):
    """When addresses or routes can't be had or set, the device is back in the host as it was, and nothing is reserved."""
    before, device = host.snapshot(), state(host)
    with pytest.raises(CNIFailure, match=named):
        runtime.add(network(ipam=ipam), a)
    assert state(host) == device and a.link("eth0") is None
    # The record of an attachment stays where its DEL can't be run: here for want of the IPAM plugin.
    files = FILES + ("|^/var/lib/cni/catena/attachments" if named == "nowhere" else "")
    assert host.snapshot().without(files=files) == before.without(files=files) and host.reservations() == []


def test_failure_of_a_later_plugin_gives_the_device_back(lab, host, a, lan):
    """When a later plugin of the chain fails, the device is back."""
    device, runtime = state(host), lab.runtime()
    lab.executable("broken", ADD="exit 1")
    chain = network()
    chain["plugins"].append({"type": "broken"})
    with pytest.raises(CNIFailure, match="broken"):
        runtime.add(chain, a)
    assert state(host) == device and a.link("eth0") is None and host.reservations() == []


# Ends a program and all that it has started just before the system call MOMENT of those that can change something, theirs counted together.
MOMENTS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
static void moment(void) {
    int log = syscall(SYS_openat, AT_FDCWD, LOG, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    syscall(SYS_write, log, "x", 1);
    if (syscall(SYS_lseek, log, 0, SEEK_END) == atol(getenv("MOMENT"))) kill(0, SIGKILL);
    syscall(SYS_close, log);
}
#define BEFORE(type, name, parameters, ...) type name parameters { moment(); \
    return ((type (*) parameters) dlsym(RTLD_NEXT, #name))(__VA_ARGS__); }
BEFORE(ssize_t, sendto, (int s, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length), s, data, size, flags, to, length)
BEFORE(ssize_t, sendmsg, (int s, const struct msghdr *message, int flags), s, message, flags)
BEFORE(ssize_t, write, (int file, const void *data, size_t size), file, data, size)
BEFORE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), file, data, size, at)
BEFORE(ssize_t, pwrite64, (int file, const void *data, size_t size, off_t at), file, data, size, at)
BEFORE(int, rename, (const char *old, const char *new), old, new)
BEFORE(int, unlink, (const char *name), name)
BEFORE(int, unlinkat, (int directory, const char *name, int flags), directory, name, flags)
BEFORE(int, symlinkat, (const char *target, int directory, const char *name), target, directory, name)
BEFORE(int, setns, (int file, int kind), file, kind)
"""


@pytest.fixture
def killed_at(stage, scratch):
    """Runs an operation and kills it at a moment: killed_at(runtime, command, network, container, moment). False when it ended before."""
    (scratch / "moments.c").write_text(MOMENTS)
    log = scratch / "moments"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f'-DLOG="{log}"', "-o", scratch / "moments.so", scratch / "moments.c", "-ldl"], check=True)

    def killed_at(runtime, command, network, container, moment):
        log.unlink(missing_ok=True)
        plugin, = runtime.plugins(network)
        request = {**plugin, "name": network["name"], "cniVersion": network["cniVersion"]}
        # Not in the environment of what starts it all: that is not to be counted, or killed.
        prefix = ["setsid", "-w", "env", f"LD_PRELOAD={scratch}/moments.so", f"MOMENT={moment}"]
        outcome = run_plugin(
            runtime.host, runtime.program(plugin["type"]), command, request, cid=container.id, netns=container.path, prefix=prefix)
        assert outcome.ok or outcome.stdout == "", outcome
        return not outcome.ok

    return killed_at


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_killed_at_any_moment(runtime, killed_at, host, a, lan, command):
    """Wherever ADD or DEL are killed, with all that they have started: DEL gives the device back as it was, and releases the addresses."""
    device, moment, places = state(host), 1, []
    wanted = network(ipam=host_local("10.1.0.0/24"))
    while True:
        if command == "DEL":
            runtime.add(wanted, a)
        if not killed_at(runtime, command, wanted, a, moment):
            break
        places.append("host" if host.link("ens5") else "container")
        runtime.delete(wanted, a, forget=True)
        assert state(host) == device and a.link("eth0") is None and host.reservations() == [], f"killed at moment {moment}"
        moment += 1
    # It was killed before and after the move.
    assert set(places) == {"host", "container"}, places


def test_killed_in_the_middle(lab, host, a, lan):
    """When ADD is killed after the move, DEL gives the device back."""
    device, runtime = state(host), lab.runtime()
    lab.executable("slow", ADD="sleep 60")
    wanted = network(ipam={"type": "slow"})
    outcome = run_plugin(
        host, runtime.program("catena"), "ADD", {"cniVersion": "1.0.0", "name": "net", "type": "catena", "chain": wanted["plugins"]},
        path=runtime.path, env=lab.env, prefix=["timeout", "-s", "KILL", "2"])
    assert not outcome.ok and a.link("eth0")["ifalias"] == "ens5"
    runtime.delete(network(ipam=False), a)
    assert state(host) == device
    for pid in host.strays():
        os.kill(pid, signal.SIGKILL)
    wait_for("the processes that were killed to end", lambda: not host.strays())


# CHECK


@pytest.mark.parametrize("damage, named", [
    ("ip addr del 10.1.0.2/24 dev eth0", "10.1.0.2"), ("ip -6 addr del fd00:1::2/64 dev eth0", "fd00:1::2"),
    ("ip route del 10.99.0.0/16", "10.99.0.0"), ("ip link set eth0 down", "down"),
    ("ip link set eth0 address 02:00:00:00:00:99", "02:00:00:00:00:99"), ("ip link set eth0 alias other", "alias ens5"),
    ("ip link set eth0 down; ip link set eth0 name eth1", "eth0"),
], ids=["IPv4 address", "IPv6 address", "route", "down", "MAC", "alias", "name"])
def test_check_finds_damage(runtime, a, lan, damage, named):
    """CHECK of what ADD made succeeds; it fails when something is not so, and names it."""
    wanted = network(ipam=host_local("10.1.0.0/24", "fd00:1::/64", routes=["10.99.0.0/16"]))
    assert_check_finds(runtime, a, wanted, damage, named)


# STATUS, GC


def test_status(runtime, a, lan):
    """STATUS is content while the device is in use; it fails where IPAM does."""
    wanted = network(version="1.1.0")
    runtime.status(wanted)
    runtime.add(wanted, a)
    runtime.status(wanted)
    with pytest.raises(CNIFailure):
        runtime.status(network(version="1.1.0", selector={"hwaddr": "nonsense"}))


def test_gc(runtime, host, a, lan):
    """GC releases the addresses of attachments that are not in use."""
    wanted = network(version="1.1.0")
    runtime.add(wanted, a)
    runtime.gc(wanted, [(a.id, "eth0")])
    assert host.reservations() == ["10.1.0.2", "fd00:1::2"]
    runtime.gc(wanted, [])
    assert host.reservations() == []


# The reference plugin


@pytest.mark.parametrize("order", [("reference", "wrappers"), ("wrappers", "reference")], ids="->".join)
def test_changing_over(host, stage, a, lan, order):
    """Either plugin gives back what the other one took."""
    add, delete = (Runtime(host, engine) for engine in order)
    host.run(["ip", "link", "set", "ens5", "down"])
    device = state(host)
    result = add.add(network(), a)
    delete.cache = add.cache
    assert result["interfaces"][0]["name"] == "eth0"
    delete.delete(network(), a)
    back = state(host)
    # The reference leaves the alias.
    assert back[:4] == device[:4] and (back[4] is None or order[1] == "reference") and host.reservations() == []


# A physical device: the card of the virtual machine, in the machine's own namespace, to where the kernel puts such a device back


class Machine(Place):
    """The virtual machine itself."""

    def __init__(self):
        self.host, self.name, self.processes = self, "machine", []

    def command(self, argv):
        return [str(word) for word in argv]

    def path(self, name):
        return pathlib.Path(name)


class Inside(Place):
    """A container of the machine."""

    def __init__(self, machine, name):
        self.host, self.name, self.id, self.path = machine, name, f"id-{time.monotonic_ns()}", f"/run/netns/{name}"

    def command(self, argv):
        return ["ip", "netns", "exec", self.name, *map(str, argv)]


def card_of(machine):
    """The card's link in the machine; None where it is not there."""
    return next((link for link in machine.ip("-d", "link") if link["address"] == CARD), None)


def settled(machine, what):
    """Waits for what the kernel does in its own time; the last answer."""
    deadline = time.monotonic() + 20
    while not (answer := what()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


@pytest.fixture
def machine(stage):
    """The machine, with its card as ens5, up; and a container."""
    made = Machine()
    card = settled(made, lambda: card_of(made))
    assert card, f"the machine has no card {CARD}"
    made.run(["sh", "-ec", f"""
        ip link set {card['ifname']} down
        ip link set {card['ifname']} name ens5 alias ''
        ip link set ens5 up
        ip netns add box
        """])
    yield made
    made.run(["ip", "netns", "del", "box"], check=False)
    assert settled(made, lambda: card_of(made)), "the card is lost"


@pytest.fixture
def box(machine):
    return Inside(machine, "box")


def card_paths():
    """The card's directory in sysfs, its PCI address, and the name of its virtio device."""
    device = pathlib.Path("/sys/class/net/ens5/device").resolve()
    return (device.parent, device.parent.name, device.name) if device.name.startswith("virtio") else (device, device.name, "")


def card_is_back(machine):
    """Whether the card is as it was."""
    link = machine.link("ens5")
    return link is not None and link["address"] == CARD and "UP" in link["flags"] and "NOTRAILERS" not in link["flags"] and "ifalias" not in link


@pytest.mark.vm
@pytest.mark.xdist_group("card")
@pytest.mark.parametrize("key", ["device", "hwaddr", "kernelpath", "pciBusID", "deviceID"])
def test_card(machine, box, key):
    """Each selector finds a real device, which gets addresses and comes back; also when ADD fails."""
    path, pci, _ = card_paths()
    chosen = {"device": "ens5", "hwaddr": CARD, "kernelpath": str(path), "pciBusID": pci}
    selector = {"capabilities": {"deviceID": True}} if key == "deviceID" else {key: chosen[key]}
    capabilities = {"deviceID": pci} if key == "deviceID" else None
    runtime, wanted = Runtime(machine, "catena"), network(selector=selector)
    result = runtime.add(wanted, box, capabilities=capabilities)
    assert result["interfaces"][0] == {
        "name": "eth0", "mac": CARD, "sandbox": box.path, **({"pciID": pci} if key in ("pciBusID", "deviceID") else {})}
    # There may be one more, of a router beside the machine.
    assert {ip["address"] for ip in result["ips"]} <= set(box.addresses("eth0")) and len(result["ips"]) == 2
    assert card_of(machine) is None
    runtime.check(wanted, box)
    runtime.delete(wanted, box)
    assert card_is_back(machine)
    with pytest.raises(CNIFailure, match="add route"):
        runtime.add(network(selector=selector, ipam=host_local("10.1.0.0/24", routes=[{"dst": "10.99.0.0/16", "gw": "192.0.2.9"}])), box,
                    capabilities=capabilities)
    assert card_is_back(machine)


@pytest.mark.vm
@pytest.mark.xdist_group("card")
@pytest.mark.parametrize("ifname", ["eth0", "ens5"])
def test_card_when_the_namespace_vanishes(machine, box, ifname):
    """The kernel puts the card back under the container's name, and down; DEL gives it name and state back."""
    runtime, wanted = Runtime(machine, "catena"), network()
    runtime.add(wanted, box, ifname=ifname)
    machine.run(["ip", "netns", "del", "box"])
    link = settled(machine, lambda: card_of(machine))
    assert link["ifalias"] == "ens5" and "UP" not in link["flags"]
    runtime.delete(wanted, box, ifname=ifname)
    assert card_is_back(machine)


@pytest.mark.vm
@pytest.mark.xdist_group("card")
def test_card_after_a_killed_add(machine, box, killed_at):
    """ADD is killed when the card is in the container, and the namespace vanishes: DEL, which has no result, gives it name and state back."""
    runtime, moment = Runtime(machine, "catena"), 1
    for selector in ({"device": "ens5"}, {"pciBusID": card_paths()[1]}):
        wanted = network(selector=selector, ipam=False)
        while True:
            assert killed_at(runtime, "ADD", wanted, box, moment)
            if not card_of(machine):
                break
            moment += 1
        machine.run(["ip", "netns", "del", "box"])
        assert settled(machine, lambda: card_of(machine))["ifname"] == "eth0"
        runtime.delete(wanted, box)
        assert card_is_back(machine)
        machine.run(["ip", "netns", "add", "box"])


@pytest.mark.vm
@pytest.mark.xdist_group("card")
def test_card_with_an_alias(machine, box):
    """DEL of what was never added leaves a card alone whose alias a person has set."""
    machine.run(["ip", "link", "set", "ens5", "alias", "uplink0"])
    for selector in ({"hwaddr": CARD}, {"device": "uplink0"}):
        Runtime(machine, "catena").delete(network(selector=selector, ipam=False), box, netns="/run/netns/nowhere")
    link = machine.link("ens5")
    assert link["ifalias"] == "uplink0" and "UP" in link["flags"]


@pytest.mark.vm
@pytest.mark.xdist_group("card")
def test_card_when_its_name_is_taken(machine, box):
    """The card comes back under another name where its own is taken."""
    runtime, wanted = Runtime(machine, "catena"), network()
    runtime.add(wanted, box)
    machine.run(["ip", "link", "add", "ens5", "type", "veth", "peer", "name", "ens5p"])
    runtime.delete(wanted, box)
    card = card_of(machine)
    machine.run(["ip", "link", "del", "ens5"])
    assert card["ifname"] == "dev0" and card["ifalias"] == "ens5"


@pytest.mark.vm
@pytest.mark.xdist_group("card")
def test_card_of_a_program(machine, box):
    """A card that its driver hands to a program has no network interface: the result has its PCI address."""
    _, pci, _ = card_paths()
    bind = f"""
        modprobe $1
        cd /sys/bus/pci/devices/{pci}
        echo $1 > driver_override
        echo {pci} > driver/unbind
        echo {pci} > /sys/bus/pci/drivers_probe
        echo > driver_override
    """
    runtime, wanted = Runtime(machine, "catena"), network(selector={"pciBusID": pci})
    machine.run(["sh", "-ec", bind, "sh", "uio_pci_generic"])
    try:
        result = runtime.add(wanted, box)
        assert result["interfaces"] == [{"name": "eth0", "sandbox": box.path, "pciID": pci}] and len(result["ips"]) == 2
        runtime.check(wanted, box)
    finally:
        machine.run(["sh", "-ec", bind, "sh", "virtio-pci"])
    with pytest.raises(CNIFailure, match="expected a driver"):
        runtime.check(wanted, box)
    runtime.delete(wanted, box)
    assert settled(machine, lambda: card_of(machine))
