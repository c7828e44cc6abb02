"""`catenactl module new`: what it writes builds against an installation, and does in a chain what its README says."""

import json
import os
import re
import subprocess

import pytest

from harness import CNIFailure, Runtime, assert_detached

TEMPLATES = [("c", "meta"), ("c", "interface"), ("c", "ipam"), ("c++", "meta"), ("rust", "meta"), ("rust", "ipam"), ("swift", "interface")]
if os.environ.get("CATENA_VM"):
    TEMPLATES.remove(("swift", "interface"))  # under emulation SwiftPM takes longer than all other tests
SOURCES = {"c": "my-plugin.c", "c++": "my-plugin.cpp", "rust": "my-plugin.rs", "swift": "Sources/MyPlugin.swift"}
PORT_START = "ipv4/ip_unprivileged_port_start"

pytestmark = pytest.mark.ours("modules of ours")


@pytest.fixture
def new(sdk, host):
    """Runs `catenactl module new`."""

    def new(*arguments, check=True, cwd=None):
        command = [sdk.prefix / "bin/catenactl", "module", "new", *arguments]
        return host.run(["sh", "-c", 'cd "$0" && exec "$@"', cwd or "/run", *command], check=check)

    return new


@pytest.fixture
def built(new, sdk, scratch, host):
    """(language, kind) to a runtime that has the new module, and the network of its example."""

    def built(language, kind):
        folder = scratch / "my-plugin"
        new("my-plugin", "--language", language, "--kind", kind, "--directory", folder)
        sdk.require_compiler(language.replace("c++", "cpp"))
        with sdk.locked():
            assert "warning" not in sdk.make(folder)
        modules = scratch / "modules"
        modules.mkdir(mode=0o755)
        (folder / "my-plugin.so").replace(modules / "my-plugin.so")
        runtime = Runtime(host, "catena", env={"CATENA_MODULE_PATH": f"{modules}:{sdk.modules}"})
        runtime.path = str(sdk.plugins)
        return runtime, json.loads((folder / "my-plugin.conflist").read_text())

    return built


def change(network, **keys):
    """The network with keys of the module's changed: those under `ipam` for an IPAM plugin."""
    text = json.loads(json.dumps(network))
    plugin = text["plugins"][-1]
    own = plugin if plugin["type"] == "my-plugin" else plugin["ipam"]
    own.update(keys)
    return text


def meta_works(runtime, host, a, network):
    assert runtime.add(network, a)["ips"][0]["address"] == "10.123.0.2/24" and a.sysctl(PORT_START) == "80"
    runtime.check(network, a)
    a.sysctl(PORT_START, 5)
    with pytest.raises(CNIFailure, match="expected 80, found 5"):
        runtime.check(network, a)
    for port, code in (("x", 6), (70000, 7)):
        with pytest.raises(CNIFailure, match="portStart") as failure:
            runtime.add(change(network, portStart=port), a, ifname="eth1")
        assert failure.value.code == code and a.link("eth1") is None
    with pytest.raises(CNIFailure, match="prevResult: is missing") as failure:
        runtime.add({**network, "name": "alone", "plugins": network["plugins"][1:]}, a)
    assert failure.value.code == 7
    runtime.delete(network, a)
    assert a.sysctl(PORT_START) == "1024"


def interface_works(runtime, host, a, network):
    before = host.snapshot()
    result = runtime.add(network, a)
    assert a.addresses("eth0") == ["10.123.0.2/24"] and a.link("eth0")["linkinfo"]["info_kind"] == "veth"
    assert "eth0" in [interface["name"] for interface in result["interfaces"]] and result["ips"][0]["address"] == "10.123.0.2/24"
    a.ping("10.123.0.1")
    host.ping("10.123.0.2")
    runtime.check(network, a)
    a.run(["ip", "link", "del", "eth0"])
    with pytest.raises(CNIFailure, match="eth0"):
        runtime.check(network, a)
    runtime.delete(network, a)
    for ipam, words in (({}, "ipam"), ({"type": "host-local", "ranges": 5}, "ranges")):
        with pytest.raises(CNIFailure, match=words) as failure:
            runtime.add(change(network, ipam=ipam), a)
        assert failure.value.code == (7 if not ipam else failure.value.code)
    runtime.add(network, a)
    runtime.gc(network, [])
    runtime.delete(network, a, netns="")
    assert host.snapshot().without(files="^/var/lib/cni/networks") == before.without(files="^/var/lib/cni/networks")
    assert host.reservations(network["name"]) == []


def ipam_works(runtime, host, a, network):
    assert runtime.add(network, a)["ips"][0]["gateway"] == "10.123.0.1" and a.addresses("eth0") == ["10.123.0.2/24"]
    a.ping("10.123.0.1")
    runtime.check(network, a)
    with pytest.raises(CNIFailure, match="expected 10.123.0.3/24 in prevResult"):
        runtime.check(change(network, address="10.123.0.3/24"), a)
    runtime.delete(network, a)
    for address, words in ((None, "ipam"), ("nonsense", "\"nonsense\" is no address")):
        with pytest.raises(CNIFailure, match=words) as failure:
            runtime.add(change(network, address=address), a)
        assert failure.value.code == (999 if address else 7)


