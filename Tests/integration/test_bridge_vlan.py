"""bridge with VLANs: who reaches whom, the gateway in a VLAN, bridges that others have made. Most of it needs a kernel that filters VLANs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import harness
from harness import CNIFailure, Runtime, ask, assert_del_leaves_nothing, bridge, conflist, host_local, serve

FILES = r"^/var/lib/cni"


def network(vlan=None, *, name="net", first=2, version="1.0.0", subnet="10.1.0.0/24", gateway=False, **keys):
    """A network in a VLAN; networks share a subnet, and give out addresses from `first` on."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": subnet, "rangeStart": subnet.replace("0/24", str(first))}]]}
    if vlan is not None:
        keys["vlan"] = vlan
    return conflist(bridge(isGateway=gateway, ipam=ipam, **keys), version=version, name=name)


def filters(host, name="cni0"):
    """Whether a bridge filters VLANs."""
    return host.link(name)["linkinfo"]["info_data"]["vlan_filtering"] == 1


def has_filtering(host):
    """Whether the kernel can filter VLANs."""
    made = host.run(["ip", "link", "add", "probe0", "type", "bridge", "vlan_filtering", "1"], check=False).returncode == 0
    if made:
        host.run(["ip", "link", "del", "probe0"])
    return made


def vlans(host, port):
    """The VLANs of a port, as `bridge vlan` shows them: {ID: its flags}."""
    found = host.run(["bridge", "-j", "vlan", "show", "dev", port]).stdout
    return {entry["vlan"]: entry.get("flags", []) for item in harness.host.load(found) for entry in item["vlans"]}


NATIVE = ["PVID", "Egress Untagged"]


def port_of(result):
    """The name of the host's end."""
    return result["interfaces"][1]["name"]


# A kernel without VLAN filtering


@pytest.mark.parametrize("keys", [{"vlan": 100}, {"vlanTrunk": [{"id": 5}]}], ids=["vlan", "vlanTrunk"])
@pytest.mark.parametrize("exists", [False, True], ids=["new bridge", "existing bridge"])
def test_a_kernel_without_vlan_filtering(runtime, host, a, keys, exists):
    """ADD and STATUS say what the kernel lacks, and nothing is left; where it has it, both succeed."""
    wanted = network(version="1.1.0", **keys)
    if exists:
        host.run(["ip", "link", "add", "cni0", "type", "bridge"])
    if has_filtering(host):
        runtime.status(wanted)
        runtime.add(wanted, a)
        return
    before = host.snapshot()
    with pytest.raises(CNIFailure) as failure:
        runtime.add(wanted, a)
    assert "vlan_filtering" in failure.value.text and "CONFIG_BRIDGE_VLAN_FILTERING" in failure.value.text
    assert host.snapshot().without(files=FILES) == before.without(files=FILES)
    with pytest.raises(CNIFailure, match="the kernel can't make bridges that filter VLANs") as failure:
        runtime.status(wanted)
    assert failure.value.code == 50
    runtime.delete(wanted, a)


@pytest.mark.parametrize("keys, named", [
    ({"vlan": -1}, "vlan: must be from 0 to 4094"), ({"vlan": 4095}, "vlan: must be from 0 to 4094"), ({"vlan": "5"}, "vlan: expected an integer"),
    ({"vlanTrunk": [{"id": 0}]}, r"vlanTrunk\[0\].id: must be from 1 to 4094"), ({"vlanTrunk": [{"id": 3}, {"minID": 5}]}, r"vlanTrunk\[1\].maxID: is missing"),
    ({"vlanTrunk": [{"maxID": 5}]}, r"vlanTrunk\[0\].minID: is missing"), ({"vlanTrunk": [{"minID": 9, "maxID": 5}]}, "must not be less than minID"),
    ({"vlanTrunk": [{"minID": 1, "maxID": 4095}]}, "maxID: must be from"), ({"vlanTrunk": [{}]}, "id: is missing"), ({"vlanTrunk": {}}, "vlanTrunk: expected a list"),
    ({"vlan": 1000, "bridge": "longbridge0", "gateway": True}, "longbridge0.1000"),
])
def test_what_can_not_be(runtime, host, a, keys, named):
    """ADD refuses it by its place, before anything is made; DEL does not mind, unless it can't be read."""
    wanted = network(**keys)
    before = host.snapshot()
    with pytest.raises(CNIFailure, match=named):
        runtime.add(wanted, a)
    assert host.snapshot() == before
    runtime.delete(wanted, a)


