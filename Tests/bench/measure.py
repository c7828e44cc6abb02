"""The measurements: times interleaved, and counts by strace and a counting malloc."""

import os
import re
import statistics
import struct
import tempfile
import threading
import time

from engines import engines
from place import Failure, run, shell


class Series:
    """Samples of one thing, in milliseconds."""

    def __init__(self, samples):
        self.wall = sorted(sample.wall * 1000 for sample in samples)
        self.cpu = statistics.median(sample.cpu * 1000 for sample in samples)
        self.memory = max(sample.memory for sample in samples)
        self.median = statistics.median(self.wall)
        self.least = self.wall[0]
        self.p90 = self.wall[min(len(self.wall) - 1, round(len(self.wall) * 0.9))]
        quarter = len(self.wall) // 4
        self.noise = (self.wall[-quarter - 1] - self.wall[quarter]) / self.median if self.median else 0


def interleaved(rounds, actions):
    """Runs {label: action} in turn; {label: Series}. Two rounds are for warming up; an action that returns None is left out."""
    samples = {label: [] for label in actions}
    for number in range(rounds + 2):
        for label, action in actions.items():
            sample = action()
            if number >= 2 and sample is not None:
                samples[label].append(sample)
    return {label: Series(values) for label, values in samples.items() if values}


def start(rounds, programs):
    """VERSION of programs."""
    environment = {"CNI_COMMAND": "VERSION", "PATH": os.environ["PATH"]}
    return interleaved(rounds, {label: lambda p=program: run([p], environment, '{"cniVersion":"1.0.0"}') for label, program in programs.items()})


def operations(kind, rounds, floor, commands=("ADD", "CHECK", "STATUS", "DEL"), **keys):
    """{command: {label: Series}} of one chain, round by round: ADD, CHECK, STATUS and DEL of each engine."""
    made = engines(kind, floor, **keys)
    times = {command: {engine.label: [] for engine in made if engine.can(command)} for command in commands}
    try:
        for number in range(rounds + 2):
            for engine in made:
                for command in commands:
                    if engine.can(command):
                        sample = engine.run(command)
                        if number >= 2:
                            times[command][engine.label].append(sample)
    finally:
        close(made)
    return {command: {label: Series(values) for label, values in of.items()} for command, of in times.items()}


def close(made):
    for engine in made:
        engine.close()


# Counts


def counts(kind, floor, mallocs, peak):
    """{command: {label: {what: number}}}: what one operation takes, by strace and a counting malloc."""
    made = [engine for engine in engines(kind, floor) if engine.label != "netavark"]
    found = {}
    try:
        for command in ("ADD", "CHECK", "DEL"):
            for engine in made:
                if engine.can(command):
                    engine.run(command)
                    found.setdefault(command, {})[engine.label] = {}
        for command in ("ADD", "CHECK", "DEL"):
            for engine in made:
                if engine.label in found[command]:
                    found[command][engine.label] = trace(engine, command)
        # Once more for the allocations: a traced program must not be disturbed.
        for command in ("ADD", "CHECK", "DEL"):
            for engine in made:
                if engine.label in found[command]:
                    found[command][engine.label]["allocations"] = count_allocations(engine, command, mallocs)
        for command in ("ADD", "CHECK", "DEL"):
            for engine in made:
                if engine.label in found[command]:
                    found[command][engine.label]["peak RSS, KiB"] = peak_memory(engine, command, peak)
    finally:
        close(made)
    return found


def trace(engine, command):
    with tempfile.TemporaryDirectory() as place:
        engine.run(command, prefix=["strace", "-f", "-ff", "-y", "-qq", "-s", "64", "-o", f"{place}/t"])
        processes = len(os.listdir(place))
        lines = [line for name in os.listdir(place) for line in open(f"{place}/{name}", errors="replace")]
    calls = [line for line in lines if re.match(r"\w+\(", line)]
    netlink = [line for line in calls if re.match(r"send(to|msg)\(\d+<(NETLINK|socket)", line) and "nlmsg_len" in line]
    return {
        "system calls": len(calls),
        "processes": processes,
        "programs started": sum(line.startswith("execve(") and line.rstrip().endswith("= 0") for line in calls),
        "libraries opened": sum(bool(re.match(r"openat\(.*\.so", line)) and "= -1" not in line for line in calls),
        "netlink messages": sum(line.count("nlmsg_len=") for line in netlink),
        "netlink round trips": len(netlink),
        "netlink dumps": sum(is_dump(line) for line in netlink),
        "bytes written to files": sum(
            int(match.group(1)) for line in calls if (match := re.match(r"p?write(?:64)?\(\d+<(?:/var|/run/cni).*= (\d+)$", line.strip()))),
    }


def is_dump(line):
    """Whether a message sent asks for a list: NLM_F_DUMP of a GET. strace has no names for what a fresh socket sends first."""
    kind, flags = re.search(r"nlmsg_type=([^,]*)", line).group(1), re.search(r"nlmsg_flags=([^,]*)", line).group(1)
    number = re.match(r"0x([0-9a-f]+)", kind)
    # Of rtnetlink every fourth type is a GET; the others that we send are named.
    is_get = "GET" in kind if number is None else int(number.group(1), 16) % 4 == 2
    bits = sum(int(word, 16) for word in re.findall(r"0x[0-9a-f]+", flags))
    return is_get and ("NLM_F_DUMP" in flags or bits & 0x300 == 0x300)


def count_allocations(engine, command, mallocs):
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(8))
        file.flush()
        engine.run(command, environment={"LD_PRELOAD": mallocs, "MALLOCS_FILE": file.name})
        return struct.unpack("Q", open(file.name, "rb").read(8))[0]


