"""A private host: namespaces of its own, in which tests may do as they like. Needs no root, and leaves nothing on the machine."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

from .cni import CNIFailure

# Standard input is a pipe that the tests hold: when they end, however they do, `cat` ends, and the namespaces with it.
KEEPER = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir -p /run/netns /var/lib/cni
ip link set lo up
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 0 > /proc/sys/net/ipv6/conf/all/forwarding
echo ready
exec cat
"""

SNAPSHOT = r"""
ip -d -j link; echo '#'
ip -j addr; echo '#'
ip -j -4 route show table all; echo '#'
ip -j -6 route show table all; echo '#'
ip -j -4 rule; echo '#'
ip -j -6 rule; echo '#'
nft list ruleset
"""


class Place:
    """Somewhere commands run: the host, or a container's network namespace."""

    host = None
    name = ""
    _net = ""

    def command(self, argv):
        """The command line that runs `argv` here."""
        keeper = self.host.pid
        return ["nsenter", "-t", str(keeper), "-U", "-m", self._net, "--preserve-credentials", "--", *map(str, argv)]

    def run(self, argv, *, input=None, env=None, check=True, timeout=30, cwd=None):
        """Runs a command to its end; a CompletedProcess with text, or bytes where `input` is bytes."""
        binary = isinstance(input, bytes)
        done = subprocess.run(
            self.command(argv), input=input, stdin=subprocess.DEVNULL if input is None else None, capture_output=True,
            text=not binary, env=environment(env), timeout=timeout, cwd=cwd)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def out(self, argv, **keys):
        """Standard output of a command, without the white space around it."""
        return self.run(argv, **keys).stdout.strip()

    def ip(self, *argv):
        """What `ip -j` answers."""
        text = self.out(["ip", "-j", *argv])
        return json.loads(text) if text else []

    def start(self, argv, *, env=None):
        """Starts a command that runs on; it is ended with the host at the latest."""
        process = subprocess.Popen(
            self.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(env))
        self.host.processes.append(process)
        return process

    def ping(self, address, *, check=True):
        """One echo request; whether an answer came within a second."""
        done = self.run(["ping", "-n", "-c", "1", "-W", "1", address], check=False)
        if check:
            assert done.returncode == 0, f"{self.name}: no answer from {address}\n{done.stdout}{done.stderr}"
        return done.returncode == 0

    def await_up(self, name):
        """Waits until a link is operational: its kernel side notices that the other end has come up in its own time."""
        deadline = time.monotonic() + 5
        while self.link(name)["operstate"] != "UP":
            assert time.monotonic() < deadline, f"{self.name}: {name} does not come up"
            time.sleep(0.01)

    def await_neighbours(self, mac, *addresses):
        """Waits until all these addresses are known to be at a hardware address: by what their owner announces, nothing is asked."""
        deadline = time.monotonic() + 10
        while True:
            known = {entry["dst"]: entry.get("lladdr") for entry in self.ip("neigh")}
            if all(known.get(address) == mac for address in addresses):
                return
            assert time.monotonic() < deadline, f"{self.name}: neighbours are {known}, {addresses} should be at {mac}"
            time.sleep(0.01)

    def link(self, name):
        """The link of that name as `ip -d -j` shows it; None where there is none."""
        done = self.run(["ip", "-d", "-j", "link", "show", "dev", name], check=False)
        return json.loads(done.stdout)[0] if done.returncode == 0 else None

    def addresses(self, name):
        """The addresses of a link, with prefix length, without the link-local ones."""
        found = self.ip("addr", "show", "dev", name)
        return [f"{a['local']}/{a['prefixlen']}" for entry in found for a in entry.get("addr_info", []) if not link_local(a["local"])]

    def routes(self, family=4, table="main"):
        """(destination, gateway or None, device) of the routes in a table, without those of link-local and multicast."""
        found = self.ip(f"-{family}", "route", "show", "table", table)
        return [
            (r["dst"], r.get("gateway"), r.get("dev")) for r in found if not r["dst"].startswith(("fe80:", "ff00:")) and r.get("type") != "multicast"
        ]

    def sysctl(self, path, value=None):
        """Reads, or sets, /proc/sys/net/PATH here."""
        file = f"/proc/sys/net/{path}"
        if value is not None:
            self.run(["sh", "-c", f'echo {value} > "{file}"'])
        return self.out(["cat", file])


