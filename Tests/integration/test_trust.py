"""Which files are opened as modules: README.md and docs/module-abi.md, "Trust". Each refusal names the file and the reason."""

import json
import os
import shutil
import subprocess

import pytest

import harness
from harness import CNIFailure, Runtime, conflist

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def modules(scratch):
    """A directory of modules that is in order."""
    scratch.chmod(0o755)
    directory = scratch / "modules"
    directory.mkdir()
    directory.chmod(0o755)
    return directory


@pytest.fixture
def add(host, stage, modules):
    """ADD of a chain of one module type, with the directory on CATENA_MODULE_PATH; what is said of it, "" for a success."""

    def add(type="m", directory=modules, **variables):
        env = {"CATENA_MODULE_PATH": directory, **variables}
        listed = json.loads(host.out([stage / "bin" / "catenactl", "module", "list", "--json"], env=env))
        refused = {entry["type"]: entry.get("refused", "") for entry in listed}
        container = host.containers.get("a") or host.add_netns("a")
        try:
            Runtime(host, "catena", env=env).add(conflist({"type": type}), container)
        except CNIFailure as failure:
            assert refused[type] == failure.message
            return failure.text
        assert refused[type] == ""
        return ""

    return add


@pytest.fixture
def module(modules, compile_module):
    """A module that is in order."""
    return compile_module("sample.c", modules, "m", MAKES=1)


def test_a_module_in_order(add, module):
    assert add() == ""


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
@pytest.mark.parametrize("place", ["modules/m.so", "modules", "."])
def test_what_others_may_write(add, module, scratch, place, mode):
    """The file, its directory, or one above."""
    (scratch / place).chmod(mode)
    try:
        said = add()
    finally:
        scratch.chmod(0o755)
    assert f"{(scratch / place).resolve()} is writable by others" in said and "module m:" in said


@pytest.mark.skipif(not IS_ROOT, reason="giving a file to another user takes root")
@pytest.mark.parametrize("place", ["modules/m.so", "modules", "."])
def test_what_belongs_to_others(add, module, scratch, place):
    os.chown(scratch / place, 12345, 12345)
    assert f"{(scratch / place).resolve()} belongs to user " in add()


def test_a_link_is_followed(add, module, modules):
    """Relative and absolute ones; to what is in order."""
    module.rename(modules / "m.so.1")
    (modules / "m.so.2").symlink_to("../modules/./m.so.1")
    (modules / "m.so").symlink_to(modules / "m.so.2")
    assert add() == ""


def test_a_directory_on_the_way_of_a_link(add, module, modules, scratch):
    """What the link leads to in the end is in order, but on the way there is a directory in which others could change it."""
    open_to_all = scratch / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (open_to_all / "modules").symlink_to(modules)
    assert f"{open_to_all.resolve()} is writable by others" in add(directory=open_to_all / "modules")
    (scratch / "linked").symlink_to(open_to_all / "modules")
    assert f"{open_to_all.resolve()} is writable by others" in add(directory=scratch / "linked")
    # With the sticky bit others can't change what is ours.
    open_to_all.chmod(0o1777)
    assert add(directory=scratch / "linked") == ""


@pytest.mark.skipif(not IS_ROOT, reason="giving a link to another user takes root")
def test_a_link_of_others(add, module, modules, scratch):
    """In a directory like /tmp it leads to what is in order, as long as its owner likes."""
    shared = scratch / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "modules").symlink_to(modules)
    os.lchown(shared / "modules", 12345, 12345)
    assert f"{shared.resolve()}/modules belongs to user " in add(directory=shared / "modules")


@pytest.mark.parametrize("target, words", [("nowhere", "can't be examined: No such file"), ("m.so", "too many symbolic links"),
                                           ("/etc/passwd/x", "/etc/passwd is not a directory"), (".", "is not a regular file")])
def test_a_link_that_leads_to_no_file(add, modules, target, words):
    """It is refused, and not passed over for another directory's module."""
    (modules / "m.so").symlink_to(target)
    assert words in add()


def test_a_missing_library_and_a_missing_function(add, modules, compile_module):
    """RTLD_NOW: what can't be resolved is found before the chain begins, not in the middle of it."""
    compile_module("hostile.c", modules, "m", flags=["-Wl,-z,lazy"], AT_FILE_SCOPE="extern void no_such_function(void);",
                   DOES="no_such_function()", VERB="CATENA_DEL")
    assert "undefined symbol: no_such_function" in add()


def test_modules_do_not_see_one_another(host, lab, a):
    """RTLD_LOCAL: two modules export the same name, and each calls its own."""
    scope = "__attribute__((visibility(\"default\"))) int shared_name(void); int shared_name(void) { return %d; }"
    for type, number in (("first", 11), ("second", 22)):
        lab._compile(
            "hostile.c", lab.modules, type, AT_FILE_SCOPE=scope % number,
            DOES='write_file("/run/test/" TYPE, shared_name() == 11 ? "11" : "22")')
    host.path("/run/test").mkdir(exist_ok=True)
    lab.runtime().add(conflist({"type": "first"}, {"type": "second"}), a)
    assert [host.path(f"/run/test/{type}").read_text() for type in ("first", "second")] == ["11", "22"]


