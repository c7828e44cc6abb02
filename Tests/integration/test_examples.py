"""Examples/modules: built by their Makefiles against an installation, and run from there in real chains."""

import json
import os
import re
import subprocess

import pytest

import harness
from harness import (
    CNIFailure, NoAnswer, Runtime, ask, assert_check_finds, assert_detached, bridge, conflist, host_local, run_plugin, serve,
)

EXAMPLES = harness.REPO / "Examples/modules"
TYPES = {"c": "route-dns", "cpp": "deny-egress", "rust": "pinned", "swift": "routed"}
RESERVATIONS = r"^/var/lib/cni/networks|^/run/cni"

pytestmark = pytest.mark.ours("modules of ours")


@pytest.fixture
def module(sdk, request):
    """The file of a test's module: that of the language in its parameters, else of the one that its name begins with."""
    language = getattr(request.node, "callspec", None) and request.node.callspec.params.get("language") or request.node.name.split("_")[1]
    return sdk.build(language, EXAMPLES / language, TYPES[language])


@pytest.fixture
def installed(sdk, module, host, engine):
    """A runtime whose plugins are those of the installation."""
    runtime = Runtime(host, engine)
    runtime.path = str(sdk.plugins)
    return runtime


def refused(runtime, container, network, **keys):
    """ADD's error."""
    with pytest.raises(CNIFailure) as failure:
        runtime.add(network, container, **keys)
    return failure.value


# ---- All ----


@pytest.mark.parametrize("language", TYPES)
def test_a_module_exports_its_entry_alone(module, language):
    """Built as the Makefile says, with an entry and nothing else, and without a path to look for libraries in."""
    names = subprocess.run(["nm", "-D", "--defined-only", module], check=True, capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in names.splitlines()] == ["catena_module_entry"]
    dynamic = subprocess.run(["readelf", "-d", module], check=True, capture_output=True, text=True).stdout
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic and "swift" not in dynamic


@pytest.mark.parametrize("language", TYPES)
def test_the_readme_is_about_it(sdk, module, host, language):
    """Every key of the schema is in the README, and its example is valid."""
    page = (EXAMPLES / language / "README.md").read_text()
    example = re.search(r"```json\n(.*?)```", page, re.S).group(1)
    file = host.write(f"/run/test/{language}.conflist", example)
    done = host.run([sdk.prefix / "bin/catenactl", "validate", file], env={"CNI_PATH": sdk.plugins})
    assert done.stdout == f"{file}: ok\n"
    schema = json.loads(host.out([sdk.prefix / "bin/catenactl", "schema"]))["$defs"][TYPES[language]]
    assert [key for key in keys(schema) - {"type", "ipam"} if not re.search(rf"[`.]{key}`", page)] == []


def keys(schema):
    """The names of all properties of a schema."""
    if isinstance(schema, list):
        return set().union(*map(keys, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})).union(*map(keys, schema.values()))


@pytest.mark.parametrize("language", TYPES)
def test_make_clean_leaves_the_sources(sdk, scratch, language):
    """`make clean` removes what make made, and nothing else."""
    folder = scratch / language
    subprocess.run(["cp", "-r", EXAMPLES / language, folder], check=True)
    before = sorted(folder.rglob("*"))
    (folder / f"{TYPES[language]}.so").write_text("")
    sdk.make(folder, "clean")
    assert sorted(folder.rglob("*")) == before


# ---- C: route-dns ----


def route_dns(**keys):
    return {"type": "route-dns", **keys}


