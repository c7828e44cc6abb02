"""tuning: kernel parameters and attributes of the container's interface, as they were again after DEL."""

import json

import pytest

from harness import CNIFailure, Host, Runtime, assert_del_leaves_nothing, bridge, conflist, host_local

OF_CONFIG, ARGUMENT, OF_RUNTIME, OF_ARGS = (f"02:00:00:00:00:0{number}" for number in range(1, 5))
FILE = "/run/cni/tuning/id-a_eth0.json"
ALL = {
    "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1", "net.ipv4.tcp_fin_timeout": "777"}, "mac": OF_CONFIG, "promisc": True, "mtu": 1400,
    "allmulti": True, "txQLen": 77,
}


def tuning(**keys):
    """The plugin tuning."""
    return {"type": "tuning", "capabilities": {"mac": True}, **keys}


def network(*, version="1.0.0", **keys):
    """A network of bridge and tuning."""
    return conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24")), tuning(**keys), version=version)


def values(container, name="eth0"):
    """The attributes of the interface that tuning may change, and two kernel parameters."""
    link = container.link(name)
    return {
        "mac": link["address"], "promisc": "PROMISC" in link["flags"], "mtu": link["mtu"], "allmulti": "ALLMULTI" in link["flags"],
        "txQLen": link.get("txqlen", 0), "arp_filter": container.sysctl(f"ipv4/conf/{name}/arp_filter"), "fin_timeout": container.sysctl("ipv4/tcp_fin_timeout"),
    }


TUNED = {"mac": OF_CONFIG, "promisc": True, "mtu": 1400, "allmulti": True, "txQLen": 77, "arp_filter": "1", "fin_timeout": "777"}


def detach_tuning(runtime, wanted, container, netns=None):
    """DEL of the plugin tuning alone: the interface stays."""
    attachment, result = runtime.cache[(wanted["name"], container.id, "eth0")]
    attachment.netns = container.path if netns is None else netns
    return runtime._exec("DEL", wanted, wanted["plugins"][1], attachment, result)


# ADD and DEL


def test_everything_is_set_and_set_back(wrappers, host, a):
    """Parameters and attributes are as configured after ADD, and as before after DEL, though the interface stays."""
    wrappers.add(conflist(network()["plugins"][0]), a)
    before = values(a)
    wanted = network(**ALL)
    result = wrappers._exec("ADD", wanted, wanted["plugins"][1], *wrappers.cache[("net", a.id, "eth0")]).result
    assert values(a) == TUNED
    assert result["interfaces"][2] == {"name": "eth0", "mac": OF_CONFIG, "sandbox": a.path}
    a.ping("10.1.0.1")
    detach_tuning(wrappers, wanted, a)
    assert values(a) == before and not host.path(FILE).exists()


def test_add_in_a_chain(runtime, host, a):
    """In a chain, and after DEL of all of it nothing is left."""
    wanted = network(**ALL)
    runtime.add(wanted, a)
    assert values(a) == TUNED
    runtime.check(wanted, a)
    a.ping("10.1.0.1")
    runtime.delete(wanted, a)
    assert not host.path(FILE).exists() and a.sysctl("ipv4/tcp_fin_timeout") != "777"
    assert_del_leaves_nothing(runtime, host, a, {**network(mtu=1300), "name": "other"})


@pytest.mark.parametrize("chosen", ["mac", "promisc", "mtu", "allmulti", "txQLen"])
def test_one_attribute(runtime, host, a, chosen):
    """Each on its own; the others stay."""
    wanted = network(**{chosen: ALL[chosen]})
    runtime.add(wanted, a)
    assert values(a)[chosen] == ALL[chosen]
    assert [key for key in ("promisc", "mtu", "allmulti", "txQLen") if values(a)[key] == ALL[key]] == ([chosen] if chosen != "mac" else [])
    assert set(json.loads(host.path(FILE).read_text())) == {chosen, "network"}
    runtime.check(wanted, a)


def test_allmulti_off(wrappers, a):
    """allmulti false is set; promisc false, and mtu 0, leave what is there."""
    wrappers.add(conflist(network()["plugins"][0]), a)
    a.run(["ip", "link", "set", "eth0", "allmulticast", "on", "promisc", "on", "mtu", "1300"])
    wanted = network(allmulti=False, promisc=False, mtu=0)
    wrappers._exec("ADD", wanted, wanted["plugins"][1], *wrappers.cache[("net", a.id, "eth0")])
    assert (values(a)["allmulti"], values(a)["promisc"], values(a)["mtu"]) == (False, True, 1300)
    detach_tuning(wrappers, wanted, a)
    assert values(a)["allmulti"] is True