def peak_memory(engine, command, peak):
    """Of a chain of programs, the last one's."""
    with tempfile.NamedTemporaryFile() as file:
        engine.run(command, prefix=[peak, file.name])
        return int(open(file.name).read())


# Scale


class Crowd:
    """Attachments that are there already: real ones, in one network namespace, on bridges of 900 ports (the kernel's limit is 1,024)."""

    def __init__(self, engine):
        self.engine, self.count = engine, 0
        self.netns = f"/run/netns/crowd-{engine.name}"
        shell(f"ip netns add crowd-{engine.name}")

    def grow(self, count):
        """Attaches more, until there are so many."""
        engine, bridge = self.engine, self.engine.plugins[0]
        keep = (bridge["bridge"], engine.ports)
        while self.count < count:
            bridge["bridge"] = f"{engine.bridge}x{self.count // 900}"
            engine.ports = [{"hostPort": 20000 + self.count, "containerPort": 80, "protocol": "tcp"}]
            bridge["isGateway"] = self.count < 900
            engine.run("ADD", cid=f"crowd{self.count}", netns=self.netns, ifname=f"e{self.count}")
            self.count += 1
        bridge["bridge"], engine.ports = keep
        bridge["isGateway"] = True

    def close(self):
        shell(f"ip netns del crowd-{self.engine.name}")


def scale(kind, sizes, rounds, limits, floor):
    """{size: {command: {label: Series}}} with so many attachments there; `limits` says up to where an engine goes along. The floor runs beside the
    others' attachments: what grows for it is the kernel's."""
    made = [engine for engine in engines(kind, floor) if engine.label in limits or engine.label == "floor"]
    crowds = [Crowd(engine) for engine in made if engine.label in limits]
    found = {}
    try:
        for size in sizes:
            for crowd in crowds:
                if size <= limits[crowd.engine.label]:
                    crowd.grow(size)
            times = {}
            there = [engine for engine in made if size <= limits.get(engine.label, size)]
            for _ in range(rounds):
                for engine, command in ((engine, command) for engine in there for command in ("ADD", "CHECK", "DEL")):
                    if engine.can(command):
                        times.setdefault(command, {}).setdefault(engine.label, []).append(engine.run(command))
            found[size] = {command: {label: Series(values) for label, values in of.items()} for command, of in times.items()}
    finally:
        for crowd in crowds:
            crowd.close()
        close(made)
    return found


def reservations(sizes, rounds):
    """{size: {command: {label: Series}}} of host-local alone with so many addresses reserved in its directory."""
    made = [engine for engine in engines("a", None) if engine.label in ("wrappers", "reference")]
    found, there = {}, 0
    try:
        for engine in made:
            engine.plugins = [{"type": "host-local", "ipam": engine.plugins[0]["ipam"]}]
        for size in sizes:
            for engine in made:
                directory = f"/var/lib/cni/{engine.name}/{engine.name}"
                os.makedirs(directory, exist_ok=True)
                base = engine.subnet.split(".")[1]
                for number in range(there, size):
                    with open(f"{directory}/10.{base}.{number // 256 + 8 if number < 63488 else 0}.{number % 256}", "w") as file:
                        file.write(f"held{number}\r\neth0")
            there = size
            actions = {
                (engine.label, command): (lambda e=engine, c=command: e.run(c)) for engine in made for command in ("ADD", "CHECK", "DEL")}
            series = interleaved(rounds, actions)
            found[size] = {
                command: {engine.label: series[engine.label, command] for engine in made} for command in ("ADD", "CHECK", "DEL")}
    finally:
        close(made)
    return found


def thousand(ports, rounds):
    """{command: {label: Series}} of chain b with that many ports published by one container: one engine after the other."""
    found = {}
    for number in range(3):
        made = engines("b", None, ports=ports)
        try:
            engine = made[number]
            # The reference takes tens of seconds for each.
            for _ in range(2 if engine.label == "reference" else rounds):
                for command in ("ADD", "DEL"):
                    found.setdefault(command, {}).setdefault(engine.label, []).append(engine.run(command))
        finally:
            close(made)
    return {command: {label: Series(values) for label, values in of.items()} for command, of in found.items()}


# At once


def together(kind, count, rounds):
    """{label: (ADDs a second, p99 in ms, failures)} of `count` containers that are attached at the same time."""
    found = {}
    for engine in [engine for engine in engines(kind, None) if engine.label in ("catena", "wrappers", "reference")]:
        took, latencies, failures = 0.0, [], 0
        for number in range(count):
            shell(f"ip netns add t{number}")
        for _ in range(rounds):
            began = time.perf_counter()
            workers = [threading.Thread(target=one, args=(engine, number, latencies)) for number in range(count)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            took += time.perf_counter() - began
            failures += count * (_ + 1) - len(latencies) - failures
            for number in range(count):
                try:
                    engine.run("DEL", cid=f"t{number}", netns=f"/run/netns/t{number}")
                except Failure:
                    pass
        for number in range(count):
            shell(f"ip netns del t{number}")
        engine.close()
        latencies.sort()
        found[engine.label] = (len(latencies) / took, latencies[int(len(latencies) * 0.99)] * 1000 if latencies else 0, failures)
    return found


def one(engine, number, latencies):
    """Attaches a container of its own; the ports are left out: a host has each of them once."""
    copy = object.__new__(type(engine))
    copy.__dict__.update(engine.__dict__, ports=[{"hostPort": 30000 + number, "containerPort": 80, "protocol": "tcp"}])
    began = time.perf_counter()
    try:
        copy.run("ADD", cid=f"t{number}", netns=f"/run/netns/t{number}")
        latencies.append(time.perf_counter() - began)
    except Failure:
        pass