@pytest.mark.parametrize("keys, pointer", [
    ({"vlan": 4095}, "/plugins/0/vlan"), ({"vlanTrunk": [{"id": 1}, {"id": 0}]}, "/plugins/0/vlanTrunk/1/id"),
    ({"vlanTrunk": [{"minID": 3}]}, "/plugins/0/vlanTrunk/0"), ({"vlanTrunk": [{}]}, "/plugins/0/vlanTrunk/0"),
])
def test_validate_finds_it(host, stage, keys, pointer):
    """catenactl validate finds the place by the schema; without the fault it has nothing to say."""
    tool = [stage / "bin" / "catenactl", "validate"]
    path = host.write("/run/test/net.conflist", network(**keys))
    done = host.run([*tool, path], env={"CNI_PATH": harness.PLUGINS}, check=False)
    assert done.returncode != 0 and pointer in done.stdout
    right = network(5, vlanTrunk=[{"minID": 3, "maxID": 4, "id": 9}, {"id": 4094}], preserveDefaultVlan=True, macspoofchk=True)
    host.write("/run/test/net.conflist", right)
    assert host.out([*tool, path], env={"CNI_PATH": harness.PLUGINS}) == f"{path}: ok"


# Access ports


@pytest.mark.vm
def test_a_vlan_is_a_network_of_its_own(runtime, host, a, b):
    """Two containers of a VLAN reach each other; one of another VLAN, or of none, they don't, though it has the same subnet."""
    c, d = host.add_netns("c"), host.add_netns("d")
    runtime.add(network(100), a)
    runtime.add(network(100), b)
    runtime.add(network(200, name="other", first=100), c)
    runtime.add(network(name="none", first=150), d)
    assert filters(host)
    a.ping("10.1.0.3")
    serve(b, "tcp", 80)
    assert ask(a, "tcp", "10.1.0.3", 80).name == "b"
    for address in ("10.1.0.100", "10.1.0.150"):
        assert not a.ping(address, check=False)
    assert not c.ping("10.1.0.2", check=False) and not d.ping("10.1.0.2", check=False)


@pytest.mark.vm
@pytest.mark.parametrize("keys, expected", [
    ({"vlan": 100}, {100: NATIVE}), ({"vlan": 1}, {1: NATIVE}), ({"vlan": 4094}, {4094: NATIVE}),
    ({"vlan": 100, "preserveDefaultVlan": True}, {1: ["Egress Untagged"], 100: NATIVE}), ({"vlan": 1, "preserveDefaultVlan": True}, {1: NATIVE}),
    ({"vlanTrunk": [{"minID": 5, "maxID": 7}, {"id": 9}]}, {1: NATIVE, 5: [], 6: [], 7: [], 9: []}),
    ({"vlanTrunk": [{"minID": 5, "maxID": 6, "id": 9}, {"minID": 4, "maxID": 5}, {"id": 9}]}, {1: NATIVE, 4: [], 5: [], 6: [], 9: []}),
    ({"vlanTrunk": [{"minID": 1, "maxID": 3}]}, {1: NATIVE, 2: [], 3: []}),
    ({"vlan": 6, "vlanTrunk": [{"minID": 5, "maxID": 7}]}, {5: [], 6: NATIVE, 7: []}),
    ({"vlan": 6, "vlanTrunk": [{"id": 1}]}, {1: [], 6: NATIVE}),
    ({"vlan": 6, "vlanTrunk": [{"id": 8}], "preserveDefaultVlan": True}, {1: ["Egress Untagged"], 6: NATIVE, 8: []}),
    ({"vlan": 0}, {1: NATIVE}), ({"vlanTrunk": []}, {1: NATIVE}),
], ids=str)
def test_memberships(runtime, host, a, keys, expected):
    """The port is in the VLANs that are asked for, and in no other; CHECK agrees."""
    wanted = network(**keys)
    result = runtime.add(wanted, a)
    assert vlans(host, port_of(result)) == expected
    assert filters(host) is (keys != {"vlan": 0})
    runtime.check(wanted, a)


