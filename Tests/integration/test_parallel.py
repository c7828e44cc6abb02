"""Calls at the same time: for many containers of one host, and for one attachment."""

import concurrent.futures
import random

import pytest

import harness
from harness import CNIFailure, bridge, conflist, host_local, portmap

COUNT = 64
NET = bridge(isGateway=True, ipMasq=True, ipam=host_local("10.1.0.0/24", "fd00:1::/64"))


def settled(host):
    """What has to be as it was when all containers are detached."""
    snapshot = host.snapshot()
    elements = [line for line in snapshot.ruleset.splitlines() if "elements" in line or "comment" in line]
    return snapshot.without(links=["cni0"], files=r"\.catena|last_reserved|/lock$", nftables=True), elements


@pytest.mark.parametrize("program, executable", [("catena", False), ("catena", True), ("wrappers", False)])
def test_64_at_once(lab, host, program, executable):
    """ADD and DEL of 64 containers, mixed: no address is given twice, each works while it is attached, nothing is left at the end."""
    network = conflist(NET, portmap())
    if executable:
        network["plugins"].append(lab.executable("script"))
    runtime = lab.runtime(program)
    containers = [host.add_netns(f"c{number}") for number in range(COUNT)]
    runtime.delete(network, containers[0])
    first = containers[0]
    runtime.add(network, first)
    runtime.delete(network, first)
    before = settled(host)

    def attach(number):
        ports = {"portMappings": [{"hostPort": 9000 + number, "containerPort": 80, "protocol": "tcp"}]}
        return runtime.add(network, containers[number], capabilities=ports)

    def cycle(number):
        """Half of them are detached and attached again, while the others come."""
        result = attach(number)
        for _ in range(2 if number % 2 else 0):
            runtime.check(network, containers[number])
            runtime.delete(network, containers[number])
            result = attach(number)
        return result

    order = list(range(COUNT))
    random.Random(1).shuffle(order)
    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
        results = list(pool.map(cycle, order))
        addresses = [ip["address"] for result in results for ip in result["ips"]]
        assert len(set(addresses)) == 2 * COUNT and len(host.reservations()) == 2 * COUNT
        ruleset = host.out(["nft", "list", "ruleset"])
        assert all(f"tcp . {9000 + number} " in ruleset for number in range(COUNT))
        for number in (order[0], order[-1]):
            containers[number].ping("10.1.0.1")
        list(pool.map(lambda number: runtime.check(network, containers[number]), order))
        list(pool.map(lambda number: runtime.delete(network, containers[number]), order))
    assert host.reservations() == [] and all(container.link("eth0") is None for container in containers)
    after = settled(host)
    assert after == before


def test_calls_for_one_attachment(lab, host, a):
    """ADD and DEL of one attachment at once are done one after the other: whatever the order, the end is whole."""
    network = conflist(NET, portmap(), lab.module("last"))
    ports = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    runtime = lab.runtime()

    def call(number):
        try:
            if number % 2:
                lab.runtime().delete(network, a)
            else:
                runtime.add(network, a, capabilities=ports)
            return "ok"
        except CNIFailure as failure:
            return failure.message

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        outcomes = set(pool.map(call, range(32)))
    assert all(outcome == "ok" or "already exists" in outcome for outcome in outcomes), outcomes
    attached = a.link("eth0") is not None
    assert len(host.reservations()) == (2 if attached else 0)
    assert ("8080" in host.out(["nft", "list", "ruleset"])) == attached
    if attached:
        runtime.check(network, a)
        a.ping("10.1.0.1")
    lab.runtime().delete(network, a)
    assert host.reservations() == [] and "8080" not in host.out(["nft", "list", "ruleset"]) and a.link("eth0") is None
