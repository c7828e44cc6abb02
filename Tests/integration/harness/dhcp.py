"""DHCP servers from Debian, the daemon catena-dhcpd, and a LAN for them: a bridge of the host with a namespace `server` on it."""

import json
import socket
import struct
import time

from . import PLUGINS

SOCKET = "/run/cni/dhcp.sock"
STATE = "/var/lib/cni/catena/dhcp"


def wait_for(what, condition, seconds=15):
    """Polls until the condition holds, and returns what it said; for what tells of no event that a test could wait for."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class Daemon:
    """A catena-dhcpd of the host."""

    def __init__(self, host, *flags, env=None):
        self.host = host
        self.process = host.start([PLUGINS / "catena-dhcpd", *flags], env={"CATENA_LOG": "info", **(env or {})})
        self.log = []
        self.await_line("listening at")

    def await_line(self, text):
        """Reads the log on until a line holds `text`; that line."""
        while True:
            line = self.process.stderr.readline()
            assert line, f"the daemon ended: {''.join(self.log)}"
            self.log.append(line)
            if text in line:
                return line

    @property
    def pid(self):
        """The process ID, as the daemon says."""
        return int(self.ask("status")["pid"])

    def stop(self, kill=False):
        """Ends the daemon by SIGTERM, or SIGKILL; its exit status."""
        (self.process.kill if kill else self.process.terminate)()
        code = self.process.wait(timeout=10)
        self.log += self.process.stderr.readlines()
        return code

    def ask(self, command, **keys):
        """One request over the socket."""
        return ask(self.host, {"version": 1, "command": command, **keys})

    def leases(self, family=4):
        """{container ID: lease}."""
        return {lease["containerID"]: lease for lease in self.ask("leases")["leases"] if lease["family"] == family}

    def lease(self, container, family=4):
        """The lease of a container; None where there is none."""
        return self.leases(family).get(container.id)

    def metric(self, name):
        """A counter's value."""
        for line in self.ask("metrics")["metrics"].splitlines():
            if line.startswith(name + " "):
                return int(line.split()[1])
        return 0


def connect(host, path=SOCKET):
    """A connection to the daemon's socket."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(host.path(path)))
    return client


def send(client, request):
    """Sends a request, or bytes as they are, in a frame."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    client.sendall(struct.pack(">I", len(body)) + body)


def receive(client):
    """The answer; None where the other end has closed."""
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
        try:
            more = client.recv(65536)
        except ConnectionResetError:
            return None
        if not more:
            return None
        data += more
    return json.loads(data[4:])


def ask(host, request, path=SOCKET):
    """One request, one answer."""
    with connect(host, path) as client:
        send(client, request)
        return receive(client)