def test_nothing_to_tune(runtime, host, a):
    """Without keys the result is passed on, and no file is made."""
    before = runtime.add(network(), a)
    assert len(before["interfaces"]) == 3 and not host.path("/run/cni/tuning").exists()
    runtime.check(network(), a)


def test_the_file(runtime, host, a):
    """It has the reference's name, mode and members, and the kernel parameters beside them."""
    runtime.add(network(**ALL), a)
    held = json.loads(host.path(FILE).read_text())
    assert held["promisc"] is False and held["mtu"] == 1500 and held["allmulti"] is False and held["txQLen"] > 77 and held["mac"] != OF_CONFIG
    assert held["sysctl"] == {"net/ipv4/conf/eth0/arp_filter": "0", "net/ipv4/tcp_fin_timeout": held["sysctl"]["net/ipv4/tcp_fin_timeout"]}
    assert host.path(FILE).stat().st_mode & 0o777 == 0o600 and host.path("/run/cni/tuning").stat().st_mode & 0o777 == 0o700


def test_data_directory(runtime, host, a):
    """dataDir says where the file is."""
    wanted = network(dataDir="/run/elsewhere/deep", mtu=1400)
    runtime.add(wanted, a)
    assert host.path("/run/elsewhere/deep/id-a_eth0.json").exists()
    runtime.delete(wanted, a)
    assert host.files("/run/elsewhere/deep") == {}


def test_two_tunings_of_one_interface(wrappers, host, a):
    """The first one's values are kept, and DEL sets them back."""
    first, second = tuning(mtu=1400, sysctl={"net.ipv4.tcp_fin_timeout": "700"}), tuning(mtu=1300, txQLen=5, sysctl={"net.ipv4.tcp_fin_timeout": "800"})
    wrappers.add(conflist(network()["plugins"][0]), a)
    before = values(a)
    for plugin in (first, second):
        wrappers._exec("ADD", network(), plugin, *wrappers.cache[("net", a.id, "eth0")])
    assert (values(a)["mtu"], values(a)["fin_timeout"], values(a)["txQLen"]) == (1300, "800", 5)
    for plugin in (second, first):
        wrappers._exec("DEL", network(), plugin, *wrappers.cache[("net", a.id, "eth0")])
    assert values(a) == before


def test_an_interface_with_a_dot(runtime, a):
    """IFNAME stands for the name as it is, dots and all."""
    wanted = network(sysctl={"net.ipv4.conf.IFNAME.arp_filter": "1"})
    runtime.add(wanted, a, ifname="eth0.5")
    assert a.sysctl("ipv4/conf/eth0.5/arp_filter") == "1"
    runtime.check(wanted, a, ifname="eth0.5")


def test_a_parameter_of_several_numbers(runtime, a):
    """The kernel tells them with tabs between: CHECK knows."""
    wanted = network(sysctl={"net.ipv4.ip_local_port_range": "20000 30000"})
    runtime.add(wanted, a)
    runtime.check(wanted, a)


def test_a_parameter_that_can_only_be_written(runtime, a):
    """It is written; there is nothing to set back."""
    runtime.add(network(sysctl={"net.ipv4.route.flush": "1"}), a)
    runtime.delete(network(sysctl={"net.ipv4.route.flush": "1"}), a)


# Where values come from


@pytest.mark.parametrize("given, wins", [
    ({"config": OF_CONFIG}, OF_CONFIG), ({"config": OF_CONFIG, "argument": ARGUMENT}, ARGUMENT),
    ({"config": OF_CONFIG, "argument": ARGUMENT, "runtime": OF_RUNTIME}, OF_RUNTIME),
    ({"config": OF_CONFIG, "argument": ARGUMENT, "runtime": OF_RUNTIME, "args": OF_ARGS}, OF_ARGS), ({"args": OF_ARGS}, OF_ARGS),
], ids=["mac", "CNI_ARGS", "runtimeConfig", "args.cni", "args.cni alone"])
def test_hardware_address(wrappers, host, a, given, wins):
    """The later of mac, CNI_ARGS, runtimeConfig.mac and args.cni.mac wins."""
    keys = {"mac": given["config"]} if "config" in given else {}
    if "args" in given:
        keys["args"] = {"cni": {"mac": given["args"]}}
    chain = network(**keys)
    chain["plugins"][0]["args"] = {}
    args = f"IgnoreUnknown=1;MAC={given['argument']}" if "argument" in given else None
    result = wrappers.add(chain, a, args=args, capabilities={"mac": given["runtime"]} if "runtime" in given else None)
    assert values(a)["mac"] == wins == result["interfaces"][2]["mac"]
    wrappers.check(chain, a)


