"""host-local: its files are the reference's, to the byte, and both plugins work on them side by side."""

import pytest

import harness
from harness import host_local, run_plugin

FILES = "/var/lib/cni/networks/net"


@pytest.fixture
def plugin(host, stage):
    """Runs host-local, ours or the reference's: plugin(command, ipam, reference=…, …)."""

    def plugin(command, ipam, *, reference=False, name="net", version="1.0.0", keys=None, **rest):
        program = (harness.REFERENCE if reference else harness.PLUGINS) / "host-local"
        return run_plugin(host, program, command, {"cniVersion": version, "name": name, "type": "x", "ipam": ipam, **(keys or {})}, **rest)

    return plugin


def addresses(outcome):
    assert outcome.ok, outcome
    return [ip["address"] for ip in outcome.result["ips"]]


POOL = host_local("10.1.0.0/24")


def test_files(plugin, host):
    """Names, modes and content are the reference's."""
    assert addresses(plugin("ADD", host_local("10.1.0.0/24", "fd00:1::/64"), cid="c1", ifname="net1")) == ["10.1.0.2/24", "fd00:1::2/64"]
    files = host.files(FILES)
    assert files == {
        f"{FILES}/10.1.0.2": ("0o600", "c1\r\nnet1"), f"{FILES}/fd00:1::2": ("0o600", "c1\r\nnet1"),
        f"{FILES}/last_reserved_ip.0": ("0o600", "10.1.0.2"), f"{FILES}/last_reserved_ip.1": ("0o600", "fd00:1::2"), f"{FILES}/lock": ("0o750", ""),
    }
    assert plugin("DEL", host_local("10.1.0.0/24", "fd00:1::/64"), cid="c1", ifname="net1").ok
    assert sorted(host.files(FILES)) == [f"{FILES}/last_reserved_ip.0", f"{FILES}/last_reserved_ip.1", f"{FILES}/lock"]


def test_the_same_files_as_the_reference(host, plugin):
    """Names and content of what the reference writes for the same ADD are the same (its older releases have wider modes)."""
    seen = []
    for reference in (False, True):
        assert addresses(plugin("ADD", {**POOL, "dataDir": f"/run/test/{reference}"}, reference=reference)) == ["10.1.0.2/24"]
        seen.append({name.split("/")[-1]: content for name, (_, content) in host.files(f"/run/test/{reference}/net").items()})
    assert seen[0] == seen[1]


@pytest.mark.parametrize("first", [False, True], ids=["ours first", "reference first"])
def test_side_by_side_with_the_reference(plugin, host, first):
    """Each sees what the other reserved, and releases it."""
    for number, reference in enumerate([first, not first, first]):
        added = plugin("ADD", POOL, reference=reference, cid=f"c{number + 1}")
        assert addresses(added) == [f"10.1.0.{number + 2}/24"]
        assert plugin("CHECK", POOL, reference=not reference, cid=f"c{number + 1}", keys={"prevResult": added.result}).ok
    assert "duplicate allocation" in plugin("ADD", POOL, reference=not first, cid="c1").error["msg"]
    assert plugin("DEL", POOL, reference=not first, cid="c1").ok
    assert plugin("DEL", POOL, reference=first, cid="c2").ok
    assert host.reservations() == ["10.1.0.4"]
    assert addresses(plugin("ADD", POOL, reference=False, cid="c4")) == ["10.1.0.5/24"]


def test_round_robin_and_exhaustion(plugin):
    """The next address is the one after the last, around the end, and an error when there is none."""
    pool = host_local("10.1.0.0/29")
    got = [addresses(plugin("ADD", pool, cid=f"c{number}"))[0] for number in range(5)]
    assert got == [f"10.1.0.{number}/29" for number in (2, 3, 4, 5, 6)]
    error = plugin("ADD", pool, cid="c9").error
    assert "no IP addresses available in range set: 10.1.0.1-10.1.0.6" in error["msg"]
    plugin("DEL", pool, cid="c1")
    assert addresses(plugin("ADD", pool, cid="c9")) == ["10.1.0.3/29"]


