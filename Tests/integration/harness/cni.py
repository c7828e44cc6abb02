"""Runs CNI plugins as a runtime does: one by one, and as libcni runs a whole conflist."""

import copy
import json
import threading
import time

from . import PLUGINS, REFERENCE


class ExecResult:
    """How one run of a plugin ended."""

    def __init__(self, command, program, done):
        self.command = command
        self.program = str(program)
        self.code = done.returncode
        self.stdout = text(done.stdout)
        self.stderr = text(done.stderr)

    @property
    def ok(self):
        return self.code == 0

    @property
    def result(self):
        """Standard output of a success as JSON; None where there is none."""
        return json.loads(self.stdout) if self.ok and self.stdout.strip() else None

    @property
    def error(self):
        """The CNI error object of a failure. Standard output has to be that object and nothing else."""
        assert not self.ok, f"{self} succeeded"
        error = json.loads(self.stdout)
        assert isinstance(error["code"], int) and isinstance(error["msg"], str), self
        return error

    def __str__(self):
        return f"{self.command} {self.program}: exit {self.code}\nstdout: {self.stdout[:2000]}\nstderr: {self.stderr[:2000]}"


class CNIFailure(Exception):
    """A plugin of a chain failed."""

    def __init__(self, outcome):
        self.outcome = outcome
        self.error = outcome.error
        self.code = self.error["code"]
        self.message = self.error["msg"]
        #: Message and details, as a runtime shows them.
        self.text = "; ".join(part for part in (self.message, self.error.get("details")) if part)
        super().__init__(f"{outcome.command} {outcome.program}: {self.code}: {self.text}")


def text(output):
    return output.decode(errors="replace") if isinstance(output, bytes) else output


def run_plugin(place, program, command, config, *, cid="id-a", netns="/run/netns/a", ifname="eth0", args=None, path=PLUGINS, env=None, prefix=()):
    """One run of one plugin: `config` is an object, or text or bytes to give as they are. None leaves a variable unset."""
    variables = {
        "CNI_COMMAND": command, "CNI_CONTAINERID": cid, "CNI_NETNS": netns, "CNI_IFNAME": ifname, "CNI_ARGS": args,
        "CNI_PATH": path, **(env or {}),
    }
    given = json.dumps(config) if isinstance(config, dict) else config
    return ExecResult(command, program, place.run([*prefix, program], input=given, env=variables, check=False, timeout=60))