def test_arguments_of_cni(runtime, a):
    """args.cni overrides each key; parameters one by one, also where the configuration has none (the reference panics)."""
    over = {"sysctl": {"net.ipv4.tcp_fin_timeout": "888"}, "promisc": False, "mtu": 1350, "allmulti": False, "txQLen": 66}
    runtime.add(network(**{**ALL, "args": {"cni": over}}), a)
    assert values(a) == {**TUNED, "fin_timeout": "888", "promisc": False, "mtu": 1350, "allmulti": False, "txQLen": 66}
    runtime.add({**network(args={"cni": {"sysctl": {"net.ipv4.tcp_fin_timeout": "999"}}}), "name": "two"}, a, ifname="eth1")
    assert a.sysctl("ipv4/tcp_fin_timeout") == "999"


def test_mac_of_any_spelling(runtime, a):
    """CHECK compares addresses, not letters."""
    wanted = network(mac="02-AB-CD-EF-00-01")
    result = runtime.add(wanted, a)
    assert result["interfaces"][2]["mac"] == "02:ab:cd:ef:00:01" == values(a)["mac"]
    runtime.check(wanted, a)


# Errors


@pytest.mark.parametrize("keys, named", [
    ({"sysctl": {"kernel.hostname": "x"}}, "sysctl.kernel.hostname: is not below net"), ({"sysctl": {"net": "x"}}, "is not below net"),
    ({"sysctl": {"/../../etc/passwd": "x"}}, "is not below net"), ({"sysctl": {"netx.ipv4.fin_timeout": "1"}}, "is not below net"),
    ({"sysctl": {"net.ipv4.nonsense": "1"}}, "set net.ipv4.nonsense: write 1 to /proc/sys/net/ipv4/nonsense: No such file"),
    ({"sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "many"}}, "Invalid argument"), ({"sysctl": {"net.ipv4.tcp_fin_timeout": 5}}, "expected a string"),
    ({"sysctl": {"net.ipv4.tcp_fin_timeout": "5", "net/ipv4/tcp_fin_timeout": "6"}}, "is the same parameter as net.ipv4.tcp_fin_timeout"),
    ({"sysctl": ["net.ipv4.tcp_fin_timeout"]}, "sysctl: expected an object"), ({"mac": "nonsense"}, "nonsense"), ({"mtu": -1}, "mtu"),
    ({"mac": "01:00:00:00:00:01"}, "address 01:00:00:00:00:01 on eth0"), ({"mtu": 1 << 24}, "mtu 16777216"), ({"txQLen": "many"}, "txQLen"),
], ids=str)
def test_failure_changes_nothing(wrappers, host, a, keys, named):
    """What can't be is refused by name; what was set before it is set back, and no file is left."""
    wrappers.add(conflist(network()["plugins"][0]), a)
    before = values(a)
    sysctl = {"net.ipv4.tcp_fin_timeout": "777", **keys["sysctl"]} if isinstance(keys.get("sysctl"), dict) and "fin_timeout" not in str(keys) else None
    wanted = network(**{**ALL, **keys, **({"sysctl": sysctl} if sysctl else {})})
    with pytest.raises(CNIFailure) as failure:
        wrappers._exec("ADD", wanted, wanted["plugins"][1], *wrappers.cache[("net", a.id, "eth0")])
    assert named in failure.value.text
    assert values(a) == before and not host.path(FILE).exists()
    detach_tuning(wrappers, wanted, a)


def test_failure_keeps_what_an_earlier_one_needs(wrappers, host, a):
    """A second tuning that fails leaves the first one's file."""
    wrappers.add(network(mtu=1400), a)
    kept = host.path(FILE).read_text()
    with pytest.raises(CNIFailure):
        wrappers._exec("ADD", network(), tuning(txQLen=5, sysctl={"net.nonsense": "1"}), *wrappers.cache[("net", a.id, "eth0")])
    assert json.loads(host.path(FILE).read_text()) == json.loads(kept) and values(a)["txQLen"] != 5


@pytest.mark.parametrize("config, args, named", [
    (ALL, "K8S=1", "K8S"), ({"mtu": 1400}, "MAC", "CNI_ARGS"),
])
def test_arguments(wrappers, a, config, args, named):
    """An unknown name in CNI_ARGS fails ADD, not DEL."""
    wrappers.add(conflist(network()["plugins"][0]), a)
    attachment, result = wrappers.cache[("net", a.id, "eth0")]
    attachment.args = args
    with pytest.raises(CNIFailure, match=named):
        wrappers._exec("ADD", network(**config), tuning(**config), attachment, result)
    wrappers._exec("DEL", network(**config), tuning(**config), attachment, result)


def test_without_a_previous_result(wrappers, a):
    with pytest.raises(CNIFailure, match="must be called as chained plugin"):
        wrappers.add(conflist(tuning(mtu=1400)), a)


# What a node allows


def allow(host, *lines):
    host.own_etc()
    host.path("/etc/cni").unlink(missing_ok=True)
    host.write("/etc/cni/tuning/allowlist.conf", "\n".join(lines))


@pytest.mark.parametrize("lines, key, allowed", [
    ([r"^net\.ipv4\.tcp_fin_timeout$"], "net.ipv4.tcp_fin_timeout", True), ([r"^net\.ipv6\."], "net.ipv4.tcp_fin_timeout", False), ([], "net.ipv4.tcp_fin_timeout", False),
    (["", "  fin_time  ", ""], "net.ipv4.tcp_fin_timeout", True), ([r"net\.ipv4\.[a-z_]+$"], "net.ipv4.tcp_fin_timeout", True),
    ([r"^net.ipv4.conf.[\w]+.arp_filter$"], "net.ipv4.conf.IFNAME.arp_filter", True),
    ([r"^net\.ipv4\.conf\.\w+\.(arp_filter|arp_ignore)\z"], "net.ipv4.conf.IFNAME.arp_filter", True), ([r"ipv\d\.conf"], "net.ipv4.conf.all.arp_filter", True),
    ([r"ipv\D\.conf"], "net.ipv4.conf.all.arp_filter", False), ([r"^net\.(core|ipv4)\.[^.]{15}$"], "net.ipv4.tcp_fin_timeout", True),
    ([r"^net\.ipv4\.[[:lower:]_]+$"], "net.ipv4.tcp_fin_timeout", True), ([r"^net[./]ipv4[./]tcp_fin_timeout$"], "net/ipv4/tcp_fin_timeout", True),
    (["NET.ipv4"], "net.ipv4.tcp_fin_timeout", False),
])
def test_allowlist(wrappers, host, a, lines, key, allowed):
    """One expression a line, of which one has to match somewhere in the key as it is written; without the file all is allowed."""
    allow(host, *lines)
    wanted = network(sysctl={key: "1"}, version="1.1.0")
    if allowed:
        wrappers.status(wanted)
        wrappers.add(wanted, a)
        wrappers.check(wanted, a)
        return
    with pytest.raises(CNIFailure, match="is not allowed on this node") as failure:
        wrappers.add(wanted, a)
    assert failure.value.code == 7 and "allowlist.conf" in failure.value.text
    with pytest.raises(CNIFailure, match="is not allowed on this node") as failure:
        wrappers.status(wanted)
    assert failure.value.code == 50
    wrappers.delete(wanted, a)


@pytest.mark.parametrize("line, named", [
    ("net(", "[Uu]nmatched"), ("(?i)NET", r"\(\?…\) is not known"), (r"net\pL", r"\\p is not known"), ("net.*?x", "one repetition follows another"),
    (r"[\]x]", "escape in"), ("net\\", "backslash"), ("[a", "[Uu]nmatched|brackets"),
])
def test_an_expression_that_cannot_be(wrappers, host, a, line, named):
    """What is no expression, or means something else to POSIX than to the reference, is refused by its text."""
    allow(host, line)
    with pytest.raises(CNIFailure, match=named) as failure:
        wrappers.add(network(sysctl={"net.ipv4.tcp_fin_timeout": "1"}), a)
    assert "allowlist.conf" in failure.value.text and line in failure.value.text


def test_arguments_cannot_get_around_the_allowlist(wrappers, host, a):
    """args.cni.sysctl is checked too."""
    allow(host, "fin_timeout")
    with pytest.raises(CNIFailure, match="arp_filter: is not allowed"):
        wrappers.add(network(args={"cni": {"sysctl": {"net.ipv4.conf.all.arp_filter": "1"}}}), a)


# DEL, GC, CHECK, STATUS


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_del_after_the_namespace_is_gone(runtime, host, a, netns):
    """The file does not stay behind."""
    runtime.add(network(**ALL), a)
    a.delete()
    runtime.delete(network(**ALL), a, netns=netns)
    assert not host.path(FILE).exists()


def test_del_after_the_interface_is_gone(wrappers, host, a):
    """Parameters that are not the interface's are set back all the same."""
    wrappers.add(network(**ALL), a)
    a.run(["ip", "link", "del", "eth0"])
    detach_tuning(wrappers, network(**ALL), a)
    assert a.sysctl("ipv4/tcp_fin_timeout") != "777" and not host.path(FILE).exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"mtu": "x"}', '{"sysctl": {"../../etc/x": "y", "net/../kernel/hostname": "z"}}'])
def test_del_with_a_file_that_cannot_be_read(wrappers, host, a, content):
    """DEL succeeds, says so in the log, and removes it; nothing outside of net is written."""
    wrappers.add(network(mtu=1400), a)
    host.write(FILE, content)
    detach_tuning(wrappers, network(mtu=1400), a)
    assert not host.path(FILE).exists() and values(a)["mtu"] == 1400


def test_gc(runtime, host, a, b):
    """GC removes the files of this network's attachments that are not in use, and no one else's."""
    wanted = network(version="1.1.0", mtu=1400)
    for container in (a, b):
        runtime.add(wanted, container)
    host.write("/run/cni/tuning/id-c_eth0.json", '{"mtu": 1500}')
    host.write("/run/cni/tuning/id-d_eth0.json", '{"mtu": 1500, "network": "other"}')
    runtime.gc(wanted, [(a.id, "eth0")])
    assert sorted(host.files("/run/cni/tuning")) == [f"/run/cni/tuning/id-{name}_eth0.json" for name in "acd"]


@pytest.mark.parametrize("damage, named", [
    ("sysctl -qw net.ipv4.conf.eth0.arp_filter=0", "net.ipv4.conf.IFNAME.arp_filter: expected 1, found 0"),
    ("sysctl -qw net.ipv4.tcp_fin_timeout=5", "net.ipv4.tcp_fin_timeout: expected 777, found 5"), ("ip link set eth0 mtu 1300", "MTU: expected 1400, found 1300"),
    ("ip link set eth0 address 02:00:00:00:00:99", "MAC: expected 02:00:00:00:00:01, found 02:00:00:00:00:99"),
    ("ip link set eth0 promisc off", "promiscuous mode: expected on, found off"), ("ip link set eth0 allmulticast off", "all multicast: expected on"),
    ("ip link set eth0 txqueuelen 5", "transmit queue length: expected 77, found 5"),
])
def test_check_finds_damage(wrappers, a, damage, named):
    """CHECK of what ADD made succeeds; it fails when something is not so, and names it."""
    wrappers.add(network(**ALL), a)
    wrappers.check(network(**ALL), a)
    a.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure) as failure:
        wrappers._exec("CHECK", network(**ALL), tuning(**ALL), *wrappers.cache[("net", a.id, "eth0")])
    assert named in failure.value.text


