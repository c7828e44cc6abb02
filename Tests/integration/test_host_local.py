"""host-local: its files are the reference's, to the byte, and both plugins work on them side by side."""

import json
import os
import pathlib
import random
import re
import sys

import pytest

import harness
from harness import host_local, run_plugin

KILLS = pathlib.Path(harness.__file__).with_name("kills.py")
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


def test_exhaustion_says_who_holds(plugin, host):
    """How many are held, by how many, and the oldest: also of those that the reference plugin reserved, and those that name nobody."""
    pool = host_local("10.1.0.0/29")
    for number in range(4):
        plugin("ADD", pool, cid=f"c{number}", reference=number % 2 == 1)
    host.write(f"{FILES}/10.1.0.6", "")
    error = plugin("ADD", pool, cid="c9").error
    assert re.match(
        r"5 of 5 are reserved, by 4 attachments; oldest first: 10\.1\.0\.2 by c0 eth0 since 20\d\d-\S+Z, 10\.1\.0\.3 by c1 eth0 since \S+, "
        r"10\.1\.0\.4 by c2 eth0 since \S+, …", error["details"])
    status = plugin("STATUS", pool, version="1.1.0").error
    assert status["code"] == 50 and status["details"] == error["details"]
    taken = plugin("ADD", pool, cid="c9", args="IP=10.1.0.3").error
    assert "it is reserved by c1 eth0 since 20" in taken["details"]


@pytest.mark.parametrize("subnet, given", [
    ("10.1.0.0/31", ["10.1.0.0/31", "10.1.0.1/31"]), ("10.1.0.7/32", ["10.1.0.7/32"]), ("fd00::/127", ["fd00::/127", "fd00::1/127"]),
    ("fd00::5/128", ["fd00::5/128"]), ("10.1.0.0/30", ["10.1.0.2/30"]), ("fd00::/126", ["fd00::2/126", "fd00::3/126"]),
])
def test_small_pools(plugin, host, subnet, given):
    """All addresses of the smallest networks can be had, again and again, and not one more."""
    for _ in range(2):
        assert sorted(addresses(plugin("ADD", host_local(subnet), cid=f"c{number}"))[0] for number in range(len(given))) == given
        assert "no IP addresses available" in plugin("ADD", host_local(subnet), cid="c9").error["msg"]
        assert all(plugin("DEL", host_local(subnet), cid=f"c{number}").ok for number in range(len(given)))
    assert host.reservations() == []


def test_check_compares_addresses(plugin):
    """A reservation of another address is not enough."""
    added = plugin("ADD", POOL, cid="c1")
    assert plugin("CHECK", POOL, cid="c1", keys={"prevResult": added.result}).ok
    other = {**added.result, "ips": [{"address": "10.1.0.9/24", "gateway": "10.1.0.1"}]}
    assert "10.1.0.9 of prevResult is not reserved" in plugin("CHECK", POOL, cid="c1", keys={"prevResult": other}).error["msg"]
    assert plugin("CHECK", POOL, cid="c1", keys={"prevResult": other}, reference=True).ok, "the reference has become stricter"


def test_files_that_a_crash_of_the_machine_left(plugin, host):
    """Empty, zeros, garbage: a warning names each, no address is given twice, GC frees them."""
    for number, content in enumerate(["", "\0" * 70, "\r\n", "\x01\x02\r\neth0"]):
        host.write(f"{FILES}/10.1.0.{number + 2}", content)
    added = plugin("ADD", POOL, cid="c1", env={"CATENA_LOG": "warning"})
    assert addresses(added) == ["10.1.0.6/24"]
    assert all(f"{FILES}/10.1.0.{number} names no container" in added.stderr for number in (2, 3, 4, 5))
    assert plugin("DEL", POOL, cid="c1").ok and len(host.reservations()) == 4
    assert plugin("GC", POOL, version="1.1.0", keys={"cni.dev/valid-attachments": []}).ok and host.reservations() == []


