"""What the shipped files link and export."""

import re
import subprocess

import pytest

import harness


def shipped():
    return [*(harness.PLUGINS / name for name in ("catena", "catena-exec", "catena-dhcpd")), harness.MODULES.parent / "libcatena-modules.so"]


def test_modules_are_there(stage):
    """Each module that ships is built."""
    assert {path.stem for path in harness.MODULES.glob("*.so")} >= {"bridge", "host-local", "loopback", "portmap"}


def test_the_modules_export_one_symbol(stage):
    """The modules that ship are one file, which exports catena_modules_entry and nothing else."""
    (file,) = {module.resolve() for module in harness.MODULES.glob("*.so")}
    names = subprocess.run(["nm", "-D", "--defined-only", file], check=True, capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in names.splitlines()] == ["catena_modules_entry"]


def test_the_hot_path_needs_no_swift_runtime(stage):
    """Programs and modules need C libraries only, and are not told where else to look for them."""
    for path in shipped():
        dynamic = subprocess.run(["readelf", "-d", path], check=True, capture_output=True, text=True).stdout
        needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
        assert needed and not [name for name in needed if re.search("swift|Foundation|nftables", name)], (path, needed)
        assert "RPATH" not in dynamic and "RUNPATH" not in dynamic, path


def test_nothing_newer_than_glibc_2_34(stage):
    """RHEL 9 and Ubuntu 22.04 can start it."""
    for path in shipped():
        symbols = subprocess.run(["objdump", "-T", path], check=True, capture_output=True, text=True).stdout
        versions = {tuple(map(int, text.split("."))) for text in re.findall(r"GLIBC_(\d+\.\d+)", symbols)}
        assert versions and max(versions) <= (2, 34), (path, max(versions))


@pytest.mark.parametrize("compiler", [["gcc", "-std=c99"], ["gcc", "-std=c11"], ["g++", "-std=c++17", "-x", "c++"]], ids=" ".join)
def test_the_header_compiles_alone(stage, scratch, compiler):
    """C99, C11 and C++17 take the header without a warning."""
    source = scratch / "use.c"
    source.write_text("#include <catena/module.h>\nint use(const catena_call *call) { return CATENA_HAS(call, host_data); }\n")
    subprocess.run(
        [*compiler, "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{harness.INCLUDE}", "-c", source, "-o", scratch / "use.o"], check=True)