@pytest.mark.vm
def test_a_full_trunk(runtime, host, a):
    """All VLANs as one range, and every second one by itself, take."""
    result = runtime.add(network(vlanTrunk=[{"minID": 1, "maxID": 4094}]), a)
    assert vlans(host, port_of(result)) == {1: NATIVE, **{number: [] for number in range(2, 4095)}}
    scattered = network(name="scattered", vlanTrunk=[{"id": number} for number in range(2, 4095, 2)])
    result = runtime.add(scattered, a, ifname="eth1")
    assert vlans(host, port_of(result)) == {1: NATIVE, **{number: [] for number in range(2, 4095, 2)}}
    runtime.check(scattered, a, ifname="eth1")


@pytest.mark.vm
def test_another_default_vlan(runtime, host, a, b):
    """The VLAN that a bridge puts new ports in may be another than 1, or none: it is left all the same."""
    host.run(["ip", "link", "add", "cni0", "type", "bridge", "vlan_filtering", "1", "vlan_default_pvid", "50"])
    assert vlans(host, port_of(runtime.add(network(100), a))) == {100: NATIVE}
    kept = network(100, name="kept", first=100, preserveDefaultVlan=True)
    assert vlans(host, port_of(runtime.add(kept, b))) == {50: ["Egress Untagged"], 100: NATIVE}
    runtime.check(kept, b)
    host.run(["ip", "link", "add", "cni1", "type", "bridge", "vlan_filtering", "1", "vlan_default_pvid", "0"])
    other = network(100, name="other", first=150, bridge="cni1")
    assert vlans(host, port_of(runtime.add(other, a, ifname="eth1"))) == {100: NATIVE}
    runtime.check(other, a, ifname="eth1")


@pytest.mark.vm
def test_all_settings_of_a_port(runtime, host, a, b):
    """VLANs, hairpin and isolation of one port, and an isolated neighbour in its VLAN."""
    wanted = network(100, hairpinMode=True, portIsolation=True)
    result = runtime.add(wanted, a)
    runtime.add(wanted, b)
    flags = host.link(port_of(result))["linkinfo"]["info_slave_data"]
    assert (flags["hairpin"], flags["isolated"]) == (True, True) and vlans(host, port_of(result)) == {100: NATIVE}
    assert not a.ping("10.1.0.3", check=False)


# Trunks


def tagged(container, vlan, address):
    """A VLAN device in a container, with an address."""
    container.run(["sh", "-ec", f"""
        ip link add link eth0 name eth0.{vlan} type vlan id {vlan}
        ip addr add {address}/24 dev eth0.{vlan}
        ip link set eth0.{vlan} up"""])


@pytest.mark.vm
def test_a_trunk_carries_tagged_frames(runtime, host, a, b):
    """A container with a trunk reaches its VLANs by VLAN devices of its own, those without a tag by the native VLAN, and no other VLAN."""
    c, d, e = (host.add_netns(name) for name in "cde")
    runtime.add(network(name="trunk", subnet="10.9.0.0/24", vlanTrunk=[{"minID": 100, "maxID": 101}, {"id": 200}]), a)
    runtime.add(network(100), b)
    runtime.add(network(200, name="other", subnet="10.2.0.0/24"), c)
    runtime.add(network(300, name="third", subnet="10.3.0.0/24"), d)
    runtime.add(network(name="trunk", subnet="10.9.0.0/24"), e)
    tagged(a, 100, "10.1.0.100")
    tagged(a, 200, "10.2.0.100")
    tagged(a, 300, "10.3.0.100")
    a.ping("10.1.0.2")
    a.ping("10.2.0.2")
    assert not a.ping("10.3.0.2", check=False)
    a.ping("10.9.0.3")
    serve(c, "tcp", 80)
    assert ask(a, "tcp", "10.2.0.2", 80).source == "10.2.0.100"


@pytest.mark.vm
def test_two_trunks(runtime, host, a, b):
    """Tagged frames go from trunk to trunk; with `vlan` the frames without a tag are of that VLAN."""
    wanted = network(7, vlanTrunk=[{"id": 100}])
    runtime.add(wanted, a)
    runtime.add(wanted, b)
    a.ping("10.1.0.3")
    tagged(a, 100, "10.2.0.1")
    tagged(b, 100, "10.2.0.2")
    a.ping("10.2.0.2")
    tagged(a, 101, "10.3.0.1")
    tagged(b, 101, "10.3.0.2")
    assert not a.ping("10.3.0.2", check=False)


# Gateways