def test_reservations_of_an_earlier_boot(plugin, host):
    """They are freed by the first operation, with a line in the log."""
    for number in range(3):
        plugin("ADD", POOL, cid=f"c{number}")
    state = "/var/lib/cni/networks/.catena/net/.state"
    boot, rest = host.path(state).read_text().split(" ", 1)
    host.path(state).write_text(f"{boot[::-1]} {rest}")
    added = plugin("ADD", POOL, cid="c9", env={"CATENA_LOG": "info"})
    assert f"freed 3 addresses in {FILES} that were reserved before this boot" in added.stderr
    assert host.reservations() == ["10.1.0.5"] and addresses(added) == ["10.1.0.5/24"]


def test_the_index_follows_the_reference(plugin, host):
    """Whatever the reference reserves and releases between our calls, ours find it, and a pool can be filled by both to the last address."""
    pool, order, held = host_local("10.1.0.0/27"), random.Random(7), {}
    for step in range(120):
        cid = f"c{order.randrange(40)}"
        reference = order.random() < 0.5
        if cid in held:
            assert plugin("DEL", pool, cid=cid, reference=reference).ok
            del held[cid]
        elif len(held) == 29:
            assert "no IP addresses available" in plugin("ADD", pool, cid=cid, reference=reference).error["msg"]
        else:
            held[cid] = addresses(plugin("ADD", pool, cid=cid, reference=reference))[0].split("/")[0]
        assert sorted(held.values()) == host.reservations()


CHANGES = ["openat", "flock", "write", "pwrite64", "linkat", "unlinkat", "symlinkat", "rename", "ftruncate", "utimensat", "close"]


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_killed_before_each_system_call(plugin, host, stage, command):
    """Killed before each system call that can matter, one after the other: what DEL finds afterwards is whole, and the index is right."""
    assert addresses(plugin("ADD", POOL, cid="stays")) == ["10.1.0.2/24"]
    kills = 0
    for call in CHANGES:
        for number in range(1, 200):
            if command == "DEL":
                assert plugin("ADD", POOL, cid="killed").ok
            trace = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
            outcome = plugin(command, POOL, cid="killed", prefix=trace)
            kills += not outcome.ok
            files = {name.split("/")[-1]: content for name, (_, content) in host.files(FILES).items()}
            assert {content for name, content in files.items() if name[0].isdigit()} <= {"stays\r\neth0", "killed\r\neth0"}
            assert plugin("DEL", POOL, cid="killed").ok and host.reservations() == ["10.1.0.2"]
            if outcome.ok:
                break
        checked = host.run([stage / "bin" / "catenactl", "ipam", "check", "net"], env={"NETCONFPATH": "/run/test/none"})
        assert checked.stdout.endswith("net: ok\n") and "error" not in checked.stdout
    assert kills > 20


@pytest.mark.parametrize("beside", ["alone", "beside the reference"])
def test_kills(host, stage, beside, capsys):
    """Killed at any moment, under parallel load, it loses no address and gives none twice. CATENA_KILL_SECONDS says how long, CATENA_SEED repeats."""
    seconds = float(os.environ.get("CATENA_KILL_SECONDS", "12"))
    seed = os.environ.get("CATENA_SEED") or str(random.randrange(1 << 32))
    reference = harness.REFERENCE / "host-local" if beside != "alone" else "-"
    outcome = json.loads(host.out([sys.executable, KILLS, seconds, seed, harness.PLUGINS / "host-local", reference], timeout=seconds + 120))
    with capsys.disabled():
        print(f"\nkills, {beside}: {outcome}")
    assert outcome["wrong"] == [], outcome
    # An emulated machine starts fewer processes.
    least = (2 if os.environ.get("CATENA_VM") else 20) * seconds
    assert outcome["kills"] > least and outcome["killed ADDs"] > 0 and outcome["killed DELs"] > 0 and outcome["looks"] > 0
    assert (outcome["reference"] > 0) == (reference != "-")
    checked = host.run([stage / "bin" / "catenactl", "ipam", "check", "net"], env={"NETCONFPATH": "/run/test/none"})
    assert checked.stdout == "net: ok\n"
