"""catenactl: cnitool's commands on our engine, the cache that it shares with libcni, and the validator."""

import hashlib
import json

import pytest

import harness
from harness import bridge, conflist, host_local, portmap

DIRECTORY = "/run/test/net.d"


@pytest.fixture
def tool(host, stage):
    """catenactl in the private host, with its directory of configurations."""

    def tool(*arguments, env=None, check=True):
        return host.run([stage / "bin" / "catenactl", *arguments], env={"NETCONFPATH": DIRECTORY, **(env or {})}, check=check)

    host.write(f"{DIRECTORY}/10-net.conflist", conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24")), portmap()))
    return tool


def container_id(path):
    return "cnitool-" + hashlib.sha512(path.encode()).digest()[:10].hex()


def test_add_check_del(tool, host, a):
    """The three commands, with cnitool's container ID, result and cache file."""
    before = host.snapshot()
    result = json.loads(tool("add", "net", a.path).stdout)
    assert result["ips"][0]["address"] == "10.1.0.2/24" and result["cniVersion"] == "1.0.0"
    a.ping("10.1.0.1")
    cid = container_id(a.path)
    assert host.files("/var/lib/cni/networks")["/var/lib/cni/networks/net/10.1.0.2"][1] == f"{cid}\r\neth0"
    mode, content = host.files("/var/lib/cni/results")[f"/var/lib/cni/results/net-{cid}-eth0"]
    cached = json.loads(content)
    assert mode == "0o600" and cached["kind"] == "cniCacheV1" and cached["containerId"] == cid and cached["networkName"] == "net"
    assert cached["ifName"] == "eth0" and cached["netns"] == a.path and cached["result"] == result
    assert tool("check", "net", a.path).stdout == ""
    assert tool("del", "net", a.path).stdout == ""
    assert a.link("eth0") is None and host.files("/var/lib/cni/results") == {}
    assert host.snapshot().without(links=["cni0"], files="/var/lib/cni") == before.without(files="/var/lib/cni")


def test_interface_name(tool, a):
    """-i comes before CNI_IFNAME, which comes before eth0."""
    tool("add", "net", a.path, env={"CNI_IFNAME": "env0"})
    tool("add", "net", a.path, "-i", "flag0", env={"CNI_IFNAME": "env0"})
    assert a.link("env0") and a.link("flag0") and not a.link("eth0")


def test_capability_arguments(tool, host, a):
    """CAP_ARGS reach the plugins that declare them, and DEL without them removes the ports all the same."""
    tool("add", "net", a.path, env={"CAP_ARGS": '{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}'})
    assert "tcp . 8080" in host.out(["nft", "list", "ruleset"])
    tool("del", "net", a.path)
    assert "elements" not in host.out(["nft", "list", "ruleset"])


def test_arguments(tool, a):
    """CNI_ARGS reach the plugins."""
    tool("add", "net", a.path, env={"CNI_ARGS": "IgnoreUnknown=1;IP=10.1.0.77;MAC=0a:58:0a:01:00:4d"})
    assert a.addresses("eth0") == ["10.1.0.77/24"] and a.link("eth0")["address"] == "0a:58:0a:01:00:4d"


def test_list(tool, a):
    """list shows what is attached, as a table and as JSON."""
    tool("add", "net", a.path)
    assert container_id(a.path) in tool("list").stdout
    entry, = json.loads(tool("list", "--json").stdout)
    assert entry == {"network": "net", "containerID": container_id(a.path), "ifname": "eth0", "netns": a.path, "ips": ["10.1.0.2/24"],
        "plugins": ["bridge", "portmap"]}


def test_gc(tool, host, a, b):
    """gc detaches what is not kept."""
    tool("add", "net", a.path)
    tool("add", "net", b.path)
    tool("gc", "net", "--keep", f"{container_id(b.path)}/eth0")
    assert a.link("eth0") is None and b.addresses("eth0") == ["10.1.0.3/24"]
    reserved = [name for name in host.files("/var/lib/cni/networks/net") if name.split("/")[-1][0].isdigit()]
    assert reserved == ["/var/lib/cni/networks/net/10.1.0.3"]


def test_status(tool, host):
    """status asks the plugins from CNI 1.1.0 on."""
    host.write(f"{DIRECTORY}/20.conflist", conflist(bridge(ipam=host_local("10.3.0.0/24")), name="new", version="1.1.0"))
    assert tool("status", "new").stdout == ""
    host.write(f"{DIRECTORY}/30.conflist", conflist(bridge(ipam={"type": "nope"}), name="broken", version="1.1.0"))
    done = tool("status", "broken", check=False)
    assert done.returncode == 1 and "nope" in done.stderr
    assert "no STATUS" in tool("status", "net").stderr


def test_errors_are_told_once(tool, a):
    """One message on standard error, exit status 1, nothing on standard output."""
    done = tool("add", "nope", a.path, check=False)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("nope") == 1
    done = tool("add", "net", "/run/netns/missing", check=False)
    assert done.returncode == 1 and "/run/netns/missing" in done.stderr


def test_a_broken_file_does_not_hide_the_others(tool, host, a):
    """It is named in a warning."""
    host.write(f"{DIRECTORY}/00-broken.conflist", "{ not json")
    done = tool("add", "net", a.path)
    assert json.loads(done.stdout)["ips"] and "00-broken.conflist" in done.stderr


def test_single_plugin_and_folder(tool, host, a, b):
    """A .conf is a list of one; plugins in the network's folder are appended."""
    host.write(f"{DIRECTORY}/40.conf", {"cniVersion": "1.0.0", "name": "single", **bridge(bridge="br4", ipam=host_local("10.4.0.0/24"))})
    assert json.loads(tool("add", "single", a.path).stdout)["ips"][0]["address"] == "10.4.0.2/24"
    host.write(f"{DIRECTORY}/50.conflist", {"cniVersion": "1.0.0", "name": "folder"})
    host.write(f"{DIRECTORY}/folder/10.conf", bridge(bridge="br5", ipam=host_local("10.5.0.0/24")))
    assert json.loads(tool("add", "folder", b.path).stdout)["ips"][0]["address"] == "10.5.0.2/24"


def test_validate(tool, host, stage):
    """Every problem is named with its place; a good file is ok."""
    good = host.write("/run/test/good.conflist", conflist(bridge(ipam=host_local("10.1.0.0/24"))))
    done = tool("validate", good)
    assert done.stdout == f"{good}: ok\n"
    bad = host.write(
        "/run/test/bad.conflist", conflist({"type": "nope"}, {"type": "../x"}, bridge(ipam={"type": 5}), {"kind": "x"}, version="9.9.9"))
    text = host.write("/run/test/text.conflist", '{"name": "x",\n  "plugins": [}')
    done = tool("validate", good, bad, text, check=False)
    assert done.returncode == 1
    for words in ("9.9.9", "(/plugins/0/type)", "(/plugins/1/type)", "(/plugins/2/ipam/type)", "(/plugins/3/type)", f"{text}: error: line 2"):
        assert words in done.stdout, words


def test_validate_by_the_modules_schemas(tool, host):
    """What a module's schema says: place in the text, JSON pointer, what was expected and found, and what a misspelt key was meant to be."""
    bad = host.write("/run/test/bad.conflist", """{
  "cniVersion": "1.0.0", "name": "mynet",
  "plugins": [
    { "type": "bridge", "isGatway": true, "mtu": "1500", "hairpinMode": true, "promiscMode": true,
      "ipam": { "type": "host-local", "ranges": [[{ "subnt": "10.22.0.0/16" }]], "gateway": null } },
    { "type": "catena", "chain": [{ "type": "portmap", "backend": "nftable" }] }
  ]
}""")
    done = tool("validate", bad, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{bad}: warning: line 4, column 25 (/plugins/0/isGatway): unknown key \"isGatway\": did you mean \"isGateway\"?",
        f"{bad}: warning: line 5, column 53 (/plugins/0/ipam/ranges/0/0/subnt): unknown key \"subnt\": did you mean \"subnet\"?",
        f"{bad}: warning: line 6, column 45 (/plugins/1/chain/0/type): portmap needs the result of a plugin before it, and is first",
        f"{bad}: error: line 4, column 5 (/plugins/0): \"hairpinMode\" and \"promiscMode\" can't be set so together",
        f"{bad}: error: line 4, column 50 (/plugins/0/mtu): expected an integer, found the string \"1500\"",
        f"{bad}: error: line 5, column 51 (/plugins/0/ipam/ranges/0/0): key \"subnet\" is missing",
        f"{bad}: error: line 6, column 67 (/plugins/1/chain/0/backend): expected one of \"nftables\", \"iptables\", found the string \"nftable\": "
        "did you mean \"nftables\"?",
    ]


def test_validate_has_a_place_for_everything(tool, host):
    """What no schema can tell has its place too, in the order of the file; a plugin's own file is a list of one."""
    bad = host.write("/run/test/bad.conflist", """{ "cniVersion": "1.0.0", "name": "my net",
  "plugins": [
    { "type": "bridge", "catena": {"timeout": 0}, "ipam": {"type": "nowhere"} },
    { "type": "nowhere" },
    { "type": "host-local" },
    { "type": "bridge", "dns": {"nameservers": "1.1.1.1"} } ] }""")
    found = [line.removeprefix(f"{bad}: ") for line in tool("validate", bad, check=False).stdout.splitlines()]
    places = [line.split(": ", 2)[:2] for line in found]
    assert [place for place in places if place[0] == "warning"] == [
        ["warning", "line 5, column 15 (/plugins/2/type)"], ["warning", "line 6, column 15 (/plugins/3/type)"]]
    assert [place for place in places if place[0] == "error"] == [
        ["error", "line 1, column 34 (/name)"], ["error", "line 3, column 47 (/plugins/0/catena/timeout)"],
        ["error", "line 3, column 68 (/plugins/0/ipam/type)"], ["error", "line 4, column 15 (/plugins/1/type)"],
        ["error", "line 6, column 48 (/plugins/3/dns/nameservers)"]]
    single = host.write("/run/test/single.conf", '{ "cniVersion": "1.0.0", "name": "n",\n  "type": "nowhere" }')
    assert "line 2, column 11 (/type): " in tool("validate", single, check=False).stdout


def test_plugins_without_a_module_may_have_any_keys(tool, host):
    """An executable's configuration is its own affair; so are args and runtimeConfig."""
    host.write("/run/test/bin/own", "#!/bin/sh\n", 0o755)
    good = host.write("/run/test/good.conflist", conflist(
        bridge(ipam={"type": "own", "pool": 1}, args={"x": {"y": 1}}), {"type": "own", "anything": {"a": [1]}}))
    assert tool("validate", good, env={"CNI_PATH": "/run/test/bin"}).stdout == f"{good}: ok\n"


def test_schema(tool):
    """One schema of a whole file, with each module's: references lead to places in it."""
    schema = json.loads(tool("schema").stdout)
    assert {"bridge", "host-local", "portmap", "loopback"} <= set(schema["$defs"])

    def references(value):
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    found = set(references(schema))
    assert "#/$defs/host-local/$defs/rangeSet" in found
    for reference in found:
        place = schema
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_help_is_for_newcomers(tool):
    """--help of the tool and of each command explains with an example."""
    assert "catenactl add mynet" in tool("--help").stdout
    for command in ("add", "check", "del", "gc", "status", "validate"):
        assert "Example" in tool(command, "--help").stdout


# What cnitool and libcni do besides


def test_check_can_be_disabled(tool, host, a):
    """disableCheck: success, and no plugin is asked; before 0.4.0 there is no CHECK."""
    tool("add", "net", a.path)
    host.run(["ip", "-n", "a", "link", "del", "eth0"])
    assert tool("check", "net", a.path, check=False).returncode == 1
    host.write(f"{DIRECTORY}/10-net.conflist", {**conflist(bridge(ipam=host_local("10.1.0.0/24"))), "disableCheck": "True"})
    assert tool("check", "net", a.path).stdout == ""
    host.write(f"{DIRECTORY}/10-net.conflist", conflist(bridge(ipam=host_local("10.1.0.0/24")), version="0.3.1"))
    done = tool("check", "net", a.path, check=False)
    assert done.returncode == 1 and "does not support the CHECK command" in done.stderr


def test_gc_of_all_and_none(tool, host, a):
    """Without --keep nothing is kept; with disableGC nothing is removed; -i is taken, as cnitool does."""
    network = conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24")), portmap(), version="1.1.0")
    host.write(f"{DIRECTORY}/10-net.conflist", {**network, "disableGC": True})
    tool("add", "net", a.path)
    tool("gc", "net", a.path, "-i", "eth0")
    assert a.link("eth0") is not None
    host.write(f"{DIRECTORY}/10-net.conflist", network)
    tool("gc", "net")
    assert a.link("eth0") is None and json.loads(tool("list", "--json").stdout) == []


def test_a_failed_del_keeps_the_cache(tool, host, a):
    """DEL can be repeated with what ADD gave."""
    tool("add", "net", a.path)
    host.write(f"{DIRECTORY}/10-net.conflist", conflist(bridge(ipam=host_local("10.1.0.0/24")), portmap()))
    lock = "/var/lib/cni/networks/net"
    host.run(["sh", "-ec", f"mount -t tmpfs -o ro tmpfs {lock}"])
    done = tool("del", "net", a.path, check=False)
    host.run(["umount", lock])
    assert done.returncode == 1 and "ead-only" in done.stderr
    assert json.loads(tool("list", "--json").stdout)
    tool("del", "net", a.path)
    assert json.loads(tool("list", "--json").stdout) == []


@pytest.mark.parametrize("path", ["/run/netns/a/", "//run/netns//a", "/run/./netns/x/../a"])
def test_the_container_id_is_of_the_clean_path(tool, a, path):
    """As cnitool, which cleans the path before it hashes it."""
    tool("add", "net", path.rstrip("/"))
    entry, = json.loads(tool("list", "--json").stdout)
    assert entry["containerID"] == container_id("/run/netns/a") and entry["netns"] == "/run/netns/a"


@pytest.mark.parametrize("env, words", [
    ({"CNI_ARGS": "A"}, "CNI_ARGS"), ({"CNI_ARGS": "A=B=C"}, "CNI_ARGS"), ({"CNI_ARGS": "A="}, "CNI_ARGS"), ({"CAP_ARGS": "{"}, "CAP_ARGS"),
    ({"CAP_ARGS": "[]"}, "CAP_ARGS"), ({"CNI_IFNAME": "a/b"}, "interface name"),
])
def test_an_environment_that_cannot_be(tool, a, env, words):
    done = tool("add", "net", a.path, env=env, check=False)
    assert done.returncode == 1 and words in done.stderr and done.stdout == "" and a.link("eth0") is None


def test_the_hosts_own_namespace(tool, host, a):
    """It is refused for ADD and for DEL, whatever plugins run: they would work on the host's links."""
    host.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"])
    for command in ("add", "del"):
        done = tool(command, "net", "/proc/self/ns/net", check=False)
        assert done.returncode == 1 and "should not be the same" in done.stderr
    assert host.link("eth0") is not None


def test_the_version_that_is_chosen(tool, host, a):
    """The highest released one of cniVersions and cniVersion; what was never released does not count."""
    plugin = bridge(ipam=host_local("10.1.0.0/24"))
    for versions, chosen in ((["0.4.0", "1.0.0"], "1.0.0"), (["1.0.9", "1.0.0"], "1.0.0"), (["9.0.0", "0.4.0", "1.1.0"], "1.1.0")):
        host.write(f"{DIRECTORY}/10-net.conflist", {**conflist(plugin, version="0.3.1"), "cniVersions": versions})
        assert json.loads(tool("add", "net", a.path).stdout)["cniVersion"] == chosen
        tool("del", "net", a.path)


def test_a_broken_plugin_of_the_folder(tool, host, a):
    """The network without that plugin would be another one: an error."""
    host.write(f"{DIRECTORY}/net/10.conf", "{")
    done = tool("add", "net", a.path, check=False)
    assert done.returncode == 1 and "net/10.conf" in done.stderr and a.link("eth0") is None


def test_a_name_cannot_lead_out_of_the_directory(tool, host, a):
    """The network's name is part of its folder's path: it is checked before."""
    host.write("/run/test/other/10.conf", {"type": "loopback"})
    host.write(f"{DIRECTORY}/20.conflist", {"cniVersion": "1.1.0", "name": "../other"})
    done = tool("add", "../other", a.path, check=False)
    assert done.returncode == 1 and "invalid characters found in network name" in done.stderr
