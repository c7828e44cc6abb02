"""Where the measurements run: a private host in namespaces, and how a program is run in it."""

import json
import os
import pathlib
import subprocess
import sys
import time

STAGE = pathlib.Path(os.environ["CATENA_STAGE"])
OURS = STAGE / "lib" / "cni"
REFERENCE = pathlib.Path("/usr/lib/cni")
NETAVARK = pathlib.Path("/usr/lib/podman/netavark")


def version(package):
    """The version of a Debian package; "-" where it is not installed."""
    done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 and done.stdout else "-"


# Asked here: the private host has another /var/lib.
VERSIONS = {package: version(package) for package in ("containernetworking-plugins", "netavark", "libnftables1", "iptables")}


def enter_private_host():
    """Starts this program again in new user, network and mount namespaces: nothing of the machine's network is touched."""
    if os.environ.get("CATENA_BENCH_PRIVATE") != "1":
        os.environ["CATENA_BENCH_PRIVATE"] = "1"
        os.execvp("unshare", ["unshare", "-Urnm", sys.executable, *sys.argv])
    for path in ("/run", "/var/lib"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
    for path in ("/run/netns", "/var/lib/cni", "/run/bench"):
        os.makedirs(path)
    shell("ip link set lo up")


def shell(commands, **keys):
    """Runs shell commands; what they print."""
    return subprocess.run(["sh", "-ec", commands], check=True, capture_output=True, text=True, **keys).stdout


class Sample:
    """One run: wall-clock and CPU seconds (its children's too), peak memory in KiB, and the JSON that it printed."""

    def __init__(self, wall, cpu, memory, answer):
        self.wall, self.cpu, self.memory, self.answer = wall, cpu, memory, answer

    def __add__(self, other):
        return Sample(self.wall + other.wall, self.cpu + other.cpu, max(self.memory, other.memory), other.answer or self.answer)


class Failure(Exception):
    """A program failed."""


def run(argv, environment, text, prefix=(), check=True):
    """Runs a program with text on standard input to its end. With `check`, a failure of it is one."""
    source, target = os.memfd_create("stdin"), os.memfd_create("stdout")
    os.write(source, text.encode())
    os.lseek(source, 0, os.SEEK_SET)
    argv = [*map(str, prefix), *map(str, argv)]
    actions = [(os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, target, 1)]
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, environment, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    output = os.pread(target, 1 << 22, 0).decode()
    os.close(source)
    os.close(target)
    if check and status != 0:
        raise Failure(f"{' '.join(argv)} {environment.get('CNI_COMMAND', '')}: status {status}: {output}")
    answer = json.loads(output) if status == 0 and output.strip().startswith("{") else None
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, answer)
