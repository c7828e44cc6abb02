"""Servers and clients of TCP, UDP and SCTP that run in a namespace, and tell who was reached and from where; frames from any address."""

import os
import pathlib
import socket
import sys

PEER = pathlib.Path(__file__).with_name("peer.py")
FRAMES = pathlib.Path(__file__).with_name("frames.py")
FLOW = pathlib.Path(__file__).with_name("flow.py")
PYTHON = sys.executable


class NoAnswer(AssertionError):
    """Nobody answered."""


class Answer:
    """Who answered, and the address it was asked from."""

    def __init__(self, line):
        self.name, self.source, self.port = line.split()


def has_sctp():
    """Whether the kernel has SCTP."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
        return True
    except OSError:
        return False


def serve(place, protocol, port, *, name=None):
    """Starts a server on all addresses of a place, IPv4 and IPv6; it listens when this returns."""
    process = place.start([PYTHON, "-S", "-E", PEER, "serve", protocol, port, name or place.name])
    line = process.stdout.readline()
    if line != "READY\n":
        raise AssertionError(f"server of {protocol} {port} in {place.name}: {line}{process.communicate()[1]}")
    return process


def ask(place, protocol, address, port, *, source=None, timeout=2):
    """Asks a server from a place; `source` is the local port. Raises NoAnswer."""
    argv = [PYTHON, "-S", "-E", PEER, "ask", protocol, address, port, source or 0, timeout]
    done = place.run(argv, check=False)
    if done.returncode != 0:
        raise NoAnswer(f"{place.name}: {protocol} {address} {port}: {done.stderr.strip()}")
    return Answer(done.stdout)


def assert_reaches(place, other, *addresses, source=None):
    """A place reaches another one, where TCP port 80 is served, at each address: by ping and TCP. `source` are the addresses that the other
    one sees, in the same order."""
    for number, address in enumerate(addresses):
        place.ping(address)
        answer = ask(place, "tcp", address, 80)
        assert answer.name == other.name and (source is None or answer.source == source[number]), (answer.name, answer.source)


def hear_frames(place, interface):
    """Starts to listen for frames of `send_frames`; it listens when this returns. Each line of its output is source address and text."""
    process = place.start([PYTHON, "-S", "-E", FRAMES, "listen", interface])
    line = process.stdout.readline()
    if line != "READY\n":
        raise AssertionError(f"listener in {place.name}: {line}{process.communicate()[1]}")
    return process


def send_frames(place, interface, source, *texts):
    """Sends frames from a hardware address to everyone behind an interface."""
    place.run([PYTHON, "-S", "-E", FRAMES, "send", interface, source, *texts])


def bits_per_second(sender, receiver, address, *, seconds=2, skip=0, port=5001):
    """How fast TCP goes from a place to another, after the first `skip` bytes."""
    server = receiver.start([PYTHON, "-S", "-E", FLOW, "receive", port])
    if server.stdout.readline() != "READY\n":
        raise AssertionError(f"receiver in {receiver.name}: {server.communicate()[1]}")
    client = sender.start([PYTHON, "-S", "-E", FLOW, "send", address, port, seconds, skip])
    rate = server.stdout.readline()
    client.kill()
    if not rate:
        raise AssertionError(f"{sender.name} to {receiver.name}: {server.communicate()[1]}{client.communicate()[1]}")
    return float(rate)
