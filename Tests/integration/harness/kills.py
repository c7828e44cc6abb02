"""kills.py SECONDS SEED OURS REFERENCE|-: ADD and DEL of host-local in parallel, of which most are killed at a random moment.

Runs in a private host. A runtime's rules hold: DEL follows an ADD that did not end well, and is repeated until it does. All through it no
address may be held twice, and under the lock every file is whole; in the end none may be held, and every address can be had. With the
reference plugin it works in the same directory, and is not killed: it leaves files that name nobody. Prints counts as JSON.
"""

import fcntl
import json
import os
import random
import signal
import sys
import threading
import time

FILES = "/var/lib/cni/networks/net"
POOL = "10.1.0.0/27"
ADDRESSES = 29
WORKERS = 8
CONTAINERS = 6


class Model:
    """Who holds what, as far as is known for certain."""

    def __init__(self, reference):
        self.lock = threading.Lock()
        self.reference = reference
        self.held = {}
        self.wrong = []
        self.counts = {"calls": 0, "kills": 0, "killed ADDs": 0, "killed DELs": 0, "reference": 0, "exhausted": 0, "looks": 0}

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def got(self, address, owner):
        with self.lock:
            if address in self.held:
                self.wrong.append(f"{address} was given to {owner}, and {self.held[address]} holds it")
            self.held[address] = owner

    def gives_back(self, owner):
        with self.lock:
            self.held = {address: other for address, other in self.held.items() if other != owner}


def config(program):
    return json.dumps({"cniVersion": "1.0.0", "name": "net", "type": "x", "ipam": {"type": "host-local", "ranges": [[{"subnet": POOL}]]}}).encode()


def call(program, command, cid, after=None, group=False):
    """One run; after so many seconds it is killed: the process that the runtime sees, or that and its children."""
    source, target = os.memfd_create("in"), os.memfd_create("out")
    os.write(source, config(program))
    os.lseek(source, 0, os.SEEK_SET)
    environment = {"CNI_COMMAND": command, "CNI_CONTAINERID": cid, "CNI_NETNS": "/run/netns/none", "CNI_IFNAME": "eth0", "CNI_PATH": "/usr/lib/cni"}
    actions = [(os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, target, 1), (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]
    pid = os.posix_spawn(program, [program], environment, file_actions=actions, setpgroup=0)
    if after is not None:
        time.sleep(after)
        try:
            (os.killpg if group else os.kill)(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    status = os.waitpid(pid, 0)[1]
    os.lseek(target, 0, os.SEEK_SET)
    output = os.read(target, 1 << 16)
    os.close(source)
    os.close(target)
    if os.WIFSIGNALED(status):
        return None, None
    return os.WEXITSTATUS(status), json.loads(output) if output else None


class Worker(threading.Thread):
    """Attaches and detaches its own containers in turn."""

    def __init__(self, number, model, program, seed, until, kills):
        super().__init__()
        self.model, self.program, self.until, self.kills = model, program, until, kills
        self.random = random.Random(f"{seed}/{number}")
        self.containers = [f"w{number}c{index}" for index in range(CONTAINERS)]
        self.attached = set()

    def run(self):
        try:
            while time.monotonic() < self.until:
                cid = self.random.choice(self.containers)
                self.detach(cid) if cid in self.attached else self.attach(cid)
            self.kills = False
            for cid in self.containers:
                self.detach(cid)
        except Exception as error:
            self.model.wrong.append(f"{type(error).__name__}: {error}")

    def call(self, command, cid):
        self.model.count("calls")
        if self.program == self.model.reference:
            self.model.count("reference")
        after = self.random.uniform(0, 0.008) if self.kills and self.random.random() < 0.8 else None
        code, answer = call(self.program, command, cid, after, self.random.random() < 0.5)
        if code is None:
            self.model.count("kills")
            self.model.count(f"killed {command}s")
        return code, answer

    def attach(self, cid):
        code, answer = self.call("ADD", cid)
        if code == 0:
            self.attached.add(cid)
            return self.model.got(answer["ips"][0]["address"], cid)
        if code is None and self.random.random() < 0.3:
            # Some runtimes try again at once: it works, or the address of the killed ADD is found.
            code, answer = call(self.program, "ADD", cid)
            if code == 0:
                self.attached.add(cid)
                return self.model.got(answer["ips"][0]["address"], cid)
            if "duplicate allocation" not in answer["msg"] and "no IP addresses available" not in answer["msg"]:
                self.model.wrong.append(f"ADD of {cid} again: {answer}")
        elif code is not None:
            if "no IP addresses available" in answer["msg"]:
                self.model.count("exhausted")
            else:
                self.model.wrong.append(f"ADD of {cid}: {answer}")
        self.detach(cid)

    def detach(self, cid):
        self.model.gives_back(cid)
        self.attached.discard(cid)
        while True:
            code, answer = self.call("DEL", cid)
            if code == 0:
                return
            if code is not None:
                self.model.wrong.append(f"DEL of {cid}: {answer}")
                return


def look(model, until):
    """Under the lock every file is whole, and no container holds two addresses."""
    while time.monotonic() < until:
        with open(f"{FILES}/lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            owners = {}
            for name in os.listdir(FILES):
                if name[0].isdigit():
                    with open(f"{FILES}/{name}") as file:
                        owner = file.read()
                    if not owner.endswith("\neth0") or owner in owners:
                        model.wrong.append(f"{name} holds {owner!r}, as does {owners.get(owner)}")
                    owners[owner] = name
        model.count("looks")
        time.sleep(0.05)


def fill(model, program):
    """After it all every address can be had, once."""
    found = set()
    for number in range(ADDRESSES):
        code, answer = call(program, "ADD", f"fill{number}")
        if code != 0:
            model.wrong.append(f"only {number} of {ADDRESSES} addresses could be had: {answer}")
            break
        found.add(answer["ips"][0]["address"])
    if len(found) != ADDRESSES:
        model.wrong.append(f"{len(found)} different addresses")
    code, answer = call(program, "ADD", "one-more")
    if code == 0 or "no IP addresses available" not in answer["msg"]:
        model.wrong.append(f"one more than there are: {answer}")
    for number in range(ADDRESSES):
        call(program, "DEL", f"fill{number}")


def main(seconds, seed, ours, reference):
    model = Model(reference)
    until = time.monotonic() + float(seconds)
    call(ours, "DEL", "first")
    os.makedirs(FILES, exist_ok=True)
    open(f"{FILES}/lock", "a").close()
    theirs = 0 if reference == "-" else 2
    workers = [
        Worker(number, model, reference if number < theirs else ours, seed, until, number >= theirs) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    look(model, until)
    for worker in workers:
        worker.join()
    left = [name for name in os.listdir(FILES) if name[0].isdigit()]
    if left:
        model.wrong.append(f"left behind: {left}")
    fill(model, ours)
    print(json.dumps({"seed": seed, **model.counts, "wrong": model.wrong[:20]}))


main(*sys.argv[1:])
