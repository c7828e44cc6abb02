"""portmap: published ports answer to whom they should, and to no one after DEL."""

import pytest

from harness import CNIFailure, NoAnswer, ask, bridge, conflist, has_sctp, host_local, portmap, serve

V4, V6 = "192.0.2.1", "2001:db8::1"


def network(*, name="net", bridge_keys=None, **keys):
    """A dual-stack bridge with portmap."""
    ipam = host_local("10.1.0.0/24", "fd00:1::/64")
    return conflist(bridge(isDefaultGateway=True, hairpinMode=True, ipam=ipam, **(bridge_keys or {})), portmap(**keys), name=name)


def port(host, container, protocol="tcp", ip=None):
    mapping = {"hostPort": host, "containerPort": container, "protocol": protocol}
    return {**mapping, "hostIP": ip} if ip else mapping


def publish(runtime, container, *ports, net=None, **keys):
    return runtime.add(net or network(**keys), container, capabilities={"portMappings": list(ports)})


def silent(place, protocol, address, port):
    with pytest.raises(NoAnswer):
        ask(place, protocol, address, port, timeout=0.5)


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
@pytest.mark.parametrize("address", [V4, V6])
def test_from_outside(runtime, outside, a, protocol, address):
    """A client elsewhere reaches the container, which sees the client's own address; after DEL nobody answers."""
    if protocol == "sctp" and not has_sctp():
        pytest.skip("this kernel has no SCTP")
    publish(runtime, a, port(8080, 80, protocol))
    serve(a, protocol, 80)
    answer = ask(outside, protocol, address, 8080)
    assert answer.name == "a" and answer.source == (address[:-1] + "2")
    runtime.delete(network(), a)
    silent(outside, protocol, address, 8080)


def test_several_ports_and_containers(runtime, outside, a, b):
    """Each port leads to its own container and port."""
    publish(runtime, a, port(8001, 80), port(8002, 81))
    publish(runtime, b, port(8003, 80))
    serve(a, "tcp", 80, name="a80")
    serve(a, "tcp", 81, name="a81")
    serve(b, "tcp", 80, name="b80")
    assert [ask(outside, "tcp", V4, number).name for number in (8001, 8002, 8003)] == ["a80", "a81", "b80"]
    runtime.delete(network(), a)
    assert ask(outside, "tcp", V4, 8003).name == "b80"
    silent(outside, "tcp", V4, 8001)


def test_from_the_host(runtime, host, outside, a):
    """The host reaches the port by its own addresses, and by 127.0.0.1."""
    publish(runtime, a, port(8080, 80))
    serve(a, "tcp", 80)
    for address in (V4, "10.1.0.1", "127.0.0.1", V6, "fd00:1::1"):
        assert ask(host, "tcp", address, 8080).name == "a", address


def test_from_the_container_itself(runtime, outside, a):
    """Hairpin: the container reaches itself through its published port."""
    publish(runtime, a, port(8080, 80))
    serve(a, "tcp", 80)
    for address in (V4, "10.1.0.1", V6, "fd00:1::1"):
        assert ask(a, "tcp", address, 8080).name == "a", address


def test_from_a_container_of_the_same_network(runtime, outside, a, b):
    """A sibling on the bridge does, too, also by UDP."""
    publish(runtime, a, port(8080, 80), port(5353, 53, "udp"))
    publish(runtime, b, port(8081, 80))
    serve(a, "tcp", 80)
    serve(a, "udp", 53)
    for address in (V4, "10.1.0.1", V6):
        assert ask(b, "tcp", address, 8080).name == "a", address
        assert ask(b, "udp", address, 5353).name == "a", address


def test_traffic_to_others_is_left_alone(runtime, host, outside, a, b):
    """A port of another machine is not caught, only the host's own."""
    publish(runtime, a, port(8080, 80))
    publish(runtime, b)
    serve(a, "tcp", 80)
    serve(outside, "tcp", 8080)
    outside.run(["ip", "route", "add", "10.1.0.0/24", "via", V4])
    assert ask(b, "tcp", "192.0.2.2", 8080).name == "outside"
    assert ask(host, "tcp", "192.0.2.2", 8080).name == "outside"


