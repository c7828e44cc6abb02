"""macvlan: interfaces with hardware addresses of their own in the network of ens5, in every mode. See also test_masters.py."""

import json

import pytest

from harness import (
    CNIFailure, Runtime, assert_check_finds, assert_del_leaves_nothing, assert_failure_leaves_nothing, assert_reaches, conflist,
    host_local, serve)

OF_CONFIG, ARGUMENT, OF_RUNTIME = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
IPAM = host_local("10.1.0.0/24", "fd00:1::/64")


def network(*, version="1.0.0", ipam=True, name="net", **keys):
    """A network of macvlan on ens5; a key that is None is left out."""
    config = {"type": "macvlan", "master": "ens5", **keys}
    if ipam:
        config["ipam"] = ipam if isinstance(ipam, dict) else IPAM
    return conflist({key: value for key, value in config.items() if value is not None}, version=version, name=name)


def data(container, name="eth0"):
    """What the kernel tells of the macvlan."""
    return container.link(name)["linkinfo"]["info_data"]


# ADD


def attach_two(runtime, host, mode, a, b):
    """Two containers of a network, which serve TCP port 80."""
    for container in (a, b):
        runtime.add(network(mode=mode), container)
        serve(container, "tcp", 80)


def assert_in_the_lan(lan, a):
    """The container a and the network reach each other."""
    assert_reaches(a, lan, "10.1.0.1", "fd00:1::1", source=("10.1.0.2", "fd00:1::2"))
    assert_reaches(lan, a, "10.1.0.2", "fd00:1::2")


@pytest.mark.parametrize("mode", [None, "", "bridge"])
def test_bridge(runtime, host, a, b, lan, mode):
    """Mode bridge: the containers reach the network and one another, directly."""
    attach_two(runtime, host, mode, a, b)
    assert data(a)["mode"] == "bridge"
    assert_in_the_lan(lan, a)
    # The network's switch does not send anything back.
    assert_reaches(a, b, "10.1.0.3", "fd00:1::3", source=("10.1.0.2", "fd00:1::2"))


def test_private(runtime, host, a, b, lan):
    """Mode private: the containers reach the network, and not one another."""
    attach_two(runtime, host, "private", a, b)
    assert_in_the_lan(lan, a)
    assert_reaches(b, lan, "10.1.0.1", "fd00:1::1")
    assert not a.ping("10.1.0.3", check=False) and not a.ping("fd00:1::3", check=False)


@pytest.mark.parametrize("hairpin", [True, False])
def test_vepa(runtime, host, a, b, hairpin):
    """Mode vepa: the containers reach one another if the network's switch sends frames back to the port they came from."""
    lan = host.add_lan(hairpin=hairpin)
    serve(lan, "tcp", 80)
    attach_two(runtime, host, "vepa", a, b)
    assert_in_the_lan(lan, a)
    if hairpin:
        assert_reaches(a, b, "10.1.0.3", "fd00:1::3")
    else:
        assert not a.ping("10.1.0.3", check=False)


def test_passthru(runtime, host, a, b, lan):
    """Mode passthru: the container has the master for itself, with its hardware address. A second one is refused."""
    wanted = network(mode="passthru")
    runtime.add(wanted, a)
    serve(a, "tcp", 80)
    assert a.link("eth0")["address"] == host.link("ens5")["address"]
    assert_in_the_lan(lan, a)
    runtime.check(wanted, a)
    with pytest.raises(CNIFailure, match="create macvlan eth0 on ens5: Invalid argument") as failure:
        runtime.add(wanted, b)
    assert "a passthru macvlan has to be the only one of its master" in failure.value.text
    assert b.link("eth0") is None


def test_passthru_with_a_hardware_address(runtime, host, a, lan):
    """Mode passthru with `mac`: the master takes it too, and gets its own back with DEL."""
    before, wanted = host.link("ens5")["address"], network(mode="passthru", mac=OF_CONFIG)
    result = runtime.add(wanted, a)
    serve(a, "tcp", 80)
    assert a.link("eth0")["address"] == host.link("ens5")["address"] == result["interfaces"][0]["mac"] == OF_CONFIG
    assert_in_the_lan(lan, a)
    runtime.check(wanted, a)
    runtime.delete(wanted, a)
    assert host.link("ens5")["address"] == before