class Runtime:
    """Runs conflists as libcni does: ADD in order with prevResult handed on, DEL in reverse with the final result, the result cached.

    The engine says by what: `catena` (one plugin, with the conflist's plugins as its chain), `wrappers` (ours, one by one),
    `reference` (the reference plugins, one by one), `plain` (ours, the conflist as it is).
    """

    def __init__(self, host, engine, *, path=(), env=None):
        self.host = host
        self.engine = engine
        directory = REFERENCE if engine == "reference" else PLUGINS
        self.path = ":".join(map(str, [directory, *path]))
        self.env = env or {}
        #: What each plugin is run by: ["strace", …].
        self.prefix = []
        self.cache = {}

    # Operations: return or raise CNIFailure

    def add(self, network, container, *, ifname="eth0", cid=None, args=None, capabilities=None, netns=None, previous=None):
        """ADD; the result."""
        attachment = Attachment(cid or container.id, ifname, netns or container.path, args, capabilities)
        result = previous
        for plugin in self.plugins(network):
            outcome = self._exec("ADD", network, plugin, attachment, result)
            result = outcome.result
            assert result is not None, f"ADD without a result: {outcome}"
        self.cache[(network["name"], attachment.cid, ifname)] = (attachment, result)
        if self.engine == "reference" and ("ip6" in result or any(":" in ip["address"] for ip in result.get("ips", []))):
            self._settle()
        return result

    def check(self, network, container, *, ifname="eth0", cid=None):
        """CHECK, with the cached result."""
        attachment, result = self.cache[(network["name"], cid or container.id, ifname)]
        for plugin in self.plugins(network):
            self._exec("CHECK", network, plugin, attachment, result)

    def delete(self, network, container=None, *, ifname="eth0", cid=None, netns=None, args=None, capabilities=None, forget=False):
        """DEL, with the cached attachment and result where there is one (and it isn't to be forgotten)."""
        key = (network["name"], cid or container.id, ifname)
        known = None if forget else self.cache.get(key)
        attachment, result = known or (Attachment(key[1], ifname, container.path if container else "", args, capabilities), None)
        if netns is not None:
            attachment = copy.copy(attachment)
            attachment.netns = netns
        for plugin in reversed(self.plugins(network)):
            self._exec("DEL", network, plugin, attachment, result)
        self.cache.pop(key, None)

    def gc(self, network, valid):
        """GC; `valid` lists (container ID, ifname)."""
        attachments = [{"containerID": cid, "ifname": ifname} for cid, ifname in valid]
        extra = {"cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments}
        for plugin in self.plugins(network):
            self._exec("GC", network, plugin, Attachment("", "", "", None, None), None, extra)

    def status(self, network):
        """STATUS."""
        for plugin in self.plugins(network):
            self._exec("STATUS", network, plugin, Attachment("", "", "", None, None), None)

    def cached(self, network, container, *, ifname="eth0"):
        """The result of an attachment's ADD."""
        return self.cache[(network["name"], container.id, ifname)][1]

    # How

    def _settle(self):
        """Waits for duplicate address detection: a new bridge of the reference plugins forwards no IPv6 before."""
        for _ in range(50):
            if not any(entry.get("addr_info") for entry in self.host.ip("-6", "addr", "show", "tentative")):
                return
            time.sleep(0.1)

    def plugins(self, network):
        """The plugins that the runtime runs for a conflist."""
        if self.engine != "catena":
            return network["plugins"]
        capabilities = {name: True for plugin in network["plugins"] for name, on in plugin.get("capabilities", {}).items() if on}
        host = {"type": "catena", "chain": network["plugins"]}
        return [{**host, "capabilities": capabilities} if capabilities else host]

    def request(self, network, plugin, attachment, previous, extra=None):
        """The configuration on a plugin's standard input."""
        config = {**plugin, "name": network["name"], "cniVersion": network["cniVersion"], **(extra or {})}
        offered = attachment.capabilities or {}
        runtime = {name: offered[name] for name, on in plugin.get("capabilities", {}).items() if on and name in offered}
        if runtime:
            config["runtimeConfig"] = runtime
        if previous is not None:
            config["prevResult"] = previous
        return config

    def program(self, name):
        """The plugin's executable."""
        return next(f"{directory}/{name}" for directory in self.path.split(":") if self.host.path(f"{directory}/{name}").exists())

    def _exec(self, command, network, plugin, attachment, previous, extra=None):
        try:
            program = self.program(plugin["type"])
        except StopIteration:
            raise AssertionError(f"no plugin {plugin['type']} in {self.path}") from None
        outcome = run_plugin(
            self.host, program, command, self.request(network, plugin, attachment, previous, extra), cid=attachment.cid,
            netns=attachment.netns, ifname=attachment.ifname, args=attachment.args or "", path=self.path, env=self.env, prefix=self.prefix)
        if not outcome.ok:
            raise CNIFailure(outcome)
        if command != "ADD":
            assert outcome.stdout == "", f"{command} has to print nothing: {outcome}"
        return outcome


def add_at_once(container, *attachments):
    """ADD of several (runtime, network, interface name) to a container at the same time. Raises what went wrong first."""
    failures = []

    def add(runtime, network, ifname):
        try:
            runtime.add(network, container, ifname=ifname)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=add, args=attachment) for attachment in attachments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Attachment:
    """A container's interface in a network, and what the runtime says of it."""

    def __init__(self, cid, ifname, netns, args, capabilities):
        self.cid = cid
        self.ifname = ifname
        self.netns = netns
        self.args = args
        self.capabilities = capabilities