def test_status_of_a_directory_that_cannot_be_written(wrappers, host):
    """STATUS tells; a file in place of the directory, say."""
    host.write("/run/file", "")
    with pytest.raises(CNIFailure, match="dataDir: write into /run/file") as failure:
        wrappers.status({**network(version="1.1.0"), "plugins": [tuning(dataDir="/run/file")]})
    assert failure.value.code == 50


# Changing over

# Version 1.1.1 of the reference does not know txQLen.
OF_NEWER = ("sysctl", "txQLen")


def test_with_the_reference(stage):
    """What either side changed, the other one sets back."""
    for adds, deletes in (("wrappers", "reference"), ("reference", "wrappers")):
        host = Host()
        try:
            a = host.add_netns("a")
            adding, deleting = Runtime(host, adds), Runtime(host, deletes)
            adding.add(conflist(network()["plugins"][0]), a)
            before = values(a)
            wanted = network(**{key: value for key, value in ALL.items() if key not in OF_NEWER}, sysctl={"net.ipv4.tcp_fin_timeout": "777"})
            adding._exec("ADD", wanted, wanted["plugins"][1], *adding.cache[("net", a.id, "eth0")])
            deleting.cache = adding.cache
            deleting._exec("CHECK", wanted, wanted["plugins"][1], *adding.cache[("net", a.id, "eth0")])
            detach_tuning(deleting, wanted, a)
            # The reference sets no parameter back.
            assert {**values(a), "fin_timeout": None} == {**before, "fin_timeout": None} and host.files("/run/cni/tuning") == {}
        finally:
            assert not host.close()
