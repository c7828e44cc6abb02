"""vlan: one VLAN of ens5 for the container. What it has in common with macvlan and ipvlan is in test_masters.py."""

import pytest

from harness import CNIFailure, Runtime, assert_failure_leaves_nothing, assert_reaches, conflist, host_local, serve

IPAM = host_local("10.5.0.0/24", "fd00:5::/64")


def network(*, version="1.0.0", ipam=IPAM, **keys):
    """A network of vlan on ens5, VLAN 100; a key that is None is left out."""
    config = {"type": "vlan", "master": "ens5", "vlanId": 100, "ipam": ipam, **keys}
    return conflist({key: value for key, value in config.items() if value is not None}, version=version)


def data(container):
    """What the kernel tells of the VLAN link: protocol and id."""
    return container.link("eth0")["linkinfo"]["info_data"]


@pytest.fixture
def lan100(lan):
    """A machine of VLAN 100 of the network: 10.5.0.1 and fd00:5::1; it serves TCP port 80."""
    join(lan, 100)
    return lan


def join(lan, id, protocol="802.1Q"):
    """Puts the machine behind ens5 into a VLAN, with the addresses .1."""
    lan.run(["sh", "-ec", f"""
        ip link add v{id} link sw0 type vlan protocol {protocol} id {id}
        ip addr add 10.5.0.1/24 dev v{id}
        ip addr add fd00:5::1/64 dev v{id} nodad
        ip link set v{id} up"""])


WRONG = [
    ({"master": None}, "master: is missing"), ({"master": "ens9"}, "there is no interface ens9 in the host"),
    ({"master": "ens9", "linkInContainer": True}, "there is no interface ens9 in /run/netns/a"),
    ({"vlanId": 4095}, "vlanId: must be from 0 to 4094, is 4095"), ({"vlanId": -1}, "vlanId: must be from 0 to 4094, is -1"),
    ({"vlanId": "5"}, "vlanId"), ({"protocol": "qinq"}, 'protocol: expected 802.1Q or 802.1ad, found "qinq"'),
    ({"mtu": 1401}, "mtu: 1401 is more than the 1400 of the master ens5"), ({"mtu": -1}, "mtu"), ({"ipam": None}, "ipam: is missing"),
    ({"ipam": {}}, "ipam: is missing: vlan requires an IPAM configuration"),
]


@pytest.mark.parametrize("keys, named", WRONG, ids=str)
def test_what_can_not_be(runtime, host, a, lan, keys, named):
    """Values that can't be are refused before anything is made."""
    assert_failure_leaves_nothing(runtime, host, a, network(**keys), named)


@pytest.mark.parametrize("keys", [keys for keys, _ in WRONG], ids=str)
def test_del_does_not_look_at_values(runtime, host, a, keys):
    """DEL of what was never added succeeds, without the master, and with values that ADD refuses; it releases what is reserved."""
    wanted = network(**keys)
    if keys.get("ipam", True):
        host.run(["sh", "-ec", r"mkdir -p /var/lib/cni/networks/net; printf 'id-a\r\neth0' >/var/lib/cni/networks/net/10.5.0.9"])
    runtime.delete(wanted, a)
    assert host.reservations() == []
    runtime.delete(wanted, a, netns="")
    runtime.delete(wanted, a, netns="/run/netns/nowhere")


# ADD


@pytest.mark.vm
def test_traffic(runtime, a, b, lan100):
    """The container and the machines of its VLAN reach each other; a container in another VLAN reaches none of them."""
    runtime.add(network(), a)
    serve(a, "tcp", 80)
    assert_reaches(a, lan100, "10.5.0.1", "fd00:5::1", source=("10.5.0.2", "fd00:5::2"))
    assert_reaches(lan100, a, "10.5.0.2", "fd00:5::2")
    runtime.add(network(vlanId=200), b)
    assert not b.ping("10.5.0.1", check=False) and not b.ping("10.5.0.2", check=False)


@pytest.mark.vm
@pytest.mark.parametrize("id", [0, 1, 4094])
def test_ids(runtime, a, lan, id):
    """The numbers at the ends of the range."""
    runtime.add(network(vlanId=id), a)
    assert data(a)["id"] == id
    runtime.check(network(vlanId=id), a)


