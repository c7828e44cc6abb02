"""`make install` puts everything in place, and it works from there without a Swift toolchain."""

import json
import os
import subprocess

import pytest

import harness
from harness import bridge, conflist, host_local, run_plugin


@pytest.fixture
def installed(scratch, stage):
    """An installation below a scratch directory."""
    scratch.chmod(0o755)
    subprocess.run(
        ["make", "-s", "-C", harness.REPO, "install", f"PREFIX={scratch}/usr", f"CNIBINDIR={scratch}/usr/lib/cni"], check=True,
        stdout=subprocess.DEVNULL)
    return scratch / "usr"


def test_what_is_installed(installed):
    """Programs, modules, header, pkg-config file, conflists."""
    for name in ("bin/catenactl", "lib/cni/catena", "lib/cni/bridge", "lib/cni/portmap", "lib/cni/catena-dhcpd",
                 "lib/systemd/system/catena-dhcpd.socket", "lib/systemd/system/catena-dhcpd.service", "lib/catena/modules/bridge.so",
                 "include/catena/module.h", "lib/pkgconfig/catena.pc", "share/catena/conflists/bridge.conflist"):
        assert (installed / name).exists(), name


def test_it_attaches_a_container(installed, host, a):
    """ADD, CHECK and DEL run from the installation, with nothing of Swift in the search path."""
    network = conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24")))
    config = {"type": "catena", "name": "net", "cniVersion": "1.0.0", "chain": network["plugins"]}
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": None}
    path = installed / "lib/cni"
    outcome = run_plugin(host, path / "catena", "ADD", config, path=path, env=env)
    assert outcome.ok, outcome
    a.ping("10.1.0.1")
    for command in ("CHECK", "DEL"):
        assert run_plugin(host, path / "catena", command, {**config, "prevResult": outcome.result}, path=path, env=env).ok


def test_a_directory_of_plugins_elsewhere(installed, scratch, host, a):
    """CNIBINDIR outside of PREFIX gets links, which find their modules all the same."""
    elsewhere = scratch / "opt/cni/bin"
    subprocess.run(
        ["make", "-s", "-C", harness.REPO, "install", f"PREFIX={installed}", f"CNIBINDIR={elsewhere}"], check=True, stdout=subprocess.DEVNULL)
    config = {"cniVersion": "1.0.0", "name": "net", **bridge(isGateway=True, ipam=host_local("10.1.0.0/24"))}
    assert run_plugin(host, elsewhere / "bridge", "ADD", config, path=elsewhere).ok
    hosted = {"cniVersion": "1.0.0", "name": "net", "type": "catena", "chain": [bridge(ipam=host_local("10.1.0.0/24"))]}
    assert run_plugin(host, elsewhere / "catena", "DEL", hosted, path=elsewhere).ok
    subprocess.run(
        ["make", "-s", "-C", harness.REPO, "uninstall", f"PREFIX={installed}", f"CNIBINDIR={elsewhere}"], check=True, stdout=subprocess.DEVNULL)
    assert list(elsewhere.iterdir()) == []


def test_catenactl_finds_its_modules(installed, host):
    """catenactl beside the modules lists them."""
    done = host.run([installed / "bin/catenactl", "module", "list"])
    assert f"{installed}/lib/catena/modules/portmap.so" in done.stdout


def test_a_module_builds_by_pkg_config(installed, scratch, host, a):
    """pkg-config says where the header is, and what is compiled so runs in a chain."""
    flags = subprocess.run(
        ["pkg-config", "--cflags", "catena"], check=True, capture_output=True, text=True,
        env={**os.environ, "PKG_CONFIG_PATH": f"{installed}/lib/pkgconfig"}).stdout.split()
    modules = installed / "lib/catena/modules"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", *flags, '-DTYPE="sample"', "-DMAKES", "-o", modules / "sample.so", harness.REPO / "Tests/abi/sample.c"], check=True)
    (modules / "sample.so").chmod(0o755)
    config = {"type": "catena", "name": "net", "cniVersion": "1.1.0", "chain": [{"type": "sample"}]}
    outcome = run_plugin(host, installed / "lib/cni/catena", "ADD", config)
    assert json.loads(outcome.stdout)["ips"][0]["address"] == "10.7.0.2/24"


def test_uninstall_leaves_nothing(installed):
    """`make uninstall` takes back what `make install` put there."""
    subprocess.run(
        ["make", "-s", "-C", harness.REPO, "uninstall", f"PREFIX={installed}", f"CNIBINDIR={installed}/lib/cni"], check=True,
        stdout=subprocess.DEVNULL)
    assert [path for path in installed.rglob("*") if not path.is_dir()] == []
