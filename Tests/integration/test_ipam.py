"""catenactl ipam: who holds which address, what is leaked, and what is wrong with the files."""

import json
import re

import pytest

from harness import Runtime, bridge, conflist, host_local

DIRECTORY = "/run/test/net.d"
FILES = "/var/lib/cni/networks/net"
NET = conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/29", "fd00:1::/64")))


@pytest.fixture
def ipam(host, stage):
    """catenactl ipam in the private host, with its directory of configurations."""

    def ipam(*arguments, check=True, tool="ipam", grace=0):
        if tool == "ipam" and arguments and grace is not None:
            arguments = [*arguments, "--grace", grace]
        return host.run([stage / "bin" / "catenactl", tool, *arguments], env={"NETCONFPATH": DIRECTORY}, check=check)

    host.write(f"{DIRECTORY}/10-net.conflist", NET)
    return ipam


def rows(done):
    """The cells of a table, without its header."""
    return [re.split(r"  +", line) for line in done.stdout.splitlines()[1:]]


@pytest.fixture
def attached(ipam, host, a, b):
    """Two containers: a by catenactl, b by catena; and a reservation that nothing is known of, one whose namespace is gone, an empty one."""
    ipam("net", a.path, "--container-id", "ca", tool="add")
    Runtime(host, "catena").add(NET, b)
    c = host.add_netns("c")
    ipam("net", c.path, "--container-id", "cc", tool="add")
    c.delete()
    host.write(f"{FILES}/10.1.0.5", "lost\r\neth0")
    host.write(f"{FILES}/10.1.0.6", "")


def test_list(ipam, attached, b):
    """Container, interface, address, time and state, for people and for programs."""
    table = {row[1]: row for row in rows(ipam("list", "net"))}
    assert table["10.1.0.2"][:4] == ["net", "10.1.0.2", "ca", "eth0"] and table["10.1.0.2"][5] == "in use"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", table["10.1.0.2"][4])
    assert table["10.1.0.3"][2] == b.id and table["10.1.0.3"][5] == "in use" and table["fd00:1::3"][5] == "in use"
    assert [table[address][5] for address in ("10.1.0.4", "10.1.0.5", "10.1.0.6")] == ["leaked", "leaked", "torn"]
    assert ipam("list").stdout == ipam("list", "net").stdout
    found = {entry["address"]: entry for entry in json.loads(ipam("list", "--json").stdout)}
    assert found["10.1.0.2"]["netns"] == "/run/netns/a" and found["10.1.0.2"]["file"] == f"{FILES}/10.1.0.2"
    assert "/run/netns/c is gone" in found["10.1.0.4"]["reason"] and "no attachment is known" in found["10.1.0.5"]["reason"]
    assert found["10.1.0.6"]["containerID"] is None and len(found) == 8


def test_show(ipam, attached, host):
    """How many are free in each range set; of networks without a configuration what their directory tells; all of one address."""
    host.write("/var/lib/cni/networks/other/192.0.2.7", "x\r\neth0")
    table = rows(ipam("show"))
    assert table == [
        ["net", "10.1.0.1-10.1.0.6", "5", "0", "2", FILES], ["net", "fd00:1::1-fd00:1::ffff:ffff:ffff:ffff", "3", str(2**64 - 2 - 3), "1", FILES],
        ["other", "-", "1", "-", "1", "/var/lib/cni/networks/other"]]
    assert rows(ipam("show", "net")) == table[:2]
    usage = json.loads(ipam("show", "net", "--json").stdout)[0]
    assert usage["held"] == 8 and usage["leaked"] == 3 and usage["rangeSets"][0] == {
        "ranges": "10.1.0.1-10.1.0.6", "capacity": 5, "held": 5, "free": 0, "leaked": 2}
    shown = ipam("show", "10.1.0.2").stdout
    assert "container  ca\n" in shown and "state      in use: its network namespace /run/netns/a is there\n" in shown
    missing = ipam("show", "net", "10.1.0.99", check=False)
    assert missing.returncode == 1 and "10.1.0.99 is not reserved" in missing.stderr


def test_release(ipam, attached, host, a):
    """Leaked ones go; what is in use only by force; the index follows, and the address can be had again."""
    refused = ipam("release", "10.1.0.5", "10.1.0.2", check=False)
    assert refused.returncode == 1 and "10.1.0.2 of net is in use by ca eth0" in refused.stderr and "--force" in refused.stderr
    assert "10.1.0.5" in host.reservations(), "all or nothing"
    assert ipam("release", "10.1.0.5", "10.1.0.6").stdout == (
        "released 10.1.0.5 of net, held by lost eth0\nreleased 10.1.0.6 of net, held by nobody known\n")
    assert ipam("release", "net", "--container", "cc", "--ifname", "eth0").stdout.count("released ") == 2
    assert "nothing is reserved for cc" in ipam("release", "net", "--container", "cc", check=False).stderr
    assert ipam("check", "net").stdout == "net: ok\n"
    assert ipam("release", "net", "10.1.0.2", "--force").returncode == 0
    assert host.reservations() == ["10.1.0.3", "fd00:1::2", "fd00:1::3"]
    assert ipam("check", "net").stdout == "net: ok\n"


@pytest.mark.parametrize("words, message", [
    ([], "give the addresses"), (["net"], "give the addresses"), (["10.1.0.2", "--container", "x"], "not both"), (["10.1.0.2", "--ifname", "x"], "--container"),
    (["net", "other", "10.1.0.2"], "expected one network"), (["10.1.0.99"], "is not reserved"), (["nowhere", "10.1.0.2"], "no reservations of host-local"),
])
def test_release_of_what_cannot_be(ipam, attached, words, message):
    done = ipam("release", *words, check=False)
    assert done.returncode != 0 and message in done.stderr