@pytest.mark.vm
@pytest.mark.parametrize("protocol", ["802.1ad", "802.1AD"])
def test_service_tag(runtime, a, lan, protocol):
    """With `protocol` 802.1ad the frames carry a provider's tag: machines with the usual one do not see them."""
    join(lan, 100, "802.1ad")
    wanted = network(protocol=protocol)
    runtime.add(wanted, a)
    serve(a, "tcp", 80)
    assert (data(a)["protocol"], data(a)["id"]) == ("802.1ad", 100)
    assert_reaches(a, lan, "10.5.0.1", "fd00:5::1")
    assert_reaches(lan, a, "10.5.0.2", "fd00:5::2")
    runtime.check(wanted, a)
    with pytest.raises(CNIFailure, match="eth0: protocol: expected 802.1Q, found 802.1ad"):
        runtime.check(network(), a)
    lan.run(["ip", "link", "del", "v100"])
    join(lan, 100)
    assert not a.ping("10.5.0.1", check=False)


@pytest.mark.vm
def test_tags_within_tags(runtime, host, a, lan):
    """QinQ: the container's VLAN within one of the provider's that the host has."""
    host.run(["ip", "link", "add", "svc0", "link", "ens5", "up", "type", "vlan", "protocol", "802.1ad", "id", "7"])
    lan.run(["ip", "link", "add", "svc0", "link", "sw0", "up", "type", "vlan", "protocol", "802.1ad", "id", "7"])
    lan.run(["sh", "-ec", "ip link add v100 link svc0 up type vlan id 100; ip addr add 10.5.0.1/24 dev v100"])
    wanted = network(master="svc0", ipam=host_local("10.5.0.0/24"))
    runtime.add(wanted, a)
    assert_reaches(a, lan, "10.5.0.1")
    runtime.check(wanted, a)


# Failures


@pytest.mark.vm
def test_a_vlan_that_is_taken(runtime, host, a, b, lan):
    """A master has one link for a VLAN: the error says that it is in another container, perhaps."""
    runtime.add(network(), a)
    with pytest.raises(CNIFailure, match="create vlan eth0 on ens5: File exists") as failure:
        runtime.add(network(), b)
    assert "a master has one link for a VLAN" in failure.value.text
    assert b.link("eth0") is None and "10.5.0.3" not in host.reservations()


@pytest.mark.vm
def test_a_master_that_is_down(runtime, host, a, lan):
    """On a master that is down nothing can be brought up: the error says so."""
    host.run(["ip", "link", "set", "ens5", "down"])
    failure = assert_failure_leaves_nothing(runtime, host, a, network(), "set up on eth0: Network is down")
    assert "the link that it is on is down" in failure.text


@pytest.mark.vm
def test_a_master_that_takes_none(runtime, host, a, lan):
    """The loopback interface takes no VLANs: the kernel's own words are the reason."""
    assert_failure_leaves_nothing(runtime, host, a, network(master="lo", mtu=1000), "eth0 on lo, mtu 1000: Operation not supported (")


# CHECK


@pytest.mark.vm
@pytest.mark.parametrize("damage, named", [
    ("ip -n a link del eth0; ip link add eth0 link ens5 netns a type vlan id 200", "eth0: VLAN: expected 100, found 200"),
    ("ip -n a link del eth0; ip link add eth0 link ens5 netns a type vlan protocol 802.1ad id 100",
     "eth0: protocol: expected 802.1Q, found 802.1ad"),
], ids=["VLAN", "tag"])
def test_check_finds_another_vlan(runtime, host, a, lan, damage, named):
    """CHECK fails when the VLAN is not what it was."""
    runtime.add(network(), a)
    runtime.check(network(), a)
    host.run(["sh", "-ec", damage])
    with pytest.raises(CNIFailure) as failure:
        runtime.check(network(), a)
    assert named in failure.value.text


# The reference plugin


@pytest.mark.vm
def test_changing_over(host, stage, a, lan):
    """DEL of ours removes what the reference's made."""
    add, other = Runtime(host, "reference"), Runtime(host, "wrappers")
    add.add(network(), a)
    other.cache = add.cache
    other.check(network(), a)
    other.delete(network(), a)
    assert a.link("eth0") is None and host.reservations() == []
