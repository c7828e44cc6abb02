"""The log: a line a step on standard error, in a file, in syslog or the journal; never a word on standard output."""

import re
import socket
import stat

import pytest

import harness
from harness import LOG, bridge, conflist, host_local, portmap, run_plugin

NET = bridge(ipam=host_local("10.1.0.0/24"))


@pytest.fixture
def run(lab, a):
    """Runs catena with a chain: run(command, chain, **keys of the configuration)."""

    def run(command, *chain, env=None, **keys):
        config = {"type": "catena", "name": "net", "cniVersion": "1.1.0", "chain": list(chain), **keys}
        path = f"{harness.PLUGINS}:/run/test/bin"
        return run_plugin(lab.host, harness.PLUGINS / "catena", command, config, path=path, env={**lab.env, **(env or {})})

    return run


def steps(text):
    """The step lines, as dictionaries."""
    found = [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)) for line in text.splitlines()]
    return [line for line in found if "verb" in line]


def listen(host, path):
    """A datagram socket at a path of the host."""
    target = host.path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.settimeout(5)
    server.bind(str(target))
    target.chmod(0o666)
    return server


def test_a_line_a_step(lab, run):
    """Network, container ID, ifname, plugin, verb, in-process or exec, duration, outcome; delegates too."""
    done = run("ADD", NET, lab.executable("script"), env={"CATENA_LOG": "info"})
    assert done.ok and done.result["ips"]
    lines = steps(done.stderr)
    assert [(line["plugin"], line["run"]) for line in lines] == [("host-local", "in-process"), ("bridge", "in-process"), ("script", "exec")]
    for line in lines:
        assert (line["level"], line["net"], line["container"], line["ifname"], line["verb"], line["outcome"]) == (
            "info", "net", "id-a", "eth0", "ADD", "ok")
        assert int(line["us"]) > 0


def test_levels(lab, run):
    """By default what works is silent and what fails is told; `error` is silent of warnings."""
    assert run("ADD", NET).stderr == "" and run("DEL", NET).stderr == ""
    done = run("ADD", NET, lab.module("failing", FAIL=1))
    failed, = steps(done.stderr)
    assert failed["plugin"] == "failing" and failed["outcome"] == "failed" and failed["level"] == "warning"
    assert "sample cannot" in failed["msg"]
    assert steps(run("ADD", NET, lab.module("failing", FAIL=1), env={"CATENA_LOG": "error"}).stderr) == []


def test_a_file(lab, run, host):
    """`log.to` names a file: lines with the time are appended, not for others to read; standard error stays quiet."""
    log = {"to": "/run/test/catena.log"}
    assert run("ADD", NET, log=log).stderr == "" and run("DEL", NET, log=log).stderr == ""
    file = host.path(log["to"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    lines = file.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z level=info net=net ", line) for line in lines)
    assert [(line["plugin"], line["verb"]) for line in steps(file.read_text())] == [
        ("host-local", "ADD"), ("bridge", "ADD"), ("host-local", "DEL"), ("bridge", "DEL")]
    run("STATUS", NET, log={**log, "level": "error"})
    assert file.read_text().splitlines() == lines


def test_the_environment_comes_first(run, host):
    """CATENA_LOG_TO and CATENA_LOG are for whoever looks for a fault; the wrappers have them too."""
    env = {"CATENA_LOG_TO": "/run/test/env.log"}
    assert run("ADD", NET, log={"to": "/run/test/config.log", "level": "error"}, env={**env, "CATENA_LOG": "info"}).ok
    assert len(steps(host.path("/run/test/env.log").read_text())) == 2 and not host.path("/run/test/config.log").exists()
    config = {**NET, "name": "net", "cniVersion": "1.0.0"}
    assert run_plugin(host, harness.PLUGINS / "bridge", "DEL", config, env=env).ok
    assert len(steps(host.path("/run/test/env.log").read_text())) == 4


def test_journald(run, host):
    """Each field can be searched for in the journal."""
    with listen(host, "/run/systemd/journal/socket") as server:
        assert run("ADD", NET, log={"to": "journald"}).stderr == ""
        entry = dict(line.split("=", 1) for line in server.recv(65536).decode().splitlines())
    assert entry["SYSLOG_IDENTIFIER"] == "catena" and entry["PRIORITY"] == "6" and entry["MESSAGE"].startswith("level=info net=net")
    assert (entry["CNI_NETWORK"], entry["CNI_CONTAINERID"], entry["CNI_IFNAME"], entry["CNI_PLUGIN"], entry["CNI_COMMAND"]) == (
        "net", "id-a", "eth0", "host-local", "ADD")
    assert entry["CATENA_OUTCOME"] == "ok" and entry["CATENA_RUN"] == "in-process"


def test_syslog(run, host):
    """Lines go to /dev/log with facility daemon."""
    host.run(["sh", "-ec", """
        mkdir /run/.dev; mount --rbind /dev /run/.dev; mount -t tmpfs tmpfs /dev
        for name in null zero urandom random tty; do touch /dev/$name; mount --bind /run/.dev/$name /dev/$name; done
    """])
    with listen(host, "/dev/log") as server:
        assert run("ADD", NET, log={"to": "syslog"}).stderr == ""
        line = server.recv(65536).decode()
    assert re.match(r"<30>catena\[\d+\]: level=info net=net container=id-a ifname=eth0 plugin=host-local verb=ADD ", line)


def test_a_destination_that_is_not_there(run):
    """The call works; standard error says that the log does not."""
    done = run("ADD", NET, log={"to": "/run/nowhere/catena.log"})
    assert done.ok and "write log: No such file or directory" in done.stderr


@pytest.mark.parametrize("log, words", [
    ({"level": "loud"}, "log.level: expected debug, info, warning or error"), ({"to": "here"}, "log.to: expected syslog, journald"), ("x", "log: expected"),
])
def test_a_log_that_cannot_be(run, log, words):
    assert words in run("ADD", NET, log=log).error["msg"]


def test_lines_stay_lines(lab, run):
    """What a plugin or a configuration says can't forge a line."""
    done = run("ADD", lab.executable("script", ADD='printf \'{"code":101,"msg":"one\\\\nlevel=info forged=\\\\"yes\\\\""}\'; exit 1'))
    line, = [line for line in done.stderr.splitlines() if "verb=ADD" in line]
    assert 'one level=info forged=\\"yes\\"' in line