def test_ld_library_path_leads_to_no_module(add, module, modules, scratch, compile_module):
    """A module is opened by its whole path."""
    compile_module("hostile.c", scratch / "elsewhere", "m", DOES="abort()")
    assert add(LD_LIBRARY_PATH=scratch / "elsewhere") == ""


@pytest.mark.parametrize("path, words", [
    ("/OPEN", "writable by others"), ("/OPEN/lib", "writable by others"),
    ("/STICKY/missing", "does not exist, and others can make it"), ("lib", "no absolute path"),
    ("/SAFE", ""), ("/SAFE/missing/lib", ""), ("$ORIGIN", ""), ("$ORIGIN/../lib", ""), ("/SAFE:/OPEN", "writable by others"),
])
@pytest.mark.parametrize("tag", ["--enable-new-dtags", "--disable-new-dtags"])
def test_run_path(add, modules, scratch, compile_module, path, words, tag):
    """DT_RPATH and DT_RUNPATH: a library from a place that others can write to would be code that runs as root."""
    for name, mode in (("OPEN", 0o777), ("SAFE", 0o755), ("STICKY", 0o1777)):
        (scratch / name).mkdir()
        (scratch / name).chmod(mode)
        path = path.replace(f"/{name}", f"{scratch}/{name}")
    compile_module("sample.c", modules, "m", flags=[f"-Wl,{tag},-rpath,{path}"], MAKES=1)
    said = add()
    assert (words in said and "in its RUNPATH" in said) if words else said == ""


# A program with more privileges than its caller


@pytest.fixture
def elevated(stage, scratch, module):
    """Runs a set-uid copy of catena, as a user, in a network and mount namespace; `shell` says how."""
    if not IS_ROOT:
        pytest.skip("a set-uid program of root takes root")

    def elevated(prepare, program, **variables):
        text = f"""
            mount -t tmpfs -o mode=755 tmpfs /run && mount -t tmpfs tmpfs /var/lib && ip link set lo up
            mkdir -p /run/netns /run/setuid/lib/cni /run/setuid/lib/catena/modules && ip netns add a
            cp {stage}/lib/cni/catena /run/setuid/lib/cni/ && chmod 4755 /run/setuid/lib/cni/catena
            {prepare}
            exec setpriv --reuid 12345 --regid 12345 --clear-groups {program}
        """
        env = {key: value for key, value in os.environ.items() if not key.startswith(("CNI_", "CATENA_"))}
        env |= {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_NETNS": "/run/netns/a", "CNI_IFNAME": "eth0", "CNI_PATH": "/nowhere"}
        env |= variables
        config = json.dumps({"cniVersion": "1.0.0", "name": "n", "type": "catena", "chain": [{"type": "m"}]})
        return subprocess.run(["unshare", "-nm", "sh", "-ec", text], input=config, env=env, capture_output=True, text=True, timeout=30)

    return elevated


def test_elevated_programs_ignore_the_environment(elevated, module, modules):
    """CATENA_MODULE_PATH of a caller who is not root leads a set-uid catena nowhere; beside the program modules are found."""
    program = "/run/setuid/lib/cni/catena"
    done = elevated("", program, CATENA_MODULE_PATH=str(modules))
    assert done.returncode == 1 and 'plugin "m" not found' in json.loads(done.stdout)["msg"], done
    assert str(modules) not in done.stdout
    done = elevated(f"cp {module} /run/setuid/lib/catena/modules/", program, CATENA_MODULE_PATH=str(modules))
    assert json.loads(done.stdout)["ips"], done


def test_elevated_programs_do_not_trust_their_caller(elevated, module):
    """A hard link to a set-uid program, with a directory of modules of the caller's own beside it."""
    prepare = f"""
        mkdir -p /run/user/lib/cni /run/user/lib/catena/modules && cp {module} /run/user/lib/catena/modules/m.so
        ln /run/setuid/lib/cni/catena /run/user/lib/cni/catena && chown -R 12345:12345 /run/user/lib/catena /run/user
        chown 0:0 /run/user/lib/cni/catena && chmod 4755 /run/user/lib/cni/catena
    """
    done = elevated(prepare, "/run/user/lib/cni/catena")
    assert done.returncode == 1 and "belongs to user 12345" in json.loads(done.stdout)["msg"], done


def test_a_user_trusts_his_own(stage, scratch, module):
    """Without privileges of its own the program takes modules of the user who runs it: he could run them himself."""
    if not IS_ROOT:
        pytest.skip("as another user all tests here show it")
    shutil.copy(stage / "bin" / "catenactl", scratch / "catenactl")
    for path in (scratch, *scratch.rglob("*")):
        os.chown(path, 12345, 12345)
    done = subprocess.run(
        ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", scratch / "catenactl", "module", "list", "--json"],
        env={"CATENA_MODULE_PATH": str(module.parent)}, capture_output=True, text=True, timeout=30, check=True)
    assert "refused" not in json.loads(done.stdout)[0]
    done = subprocess.run(
        [stage / "bin" / "catenactl", "module", "list"], env={"CATENA_MODULE_PATH": str(module.parent)}, capture_output=True, text=True)
    assert "belongs to user 12345" in done.stdout