def dual(vlan, *, name="net", number=1, **keys):
    """A network of both families in a VLAN, with its gateway and default routes there."""
    return conflist(
        bridge(vlan=vlan, isDefaultGateway=True, ipam=host_local(f"10.{number}.0.0/24", f"fd00:{number}::/64"), **keys), name=name)


@pytest.mark.vm
def test_the_gateway_is_in_the_vlan(runtime, host, outside, a, b):
    """A link of the host has the gateways' addresses, and is the fourth interface of the result; VLANs reach each other through the host."""
    result = runtime.add(dual(100, ipMasq=True), a)
    gateway = host.link("cni0.100")
    assert result["interfaces"][3] == {"name": "cni0.100", "mac": gateway["address"]}
    assert [ip["interface"] for ip in result["ips"]] == [2, 2]
    assert host.addresses("cni0.100") == ["10.1.0.1/24", "fd00:1::1/64"] and host.addresses("cni0") == []
    assert (gateway["linkinfo"]["info_kind"], gateway["link"], gateway["linkinfo"]["info_data"]["id"]) == ("vlan", "cni0", 100)
    assert "UP" in gateway["flags"] and vlans(host, "cni0") == {1: NATIVE, 100: []}
    for address in ("10.1.0.1", "fd00:1::1", "192.0.2.2", "2001:db8::2"):
        a.ping(address)
    host.ping("10.1.0.2")
    runtime.add(dual(200, name="other", number=2, ipMasq=True), b)
    a.ping("10.2.0.2")
    b.ping("fd00:1::2")
    assert not b.run(["ping", "-c1", "-W1", "-I", "eth0", "-r", "10.1.0.2"], check=False).returncode == 0
    runtime.check(dual(100, ipMasq=True), a)


@pytest.mark.vm
def test_the_gateway_is_shared_and_stays(runtime, host, a, b):
    """Other containers find it, and DEL leaves it, also one without a namespace, which goes by the result."""
    first = runtime.add(dual(100), a)
    second = runtime.add(dual(100), b)
    assert first["interfaces"][3] == second["interfaces"][3]
    a.delete()
    runtime.delete(dual(100), a)
    b.ping("10.1.0.1")
    runtime.delete(dual(100), b, netns="")
    assert host.link("cni0.100") is not None and host.link(port_of(second)) is None
    assert host.addresses("cni0.100") == ["10.1.0.1/24", "fd00:1::1/64"]