def test_passthru_with_a_wrong_hardware_address(runtime, host, a, lan):
    """An address that can't be is refused, and nothing is left."""
    assert_failure_leaves_nothing(
        runtime, host, a, network(mode="passthru", mac="01:00:00:00:00:01"), "address 01:00:00:00:00:01 on eth0")


@pytest.mark.parametrize("given, wins", [
    ({"config": OF_CONFIG}, OF_CONFIG), ({"config": OF_CONFIG, "argument": ARGUMENT}, ARGUMENT), ({"runtime": OF_RUNTIME}, OF_RUNTIME),
    ({"config": OF_CONFIG, "argument": ARGUMENT, "runtime": OF_RUNTIME}, OF_RUNTIME),
], ids=["mac", "CNI_ARGS over mac", "runtimeConfig.mac", "runtimeConfig over all"])
def test_hardware_address(runtime, a, lan, given, wins):
    """The MAC comes from mac, CNI_ARGS, or runtimeConfig.mac; the later one wins. args.cni is not looked at."""
    wanted = network(capabilities={"mac": True}, args={"cni": {"mac": "02:00:00:00:00:04"}}, mac=given.get("config"))
    result = runtime.add(
        wanted, a, args=f"IgnoreUnknown=1;MAC={given['argument']}" if "argument" in given else None,
        capabilities={"mac": given["runtime"]} if "runtime" in given else None)
    assert a.link("eth0")["address"] == wins == result["interfaces"][0]["mac"]
    runtime.check(wanted, a)


def test_broadcast_queue_length(runtime, a, lan):
    """bcqueuelen is the length of the queue for broadcast packets."""
    runtime.add(network(bcqueuelen=4321), a)
    assert data(a)["bcqueuelen"] == 4321
    runtime.check(network(bcqueuelen=4321), a)
    with pytest.raises(CNIFailure, match="eth0: bcqueuelen: expected 1234, found 4321"):
        runtime.check(network(bcqueuelen=1234), a)


def test_without_ipam(runtime, host, a, lan):
    """Without ipam the interface is up and has no addresses; duplicate address detection stays; CHECK and DEL work."""
    wanted = network(ipam=False)
    result = runtime.add(wanted, a)
    assert result == {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "mac": a.link("eth0")["address"], "sandbox": a.path}]}
    assert "UP" in a.link("eth0")["flags"] and a.addresses("eth0") == [] and a.sysctl("ipv6/conf/eth0/accept_dad") == "1"
    runtime.check(wanted, a)
    a.run(["ip", "addr", "add", "10.1.0.9/24", "dev", "eth0"])
    a.ping("10.1.0.1")
    runtime.delete(wanted, a)
    assert a.link("eth0") is None


