"""A chain run in one process and the same chain run by a runtime over the wrappers: same result, same state."""

import re

import pytest

from harness import Runtime, bridge, conflist, host_local, portmap

PORTS = [
    {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}, {"hostPort": 5353, "containerPort": 53, "protocol": "udp"},
    {"hostPort": 8443, "containerPort": 443, "protocol": "tcp", "hostIP": "192.0.2.1"},
]
NETWORKS = {
    "bridge": conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24", routes=["0.0.0.0/0"]))),
    "dual stack": conflist(bridge(isDefaultGateway=True, ipMasq=True, hairpinMode=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64")), portmap()),
    "layer 2": conflist(bridge(mtu=1400)),
    "meta": conflist(
        bridge(isGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64", routes=["0.0.0.0/0", "::/0"])), portmap(),
        {"type": "bandwidth", "ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 8000000, "egressBurst": 800000},
        {"type": "tuning", "sysctl": {"net.ipv4.tcp_fin_timeout": "555"}, "mac": "02:00:00:00:00:01", "mtu": 1400}, {"type": "sbr"}),
    "1.1.0": conflist(bridge(isDefaultGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24")), portmap(), version="1.1.0"),
    "0.4.0": conflist(bridge(isDefaultGateway=True, ipam=host_local("10.1.0.0/24")), portmap(), version="0.4.0"),
    "0.2.0": conflist(bridge(isDefaultGateway=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64")), version="0.2.0"),
}


def normalised(value):
    """Without what is random: names of veths, hardware addresses, the index's marks."""
    text = re.sub(r"veth[0-9a-f]{8}", "veth", repr(value))
    return re.sub(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", "MAC", text)


def play(host, container, engine, network):
    """Attaches and detaches a container; returns results and states."""
    runtime = Runtime(host, engine)
    seen = [runtime.add(network, container, capabilities={"portMappings": PORTS})]
    seen.append(host.snapshot().without(files=r"\.catena|^/var/lib/cni/catena/"))
    seen += [sorted(container.addresses("eth0")), sorted(container.routes()), sorted(container.routes(6))]
    if network["cniVersion"] >= "0.4.0":
        runtime.check(network, container)
    runtime.delete(network, container)
    seen.append(host.snapshot().without(files=r"\.catena|^/var/lib/cni/catena/"))
    return [normalised(value) for value in seen]


@pytest.mark.parametrize("name", NETWORKS)
def test_host_and_wrappers_do_the_same(stage, name):
    """Result, links, addresses, routes, nftables and files are the same after ADD and after DEL."""
    import harness

    seen = {}
    for engine in ("catena", "wrappers"):
        host = harness.Host()
        try:
            seen[engine] = play(host, host.add_netns("a"), engine, NETWORKS[name])
        finally:
            assert not host.close()
    for one, other in zip(seen["catena"], seen["wrappers"]):
        assert one == other