WORKS = {"meta": meta_works, "interface": interface_works, "ipam": ipam_works}


@pytest.mark.parametrize("language, kind", TEMPLATES, ids=map(" ".join, TEMPLATES))
def test_it_works_at_once(built, host, a, language, kind):
    """make, and a chain: ADD with a visible effect, CHECK that finds damage, STATUS, wrong configurations, DEL that leaves nothing."""
    runtime, network = built(language, kind)
    runtime.status(network)
    WORKS[kind](runtime, host, a, network)
    runtime.delete(network, a, forget=True)
    assert_detached(host, a)


@pytest.mark.parametrize("language, kind", TEMPLATES, ids=map(" ".join, TEMPLATES))
def test_what_is_written(new, sdk, scratch, host, language, kind):
    """Source, Makefile, README, an example that is valid, .gitignore; make install puts module and plugin's name where they belong."""
    new("my-plugin", "--language", language, "--kind", kind, cwd=scratch)
    folder = scratch / "my-plugin"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == {SOURCES[language], "Makefile", "README.md", "my-plugin.conflist", ".gitignore"} | ({"Package.swift"} if language == "swift" else set())
    for path in written:
        text = (folder / path).read_text()
        assert "@" not in re.sub(r"\$@|@c\(|@ 1", "", text) and max(map(len, text.splitlines())) <= 150 and text.endswith("\n"), path
    assert json.loads((folder / "my-plugin.conflist").read_text())["name"] == "my-plugin-demo"
    sdk.make(folder, "-n", "install", f"DESTDIR={scratch}/destination")
    (folder / "my-plugin.so").write_text("")
    sdk.make(folder, "clean")
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == written


def test_installed(new, sdk, scratch, host, a):
    """make install with DESTDIR: the module, and its name among the plugins, which leads to catena-exec."""
    new("my-plugin", "--language", "c", cwd=scratch)
    sdk.make(scratch / "my-plugin", "install", f"DESTDIR={scratch}/destination")
    root = scratch / "destination"
    link = root / str(sdk.plugins).lstrip("/") / "my-plugin"
    assert str(link.readlink()) == f"{sdk.plugins}/catena-exec"
    module = root / str(sdk.modules).lstrip("/") / "my-plugin.so"
    assert module.stat().st_mode & 0o777 == 0o755


def test_the_kind_that_is_usual(new, scratch):
    """Without --kind: meta; for Swift an interface."""
    for language, kind in (("c", "CATENA_KIND_META"), ("c++", "CATENA_KIND_META"), ("rust", "CATENA_KIND_META"), ("swift", "kind: .interface")):
        new("my-plugin", "--language", language, "--directory", scratch / language)
        assert kind in (scratch / language / SOURCES[language]).read_text()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "1a", "a b", "a_b", "a-", "-", "a" * 33, "a.so", "ä"])
def test_bad_names(new, scratch, name):
    done = new("--language", "c", "--", name, check=False, cwd=scratch)
    assert done.returncode != 0 and "can't be a module's name" in done.stderr and "such as my-plugin" in done.stderr
    assert list(scratch.iterdir()) == []


def test_nothing_is_overwritten(new, scratch):
    """What is there is named and left as it is, and nothing is written beside it; a directory of other files will do."""
    (scratch / "my-plugin").mkdir()
    (scratch / "my-plugin/README.md").write_text("mine")
    done = new("my-plugin", "--language", "rust", check=False, cwd=scratch)
    assert done.returncode == 1 and "my-plugin/README.md exists: nothing was written" in done.stderr
    assert [path.name for path in (scratch / "my-plugin").iterdir()] == ["README.md"]
    (scratch / "my-plugin/README.md").rename(scratch / "my-plugin/NOTES")
    new("my-plugin", "--language", "rust", cwd=scratch)
    assert (scratch / "my-plugin/NOTES").read_text() == "mine"


@pytest.mark.parametrize("arguments, words", [
    (["--language", "cobol"], "cobol"), ([], "--language"), (["--language", "swift", "--kind", "ipam"], "no template of kind ipam in swift"),
    (["--language", "c", "--directory", "/proc/nowhere"], "write /proc/nowhere"),
], ids=str)
def test_what_it_refuses(new, scratch, arguments, words):
    done = new("my-plugin", *arguments, check=False, cwd=scratch)
    assert done.returncode != 0 and words in done.stderr and done.stdout == "" and list(scratch.iterdir()) == []


def test_help(sdk, host):
    """It tells which kinds there are in which language."""
    text = host.out([sdk.prefix / "bin/catenactl", "module", "new", "--help"])
    for line in ("c       meta, interface, ipam", "c++     meta", "rust    meta, ipam", "swift   interface"):
        assert line in text


def test_without_an_installation(new, sdk, scratch):
    """make says what is missing."""
    new("my-plugin", "--language", "c", cwd=scratch)
    done = subprocess.run(["make", "-C", scratch / "my-plugin"], env={"PATH": os.environ["PATH"], "PKG_CONFIG_LIBDIR": "/nowhere"}, capture_output=True, text=True)
    assert done.returncode != 0 and "pkg-config does not find catena: is it installed? PKG_CONFIG_PATH=PREFIX/lib/pkgconfig says where" in done.stderr