class Lan:
    """Namespace `server`, 10.9.0.1/24, on the bridge lan0 of the host, which has 10.9.0.2."""

    def __init__(self, host):
        self.host = host
        self.server = host.add_netns("server")
        host.run(["sh", "-ec", """
            ip link add lan0 type bridge
            ip addr add 10.9.0.2/24 dev lan0
            ip link set lan0 up
            ip link add srv0 type veth peer name eth0 netns server
            ip link set srv0 master lan0 up
            ip -n server addr add 10.9.0.1/24 dev eth0
            ip -n server link set lo up
            ip -n server link set eth0 up
        """])
        host.await_up("srv0")

    def network(self, *, version="1.0.0", main=None, **ipam):
        """A network of bridge on the LAN, with addresses by dhcp."""
        plugin = {**(main or {"type": "bridge", "bridge": "lan0"}), "ipam": {"type": "dhcp", "probe": 100, **ipam}}
        return {"cniVersion": version, "name": "net", "plugins": [plugin]}

    def dnsmasq(self, *options, place=None, first="10.9.0.50", last="10.9.0.99", lease="2m", interface="eth0"):
        """dnsmasq as the server; it is ready when this returns."""
        place = place or self.server
        pool = f"--dhcp-range={first},{last},255.255.255.0,{lease}"
        process = place.start([
            "dnsmasq", "--no-daemon", "--quiet-dhcp", "--port=0", "--conf-file=/dev/null", 
            f"--dhcp-leasefile=/run/dnsmasq-{place.name}.leases", f"--pid-file=/run/dnsmasq-{place.name}.pid", "--dhcp-authoritative",
            "--no-ping", f"--interface={interface}", "--except-interface=lo", "--bind-interfaces", pool, *options])
        await_line(process, "DHCP, IP range")
        return process

    def udhcpd(self, *, first="10.9.0.50", last="10.9.0.99", lease=6, options=("option subnet 255.255.255.0", "option router 10.9.0.1")):
        """udhcpd, which gives leases of seconds."""
        lines = ["start " + first, "end " + last, "interface eth0", "min_lease 1", "lease_file /run/udhcpd.leases", "pidfile /run/udhcpd.pid",
                 "offer_time 1", "decline_time 3600", "conflict_time 1", f"option lease {lease}", *options]
        self.host.write("/run/udhcpd.conf", "\n".join(lines) + "\n")
        self.host.run(["touch", "/run/udhcpd.leases"])  # it does not start without
        process = self.server.start(["udhcpd", "-f", "-a", "1", "/run/udhcpd.conf"])
        await_line(process, "started")
        return process

    def kea(self, *, pool="10.9.0.50 - 10.9.0.99", renew=2, rebind=4, valid=6, options=(("routers", "10.9.0.1"),)):
        """kea-dhcp4."""
        self.host.run(["mkdir", "-p", "/run/kea", "/var/lib/kea"])
        config = {"Dhcp4": {
            "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "raw"}, "lease-database": {"type": "memfile", "persist": False},
            "renew-timer": renew, "rebind-timer": rebind, "valid-lifetime": valid, "authoritative": True,
            "subnet4": [{"subnet": "10.9.0.0/24", "pools": [{"pool": pool}], "option-data": [{"name": n, "data": d} for n, d in options]}],
            "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stderr", "flush": True}]}]}}
        self.host.write("/run/kea/dhcp4.conf", config)
        process = self.server.start(["kea-dhcp4", "-c", "/run/kea/dhcp4.conf"], env={"KEA_PIDFILE_DIR": "/run/kea", "KEA_LOCKFILE_DIR": "none"})
        await_line(process, "DHCP4_STARTED")
        return process

    def kea6(self, *, pool="fd00:9::100 - fd00:9::1ff", renew=2, rebind=4, preferred=5, valid=6, rapid=False):
        """kea-dhcp6."""
        self.host.run(["mkdir", "-p", "/run/kea", "/var/lib/kea"])
        config = {"Dhcp6": {
            "interfaces-config": {"interfaces": ["eth0"]}, "lease-database": {"type": "memfile", "persist": False},
            "server-id": {"type": "EN", "enterprise-id": 1, "identifier": "01", "persist": False},
            "renew-timer": renew, "rebind-timer": rebind, "preferred-lifetime": preferred, "valid-lifetime": valid,
            "subnet6": [{"subnet": "fd00:9::/64", "interface": "eth0", "rapid-commit": rapid, "pools": [{"pool": pool}],
                         "option-data": [{"name": "dns-servers", "data": "fd00:9::53"}, {"name": "domain-search", "data": "example.org"}]}],
            "loggers": [{"name": "kea-dhcp6", "severity": "INFO", "output_options": [{"output": "stderr", "flush": True}]}]}}
        self.host.write("/run/kea/dhcp6.conf", config)
        process = self.server.start(["kea-dhcp6", "-c", "/run/kea/dhcp6.conf"], env={"KEA_PIDFILE_DIR": "/run/kea", "KEA_LOCKFILE_DIR": "none"})
        await_line(process, "DHCP6_STARTED")
        return process

    def add_ipv6(self):
        """fd00:9::1/64 for the server, which has its link-local address ready."""
        self.server.run(["sh", "-ec", """
            echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad
            ip link set eth0 down; ip link set eth0 up
            ip addr add fd00:9::1/64 dev eth0 nodad
        """])
        self.host.await_up("srv0")
        self.host.sysctl("ipv6/conf/lan0/accept_ra", 0)  # the host is no part of it
        wait_for("the server's addresses", lambda: not self.server.out(["ip", "-6", "addr", "show", "tentative"]))
        return self


def await_line(process, text):
    """Reads what a server writes to standard error until a line holds `text`."""
    lines = []
    while True:
        line = process.stderr.readline()
        assert line, f"the server ended: {''.join(lines)}{process.stdout.read()}"
        lines.append(line)
        if text in line:
            return line