def test_an_interface_in_a_chain(runtime, host, a, outside, lan):
    """A plugin behind it finds the container's address."""
    chain = network(ipam=host_local("10.1.0.0/24"))
    chain["plugins"].append({"type": "portmap", "capabilities": {"portMappings": True}, "snat": False})
    runtime.add(chain, a, capabilities={"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    assert "10.1.0.2" in host.out(["nft", "list", "ruleset"])
    runtime.check(chain, a)
    runtime.delete(chain, a)
    assert a.link("eth0") is None and "10.1.0.2" not in host.out(["nft", "list", "ruleset"])


# The master


DEFAULTS = {
    "IPv4": "ip addr add 10.1.0.9/24 dev ens5; ip route add default via 10.1.0.1",
    "IPv6": "ip addr add fd00:1::9/64 dev ens5 nodad; ip route add default via fd00:1::1",
    "without gateway": "ip route add default dev ens5",
    "the lower metric": "ip route add default dev v0 metric 100; ip route add default dev ens5 metric 50",
    "IPv4 before IPv6": "ip route add default dev ens5; ip -6 route add default dev v0",
    "not for reserved addresses": "ip route add default dev ens5; ip route add unreachable 240.0.0.0/4",
    "a VPN's halves": "ip route add default dev ens5; ip route add 0.0.0.0/1 dev v0; ip route add 128.0.0.0/1 dev v0",
    "another table": "ip route add default dev v0 table 100; ip rule add pref 100 lookup 100; ip route add default dev ens5",
    "a blackhole": "ip route add blackhole default; ip -6 route add default dev ens5",
}


@pytest.mark.parametrize("commands", DEFAULTS.values(), ids=DEFAULTS)
@pytest.mark.parametrize("inside", [False, True], ids=["host", "container"])
def test_default_master(wrappers, host, a, lan, commands, inside):
    """Without `master` it is the interface of the first default route, of the host or of the container."""
    place = host
    if inside:
        host.run(["ip", "link", "set", "ens5", "netns", "a"])
        a.run(["ip", "link", "set", "ens5", "up"])
        place = a
    place.run(["sh", "-ec", f"ip link add v0 type veth peer name v1; ip link set v0 up; {commands}"])
    wanted = network(master=None, linkInContainer=inside, ipam=host_local("10.7.0.0/24"))
    wrappers.add(wanted, a)
    link = a.link("eth0")
    assert link["link"] == "ens5" if inside else link["link_index"] == host.link("ens5")["ifindex"]
    # It leads elsewhere by now: the container is where it was.
    place.run(["sh", "-ec", "ip link set v0 up; ip route flush table main; ip route add default dev v0"])
    a.run(["sh", "-ec", "ip link set eth0 down; ip link set eth0 up"])
    wrappers.check(wanted, a)


def test_no_default_master(runtime, host, a, lan):
    """Without `master` and default route ADD fails, and says what to do."""
    failure = assert_failure_leaves_nothing(runtime, host, a, network(master=None), "there is no default route in the host")
    assert "set the key master" in failure.text


def test_wireless_master(host, stage, a, lan):
    """On a wireless master the link is made, and a warning says why nobody will answer."""
    host.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/sys"])
    host.path("/sys/class/net/ens5/phy80211").mkdir(parents=True)
    config = {"cniVersion": "1.0.0", "name": "net", **network()["plugins"][0]}
    done = host.run(
        [stage / "lib" / "cni" / "macvlan"], input=json.dumps(config),
        env={"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "id-a", "CNI_NETNS": a.path, "CNI_IFNAME": "eth0", "CNI_PATH": stage / "lib" / "cni",
             "CATENA_LOG": "warning"})
    assert "ens5 is wireless, and wireless masters don't work with macvlan" in done.stderr


# Failures


@pytest.mark.parametrize("keys, named", [
    ({"master": "a/b"}, "master: "), ({"master": 5}, "master"),
    ({"mode": "source"}, 'mode: expected bridge, private, vepa or passthru, found "source"'), ({"mode": "Bridge"}, "mode: "),
    ({"mtu": 1401}, "mtu: 1401 is more than the 1400 of the master ens5"), ({"mtu": -1}, "mtu"),
    ({"mac": "nonsense"}, "nonsense"), ({"mac": "01:00:00:00:00:01"}, "address 01:00:00:00:00:01"), ({"bcqueuelen": -1}, "bcqueuelen"),
    ({"bcqueuelen": 1 << 32}, "bcqueuelen"), ({"linkInContainer": "yes"}, "linkInContainer"),
    ({"master": "lo"}, "the loopback interface can't be a master"),
], ids=str)
def test_failure_leaves_nothing(runtime, host, a, lan, keys, named):
    """What can't be is refused by name: no link, no reservation is left; DEL succeeds."""
    assert_failure_leaves_nothing(runtime, host, a, network(**keys), named)
    runtime.delete(network(**keys), a)


def test_unknown_argument(runtime, a, lan):
    """An unknown name in CNI_ARGS fails ADD, not DEL."""
    with pytest.raises(CNIFailure, match="K8S"):
        runtime.add(network(), a, args="K8S=1")
    runtime.delete(network(), a, args="K8S=1")


def test_a_master_that_belongs_to_a_bridge(runtime, host, a, lan):
    """A port of a bridge can't be a master: the error says whose it is."""
    host.run(["sh", "-ec", "ip link add br7 type bridge; ip link set ens5 master br7"])
    failure = assert_failure_leaves_nothing(runtime, host, a, network(), "create macvlan eth0 on ens5: Device or resource busy")
    assert "ens5 belongs to br7: take that as the master" in failure.text


@pytest.mark.parametrize("of", ["another", "the master"])
def test_hardware_address_in_use(runtime, host, a, b, lan, of):
    """A hardware address that another macvlan of the master has, or the master itself, is refused."""
    mac = OF_CONFIG if of == "another" else host.link("ens5")["address"]
    if of == "another":
        runtime.add(network(mac=mac), a)
    with pytest.raises(CNIFailure, match="set up on eth0") as failure:
        runtime.add(network(mac=mac), b)
    assert "hardware address is in use by another link of the same master" in failure.value.text
    assert b.link("eth0") is None and "10.1.0.3" not in host.reservations()


def test_interface_name_is_taken(wrappers, a, lan):
    """A link of that name is an error, and stays, also on DEL."""
    a.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "v0"])
    with pytest.raises(CNIFailure, match="create macvlan: interface eth0 already exists in /run/netns/a"):
        wrappers.add(network(ipam=False), a, previous={"cniVersion": "1.0.0"})
    wrappers.delete(network(ipam=False), a)
    assert a.link("eth0") is not None