def test_a_new_one(ipam, host):
    """What was just reserved may be of an ADD that has not ended: it is not called leaked, and stays."""
    host.write(f"{FILES}/10.1.0.5", "lost\r\neth0")
    assert rows(ipam("list", "net", grace=None))[0][5] == "new"
    assert rows(ipam("show", "net", grace=None))[0][4] == "0"
    refused = ipam("release", "10.1.0.5", check=False, grace=300)
    assert refused.returncode == 1 and "its ADD may still be under way" in refused.stderr
    assert ipam("release", "10.1.0.5", "--force", grace=None).returncode == 0 and host.reservations() == []


def test_an_address_of_several_networks(ipam, attached, host):
    """The network has to be named."""
    host.write("/var/lib/cni/networks/other/10.1.0.5", "x\r\neth0")
    refused = ipam("release", "10.1.0.5", check=False)
    assert refused.returncode == 1 and "name one: net, other" in refused.stderr
    assert ipam("release", "other", "10.1.0.5").stdout == "released 10.1.0.5 of other, held by x eth0\n"


def test_check(ipam, host, a):
    """Torn, foreign, out of range, double, and an index that lies: each is an error with status 1; leaked ones are warnings."""
    ipam("net", a.path, "--container-id", "ca", tool="add")
    assert ipam("check").stdout == "net: ok\n"
    host.write(f"{FILES}/10.1.0.3", "lost\r\neth0")
    leaked = ipam("check", "net")
    assert "net: warning: 10.1.0.3, held by lost eth0, is leaked" in leaked.stdout and leaked.stdout.endswith("net: ok\n")
    host.path(f"{FILES}/10.1.0.3").unlink()
    for name, content, kind, words in [
        ("10.1.0.4", "", "torn", "nobody knows who holds 10.1.0.4"), ("notes", "x", "foreign", "notes is nothing of host-local's"),
        ("10.9.0.1", "ca\r\neth1", "outOfRange", "is in no range of the configuration"), ("10.1.0.1", "ca\r\neth1", "outOfRange", "is a gateway"),
        ("10.1.0.5", "ca\r\neth0", "duplicate", "ca eth0 holds 10.1.0.2 and 10.1.0.5, both of range set 0"),
        ("fd00:1:0::9", "ca\r\neth9", "duplicate", "is another spelling of fd00:1::9"),
    ]:
        host.write(f"{FILES}/{name}", content)
        done = ipam("check", "net", "--json", check=False)
        report = json.loads(done.stdout)[0]
        errors = [finding for finding in report["findings"] if finding["level"] == "error"]
        assert done.returncode == 1 and not report["ok"] and [error["kind"] for error in errors] == [kind] and words in errors[0]["text"], report
        assert f"net: error: " in ipam("check", "net", check=False).stdout
        host.path(f"{FILES}/{name}").unlink()
    ipam("net", a.path, "--container-id", "ca", tool="check", check=False)
    host.run(["ln", "-sfn", "10.1.0.6", "/var/lib/cni/networks/.catena/net/ghost:eth0"])
    done = ipam("check", "net", check=False)
    assert done.returncode == 1 and "ghost:eth0: tells 10.1.0.6, the files tell nothing" in done.stdout


def test_data_directory(ipam, host):
    """Of the configuration, and of the command line; the chain of catena counts as well."""
    inner = host_local("10.2.0.0/29", dataDir="/run/test/data")
    host.write(f"{DIRECTORY}/20-inner.conflist", conflist({"type": "catena", "chain": [bridge(ipam=inner)]}, name="inner"))
    host.write("/run/test/data/inner/10.2.0.2", "x\r\neth0")
    host.write("/run/test/elsewhere/inner/10.2.0.3", "y\r\neth0")
    assert rows(ipam("show", "inner")) == [["inner", "10.2.0.1-10.2.0.6", "1", "4", "1", "/run/test/data/inner"]]
    assert [row[1] for row in rows(ipam("list", "inner", "--data-dir", "/run/test/elsewhere"))] == ["10.2.0.3"]
    assert [row[0] for row in rows(ipam("show", "--data-dir", "/run/test/elsewhere"))][0] == "inner"


def test_earlier_boot(ipam, host, a):
    """What an earlier boot reserved is told apart, and frees itself."""
    ipam("net", a.path, "--container-id", "ca", tool="add")
    state = host.path("/var/lib/cni/networks/.catena/net/.state")
    boot, rest = state.read_text().split(" ", 1)
    state.write_text(f"{boot[::-1]} {rest}")
    assert [row[5] for row in rows(ipam("list", "net"))] == ["earlier boot", "earlier boot"]
    assert "2 reservations were made before this boot" in ipam("check", "net").stdout
    assert ipam("release", "net", "10.1.0.2").returncode == 0 and host.reservations() == []


def test_ranges_that_are_not_known(ipam, host):
    """A configuration whose ranges come from the runtime, or are broken: what is reserved is shown all the same, with a warning."""
    host.write(f"{DIRECTORY}/10-net.conflist", conflist(bridge(ipam={"type": "host-local"})))
    host.write(f"{FILES}/10.1.0.2", "x\r\neth0")
    shown = ipam("show", "net")
    assert rows(shown) == [["net", "-", "1", "-", "1", FILES]] and "no IP ranges specified" in shown.stderr
