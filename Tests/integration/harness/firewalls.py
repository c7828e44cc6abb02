"""What guards a host besides Catena: iptables that drops, Docker's and kube-proxy's rules, a running firewalld."""

import time

DBUS = """<busconfig>
<listen>unix:path=/run/dbus/system_bus_socket</listen>
<auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""


def iptables_drop(host):
    """iptables whose FORWARD chains drop what no rule accepts."""
    for program in ("iptables", "ip6tables"):
        host.run([program, "-P", "FORWARD", "DROP"])


def firewalld(host):
    """A firewalld of the host's own, on a bus of its own; it answers when this returns."""
    host.write("/run/dbus.conf", DBUS)
    host.run(["mkdir", "-p", "/run/dbus", "/run/firewalld"])
    bus = host.start(["dbus-daemon", "--config-file=/run/dbus.conf", "--nofork", "--print-address"])
    assert bus.stdout.readline().startswith("unix:"), bus.communicate()[1]
    daemon = host.start(["firewalld", "--nofork", "--nopid", "--log-target=file", "--log-file=/run/firewalld.log"])
    for _ in range(200):
        # In an emulated machine it takes a minute. It takes its name on the bus only when its rules are in force, and says so to no one.
        if host.run(["firewall-cmd", "--state"], check=False, timeout=180).returncode == 0:
            return
        assert daemon.poll() is None, daemon.communicate()[1]
        time.sleep(0.05)
    raise AssertionError("firewalld does not come up: " + host.path("/run/firewalld.log").read_text())