@pytest.mark.vm
def test_many_at_once(runtime, host):
    """ADDs that find bridge and gateway missing at the same time do each other no harm."""
    containers = [host.add_netns(f"c{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda container: runtime.add(dual(100), container), containers))
    assert len({result["interfaces"][3]["mac"] for result in results}) == 1
    for container in containers:
        container.ping("10.1.0.1")
        container.ping("fd00:1::1")
        runtime.check(dual(100), container)


@pytest.mark.vm
def test_del_leaves_nothing(runtime, host, a, b):
    """Beside bridge and gateway, which are shared, nothing is left of an attachment."""
    runtime.add(dual(100, name="shared"), b)
    assert_del_leaves_nothing(runtime, host, a, network(200, name="other"))


@pytest.mark.vm
def test_the_gateway_of_the_default_vlan(runtime, host, a, b):
    """Of the bridge's default VLAN the bridge itself is the gateway: the host gets its frames without a tag."""
    result = runtime.add(dual(1), a)
    assert len(result["interfaces"]) == 3 and host.addresses("cni0") == ["10.1.0.1/24", "fd00:1::1/64"]
    runtime.add(dual(100, name="other", number=2), b)
    for address in ("10.1.0.1", "fd00:1::1", "10.2.0.2"):
        a.ping(address)
    runtime.check(dual(1), a)


@pytest.mark.vm
def test_another_link_for_the_vlan(runtime, host, a):
    """A bridge has one VLAN device for a VLAN: where it has another name, the error says what to do."""
    host.run(["sh", "-ec", "ip link add cni0 type bridge vlan_filtering 1; ip link add link cni0 name mine type vlan id 100"])
    with pytest.raises(CNIFailure, match="bridge cni0 has one for VLAN 100 already"):
        runtime.add(dual(100), a)
    assert a.link("eth0") is None and host.reservations() == []


@pytest.mark.vm
def test_another_address_on_the_gateway(runtime, host, a, b):
    """The rules for addresses of the bridge are those of the gateway in a VLAN."""
    runtime.add(dual(100), a)
    clash = conflist(bridge(vlan=100, isGateway=True, ipam=host_local("10.1.0.0/16")), name="clash")
    with pytest.raises(CNIFailure, match="cni0.100 already has an IP address different from 10.1.0.1/16: 10.1.0.1/24"):
        runtime.add(clash, b)
    runtime.add(conflist(bridge(vlan=100, isGateway=True, ipam=host_local("10.7.0.0/24")), name="beside"), b)
    assert host.addresses("cni0.100") == ["10.1.0.1/24", "10.7.0.1/24", "fd00:1::1/64"]


@pytest.mark.vm
def test_the_gateway_of_the_reference(host, stage, a, b, engine):
    """A gateway that the reference has made is used as it is, and ours by the reference."""
    theirs, ours = Runtime(host, "reference"), Runtime(host, engine)
    plain = network(100, gateway=True, preserveDefaultVlan=True)
    theirs.add(plain, a)
    made = host.link("cni0.100")
    result = ours.add(plain, b)
    assert result["interfaces"][3] == {"name": "cni0.100", "mac": made["address"]} and host.link("cni0.100")["ifindex"] == made["ifindex"]
    b.ping("10.1.0.1")
    b.ping("10.1.0.2")
    ours.check(plain, b)
    c, d = host.add_netns("c"), host.add_netns("d")
    other = network(200, name="other", first=100, gateway=True, preserveDefaultVlan=True, subnet="10.2.0.0/24")
    ours.add(other, c)
    theirs.add(other, d)
    d.ping("10.2.0.1")
    d.ping("10.2.0.100")


# What someone else may have made as a gateway: a VLAN device, or a veth as the reference makes it.
FOREIGN = {
    "device": """
        ip link add link cni0 name cni0.100 type vlan id 100
        bridge vlan add dev cni0 vid 100 self""",
    "veth": """
        ip link add cni0.100 type veth peer name port0
        ip link set port0 master cni0 up
        bridge vlan del dev port0 vid 1
        bridge vlan add dev port0 vid 100 pvid untagged""",
}


@pytest.fixture(params=list(FOREIGN))
def foreign(request, host):
    """A bridge with a gateway that someone else has made, with a larger MTU."""
    host.run(["sh", "-ec", f"""
        ip link add cni0 type bridge vlan_filtering 1
        ip link set cni0 up
        {FOREIGN[request.param]}
        echo 0 > /proc/sys/net/ipv6/conf/cni0.100/accept_dad"""])
    return request.param


@pytest.mark.vm
def test_a_gateway_that_is_there(runtime, host, foreign, a, b):
    """It is used, follows the MTU, and is looked at by CHECK."""
    wanted = dual(100, mtu=1400)
    index = host.link("cni0.100")["ifindex"]
    result = runtime.add(wanted, a)
    assert host.link("cni0.100")["ifindex"] == index and host.link("cni0.100")["mtu"] == 1400
    assert result["interfaces"][3]["mac"] == host.link("cni0.100")["address"]
    a.ping("10.1.0.1")
    a.ping("fd00:1::1")
    runtime.add(wanted, b)
    b.ping("10.1.0.2")
    runtime.check(wanted, a)
    damage = "bridge vlan del dev cni0 vid 100 self" if foreign == "device" else "bridge vlan del dev port0 vid 100"
    host.run(damage.split())
    with pytest.raises(CNIFailure, match="expected VLAN 100 for gateway cni0.100"):
        runtime.check(wanted, a)
    runtime.delete(wanted, b)
    runtime.add(wanted, b)
    runtime.check(wanted, a)


@pytest.mark.vm
def test_a_veth_as_gateway_leads_elsewhere(runtime, host, a):
    """CHECK sees that a gateway's veth is not in the bridge any more."""
    host.run(["sh", "-ec", "ip link add cni0 type bridge vlan_filtering 1; ip link set cni0 up\n" + FOREIGN["veth"]])
    runtime.add(dual(100), a)
    host.run(["ip", "link", "set", "port0", "nomaster"])
    with pytest.raises(CNIFailure, match="expected to lead into bridge cni0"):
        runtime.check(dual(100), a)


@pytest.mark.vm
@pytest.mark.parametrize("made", ["type dummy", "type veth peer name elsewhere"], ids=["dummy", "veth"])
def test_a_gateways_name_that_is_taken(runtime, host, a, made):
    """A link of the gateway's name that leads elsewhere is an error, and nothing is left."""
    host.run(["ip", "link", "add", "cni0", "type", "bridge", "vlan_filtering", "1"])
    host.run(["ip", "link", "set", "cni0", "up"])
    host.run(f"ip link add cni0.100 {made}".split())
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="cni0.100 exists and does not lead into VLAN 100 of bridge cni0"):
        runtime.add(dual(100), a)
    assert host.snapshot().without(files=FILES) == before.without(files=FILES) and host.reservations() == []


@pytest.mark.vm
def test_mtu_of_the_gateway(runtime, host, a):
    """The gateway has the network's MTU: larger packets would be lost at the port."""
    runtime.add(dual(100, mtu=1400), a)
    assert host.link("cni0.100")["mtu"] == 1400
    host.run(["ping", "-c1", "-W1", "-M", "do", "-s", "1372", "10.1.0.2"])


# Bridges that are there


@pytest.mark.vm
def test_an_empty_bridge_is_made_to_filter(runtime, host, a, b):
    """A bridge without ports that does not filter is corrected: else VLANs would be a name without an effect."""
    host.run(["ip", "link", "add", "cni0", "type", "bridge"])
    runtime.add(network(100), a)
    runtime.add(network(200, name="other", first=100), b)
    assert filters(host) and not a.ping("10.1.0.100", check=False)


@pytest.mark.vm
def test_a_bridge_in_use_is_not_changed(runtime, host, a, b):
    """One with ports is refused, with what can be done; done, ADD succeeds."""
    runtime.add(network(), a)
    runtime.add(network(), host.add_netns("c"))
    other = network(100, name="other", first=100, version="1.1.0")
    before = host.snapshot()
    with pytest.raises(CNIFailure, match="bridge cni0 does not filter VLANs, and has ports") as failure:
        runtime.add(other, b)
    assert host.snapshot().without(files=FILES) == before.without(files=FILES) and not filters(host)
    with pytest.raises(CNIFailure, match="does not filter VLANs") as status:
        runtime.status(other)
    assert status.value.code == 50
    advice = failure.value.text.split("needs frames with a tag: ")[1]
    host.run(advice.split())
    runtime.status(other)
    runtime.add(other, b)
    assert not a.ping("10.1.0.100", check=False)
    a.ping("10.1.0.3")


# CHECK


@pytest.mark.vm
@pytest.mark.parametrize("damage, named", [
    ("bridge vlan del dev {port} vid 100", "expected VLAN 100 pvid untagged, found none"),
    ("bridge vlan add dev {port} vid 200", "found 100 pvid untagged, 200"), ("bridge vlan add dev {port} vid 100", "expected VLAN 100 pvid untagged"),
    ("ip link set cni0 type bridge vlan_filtering 0", "expected VLAN filtering"), ("ip link del cni0.100", "gateway cni0.100: found none"),
    ("ip link set cni0.100 down", "cni0.100: expected up"), ("ip addr del 10.1.0.1/24 dev cni0.100", "expected gateway address 10.1.0.1/24"),
    ("bridge vlan del dev cni0 vid 100 self", "cni0: expected VLAN 100 for gateway cni0.100, found 1 pvid untagged"),
    ("ip link set cni0.100 address 02:00:00:00:00:99", "cni0.100: expected MAC"), ("ip link set {port} type bridge_slave isolated off", "expected isolated"),
])
def test_check_finds(runtime, host, a, damage, named):
    """CHECK names what is not as ADD made it."""
    wanted = dual(100, portIsolation=True)
    result = runtime.add(wanted, a)
    runtime.check(wanted, a)
    host.run(damage.format(port=port_of(result)).split())
    with pytest.raises(CNIFailure, match=named):
        runtime.check(wanted, a)


@pytest.mark.vm
def test_check_without_ipam(runtime, host, a):
    """A network of layer 2 alone has VLANs too."""
    plain = conflist(bridge(vlanTrunk=[{"minID": 10, "maxID": 20}]))
    result = runtime.add(plain, a)
    runtime.check(plain, a)
    host.run(["bridge", "vlan", "del", "dev", port_of(result), "vid", "15"])
    with pytest.raises(CNIFailure, match="expected VLAN 1 pvid untagged, 10-20, found 1 pvid untagged, 10-14, 16-20"):
        runtime.check(plain, a)
