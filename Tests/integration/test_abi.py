"""The C interface as a promise: what was built against an earlier header works with this host, and the header is clean C and C++."""

import re
import subprocess

import pytest

import harness
from harness import CNIFailure, assert_detached, bridge, conflist, host_local

ABI = harness.REPO / "Tests" / "abi"
HEADER = harness.INCLUDE / "catena" / "module.h"
NET = bridge(isGateway=True, ipam=host_local("10.1.0.0/24"))


def fingerprint(header):
    return subprocess.run([ABI / "fingerprint", header], check=True, capture_output=True, text=True).stdout.splitlines()


def split(lines):
    """What must stay to the letter, and the sizes of structs, which may grow."""
    sizes = dict(re.fullmatch(r"struct (\w+) size (\d+)", line).groups() for line in lines if line.startswith("struct "))
    return [line for line in lines if not line.startswith("struct ")], {name: int(size) for name, size in sizes.items()}


def test_no_change_that_breaks_old_modules(stage):
    """Constants, offsets, types and signatures of the first release hold; structs only grow."""
    kept, kept_sizes = split((ABI / "fingerprint.txt").read_text().splitlines())
    now, sizes = split(fingerprint(HEADER))
    assert [line for line in kept if line not in now] == []
    assert {name for name, size in kept_sizes.items() if sizes[name] < size} == set()


def test_the_kept_header_is_that_of_the_fingerprint():
    """Neither is changed without the other."""
    assert fingerprint(ABI / "v1" / "catena" / "module.h") == (ABI / "fingerprint.txt").read_text().splitlines()


@pytest.mark.parametrize("change, is_seen", [
    (("uint32_t mtu;            /* bytes", "uint64_t mtu;            /* bytes"), True),
    (("#define CATENA_KIND_META 3u", "#define CATENA_KIND_META 4u"), True),
    (("int32_t (*commit)(const catena_call *call);", "int32_t (*commit)(const catena_call *call, uint32_t how);"), True),
    (("    const char *gateway;     /* \"10.1.0.1\"; may be NULL */\n", "    const char *gateway;\n    const char *later;\n"), False),
])
def test_the_fingerprint_sees_what_breaks(scratch, change, is_seen):
    """The comparison itself: a changed type, value or signature is seen, a field more at the end is none."""
    text = (ABI / "v1" / "catena" / "module.h").read_text()
    assert change[0] in text
    changed = scratch / "module.h"
    changed.write_text(text.replace(*change, 1))
    kept, _ = split((ABI / "fingerprint.txt").read_text().splitlines())
    now, _ = split(fingerprint(changed))
    assert any(line not in now for line in kept) == is_seen


@pytest.mark.parametrize("compiler, standard, suffix", [
    ("gcc", "c99", "c"), ("gcc", "c11", "c"), ("gcc", "c17", "c"), ("g++", "c++11", "cc"), ("g++", "c++17", "cc"), ("g++", "c++20", "cc"),
    ("clang", "c99", "c"), ("clang++", "c++17", "cc"),
])
def test_the_header_compiles_without_warnings(stage, scratch, compiler, standard, suffix):
    """Alone, pedantic, without hidden padding, and CATENA_HAS works."""
    source = scratch / f"header.{suffix}"
    source.write_text(
        "#include <catena/module.h>\n"
        "int known(const catena_call *call);\nint known(const catena_call *call) { return CATENA_HAS(call, host_data); }\n")
    subprocess.run(
        [compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wpadded", "-Wconversion", "-c",
         f"-I{harness.INCLUDE}", "-o", scratch / "header.o", source], check=True)


@pytest.mark.parametrize("compiler, standard", [
    ("gcc", "c99"), ("gcc", "c17"), ("g++", "c++11"), ("g++", "c++17"), ("g++", "c++20"), ("clang", "c99"), ("clang++", "c++17"),
])
def test_the_helpers(stage, scratch, compiler, standard):
    """helpers.h compiles without warnings, does what it says, and reads nothing that a host of another release has not."""
    source = scratch / ("helpers.cc" if "++" in compiler else "helpers.c")
    source.write_text((ABI / "helpers.c").read_text())
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if compiler in ("gcc", "g++") else []
    subprocess.run(
        [compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-g", *sanitizers, f"-I{harness.INCLUDE}",
         "-o", scratch / "helpers", source], check=True)
    done = subprocess.run([scratch / "helpers"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


def test_no_type_whose_size_varies():
    """No long, size_t, bool or enum in a struct or signature."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    text = re.sub(r"^#.*(\\\n.*)*", "", text, flags=re.M)
    assert re.findall(r"\b(?:long|short|size_t|ssize_t|bool|_Bool|enum|int|unsigned|time_t)\b", text) == []


@pytest.fixture
def kept(lab, compile_module):
    """The module of the first release, compiled against the header of the first release."""
    compile_module("v1/kept.c", lab.modules, "kept", include=ABI / "v1", flags=["-std=c99", "-pedantic"])
    return {"type": "kept"}


def test_a_module_of_the_first_release(lab, host, a, kept):
    """It loads, and every service does what it did."""
    network = conflist(NET, kept, version="1.1.0")
    lab.env["CATENA_LOG"] = "info"
    runtime = lab.runtime()
    result = runtime.add(network, a)
    assert {"dst": "198.51.100.0/24", "mtu": 1300, "table": 77} in result["routes"]
    assert result["dns"] == {"domain": "example", "search": ["kept.example"]}
    assert "10.1.0.77" in host.out(["nft", "list", "set", "inet", "kept", "seen"])
    # The result tells of a route that bridge's CHECK looks for.
    host.run(["ip", "-n", "a", "route", "add", "198.51.100.0/24", "dev", "eth0", "table", "77"])
    runtime.check(network, a)
    host.run(["nft", "flush", "set", "inet", "kept", "seen"])
    with pytest.raises(CNIFailure, match="the element is gone") as failure:
        runtime.check(network, a)
    assert failure.value.code == 100
    runtime.gc(network, [])
    with pytest.raises(CNIFailure, match="told to say so") as failure:
        runtime.status(network)
    assert failure.value.code == 50 and "no-such-plugin" in failure.value.error["details"]
    runtime.delete(network, a)
    runtime.delete(network, a)
    assert_detached(host, a)


def test_a_module_of_a_later_release(lab, a, scratch, compile_module):
    """Structs that have grown since, as a newer header has them: the host reads what it knows, and follows the pointers."""
    grown = scratch / "include" / "catena"
    grown.mkdir(parents=True)
    text = HEADER.read_text()
    for struct in ("interface", "ip", "route", "dns", "result", "module"):
        text, count = re.subn(rf"\n}} catena_{struct};", f"\n    const char *later;\n    uint64_t more[4];\n}} catena_{struct};", text)
        assert count == 1
    (grown / "module.h").write_text(text)
    compile_module("sample.c", lab.modules, "newer", include=grown.parent, MAKES=1)
    result = lab.runtime().add(conflist({"type": "newer"}), a)
    assert result["ips"] == [{"interface": 0, "address": "10.7.0.2/24", "gateway": "10.7.0.1"}]


@pytest.mark.parametrize("size", [0, 8, 103])
def test_a_module_that_is_smaller_than_the_first_release(lab, a, size):
    """It is refused by name, with the number."""
    small = lab.module("small", SIZE=size)
    with pytest.raises(CNIFailure, match="small.so: catena_module.size is"):
        lab.runtime().add(conflist(small), a)