@pytest.mark.parametrize("keys, args", [
    ({}, "IP=10.1.0.77"), ({"args": {"cni": {"ips": ["10.1.0.77"]}}}, None), ({"runtimeConfig": {"ips": ["10.1.0.77/24"]}}, None),
])
def test_requested_addresses(plugin, keys, args):
    """CNI_ARGS, args.cni.ips and runtimeConfig.ips ask for an address."""
    assert addresses(plugin("ADD", POOL, keys=keys, args=args, cid="c1")) == ["10.1.0.77/24"]
    assert not plugin("ADD", POOL, keys=keys, args=args, cid="c2").ok


@pytest.mark.parametrize("address, words", [("10.1.0.1", "gateway"), ("10.9.0.5", "10.9.0.5"), ("nonsense", "nonsense")])
def test_addresses_that_cannot_be_had(plugin, host, address, words):
    """The gateway's, one of no range, and what is none."""
    assert words in plugin("ADD", POOL, keys={"runtimeConfig": {"ips": [address]}}).error["msg"]
    assert host.reservations() == []


def test_ranges_of_the_runtime(plugin):
    """runtimeConfig.ipRanges come first."""
    keys = {"runtimeConfig": {"ipRanges": [[{"subnet": "10.5.0.0/24", "rangeStart": "10.5.0.40", "rangeEnd": "10.5.0.50", "gateway": "10.5.0.9"}]]}}
    outcome = plugin("ADD", POOL, keys=keys)
    assert addresses(outcome) == ["10.5.0.40/24", "10.1.0.2/24"] and outcome.result["ips"][0]["gateway"] == "10.5.0.9"


@pytest.mark.parametrize("ipam, words", [
    ({"type": "host-local"}, "range"), (host_local("10.1.0.5/24"), "host bits"), ({"type": "host-local", "ranges": [[]]}, "range"),
    ({"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"}, "10.2.0.1"), (host_local("10.1.0.0/24", "10.1.0.0/25"), "overlap"),
    ({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}]]}, "famil"), ({"type": "host-local", "subnet": 7}, "ipam.subnet"),
])
def test_ranges_that_cannot_be(plugin, ipam, words):
    """Each is an error that names the place; DEL works all the same, so that nothing stays reserved."""
    assert words in plugin("ADD", ipam).error["msg"]
    assert plugin("DEL", ipam).ok


def test_resolv_conf_and_routes(plugin, host):
    """Routes are passed on, DNS settings are read from resolvConf."""
    host.write("/run/test/resolv.conf", "# comment\nnameserver 192.0.2.53\nsearch a.example b.example\noptions ndots:2\ndomain example\n")
    result = plugin("ADD", host_local("10.1.0.0/24", routes=["0.0.0.0/0", {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}], resolvConf="/run/test/resolv.conf")).result
    assert result["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}]
    assert result["dns"] == {"nameservers": ["192.0.2.53"], "domain": "example", "search": ["a.example", "b.example"], "options": ["ndots:2"]}


def test_gc_and_status(plugin, host):
    """GC releases what is not in use; STATUS tells when nothing is left."""
    pool = host_local("10.1.0.0/29")
    for number in range(5):
        plugin("ADD", pool, cid=f"c{number}")
    assert plugin("STATUS", pool, version="1.1.0").error["code"] == 50
    valid = [{"containerID": "c3", "ifname": "eth0"}]
    assert plugin("GC", pool, version="1.1.0", keys={"cni.dev/valid-attachments": valid}).ok
    assert host.reservations() == ["10.1.0.5"]
    assert plugin("STATUS", pool, version="1.1.0").ok
    plugin("ADD", pool)
    without = plugin("GC", pool, version="1.1.0")
    assert without.ok and "valid-attachments" in without.stderr and len(host.reservations()) == 2, "nothing may be taken for a leftover"
    assert plugin("GC", pool, version="1.1.0", keys={"cni.dev/valid-attachments": None}).ok and host.reservations() == []