def test_host_ip(runtime, host, outside, a):
    """hostIP limits the port to one address, and one family; the unspecified one to a family."""
    publish(runtime, a, port(8080, 80, ip=V4), port(8081, 80, ip=V6), port(8082, 80, ip="0.0.0.0"), port(8083, 80, ip="::"))
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).name == "a"
    silent(host, "tcp", "10.1.0.1", 8080)
    silent(outside, "tcp", V6, 8080)
    assert ask(outside, "tcp", V6, 8081).name == "a"
    silent(outside, "tcp", V4, 8081)
    assert ask(outside, "tcp", V4, 8082).name == "a"
    silent(outside, "tcp", V6, 8082)
    assert ask(outside, "tcp", V6, 8083).name == "a"
    silent(outside, "tcp", V4, 8083)


def test_one_port_on_two_addresses(runtime, host, outside, a, b):
    """The same port may be published on different addresses for different containers."""
    host.run(["ip", "addr", "add", "192.0.2.9/24", "dev", "out0"])
    publish(runtime, a, port(8080, 80, ip=V4))
    publish(runtime, b, port(8080, 80, ip="192.0.2.9"))
    serve(a, "tcp", 80)
    serve(b, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).name == "a" and ask(outside, "tcp", "192.0.2.9", 8080).name == "b"


@pytest.mark.ours("masqAll came with v1.9.1 and later")
def test_masq_all(runtime, outside, a):
    """masqAll: the container sees the host's address in place of any client's."""
    publish(runtime, a, port(8080, 80), masqAll=True)
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).source == "10.1.0.1"


def test_without_snat(runtime, host, outside, a):
    """snat false: nothing is masqueraded, and the host's route_localnet stays as it is."""
    publish(runtime, a, port(8080, 80), snat=False)
    serve(a, "tcp", 80)
    assert ask(outside, "tcp", V4, 8080).source == "192.0.2.2"
    assert host.sysctl("ipv4/conf/cni0/route_localnet") == "0"
    silent(host, "tcp", "127.0.0.1", 8080)
    runtime.delete(network(snat=False), a)
    assert "elements" not in host.out(["nft", "list", "ruleset"])


def test_a_udp_client_is_not_held_to_a_container_that_is_gone(runtime, outside, a, b):
    """Its connection to the old container is forgotten: the same flow reaches the new one."""
    publish(runtime, a, port(5353, 53, "udp"))
    serve(a, "udp", 53)
    assert ask(outside, "udp", V4, 5353, source=40000).name == "a"
    runtime.delete(network(), a)
    publish(runtime, b, port(5353, 53, "udp"))
    serve(b, "udp", 53)
    assert ask(outside, "udp", V4, 5353, source=40000).name == "b"


def test_a_udp_client_that_was_there_first(runtime, outside, a):
    """Its connection to the host itself, from before the port was published, is forgotten too."""
    with pytest.raises(NoAnswer):
        ask(outside, "udp", V4, 5353, source=40001, timeout=0.3)
    publish(runtime, a, port(5353, 53, "udp"))
    serve(a, "udp", 53)
    assert ask(outside, "udp", V4, 5353, source=40001).name == "a"


@pytest.mark.ours("the reference detects no clash")
def test_a_port_that_is_taken(runtime, host, outside, a, b):
    """The second container is refused, with the owner's name; the first one's port works on, also after the runtime's DEL."""
    publish(runtime, a, port(8080, 80))
    serve(a, "tcp", 80)
    with pytest.raises(CNIFailure) as failure:
        publish(runtime, b, port(8080, 80))
    assert "host port 8080/tcp" in failure.value.text and "net/id-a/eth0" in failure.value.text
    runtime.delete(network(), b, capabilities={"portMappings": [port(8080, 80)]})
    assert ask(outside, "tcp", V4, 8080).name == "a" and b.link("eth0") is None
    runtime.check(network(), a)


