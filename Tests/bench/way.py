"""How many rules of nf_tables a packet meets: those that it matches, as the kernel traces it, and those before them in their chains."""

import collections
import re
import subprocess
import time

HOOKED = "table inet probe { chain first { type filter hook prerouting priority -300; tcp dport { %s } meta nftrace set 1; }; }"
LINE = re.compile(r"trace id (\w+) (\w+) (\S+) (\S+) (rule|verdict|policy|packet:?) ?(.*)")
COUNTER = re.compile(r"counter packets \d+ bytes \d+")


def plain(rule):
    """A rule's text without what its counter says."""
    return COUNTER.sub("counter", rule).strip()


def chains():
    """The rules of every chain: {(family, table, chain): [text]}."""
    found, family, table, chain = collections.defaultdict(list), None, None, None
    for line in subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout.splitlines():
        words = line.split()
        if line.startswith("table "):
            family, table = words[1:3]
        elif line.startswith("\t") and not line.startswith("\t\t") and words:
            chain = words[1] if words[0] == "chain" else None
        elif line.startswith("\t\t") and chain and words[0] not in ("type", "comment"):
            found[family, table, chain].append(plain(line))
    return found


class Walk:
    """One packet's way through the chains, line by line of its trace: that has the rules that match, and the ends of base chains."""

    def __init__(self, chains):
        self.chains, self.met, self.matched = chains, 0, 0
        # Where the packet is: chains, each with the number of its rules that are done, up to the one that the last jump led to.
        self.stack = []

    def leave(self):
        """The packet has met the rest of the innermost chain."""
        place, done = self.stack.pop()
        self.met += len(self.chains[place]) - done

    def take(self, family, table, chain, kind, text):
        place = (family, table, chain)
        if all(place != frame[0] for frame in self.stack):
            self.stack = [[place, 0]]
        while self.stack[-1][0] != place:
            self.leave()
        if kind == "rule":
            rule, _, verdict = text.rpartition(" (verdict ")
            self.match(self.stack[-1], plain(rule), *verdict.rstrip(")").split())
        elif kind == "policy":
            self.leave()

    def match(self, frame, rule, verdict, target=None):
        place, done = frame
        frame[1] = self.chains[place].index(rule, done) + 1
        self.met += frame[1] - done
        self.matched += 1
        if verdict == "goto":
            self.stack.pop()
        if target:
            self.stack.append([(*place[:2], target), 0])
        elif verdict == "return":
            frame[1] = len(self.chains[place])
        elif verdict != "continue":
            self.stack = []


def measure(port, send, limit=120):
    """(rules met, rules matched) by the first packet of the connection that `send` makes to this TCP port, through all hooks from
    prerouting to postrouting. The ruleset must not change meanwhile."""
    known = chains()
    subprocess.run(["nft", "-f", "-"], input=HOOKED % port, text=True, check=True)
    monitor = subprocess.Popen(["stdbuf", "-oL", "nft", "monitor", "trace"], stdout=open("/run/trace", "w"))
    try:
        return walk(known, send, limit)
    finally:
        monitor.kill()
        monitor.wait()
        subprocess.run(["nft", "delete", "table", "inet", "probe"], check=True)


def walk(known, send, limit):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        # nft reads the whole ruleset before it tells anything.
        with open("/run/trace", "w"):
            pass
        send()
        time.sleep(0.5)
        packets = collections.defaultdict(list)
        with open("/run/trace") as file:
            for match in filter(None, map(LINE.match, file.read().replace("\0", "").splitlines())):
                packets[match[1]].append(match.groups()[1:])
        # The first packet of a connection is the one that NAT looks at; it is whole when a postrouting chain has ended.
        for lines in packets.values():
            if any("POSTROUTING" in line[2] or "postrouting" in line[2] for line in lines):
                way = Walk(known)
                for line in lines:
                    if line[1] != "probe" and not line[3].startswith("packet"):
                        way.take(*line)
                return way.met, way.matched
    raise SystemExit("nft monitor trace tells nothing")