DUAL = bridge(isGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"))


def test_c_routes_and_name_servers(installed, host, a):
    """They are in the result behind what was there, the routes in the container, and lead to what they are for."""
    host.run(["ip", "addr", "add", "198.51.100.1/32", "dev", "lo"])
    host.run(["ip", "addr", "add", "2001:db8:9::1/128", "dev", "lo"])
    first = {**DUAL, "dns": {"nameservers": ["192.0.2.53"], "search": ["example"]}}
    own = route_dns(
        routes=[{"dst": "198.51.100.0/24"}, {"dst": "203.0.113.0/24", "gw": "10.1.0.9"}, {"dst": "2001:db8:9::/48"}],
        nameservers=["198.51.100.53", "2001:db8:9::53"])
    network = conflist(first, own, version="1.1.0")
    installed.status(network)
    result = installed.add(network, a)
    assert result["dns"] == {"nameservers": ["192.0.2.53", "198.51.100.53", "2001:db8:9::53"], "search": ["example"]}
    assert result["routes"] == [
        {"dst": "198.51.100.0/24", "gw": "10.1.0.1"}, {"dst": "203.0.113.0/24", "gw": "10.1.0.9"}, {"dst": "2001:db8:9::/48", "gw": "fd00:1::1"}]
    assert {("198.51.100.0/24", "10.1.0.1", "eth0"), ("203.0.113.0/24", "10.1.0.9", "eth0")} <= set(a.routes())
    assert ("2001:db8:9::/48", "fd00:1::1", "eth0") in a.routes(6)
    a.ping("198.51.100.1")
    a.ping("2001:db8:9::1")
    installed.check(network, a)
    installed.delete(network, a)
    installed.delete(network, a)
    assert_detached(host, a)


@pytest.mark.parametrize("damage", [
    # Elsewhere than in the main table a route counts for bridge, whose CHECK comes first.
    "ip route del 198.51.100.0/24; ip route add 198.51.100.0/24 via 10.1.0.1 table 7",
    "ip link add v0 type veth peer name v1; ip link set v0 up; ip route add 198.51.100.0/24 dev v0 metric 0",
], ids=["gone", "another goes before it"])
def test_c_check_finds_damage(installed, a, damage):
    network = conflist(DUAL, route_dns(routes=[{"dst": "198.51.100.0/24"}]))
    if "metric" in damage:
        damage = damage.replace("ip route add", "ip route prepend")
    assert_check_finds(installed, a, network, damage, "expected a route to 198.51.100.0/24")


@pytest.mark.parametrize("keys, code, words", [
    ({"routes": 5}, 6, "routes: expected a list"),
    ({"routes": ["x"]}, 6, "routes[0].dst: expected a string"),
    ({"routes": [{"dst": "198.51.100.0/24", "gw": 1}]}, 6, "routes[0].gw: expected a string"),
    ({"routes": [{"dst": "198.51.100.0/24"}, {"dst": "x"}]}, 7, "routes[1].dst: \"x\" is no network"),
    ({"routes": [{"dst": "198.51.100.7/24"}]}, 7, "routes[0].dst"),
    ({"routes": [{"dst": "198.51.100.0/33"}]}, 7, "routes[0].dst"),
    ({"routes": [{"dst": "198.51.100.0/24", "gw": "fd00::1"}]}, 7, "routes[0].gw"),
    ({"nameservers": "192.0.2.53"}, 6, "nameservers: expected a list"),
    ({"nameservers": ["192.0.2"]}, 7, "nameservers[0]: \"192.0.2\" is no IP address"),
    ({"routes": [{"dst": "192.0.2.0/24"}, {"dst": "198.51.100.0/24", "gw": "10.9.9.9"}]}, 999, "add route 198.51.100.0/24 via 10.9.9.9 on eth0: "),
], ids=str)
def test_c_refuses(installed, host, a, keys, code, words):
    """The code and place of what is wrong, and nothing is left."""
    failure = refused(installed, a, conflist(DUAL, route_dns(**keys)))
    assert (failure.code, words in failure.text) == (code, True), failure
    installed.delete(conflist(DUAL, route_dns(**keys)), a)
    assert_detached(host, a)


def test_c_needs_a_result(installed, host, a):
    failure = refused(installed, a, conflist(route_dns()))
    assert failure.code == 7 and "prevResult: is missing" in failure.text and "chain this plugin" in failure.text


def test_c_wrapper_without_a_namespace(sdk, module, host):
    """CHECK has the code for it; DEL succeeds."""
    config = {"cniVersion": "1.0.0", "name": "net", **route_dns(routes=[{"dst": "198.51.100.0/24"}])}
    outcome = run_plugin(host, sdk.plugins / "route-dns", "CHECK", config, netns="/run/netns/none", path=sdk.plugins)
    assert outcome.error["code"] == 8 and "/run/netns/none: it does not exist" in outcome.error["msg"]
    for netns in ("/run/netns/none", ""):
        assert run_plugin(host, sdk.plugins / "route-dns", "DEL", config, netns=netns, path=sdk.plugins).ok


def test_c_wrapper_undoes_what_it_did(sdk, module, host, a):
    """Alone, as a runtime runs it: DEL takes its routes, and a failed ADD leaves none, while the interface stays."""
    config = {"cniVersion": "1.0.0", "name": "net", **route_dns(routes=[{"dst": "198.51.100.0/24"}, {"dst": "203.0.113.0/24"}])}
    host.run(["ip", "link", "add", "v0", "type", "veth", "peer", "name", "eth0", "netns", "a"])
    for command in ("ip link set v0 up", "ip -n a link set eth0 up", "ip -n a addr add 10.1.0.2/24 dev eth0"):
        host.run(command.split())
    config["prevResult"] = {
        "cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": a.path}],
        "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0}]}
    before = a.routes()

    def run(command):
        return run_plugin(host, sdk.plugins / "route-dns", command, config, path=sdk.plugins)

    assert run("ADD").ok and len(a.routes()) == len(before) + 2
    assert run("CHECK").ok
    again = run("ADD")
    assert "add route 198.51.100.0/24 via 10.1.0.1 on eth0: File exists" in again.error["msg"] and len(a.routes()) == len(before) + 2
    assert run("DEL").ok and a.routes() == before
    assert run("DEL").ok and a.link("eth0")
    a.run(["ip", "route", "add", "203.0.113.0/24", "via", "10.1.0.1"])
    assert not run("ADD").ok and a.routes() == before + [("203.0.113.0/24", "10.1.0.1", "eth0")]