def test_two_networks_of_one_container(runtime, host, outside, a):
    """DEL of one network leaves the ports of the container's other one."""
    second = network(name="second", bridge_keys={"bridge": "br1"})
    second["plugins"][0]["ipam"] = host_local("10.2.0.0/24")
    publish(runtime, a, port(8080, 80))
    runtime.add(second, a, ifname="eth1", capabilities={"portMappings": [port(8081, 80)]})
    serve(a, "tcp", 80)
    assert ask(host, "tcp", "10.1.0.1", 8080).name == ask(host, "tcp", "10.2.0.1", 8081).name == "a"
    runtime.delete(network(), a)
    assert ask(host, "tcp", "10.2.0.1", 8081).name == "a"
    silent(host, "tcp", "10.2.0.1", 8080)


@pytest.mark.ours("DEL without mappings is a no-op there")
def test_delete_without_the_mappings(runtime, host, a, b):
    """The runtime may forget the capability arguments, or the result: the ports go all the same, those of others stay."""
    publish(runtime, a, port(8080, 80), port(5353, 53, "udp"))
    publish(runtime, b, port(8081, 80))
    runtime.cache[("net", a.id, "eth0")][0].capabilities = None
    runtime.delete(network(), a)
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "id-a" not in ruleset and "tcp . 8081" in ruleset
    runtime.delete(network(), b, forget=True)
    assert "elements" not in host.out(["nft", "list", "ruleset"])


def test_delete_after_the_namespace(runtime, host, a):
    """And when the namespace is gone."""
    publish(runtime, a, port(8080, 80))
    a.delete()
    runtime.delete(network(), a)
    runtime.delete(network(), a, forget=True)
    assert "elements" not in host.out(["nft", "list", "ruleset"])


@pytest.mark.ours("its rules have another form")
@pytest.mark.parametrize("damage, words", [
    ("delete element inet catena ports4 { tcp . 8080 }", "8080/tcp"), ("flush map inet catena ports6", "fd00:1::2"), ("flush ruleset", "prerouting_ports"),
    ("flush set inet catena hairpin6", "hairpin6: expected an element for fd00:1::2"), ("flush chain inet catena hairpin_10.1.0.0/24", "hairpin_10.1.0.0/24"),
    ("delete element inet catena ports4 { tcp . 8080 }; add element inet catena ports4 { tcp . 8080 comment \"net/id-a/eth0\" : 10.1.0.9 . 80 }", "another target"),
])
def test_check_finds_what_is_missing(runtime, host, a, damage, words):
    """CHECK passes after ADD, and names each thing that is not as it was made."""
    publish(runtime, a, port(8080, 80))
    runtime.check(network(), a)
    host.run(["nft", damage])
    with pytest.raises(CNIFailure) as failure:
        runtime.check(network(), a)
    assert words in failure.value.text


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_gc_removes_what_is_not_in_use(runtime, host, a, b):
    """GC takes the ports, masquerade and addresses of attachments that are not in the list, of this network only."""
    net, other = network(bridge_keys={"ipMasq": True}), network(name="other", bridge_keys={"bridge": "br1"})
    net["cniVersion"] = other["cniVersion"] = "1.1.0"
    other["plugins"][0]["ipam"] = host_local("10.2.0.0/24")
    publish(runtime, a, port(8080, 80), net=net)
    publish(runtime, b, port(8081, 80), net=net)
    runtime.add(other, a, ifname="eth1", capabilities={"portMappings": [port(8082, 80)]})
    runtime.gc(net, [(b.id, "eth0")])
    ruleset = host.out(["nft", "list", "ruleset"])
    assert "tcp . 8080" not in ruleset and "net/id-a" not in ruleset and "10.1.0.2 " not in ruleset
    assert "tcp . 8081" in ruleset and "tcp . 8082" in ruleset
    files = host.files("/var/lib/cni/networks/net")
    assert not any(name.endswith("10.1.0.2") for name in files) and any(name.endswith("10.1.0.3") for name in files)


@pytest.mark.ours("STATUS and GC came with CNI 1.1.0")
def test_status(runtime):
    """STATUS is content where nftables can be used."""
    net = network()
    net["cniVersion"] = "1.1.0"
    runtime.status(net)


def test_no_mappings_pass_the_result_on(runtime, host, a):
    """Without mappings portmap changes nothing, and makes no table."""
    result = publish(runtime, a)
    assert result["ips"][0]["address"] == "10.1.0.2/24" and host.out(["nft", "list", "ruleset"]) == ""