# DEL


@pytest.mark.parametrize("mode", ["bridge", "passthru"])
def test_del_leaves_what_was_there_before(runtime, host, a, lan, mode):
    """After DEL nothing is left, and DEL may be repeated."""
    assert_del_leaves_nothing(runtime, host, a, network(mode=mode))


def test_del_without_add(runtime, host, a):
    """DEL of what was never added succeeds, also without the master and with values that ADD refuses."""
    before = host.snapshot()
    for wanted in (network(ipam=False), network(ipam=False, mode="source", mtu=-1, master="a/b", mac="x")):
        runtime.delete(wanted, a)
        runtime.delete(wanted, a, netns="")
        runtime.delete(wanted, a, netns="/run/netns/nowhere")
    assert host.snapshot() == before


# CHECK


@pytest.mark.parametrize("damage, named", [
    ("ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:99", "02:00:00:00:00:99"),
    ("ip link set eth0 type macvlan mode private", "mode: expected vepa, found private"),
    ("ip link set eth0 type macvlan bcqueuelen 77", "bcqueuelen: expected 1234, found 77"),
], ids=["MAC", "mode", "bcqueuelen"])
def test_check_finds_damage(runtime, a, lan, damage, named):
    """CHECK of what ADD made succeeds; it fails when something is not so, and names it."""
    wanted = network(mode="vepa", bcqueuelen=1234)
    assert_check_finds(runtime, a, wanted, damage, named)


def test_check_on_a_macvlan(runtime, host, a, lan):
    """A macvlan on a macvlan is one on that one's master: no difference."""
    host.run(["ip", "link", "add", "mv0", "link", "ens5", "up", "type", "macvlan", "mode", "bridge"])
    runtime.add(network(master="mv0"), a)
    a.ping("10.1.0.1")
    runtime.check(network(master="mv0"), a)


# STATUS


def test_status(runtime, lan):
    """STATUS finds the default route missing, and an MTU that the master has not."""
    for keys, named in [({"master": None}, "there is no default route"), ({"mtu": 9000}, "more than the 1400")]:
        with pytest.raises(CNIFailure, match=named) as failure:
            runtime.status(network(version="1.1.0", **keys))
        assert failure.value.code == 50


# Neighbours


def test_an_address_that_is_used_again(runtime, host, a, b, lan):
    """The network learns at once that an address has another owner: it does not send to the old one."""
    only = {"type": "host-local", "ranges": [
        [{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "rangeEnd": "10.1.0.5"}],
        [{"subnet": "fd00:1::/64", "rangeStart": "fd00:1::5", "rangeEnd": "fd00:1::5"}]]}
    wanted = network(ipam=only)
    runtime.add(wanted, a)
    serve(a, "tcp", 80)
    assert_reaches(lan, a, "10.1.0.5", "fd00:1::5")
    lan.await_neighbours(a.link("eth0")["address"], "10.1.0.5", "fd00:1::5")
    runtime.delete(wanted, a)
    runtime.add(wanted, b)
    serve(b, "tcp", 80)
    lan.await_neighbours(b.link("eth0")["address"], "10.1.0.5", "fd00:1::5")
    assert_reaches(lan, b, "10.1.0.5", "fd00:1::5")


# The reference plugin


@pytest.mark.parametrize("order", [("reference", "wrappers"), ("wrappers", "reference")], ids="->".join)
def test_changing_over(host, stage, a, lan, order):
    """Either plugin checks and removes what the other one made."""
    add, other = (Runtime(host, engine) for engine in order)
    add.add(network(), a)
    other.cache = add.cache
    other.check(network(), a)
    other.delete(network(), a)
    assert a.link("eth0") is None and host.reservations() == []