# ---- C++: deny-egress ----


def deny(*destinations):
    return {"type": "deny-egress", "destinations": list(destinations)}


GATEWAY = bridge(isGateway=True, isDefaultGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"))


def denied(host):
    """The table."""
    return host.run(["nft", "list", "table", "inet", "deny_egress"], check=False).stdout


def test_cpp_drops(installed, host, outside, a, b):
    """What is denied is not reached, the rest is; the counter tells, the element whose it is. DEL lets go."""
    network = conflist(GATEWAY, deny("192.0.2.2", "2001:db8::/32"), version="1.1.0")
    installed.status(network)
    serve(outside, "tcp", 80)
    host.run(["ip", "addr", "add", "198.51.100.1/32", "dev", "lo"])
    installed.add(network, a)
    assert not a.ping("192.0.2.2", check=False) and not a.ping("2001:db8::2", check=False)
    a.ping("198.51.100.1")
    assert re.search(r"ip daddr 192.0.2.2 counter packets [1-9]", denied(host))
    assert 'comment "net/id-a/eth0"' in denied(host)
    open_network = conflist(bridge(bridge="cni1", isDefaultGateway=True, ipMasq=True, ipam=host_local("10.2.0.0/24")), name="open")
    installed.add(open_network, b)
    assert ask(b, "tcp", "192.0.2.2", 80).name == "outside"
    installed.check(network, a)
    installed.delete(network, a)
    assert "elements" not in denied(host)
    installed.delete(network, a)
    installed.add(conflist(GATEWAY), a)
    a.ping("192.0.2.2")


@pytest.mark.parametrize("damage, named", [
    ("delete element inet deny_egress from4 { 10.1.0.2 }", "an element for 10.1.0.2"), ("flush map inet deny_egress from6", "an element for fd00:1::2"),
    ("delete table inet deny_egress", "chain prerouting"),
], ids=["IPv4", "IPv6", "table"])
def test_cpp_check_finds_damage(installed, host, a, damage, named):
    network = conflist(GATEWAY, deny("192.0.2.2"))
    installed.add(network, a)
    installed.check(network, a)
    host.run(["nft", damage])
    with pytest.raises(CNIFailure, match="deny_egress: expected .*" + re.escape(named)):
        installed.check(network, a)
    installed.delete(network, a)
    assert_detached(host, a)


def test_cpp_lists_are_shared_and_apart(installed, host, a, b):
    """Containers of one list share a chain; another list is another chain."""
    installed.add(conflist(GATEWAY, deny("192.0.2.2")), a)
    installed.add(conflist(GATEWAY, deny("192.0.2.2")), b)
    installed.add(conflist(GATEWAY, deny("192.0.2.3"), name="other"), b, ifname="eth1")
    assert len(re.findall(r"chain deny_", denied(host))) == 2
    assert "net/id-b/eth0" in denied(host) and "other/id-b/eth1" in denied(host)


def test_cpp_del_without_a_result(installed, host, a, b):
    """What is the container's is found by its comment; others' stay."""
    network = conflist(GATEWAY, deny("192.0.2.2"))
    installed.add(network, a)
    installed.add(network, b)
    installed.delete(network, a, forget=True)
    assert "net/id-a" not in denied(host) and "net/id-b" in denied(host)


def test_cpp_gc(installed, host, a, b):
    """GC removes what no attachment in use has, of this network only."""
    network = conflist(GATEWAY, deny("192.0.2.2"), version="1.1.0")
    other = conflist(bridge(bridge="cni1", isGateway=True, ipam=host_local("10.2.0.0/24")), deny("192.0.2.2"), name="other", version="1.1.0")
    installed.add(network, a)
    installed.add(network, b)
    installed.add(other, a, ifname="eth1")
    installed.gc(network, [("id-b", "eth0")])
    assert "net/id-a" not in denied(host) and "net/id-b" in denied(host) and "other/id-a" in denied(host)


def test_cpp_nothing_gets_into_a_command(installed, host, a):
    """An interface's name may hold what nft would read."""
    network = conflist(GATEWAY, deny("192.0.2.2"))
    installed.add(network, a, ifname='a"};#')
    assert 'comment "net/id-a/a%22%7d%3b%23"' in denied(host)
    installed.delete(network, a, ifname='a"};#')
    assert "elements" not in denied(host)


@pytest.mark.parametrize("keys, code, words", [
    ({}, 7, "destinations: is missing"), ({"destinations": []}, 7, "destinations: the list is empty"),
    ({"destinations": "192.0.2.2"}, 6, "destinations: expected a list"), ({"destinations": [1]}, 6, "destinations[0]: expected a string"),
    ({"destinations": ["192.0.2.2", "x; flush ruleset"]}, 7, "destinations[1]: \"x; flush ruleset\" is no IP address or network"),
    ({"destinations": ["192.0.2.0/33"]}, 7, "destinations[0]"), ({"destinations": ["192.0.2.0/"]}, 7, "destinations[0]"),
], ids=str)
def test_cpp_refuses(installed, host, a, keys, code, words):
    failure = refused(installed, a, conflist(GATEWAY, {"type": "deny-egress", **keys}))
    assert (failure.code, words in failure.text) == (code, True), failure
    installed.delete(conflist(GATEWAY, {"type": "deny-egress", **keys}), a)
    assert_detached(host, a)


@pytest.mark.parametrize("before, words", [([], "prevResult: is missing"), ([bridge()], "eth0 has no address")], ids=["first", "no address"])
def test_cpp_needs_addresses(installed, a, before, words):
    """Where there is nothing to go by, it does not pass for a guard."""
    failure = refused(installed, a, conflist(*before, deny("192.0.2.2")))
    assert failure.code == 7 and words in failure.text


def test_cpp_wrapper_without_a_result(sdk, module, host, a):
    """CHECK can't compare without one; DEL and GC need none, nor a table."""
    config = {"cniVersion": "1.1.0", "name": "net", **deny("192.0.2.2")}
    outcome = run_plugin(host, sdk.plugins / "deny-egress", "CHECK", config, path=sdk.plugins)
    assert outcome.error["code"] == 7 and "prevResult: is missing" in outcome.error["msg"]
    for verb, more in (("DEL", {}), ("GC", {"cni.dev/valid-attachments": []})):
        assert run_plugin(host, sdk.plugins / "deny-egress", verb, {**config, **more}, path=sdk.plugins).ok
    assert denied(host) == ""


def test_cpp_wrapper_with_a_result_that_leads_nowhere(sdk, module, host, a):
    """The host tells no index of an interface that is not there: modules use an index as it is."""
    config = {"cniVersion": "1.0.0", "name": "net", **deny("192.0.2.2")}
    config["prevResult"] = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": a.path}], "ips": [{"address": "10.1.0.2/24", "interface": 700000}]}
    for verb in ("ADD", "CHECK", "DEL"):
        outcome = run_plugin(host, sdk.plugins / "deny-egress", verb, config, path=sdk.plugins)
        assert outcome.ok, outcome


# ---- Rust: pinned ----

POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME="


def pinned(**keys):
    return {"type": "pinned", **keys}


def pin(*addresses, gateway="10.1.0.1"):
    return [{"address": address, **({"gateway": gateway} if ":" not in address else {})} for address in addresses]


def pods(version="1.0.0", **keys):
    """A network in which default/db-0 has addresses that are set for it, and others have those of host-local."""
    ipam = pinned(
        addresses={"default/db-0": pin("10.1.0.200/24", "fd00:1::200/64")}, routes=[{"dst": "198.51.100.0/24", "gw": "10.1.0.1"}],
        fallback=host_local(ranges=[[{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.127"}]]), **keys)
    return conflist(bridge(isGateway=True, ipam=ipam), version=version)


def reserved(host):
    """The files of the reservations, by their addresses."""
    return {name.rsplit("/", 1)[1]: text for name, (_, text) in host.files("/run/cni").items() if text is not None}


def test_rust_addresses(installed, host, a, b):
    """The pod gets what is set for it, the other one what host-local has; both work, and DEL gives both back."""
    network = pods(version="1.1.0")
    installed.status(network)
    result = installed.add(network, a, args=POD + "db-0")
    assert [ip["address"] for ip in result["ips"]] == ["10.1.0.200/24", "fd00:1::200/64"]
    assert result["routes"] == [{"dst": "198.51.100.0/24", "gw": "10.1.0.1"}]
    assert a.addresses("eth0") == ["10.1.0.200/24", "fd00:1::200/64"]
    other = installed.add(network, b, args=POD + "web-0")
    assert [ip["address"] for ip in other["ips"]] == ["10.1.0.2/24"]
    a.ping("10.1.0.1")
    assert reserved(host) == {"10.1.0.200": "id-a\neth0", "fd00:1::200": "id-a\neth0"} and host.reservations() == ["10.1.0.2"]
    assert host.path("/run/cni/pinned/net/10.1.0.200").stat().st_mode & 0o777 == 0o600
    installed.check(network, a)
    installed.check(network, b)
    installed.delete(network, b)
    assert host.reservations() == [] and len(reserved(host)) == 2
    installed.delete(network, a)
    installed.delete(network, a)
    assert reserved(host) == {}
    assert_detached(host, a)


def test_rust_by_container_id(installed, host, a):
    """Without Kubernetes the container ID counts; the log tells."""
    ipam = pinned(addresses={"id-a": pin("10.1.0.7/24")}, dataDir="/run/elsewhere")
    installed.env["CATENA_LOG"], installed.env["CATENA_LOG_TO"] = "info", "/run/test-log"
    result = installed.add(conflist(bridge(ipam=ipam)), a)
    assert result["ips"][0]["address"] == "10.1.0.7/24" and "/run/elsewhere/net/10.1.0.7" in host.files("/run")
    assert "gave id-a what is set for it" in host.path("/run/test-log").read_text()


def test_rust_an_address_is_one_containers(installed, host, a, b):
    """A second pod of the name is refused, with the owner's name, and leaves nothing."""
    network = pods()
    installed.add(network, a, args=POD + "db-0")
    failure = refused(installed, b, network, args=POD + "db-0")
    assert failure.code == 101 and "reserve 10.1.0.200/24: it is in use by id-a eth0" in failure.text
    assert b.link("eth0") is None and len(reserved(host)) == 2
    host.path("/run/cni/pinned/net/10.1.0.200").unlink()
    failure = refused(installed, b, network, args=POD + "db-0")
    assert "fd00:1::200" in failure.text and list(reserved(host)) == ["fd00:1::200"]


SETS = """add table inet filter
add set inet filter pinned4 { type ipv4_addr; }
add set inet filter pinned6 { type ipv6_addr; }
add chain inet filter in { type filter hook input priority 0; }
add rule inet filter in ip saddr @pinned4 tcp dport 80 reject with tcp reset
"""


def test_rust_sets_of_the_administrator(installed, host, a, b):
    """Set addresses are elements while they are in use: the administrator's rule holds for them, and for no one else."""
    host.run(["nft", "-f", "-"], input=SETS)
    network = pods(set4="inet filter pinned4", set6="inet filter pinned6", version="1.1.0")
    installed.add(network, a, args=POD + "db-0")
    installed.add(network, b, args=POD + "web-0")
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "elements = { 10.1.0.200 }" in ruleset and "elements = { fd00:1::200 }" in ruleset
    serve(host, "tcp", 80)
    assert ask(b, "tcp", "10.1.0.1", 80).name == "host"
    with pytest.raises(NoAnswer):
        ask(a, "tcp", "10.1.0.1", 80)
    installed.check(network, a)
    host.run(["nft", "delete element inet filter pinned6 { fd00:1::200 }"])
    with pytest.raises(CNIFailure, match="expected fd00:1::200 in set pinned6, found none") as failure:
        installed.check(network, a)
    assert failure.value.code == 103
    installed.gc(network, [("id-b", "eth0")])
    assert "elements" not in host.out(["nft", "list", "ruleset"]) and reserved(host) == {}
    installed.delete(network, a)


def test_rust_a_set_that_is_not_there(installed, host, a):
    """Naming it fails the chain, and nothing is left."""
    failure = refused(installed, a, pods(set4="inet filter pinned4"), args=POD + "db-0")
    assert "put 10.1.0.200 into set pinned4" in failure.text
    installed.delete(pods(set4="inet filter pinned4"), a)
    assert_detached(host, a)
    assert reserved(host) == {}


@pytest.mark.parametrize("damage, words", [("rm {0}", "no one's"), ("echo other >{0}", "that of other")], ids=["gone", "taken"])
def test_rust_check_finds_damage(installed, host, a, damage, words):
    network = pods()
    installed.add(network, a, args=POD + "db-0")
    installed.check(network, a)
    host.run(["sh", "-c", damage.format("/run/cni/pinned/net/10.1.0.200")])
    with pytest.raises(CNIFailure, match="expected the reservation of 10.1.0.200/24, found " + words) as failure:
        installed.check(network, a)
    assert failure.value.code == 102


def test_rust_gc(installed, host, a, b):
    """What is not in use is given back, also by host-local."""
    network = pods(version="1.1.0")
    installed.add(network, a, args=POD + "db-0")
    installed.add(network, b, args=POD + "web-0")
    installed.gc(network, [("id-a", "eth0"), ("id-b", "eth0")])
    assert len(reserved(host)) == 2 and host.reservations() == ["10.1.0.2"]
    installed.gc(network, [])
    assert reserved(host) == {} and host.reservations() == []


def test_rust_nobody_has_an_address(installed, host, a):
    """A pod that nothing is set for, without a fallback."""
    failure = refused(installed, a, conflist(bridge(ipam=pinned(addresses={}))), args=POD + "db-1")
    assert failure.code == 100 and "there is no address for default/db-1" in failure.text and "ipam.fallback" in failure.text
    assert_detached(host, a)


def test_rust_the_fallbacks_error(installed, host, a):
    """A failing delegate's error comes through, and STATUS asks it."""
    ipam = pinned(addresses={}, fallback=host_local("10.1.0.0/24", dataDir=5))
    assert "dataDir" in refused(installed, a, conflist(bridge(ipam=ipam))).text
    with pytest.raises(CNIFailure, match="no-such-ipam"):
        installed.status(conflist(bridge(ipam=pinned(addresses={}, fallback={"type": "no-such-ipam"})), version="1.1.0"))


@pytest.mark.parametrize("ipam, code, words", [
    ({}, 7, "ipam.addresses: is missing"), ({"addresses": []}, 6, "ipam.addresses: expected an object"),
    ({"addresses": {"id-a": 5}}, 6, "ipam.addresses.id-a: expected a list"),
    ({"addresses": {"id-a": [{}]}}, 7, "ipam.addresses.id-a[0].address: is missing"),
    ({"addresses": {"id-a": [{"address": "10.1.0.7"}]}}, 7, "\"10.1.0.7\" is no address with prefix length"),
    ({"addresses": {"id-a": [{"address": "10.1.0.7/24", "gateway": "fd00::1"}]}}, 7, "ipam.addresses.id-a[0].gateway"),
    ({"addresses": {}, "routes": [{}]}, 7, "ipam.routes[0].dst: is missing"), ({"addresses": {}, "fallback": {}}, 7, "ipam.fallback.type: is missing"),
    ({"addresses": {}, "set4": "inet filter x; flush ruleset"}, 7, "ipam.set4: \"inet filter x; flush ruleset\" is no family, table and set"),
    ({"addresses": {"id-a": pin("10.1.0.7/24")}, "routes": [{"dst": "nonsense"}]}, 999, "\"nonsense\" is no address with prefix length"),
], ids=str)
def test_rust_refuses(installed, host, a, ipam, code, words):
    failure = refused(installed, a, conflist(bridge(ipam=pinned(**ipam))))
    assert (failure.code, words in failure.text) == (code, True), failure
    assert reserved(host) == {} and a.link("eth0") is None


def test_rust_a_panic_is_an_error(sdk, scratch, host, a):
    """A module that panics fails by name, and the host lives: the rest of the chain is undone."""
    sdk.require_compiler("rust")
    source = scratch / "panics.rs"
    source.write_text("""
        fn add(call: &catena::Call) -> catena::Outcome { call.in_container(|| panic!("at {}", call.ifname())) }
        catena::module! { catena::Module {
            kind: catena::raw::CATENA_KIND_META, name: "panics", version: "1", description: "panics", cni_versions: &["1.0.0"], capabilities: &[],
            schema: "", add, del: None, check: None, gc: None, status: None,
        } }
    """)
    rustc = [sdk.environment()["RUSTC"], "--edition", "2021"]
    subprocess.run([*rustc, "--crate-type", "rlib", "--crate-name", "catena", "-o", scratch / "libcatena.rlib", sdk.prefix / "share/catena/rust/catena.rs"],
                   check=True)
    subprocess.run([*rustc, "--crate-type", "cdylib", "--extern", f"catena={scratch}/libcatena.rlib", "-o", scratch / "panics.so", source], check=True)
    runtime = Runtime(host, "catena", env={"CATENA_MODULE_PATH": f"{scratch}:{sdk.modules}"})
    failure = refused(runtime, a, conflist(bridge(ipam=host_local("10.1.0.0/24")), {"type": "panics"}))
    assert failure.message == "panics: the module panicked: at eth0"
    assert_detached(host, a)


def test_the_interface_for_rust_is_the_headers(sdk, scratch):
    """Its own tests: layout and constants are those of the first release's fingerprint, which the header keeps."""
    sdk.require_compiler("rust")
    subprocess.run(
        [sdk.environment()["RUSTC"], "--edition", "2021", "-D", "warnings", "--test", "-o", scratch / "tests", sdk.prefix / "share/catena/rust/catena.rs"],
        check=True)
    done = subprocess.run(
        [scratch / "tests"], env={**os.environ, "CATENA_FINGERPRINT": str(harness.REPO / "Tests/abi/fingerprint.txt")}, capture_output=True, text=True)
    assert done.returncode == 0 and re.search(r"[1-9]\d* passed; 0 failed", done.stdout), done.stdout


# ---- Swift: routed ----


def routed(**keys):
    return {"type": "routed", "ipam": host_local("10.1.0.0/24", "fd00:1::/64"), **keys}


def test_swift_traffic(installed, host, outside, a, b):
    """Host, the other container, and the outside by masquerade are reached, in both families; the result tells what is there."""
    network = conflist(routed(ipMasq=True, dns={"nameservers": ["192.0.2.53"]}), version="1.1.0")
    installed.status(network)
    result = installed.add(network, a)
    installed.add(network, b)
    end, own = result["interfaces"]
    assert host.link(end["name"])["linkinfo"]["info_kind"] == "veth" and own == {"name": "eth0", "mac": a.link("eth0")["address"], "sandbox": a.path}
    assert result["ips"] == [
        {"address": "10.1.0.2/32", "gateway": "169.254.1.1", "interface": 1}, {"address": "fd00:1::2/128", "gateway": "fe80::1", "interface": 1}]
    assert result["routes"] == [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}, {"dst": "::/0", "gw": "fe80::1"}]
    assert result["dns"] == {"nameservers": ["192.0.2.53"]}
    assert a.addresses("eth0") == ["10.1.0.2/32", "fd00:1::2/128"] and ("10.1.0.2", None, end["name"]) in host.routes()
    for address in ("169.254.1.1", "10.1.0.3", "fd00:1::3", "192.0.2.2", "2001:db8::2"):
        a.ping(address)
    serve(a, "tcp", 80)
    assert ask(b, "tcp", "10.1.0.2", 80).source == "10.1.0.3" and ask(host, "tcp", "fd00:1::2", 80).name == "a"
    serve(outside, "tcp", 80)
    assert ask(a, "tcp", "192.0.2.2", 80).source == "192.0.2.1"
    installed.check(network, a)
    installed.delete(network, a)
    b.ping("192.0.2.2")
    installed.delete(network, b)
    assert_detached(host, a)
    assert [name for name in host.snapshot().links if name.startswith("rt-")] == []


def test_swift_del_leaves_nothing(installed, host, a):
    """Host and container are as before, but for forwarding and host-local's own files."""
    before, inside = host.snapshot(), a.ip("addr")
    network = conflist(routed())
    installed.add(network, a)
    installed.delete(network, a)
    assert host.snapshot().without(files=RESERVATIONS) == before.without(files=RESERVATIONS) and a.ip("addr") == inside
    assert host.reservations() == []
    installed.delete(network, a, forget=True)


@pytest.mark.parametrize("netns", [None, ""], ids=["path that leads nowhere", "no CNI_NETNS"])
def test_swift_del_after_the_namespace_is_gone(installed, host, a, netns):
    network = conflist(routed(ipMasq=True))
    installed.add(network, a)
    a.delete()
    installed.delete(network, a, netns=netns)
    assert host.reservations() == [] and "elements" not in host.out(["nft", "list", "ruleset"])


@pytest.mark.parametrize("damage, named", [
    ("ip -n a addr del 10.1.0.2/32 dev eth0", "10.1.0.2/32"), ("ip -n a link set eth0 down", "down"), ("ip route del 10.1.0.2", "a route to 10.1.0.2/32 on the host"),
    ("ip -6 route del fd00:1::2", "a route to fd00:1::2/128 on the host"), ("ip addr del 169.254.1.1/32 dev $(ls /sys/class/net | grep ^rt-)", "169.254.1.1"),
    ("nft flush set inet catena masquerade4", "masquerade4"), ("ip -n a link del eth0", "eth0"),
], ids=["address", "down", "route", "IPv6 route", "gateway", "masquerade", "link"])
def test_swift_check_finds_damage(installed, host, a, damage, named):
    network = conflist(routed(ipMasq=True))
    installed.add(network, a)
    installed.check(network, a)
    host.run(["sh", "-ec", "mount -t sysfs sysfs /sys; " + damage])
    with pytest.raises(CNIFailure) as failure:
        installed.check(network, a)
    assert named in failure.value.text


@pytest.mark.parametrize("keys, code, words", [
    ({"ipam": None}, 7, "ipam: is missing"), ({"mtu": "x"}, 6, "mtu: expected an integer"), ({"ipMasq": 1}, 6, "ipMasq: expected true or false"),
    ({"ipam": host_local("10.1.0.0/24", routes=[{"dst": "10.99.0.0/16", "gw": "192.0.2.9"}])}, 999, "add route 10.99.0.0/16 via 192.0.2.9"),
], ids=str)
def test_swift_refuses(installed, host, a, keys, code, words):
    """The code and place of what is wrong, and nothing is left."""
    before = host.snapshot()
    failure = refused(installed, a, conflist(routed(**keys)))
    assert (failure.code, words in failure.text) == (code, True), failure
    assert host.snapshot().without(files=RESERVATIONS) == before.without(files=RESERVATIONS)
    assert a.link("eth0") is None and host.reservations() == []


def test_swift_gc(installed, host, a, b):
    network = conflist(routed(ipMasq=True), version="1.1.0")
    installed.add(network, a)
    installed.add(network, b)
    installed.gc(network, [("id-b", "eth0")])
    assert host.reservations() == ["10.1.0.3", "fd00:1::3"] and "net/id-a" not in host.out(["nft", "list", "ruleset"])