class Host(Place):
    """Namespaces of user, network and mounts with an own /run and /var/lib."""

    def __init__(self):
        self.processes = []
        self.containers = {}
        self.name = "host"
        self.host = self
        self._net = "-n"
        self._keeper = subprocess.Popen(
            ["unshare", "-Urnm", "sh", "-ec", KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pid = self._keeper.pid
        if self._keeper.stdout.readline() != "ready\n":
            raise RuntimeError(f"no private host: {self._keeper.communicate()[1]}")
        self._mounts = os.readlink(f"/proc/{self.pid}/ns/mnt")

    def path(self, name):
        """A path of the host as the tests, outside of it, can open it."""
        return pathlib.Path(f"/proc/{self.pid}/root{name}")

    def add_netns(self, name):
        """A new container: a network namespace at /run/netns/NAME."""
        self.run(["ip", "netns", "add", name])
        self.containers[name] = Container(self, name)
        return self.containers[name]

    def own_etc(self):
        """Makes /etc the host's own, with all that is in the machine's: tests may add to it."""
        machine = "/run/.etc"
        self.run(["sh", "-ec", f"mkdir {machine}; mount --rbind /etc {machine}; mount -t tmpfs -o mode=755 tmpfs /etc"])
        for entry in os.scandir("/etc"):
            target = os.readlink(entry.path) if entry.is_symlink() else f"{machine}/{entry.name}"
            os.symlink(target, self.path(f"/etc/{entry.name}"))

    def write(self, name, text, mode=0o644):
        """Writes a file of the host, and the directories that lead to it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        path.chmod(mode)
        return name

    def add_outside(self):
        """A machine beside the host: namespace `outside`, 192.0.2.2 and 2001:db8::2, linked to the host's 192.0.2.1 and 2001:db8::1.

        It has no route to anything behind the host.
        """
        outside = self.add_netns("outside")
        self.run(["sh", "-ec", """
            ip link add out0 type veth peer name eth0 netns outside
            echo 0 > /proc/sys/net/ipv6/conf/out0/accept_dad
            ip link set out0 up
            ip addr add 192.0.2.1/24 dev out0
            ip addr add 2001:db8::1/64 dev out0 nodad
            ip -n outside addr add 192.0.2.2/24 dev eth0
            ip -n outside addr add 2001:db8::2/64 dev eth0 nodad
            ip -n outside link set lo up
            ip -n outside link set eth0 up
            until ip -n outside -br link show dev eth0 | grep -q ' UP '; do sleep 0.01; done
            until ip -br link show dev out0 | grep -q ' UP '; do sleep 0.01; done
        """])
        return outside

    def add_lan(self, *, hairpin=False):
        """A network that the host is in: its interface `ens5`, without addresses, leads to namespace `lan`, 10.1.0.1 and fd00:1::1.

        Its MTU is 1400. There the port is one of a switch, `sw0`; with `hairpin` the switch sends frames back to where they came from.
        """
        lan = self.add_netns("lan")
        self.run(["sh", "-ec", f"""
            ip link add ens5 mtu 1400 type veth peer name port5 mtu 1400 netns lan
            ip -n lan link add sw0 type bridge
            ip -n lan link set port5 master sw0
            ip -n lan link set port5 type bridge_slave hairpin {'on' if hairpin else 'off'}
            ip netns exec lan sysctl -qw net.ipv6.conf.sw0.accept_dad=0 net.ipv6.conf.port5.accept_dad=0
            ip -n lan addr add 10.1.0.1/24 dev sw0
            ip -n lan addr add fd00:1::1/64 dev sw0 nodad
            ip link set ens5 up
            ip -n lan link set lo up
            ip -n lan link set port5 up
            ip -n lan link set sw0 up
        """])
        self.await_up("ens5")
        lan.await_up("sw0")
        return lan

    def snapshot(self):
        """The host's state: links, addresses, routes, rules, nftables, files."""
        return Snapshot(self)

    def files(self, *roots):
        """{path: (mode, content)} of the files and directories below; content is None for directories and links are told by target."""
        found = {}
        for root in roots:
            base = self.path(root)
            for directory, subdirectories, names in os.walk(base):
                if root == "/run" and directory == str(base):
                    subdirectories[:] = [name for name in subdirectories if name not in ("netns", ".etc", "test")]
                for name in subdirectories + names:
                    file = pathlib.Path(directory, name)
                    shown = root + str(file)[len(str(base)):]
                    mode = file.lstat().st_mode
                    if file.is_symlink():
                        found[shown] = ("link", os.readlink(file))
                    elif file.is_dir():
                        found[shown] = (oct(mode & 0o7777), None)
                    elif file.is_file():
                        found[shown] = (oct(mode & 0o7777), file.read_bytes().decode(errors="replace"))
        return found

    def reservations(self, network="net"):
        """The addresses that host-local has reserved in a network, sorted."""
        names = [name.rsplit("/", 1)[1] for name in self.files(f"/var/lib/cni/networks/{network}")]
        return sorted(name for name in names if name[0].isdigit() or ":" in name)

    def records(self):
        """The files of catena's attachment records."""
        found = self.files("/var/lib/cni/catena/attachments")
        return [name for name, (mode, text) in found.items() if text is not None and not name.endswith("/lock")]

    def strays(self):
        """Processes in the host's mount namespace that no test started."""
        own = {self.pid} | {process.pid for process in self.processes}
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) not in own:
                try:
                    if os.readlink(f"/proc/{entry}/ns/mnt") == self._mounts:
                        found[int(entry)] = pathlib.Path(f"/proc/{entry}/cmdline").read_text().replace("\0", " ")
                except OSError:
                    pass
        return found

    def close(self):
        """Ends everything in the host. Says what processes were left behind."""
        for process in self.processes:
            process.kill()
            process.communicate()
        strays = self.strays()
        for pid in strays:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self._keeper.kill()
        self._keeper.communicate()
        return strays


class Container(Place):
    """A network namespace of the host."""

    def __init__(self, host, name):
        self.host = host
        self.name = name
        self.id = f"id-{name}"
        self.path = f"/run/netns/{name}"
        self._net = f"--net=/proc/{host.pid}/root{self.path}"

    def delete(self):
        """Removes the namespace; no process may be left in it."""
        self.host.run(["ip", "netns", "del", self.name])


class Snapshot:
    """What a host's state was. Compare with ==; `difference` tells in words."""

    def __init__(self, host):
        links, addresses, routes4, routes6, rules4, rules6, ruleset = host.run(["sh", "-c", SNAPSHOT]).stdout.split("#\n", 6)
        self.links = {link["ifname"]: describe_link(link) for link in load(links)}
        self.addresses = {
            entry["ifname"]: sorted(f"{a['local']}/{a['prefixlen']}" for a in entry.get("addr_info", []) if not link_local(a["local"]))
            for entry in load(addresses)
        }
        self.routes = sorted(describe_route(route) for text in (routes4, routes6) for route in load(text) if counts(route))
        self.rules = [str(sorted(rule.items())) for text in (rules4, rules6) for rule in load(text)]
        self.ruleset = ruleset.strip()
        # Of catena's own directory the records count: the directories and the lock's file stay.
        self.files = {
            name: value for name, value in host.files("/var/lib/cni", "/run").items()
            if not name.startswith("/var/lib/cni/catena") or (value[1] is not None and not name.endswith("/lock"))
        }

    def state(self):
        """All of it, as plain values."""
        return {
            "links": self.links, "addresses": self.addresses, "routes": self.routes, "rules": self.rules,
            "nftables": self.ruleset.splitlines(), "files": self.files,
        }

    def without(self, *, links=(), files=None, nftables=False):
        """The state without links (and what hangs on them), files that match an expression, or all of nftables."""
        state = self.state()
        state["links"] = {name: link for name, link in self.links.items() if name not in links}
        state["addresses"] = {name: value for name, value in self.addresses.items() if name not in links}
        state["routes"] = [route for route in self.routes if route.split(" dev ")[-1].split()[0] not in links]
        if files:
            state["files"] = {name: value for name, value in self.files.items() if not re.search(files, name)}
        if nftables:
            del state["nftables"]
        return state

    def __eq__(self, other):
        return self.state() == other.state()


def assert_detached(host, container):
    """Nothing is left of an attachment that was the only one: no link, rule, reservation and record."""
    assert container.link("eth0") is None
    assert "elements" not in host.out(["nft", "list", "ruleset"])
    assert [name for name in host.files("/var/lib/cni/networks") if name.split("/")[-1][0].isdigit() and "." in name] == []
    assert host.records() == []


def assert_del_leaves_nothing(runtime, host, container, network):
    """After ADD and DEL host and container are as before, but for host-local's own files; DEL may be repeated."""
    before, inside = host.snapshot(), container.ip("addr")
    runtime.add(network, container)
    runtime.delete(network, container)
    after = host.snapshot()
    files = "^/var/lib/cni/networks"
    assert after.without(files=files) == before.without(files=files) and container.ip("addr") == inside
    assert host.reservations() == []
    runtime.delete(network, container)
    runtime.delete(network, container, forget=True)
    assert host.snapshot() == after


def assert_check_finds(runtime, container, network, damage, named):
    """CHECK of what ADD made succeeds; after `damage`, shell commands in the container, it fails and names what is not so."""
    runtime.add(network, container)
    runtime.check(network, container)
    container.run(["sh", "-ec", damage])
    try:
        runtime.check(network, container)
    except CNIFailure as failure:
        assert named in failure.text
    else:
        raise AssertionError(f"CHECK found nothing after: {damage}")


def assert_failure_leaves_nothing(runtime, host, container, network, named, **keys):
    """ADD fails and names what is wrong: no link, no reservation is left. The failure."""
    before, inside = host.snapshot(), container.ip("link")
    try:
        runtime.add(network, container, **keys)
    except CNIFailure as failure:
        assert named in failure.text, failure.text
        files = "^/var/lib/cni/networks"
        assert host.snapshot().without(files=files) == before.without(files=files)
        assert [link["ifname"] for link in container.ip("link")] == [link["ifname"] for link in inside] and host.reservations() == []
        return failure
    raise AssertionError(f"ADD succeeded: {network}")


def load(text):
    return json.loads(text) if text.strip() else []


def link_local(address):
    return address.startswith("fe80:")


def describe_link(link):
    info = link.get("linkinfo", {})
    slave = info.get("info_slave_data", {})
    return {
        "kind": info.get("info_kind"), "up": "UP" in link["flags"], "promiscuous": link.get("promiscuity", 0) > 0 and "PROMISC" in link["flags"],
        "mtu": link["mtu"], "master": link.get("master"), "hairpin": slave.get("hairpin"), "isolated": slave.get("isolated"),
    }


def counts(route):
    return not link_local(route["dst"]) and not route["dst"].startswith("ff00:") and route.get("type") not in ("multicast", "anycast")


def describe_route(route):
    words = [route.get("type", "unicast"), route["dst"], "table", str(route.get("table", "main"))]
    for key in ("gateway", "metric", "scope", "prefsrc"):
        if key in route:
            words += [key, str(route[key])]
    return " ".join(words + ["dev", route.get("dev", "-")])


def environment(changes):
    """The environment of commands: this process's without anything of CNI or Catena, and with `changes`; a None value removes."""
    result = {key: value for key, value in os.environ.items() if not key.startswith(("CNI_", "CATENA_"))}
    for key, value in (changes or {}).items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = str(value)
    return result
