"""What is measured: ways to run the same chain of plugins, and the floor under them all."""

import json
import os
import subprocess

from place import NETAVARK, OURS, REFERENCE, Failure, Sample, run, shell

PORTS = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}, {"hostPort": 8443, "containerPort": 443, "protocol": "tcp"}]
RATE = {"ingressRate": 80_000_000, "ingressBurst": 8_000_000, "egressRate": 80_000_000, "egressBurst": 8_000_000}


def chain(kind, bridge, subnet, directory, six=None):
    """The plugins of chain a (bridge, host-local), b (and portmap, ipMasq) or c (and firewall, bandwidth, tuning)."""
    ranges = [[{"subnet": subnet}]] + ([[{"subnet": six}]] if six else [])
    routes = [{"dst": "0.0.0.0/0"}] + ([{"dst": "::/0"}] if six else [])
    plugins = [{
        "type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": kind != "a", "hairpinMode": True,
        "ipam": {"type": "host-local", "dataDir": directory, "ranges": ranges, "routes": routes},
    }]
    if kind != "a":
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}})
    if kind == "c":
        plugins += [{"type": "firewall"}, {"type": "bandwidth", **RATE}, {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}]
    return plugins


class Engine:
    """One way to run one chain, on a bridge and a network of its own."""

    label = ""
    number = 0

    def __init__(self, kind, ports=PORTS, six=False):
        Engine.number += 1
        self.kind, self.ports, number = kind, ports, Engine.number
        self.name, self.bridge, self.subnet = f"n{number}", f"br{number}", f"10.{number}.0.0/16"
        # A port of the host belongs to one container: each engine has its own.
        self.ports = [{**port, "hostPort": port["hostPort"] + 100 * (number % 100)} for port in ports] if len(ports) < 10 else ports
        self.six = f"fd00:{number:x}::/64" if six else None
        self.netns = f"/run/netns/{self.name}"
        self.result = None
        shell(f"ip netns add {self.name}")

    def close(self):
        shell(f"ip netns del {self.name}; ip link del {self.bridge} 2>/dev/null || true")

    def can(self, command):
        return True


class Plugins(Engine):
    """The chain as libcni runs it: one process after the other."""

    def __init__(self, label, directory, kind, **keys):
        super().__init__(kind, **keys)
        self.label, self.directory = label, directory
        self.plugins = chain(kind, self.bridge, self.subnet, f"/var/lib/cni/{self.name}", self.six)
        self.version = "1.0.0"

    def can(self, command):
        return command != "STATUS" or self.directory == OURS

    def environment(self, command, cid, netns, ifname):
        return {
            "PATH": os.environ["PATH"], "CNI_COMMAND": command, "CNI_CONTAINERID": cid, "CNI_NETNS": netns, "CNI_IFNAME": ifname,
            "CNI_PATH": str(self.directory),
        }

    def config(self, plugin, previous, command):
        config = {"cniVersion": "1.1.0" if command == "STATUS" else self.version, "name": self.name, **plugin}
        if plugin.get("capabilities"):
            config["runtimeConfig"] = {"portMappings": self.ports}
        if previous:
            config["prevResult"] = previous
        return json.dumps(config)

    def steps(self, command):
        plugins = self.plugins[::-1] if command == "DEL" else self.plugins
        return [(self.directory / plugin["type"], plugin) for plugin in plugins]

    def run(self, command, cid=None, netns=None, ifname="eth0", prefix=(), environment=None):
        """One operation on one attachment."""
        cid = cid or f"c-{self.name}"
        previous = None if command in ("ADD", "STATUS") else self.result
        total = Sample(0, 0, 0, None)
        for program, plugin in self.steps(command):
            variables = {**self.environment(command, cid, netns or self.netns, ifname), **(environment or {})}
            # Debian's portmap fails every CHECK, having done its work: its time counts.
            check = command != "CHECK" or self.directory == OURS
            sample = run([program], variables, self.config(plugin, previous, command), prefix, check)
            previous = sample.answer or previous
            total = total + sample
        if command == "ADD" and cid == f"c-{self.name}":
            self.result = previous
        return total


class Host(Plugins):
    """The chain as one call of catena."""

    def __init__(self, kind, **keys):
        super().__init__("catena", OURS, kind, **keys)

    def steps(self, command):
        capabilities = {"capabilities": {"portMappings": True}} if self.kind != "a" else {}
        return [(self.directory / "catena", {"type": "catena", "chain": self.plugins, **capabilities})]


class Floor(Engine):
    """The C program that makes the system calls alone."""

    label = "floor"

    def __init__(self, program, kind, **keys):
        super().__init__(kind, **keys)
        self.program = program
        shell(f"""
            ip link add {self.bridge} type bridge; ip addr add 10.{Engine.number}.0.1/16 dev {self.bridge}; ip link set {self.bridge} up
            nft 'table inet floor {{
                map ports4 {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
                set hairpin4 {{ type ipv4_addr; }}
                set masquerade4 {{ type ipv4_addr; }}
            }}'""")
        self.index = shell(f"ip -o link show {self.bridge}").split(":")[0]
        self.address = f"10.{Engine.number}.0.5"
        self.list = ",".join(f"{port['hostPort']}:{port['containerPort']}" for port in self.ports) if kind != "a" else ""

    def can(self, command):
        return command in ("ADD", "DEL")

    def run(self, command, prefix=(), environment=None):
        host, rate = f"vethf{self.name}", ["10000000"] if self.kind == "c" else []
        if command == "ADD":
            gateway = self.address.rsplit(".", 1)[0] + ".1"
            argv = [self.program, "add", self.netns, host, self.index, self.address, gateway, "16", self.list, *rate]
        else:
            argv = [self.program, "del", host, self.address, self.list, *(["i" + host[1:]] if rate else [])]
        return run(argv, {**os.environ, **(environment or {})}, "", prefix)


class Netavark(Engine):
    """podman's network program, with a bridge, masquerading and the same ports: not CNI, but the same work."""

    label = "netavark"

    def can(self, command):
        return command in ("ADD", "DEL")

    def run(self, command, prefix=(), environment=None):
        network = {
            "name": self.name, "id": f"{Engine.number:064x}", "driver": "bridge", "network_interface": self.bridge, "ipv6_enabled": False,
            "subnets": [{"subnet": self.subnet, "gateway": self.subnet.replace("0.0/16", "0.1")}], "internal": False, "dns_enabled": False,
            "ipam_options": {"driver": "host-local"}, "options": {},
        }
        mappings = [{"host_ip": "", "container_port": p["containerPort"], "host_port": p["hostPort"], "range": 1, "protocol": "tcp"} for p in self.ports]
        options = {
            "container_id": f"{self.number:064x}", "container_name": self.name, "port_mappings": mappings,
            "networks": {self.name: {"static_ips": [self.subnet.replace("0.0/16", "0.5")], "interface_name": "eth0"}},
            "network_info": {self.name: network},
        }
        verb = "setup" if command == "ADD" else "teardown"
        argv = [NETAVARK, "--config", "/run/bench", verb, self.netns]
        return run(argv, {**os.environ, **(environment or {})}, json.dumps(options), prefix)


def engines(kind, floor, **keys):
    """All of them that this machine has, for one chain."""
    made = [Host(kind, **keys), Plugins("wrappers", OURS, kind, **keys)]
    if (REFERENCE / "bridge").exists():
        made.append(Plugins("reference", REFERENCE, kind, **keys))
    if floor and not keys.get("six"):
        made.append(Floor(floor, kind, **keys))
    if kind == "b" and not keys and NETAVARK.exists():
        made.append(Netavark(kind, **keys))
    return made
