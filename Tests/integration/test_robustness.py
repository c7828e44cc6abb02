"""What runtimes and people do to a network plugin: kill it, close its streams, flush its rules, give it odd names."""

import json

import pytest

import harness
from harness import CNIFailure, ask, bridge, conflist, host_local, portmap, run_plugin, serve

PORT = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]


def network(*, name="net", version="1.0.0", ports=True, **keys):
    """A masqueraded dual-stack bridge with portmap."""
    made = bridge(isDefaultGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"), **keys)
    return conflist(made, *([portmap()] if ports else []), name=name, version=version)


def clean(host, *containers):
    """Nothing of a network is left but what is shared."""
    state = host.snapshot()
    assert [name for name, link in state.links.items() if link["kind"] == "veth" and name != "out0"] == []
    assert "elements" not in state.ruleset, state.ruleset
    assert [name for name in state.files if name.rsplit("/", 1)[-1].startswith(("10.1.0.", "fd00:1::"))] == []
    for container in containers:
        assert [link["ifname"] for link in container.ip("link")] == ["lo"]


# Killed, or with streams closed


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_del_cleans_up_after_an_add_that_was_killed(host, catena, a, signal):
    """ADD that dies in the middle leaves nothing that DEL does not find, without a result to go by."""
    host.write("/run/test/bin/killer", f'#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] && kill -{signal} $PPID\nexit 0\n', 0o755)
    catena.path += ":/run/test/bin"
    wanted = network()
    wanted["plugins"].append({"type": "killer"})
    config = {**catena.plugins(wanted)[0], "name": "net", "cniVersion": "1.0.0", "runtimeConfig": {"portMappings": PORT}}
    outcome = run_plugin(host, harness.PLUGINS / "catena", "ADD", config, path=catena.path)
    assert not outcome.ok
    catena.delete(wanted, a, capabilities={"portMappings": PORT})
    clean(host, a)
    catena.add(network(), a, capabilities={"portMappings": PORT})


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams(host, stage, a, closed):
    """A stream that the runtime closed is no file of ours: nothing is written where it should not be."""
    host.run(["ip", "link", "add", "cni0", "type", "bridge"])
    config = '{"cniVersion":"1.0.0","name":"net","type":"host-local","ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.0.0/24"}]]}}'
    done = host.run(
        ["sh", "-c", f'exec "$0" {closed}', harness.PLUGINS / "host-local"], input=config, check=False, env={
            "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "id-a", "CNI_NETNS": a.path, "CNI_IFNAME": "eth0", "CNI_PATH": harness.PLUGINS})
    if "0" in closed or "1" in closed:
        assert done.returncode != 0
    contents = {name: content for name, (_, content) in host.files("/var/lib/cni").items() if content and "/.catena/" not in name}
    for name, content in contents.items():
        assert content in ("id-a\r\neth0", "10.1.0.2"), (name, content)


def test_standard_output_that_is_full(host, stage, a):
    """A result that cannot be written is a failure."""
    config = {"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}
    done = host.run(
        ["sh", "-c", 'exec "$0" >/dev/full', harness.PLUGINS / "loopback"], input=json.dumps(config), check=False, env={
            "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "id-a", "CNI_NETNS": a.path, "CNI_IFNAME": "lo", "CNI_PATH": harness.PLUGINS})
    assert done.returncode == 1


# Names


LONG_ID = "0123456789abcdef" * 4


@pytest.mark.parametrize("name, cid, ifname", [
    ("net", LONG_ID, "eth0"), ("n" * 100, LONG_ID, "fifteen-bytes-x"), ("net", "c" * 200, "eth0"), ("net", "a.b_c-d", 'e"0'), ("net", "c", "e;0"),
    ("net", "c", "e\\0"), ("net", "c", "$(id)"), ("net", "c", "é*{}"), ("net", "c", "-x"),
], ids=["usual ID", "long network", "very long ID", "quote", "semicolon", "backslash", "shell", "braces", "dash"])
def test_names_of_all_sorts(runtime, host, outside, a, name, cid, ifname):
    """Whatever CNI allows as names works to the end, or is refused as a whole: no name is taken for nftables or shell text."""
    wanted = network(name=name)
    try:
        runtime.add(wanted, a, cid=cid, ifname=ifname, capabilities={"portMappings": PORT})
    except CNIFailure as failure:
        pytest.fail(f"a name that CNI allows was refused: {failure}")
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", "192.0.2.1", 8080).name == "a"
    assert a.ping("192.0.2.2")
    runtime.check(wanted, a, cid=cid, ifname=ifname)
    runtime.delete(wanted, a, cid=cid, ifname=ifname)
    clean(host, a)


def test_names_that_begin_alike(runtime, host, a, b):
    """DEL of one attachment takes nothing of another whose names begin with the same letters."""
    ports = [[{"hostPort": 8000 + number, "containerPort": 80, "protocol": "tcp"}] for number in range(4)]
    attachments = [(a, "c", "eth1"), (a, "c", "eth10"), (b, "c1", "eth1"), (b, "c1", "eth")]
    for (container, cid, ifname), mapping in zip(attachments, ports):
        runtime.add(network(), container, cid=cid, ifname=ifname, capabilities={"portMappings": mapping})
    for index, (container, cid, ifname) in enumerate(attachments):
        runtime.delete(network(), container, cid=cid, ifname=ifname)
        for other, kept, name in attachments[index + 1:]:
            runtime.check(network(), other, cid=kept, ifname=name)
    clean(host, a, b)


@pytest.mark.parametrize("name", ["sixteen-bytes-xy", "a/b", "..", "a b"])
def test_bridge_names_that_cannot_be(host, runtime, a, name):
    """A bridge name that no link can have is an error in the configuration, and names the key."""
    before = host.snapshot()
    with pytest.raises(CNIFailure) as failure:
        runtime.add(conflist(bridge(bridge=name, ipam=host_local("10.1.0.0/24"))), a)
    assert failure.value.code == 7 and "bridge" in failure.value.message
    assert host.snapshot().without(files="^/var/lib/cni") == before.without(files="^/var/lib/cni")


# Paths of namespaces


def test_namespace_of_a_process(runtime, host, a):
    """CNI_NETNS may be /proc/PID/ns/net, as containerd and podman give it, or a link to it."""
    process = a.start(["cat"])
    path = f"/proc/{process.pid}/ns/net"
    while host.out(["readlink", path], check=False) != a.out(["readlink", "/proc/self/ns/net"]):
        pass
    host.run(["ln", "-s", path, "/run/test-link"])
    for ifname, given in (("eth0", path), ("eth1", "/run/test-link")):
        result = runtime.add(network(name=f"n{ifname}", ports=False, bridge=f"br-{ifname}") if ifname == "eth0" else conflist(
            bridge(bridge="br1", ipam=host_local("10.2.0.0/24")), name="second"), a, ifname=ifname, netns=given)
        assert result["interfaces"][2]["sandbox"] == given and a.link(ifname)


# Rules that someone else removed, or made


def test_flushed_ruleset(runtime, host, outside, a, b):
    """After someone's `nft flush ruleset` the next ADD sets its own up again, and DEL of the old ones succeeds."""
    runtime.add(network(), a, capabilities={"portMappings": PORT})
    host.run(["nft", "flush", "ruleset"])
    runtime.add(network(), b, capabilities={"portMappings": [{**PORT[0], "hostPort": 8081}]})
    serve(b, "tcp", 80)
    assert ask(outside, "tcp", "192.0.2.1", 8081).name == "b"
    b.ping("192.0.2.2")
    runtime.delete(network(), a)
    assert ask(outside, "tcp", "192.0.2.1", 8081).name == "b"
    host.run(["nft", "flush", "ruleset"])
    runtime.delete(network(), b)
    clean(host, a, b)


def test_rules_of_others_are_left_alone(runtime, host, a):
    """Tables that are not ours are as they were, whatever is in them."""
    theirs = """
        add table inet filter
        add set inet filter s { type ipv4_addr; }
        add element inet filter s { 10.1.0.2 }
        add chain inet filter forward { type filter hook forward priority 0; policy accept; }
        add table ip nat
        add chain ip nat postrouting { type nat hook postrouting priority 100; }
        add rule ip nat postrouting ip saddr 10.1.0.0/24 counter
    """
    host.run(["nft", "-f", "-"], input=theirs)
    before = [host.out(["nft", "-s", "list", "table", *table]) for table in (("inet", "filter"), ("ip", "nat"))]
    runtime.add(network(), a, capabilities={"portMappings": PORT})
    runtime.delete(network(), a)
    assert [host.out(["nft", "-s", "list", "table", *table]) for table in (("inet", "filter"), ("ip", "nat"))] == before


# Sizes


def test_many_ports(runtime, host, outside, a):
    """Five hundred ports of one container, of which the first and the last answer; DEL takes all."""
    ports = [{"hostPort": 20000 + n, "containerPort": 30000 + n, "protocol": "tcp" if n % 2 else "udp"} for n in range(500)]
    runtime.add(network(), a, capabilities={"portMappings": ports})
    serve(a, "udp", 30000)
    serve(a, "tcp", 30499)
    assert ask(outside, "udp", "192.0.2.1", 20000).name == ask(outside, "tcp", "2001:db8::1", 20499).name == "a"
    runtime.check(network(), a)
    runtime.delete(network(), a)
    clean(host, a)


def test_mtu_that_the_kernel_refuses(runtime, host, a):
    """The kernel's refusal is told, and nothing of the attachment is left."""
    host.run(["sh", "-ec", "ip link add cni0 type bridge; ip link set cni0 up"])
    before = host.snapshot()
    with pytest.raises(CNIFailure) as failure:
        runtime.add(network(mtu=70000), a)
    assert failure.value.code in (7, 999) and "mtu" in failure.value.text.lower()
    assert a.link("eth0") is None and host.snapshot().without(files="^/var/lib/cni") == before.without(files="^/var/lib/cni")


def test_ports_of_a_network_without_addresses(runtime, host, a):
    """portmap behind a layer-2 network has nothing to publish to: it changes nothing, and neither do CHECK and DEL fail."""
    plain = conflist(bridge(), portmap())
    runtime.add(plain, a, capabilities={"portMappings": PORT})
    runtime.check(plain, a)
    runtime.delete(plain, a)
    clean(host, a)


def test_one_plugin_twice_in_a_chain(catena, host, a):
    """A plugin that stands in a chain twice and clashes with itself fails like any other: all is undone."""
    twice = conflist(network()["plugins"][0], portmap(), portmap(snat=False))
    with pytest.raises(CNIFailure, match="portmap"):
        catena.add(twice, a, capabilities={"portMappings": PORT})
    clean(host, a)
