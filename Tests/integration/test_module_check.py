"""`catenactl module check`, the conformance kit: all that ships passes, and each finding has a module that has it. Also list and info."""

import json
import os
import subprocess

import pytest

import harness
from harness import bridge, conflist, host_local, portmap

INSIDE = {"ipam": host_local("10.1.0.0/24", "fd01::/64", routes=["0.0.0.0/0", "::/0"])}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
#: A valid configuration of each module that ships: the plugin's object, or a conflist.
ADDRESSED = bridge(isGateway=True, **INSIDE)
SHIPPED = {
    "bridge": bridge(isGateway=True, ipMasq=True, **INSIDE),
    "dummy": {"type": "dummy", **INSIDE},
    "firewall": conflist(ADDRESSED, {"type": "firewall"}),
    "host-device": {"type": "host-device", "device": "check0", **INSIDE},
    "host-local": bridge(**INSIDE),
    "ipvlan": {"type": "ipvlan", "master": "check0", **INSIDE},
    "loopback": {"type": "loopback"},
    "macvlan": {"type": "macvlan", "master": "check0", **INSIDE},
    "portmap": conflist(ADDRESSED, {**portmap(), "runtimeConfig": PORTS}),
    "ptp": {"type": "ptp", "ipMasq": True, **INSIDE},
    "static": bridge(ipam={"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]}),
    "tap": {"type": "tap", **INSIDE},
    "tuning": conflist(ADDRESSED, {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "mtu": 1400}),
    "vlan": {"type": "vlan", "master": "check0", "vlanId": 100, **INSIDE},
}
VM = {"dummy", "ipvlan", "vlan"}
#: Those that need what is not in a private host: a daemon, or what one writes.
NEEDY = {"dhcp", "flannel"}
#: Those whose DEL leaves to the end of the interface what they changed of it (limits, moved routes), as the reference does: the kit, which
#: adds once more to the same interface, can't try them with a configuration that works.
ENDING = {"bandwidth", "sbr", "vrf"}


@pytest.fixture
def tool(stage):
    """catenactl as it is run by whoever writes modules: it makes its own private hosts."""

    def tool(*arguments, env=None):
        return subprocess.run(
            [stage / "bin" / "catenactl", *arguments], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            env={**{key: value for key, value in os.environ.items() if not key.startswith(("CNI_", "CATENA_"))}, **(env or {})})

    return tool


@pytest.fixture
def check(tool, scratch):
    """module check of a file; its rows, {check: (outcome, found)}."""

    def check(file, config=None, *options):
        arguments = ["module", "check", file, "--json", *options]
        if config is not None:
            (scratch / "config.json").write_text(json.dumps(config))
            arguments += ["--config", scratch / "config.json"]
        done = tool(*arguments)
        assert done.stdout, done.stderr
        rows = {row["check"]: (row["outcome"], row["found"]) for row in json.loads(done.stdout)}
        failed = [f"{name}: {found}" for name, (outcome, found) in rows.items() if outcome == "failed"]
        assert done.returncode == (1 if failed else 0), done
        check.failed = failed
        return rows

    return check


@pytest.fixture
def bad(scratch, compile_module, check):
    """Compiles Tests/abi/hostile.c with these macros, and checks it."""

    def bad(type="bad", flags=(), config=None, **macros):
        scratch.chmod(0o755)
        directory = scratch / "modules"
        return check(compile_module("hostile.c", directory, type, flags=flags, **macros), config, "--timeout", "3")

    return bad


def assert_clean(check, rows):
    assert check.failed == []
    assert [name for name, (outcome, found) in rows.items() if outcome == "not run"] == []


@pytest.mark.parametrize("type", [pytest.param(type, marks=[pytest.mark.vm] if type in VM else []) for type in SHIPPED])
def test_what_ships(check, stage, type):
    """Every module passes, with a valid configuration that works."""
    rows = check(harness.MODULES / f"{type}.so", SHIPPED[type])
    assert_clean(check, rows)
    assert rows["ADD"][1].startswith("succeeded"), rows["ADD"]
    assert {row[0] for row in rows.values()} == {"ok"}


def test_every_module_that_ships_is_tried(stage):
    assert {file.stem for file in harness.MODULES.glob("*.so")} == set(SHIPPED) | NEEDY | ENDING


@pytest.mark.parametrize("type", ["bridge", "portmap", "loopback", "host-local", *sorted(NEEDY), "bandwidth"])
def test_what_ships_without_a_configuration(check, stage, type):
    """An error about the configuration is as good as a success, and nothing else is wrong."""
    assert_clean(check, check(harness.MODULES / f"{type}.so"))


def test_a_module_in_order(bad, check):
    """The harmless form of the hostile module: what the others are measured against."""
    rows = bad()
    assert_clean(check, rows)
    assert rows["schema"][0] == "warning" and rows["exports"] == ("ok", "catena_module_entry")


def test_the_table(tool, scratch, compile_module):
    """For people: a table and a count; exit status 1 where something failed."""
    file = compile_module("hostile.c", scratch / "modules", "bad", DOES='printf("x")')
    done = tool("module", "check", file)
    assert done.returncode == 1 and done.stdout.startswith("CHECK") and "1 failed" in done.stdout.splitlines()[-1], done.stdout
    line, = [line for line in done.stdout.splitlines() if line.startswith("standard output")]
    assert "FAILED" in line and "wrote to standard output: x" in line


def test_the_machine_is_left_alone(tool, scratch, compile_module):
    """What a module writes outside of /run and /var/lib does not arrive, nor what it does to the network."""
    target = scratch / "written"
    file = compile_module(
        "hostile.c", scratch / "modules", "bad",
        DOES=f'write_file("{target}", "x"); system("ip link add stray0 type veth peer name stray1; nft add table inet stray")')
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout
    done = tool("module", "check", file)
    assert done.returncode in (0, 1) and not target.exists()
    assert subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout == links


# File and metadata


def test_a_file_that_others_may_write(check, scratch, compile_module):
    file = compile_module("hostile.c", scratch / "modules", "bad")
    file.chmod(0o777)
    rows = check(file)
    assert rows["file"][0] == "failed" and "is writable by others" in rows["file"][1] and rows["verbs"][0] == "not run"


def test_no_shared_object(check, scratch):
    file = scratch / "bad.so"
    file.write_text("no module")
    assert check(file)["shared object"][0] == "failed"
    assert "no file" in check(scratch / "missing.so")["file"][1]


FILE_FINDINGS = {
    "a symbol more": ("exports", "warning", "also other", {
        "AT_FILE_SCOPE": "CATENA_EXPORT int other(void); int other(void) { return 1; }"}, []),
    "an executable stack": ("stack", "warning", "-z noexecstack", {}, ["-Wl,-z,execstack"]),
    "a run path": ("run path", "warning", "/usr/lib", {}, ["-Wl,-rpath,/usr/lib"]),
    "a library that is missing": ("open", "failed", "libgone.so", {}, ["-Wl,--no-as-needed", "GONE"]),
    "a function that is missing": ("open", "failed", "undefined symbol: gone", {
        "AT_FILE_SCOPE": "extern void gone(void);", "DOES": "gone()"}, []),
    "no entry": ("open", "failed", "no symbol catena_module_entry", {}, ["-Dcatena_module_entry=another_entry"]),
    "a crash at its opening": ("open", "failed", "crashed: signal 6", {"ENTRY": "abort()"}, []),
    "any ABI": ("ABI", "failed", "not NULL for ABI major 0, 2, 4294967295", {"ENTRY": ""}, []),
    "no ABI": ("entry", "failed", "is NULL", {"ENTRY": "return NULL"}, []),
    "another ABI": ("entry", "failed", "abi_major 9", {"ABOUT": ".abi_major = 9"}, ["-Wno-override-init"]),
    "too small": ("entry", "failed", "size 8", {"ABOUT": ".size = 8"}, ["-Wno-override-init"]),
    "another type": ("entry", "failed", "its type is \"other\"", {"ABOUT": ".type = \"other\""}, ["-Wno-override-init"]),
    "no version": ("entry", "failed", "version is empty", {"ABOUT": ".version = \"\", .description = \"x\""}, ["-Wno-override-init"]),
    "no UTF-8": ("entry", "failed", "version is empty, or not UTF-8", {
        "ABOUT": ".version = \"\\xff\", .description = \"x\""}, ["-Wno-override-init"]),
    "another kind": ("entry", "failed", "kind is 7", {"ABOUT": ".kind = 7, .description = \"x\""}, ["-Wno-override-init"]),
    "something reserved": ("entry", "failed", "reserved is 3", {"ABOUT": ".reserved = 3, .description = \"x\""}, []),
    "no description": ("entry", "failed", "description", {"ABOUT": ".description = \"\""}, []),
    "a version that is none": ("CNI versions", "failed", "\"1.2.9\" is no version", {"VERSIONS": '"1.0.0", "1.2.9"'}, []),
    "versions out of order": ("CNI versions", "failed", "0.4.0 stands after 1.0.0", {"VERSIONS": '"1.0.0", "0.4.0"'}, []),
    "old versions": ("CNI versions", "warning", "1.1.0", {"VERSIONS": '"0.4.0", "1.0.0"'}, []),
    "a capability twice": ("capabilities", "failed", "twice", {
        "AT_FILE_SCOPE": "static const char *const twice[] = {\"a\", \"a\", 0};",
        "ABOUT": ".description = \"x\", .capabilities = twice"}, []),
    "a schema that is no JSON": ("schema", "failed", "line 1", {"ABOUT": ".description = \"x\", .schema = \"{\""}, []),
    "a schema that is none": ("schema", "failed", "/type: expected", {
        "ABOUT": ".description = \"x\", .schema = \"{\\\"type\\\": 5}\""}, []),
}


@pytest.mark.parametrize("name", FILE_FINDINGS)
def test_findings_of_file_and_metadata(bad, scratch, name):
    check_name, outcome, words, macros, flags = FILE_FINDINGS[name]
    if "GONE" in flags:
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-Wl,-soname,libgone.so", "-x", "c", "/dev/null", "-o", scratch / "libgone.so"], check=True)
        flags = [flag if flag != "GONE" else str(scratch / "libgone.so") for flag in flags]
    rows = bad(flags=flags, **macros)
    assert rows[check_name][0] == outcome and words in rows[check_name][1], rows


# Verbs: what a module must not do, in the words of catena/module.h

HABITS = {
    "a crash": ("ADD", "crashed: signal 11", "*(volatile int *)0 = 1"),
    "an exit": ("ADD", "exit status 0", "exit(0)"),
    "an error without words": ("errors", "without a call of host->fail", "return 5"),
    "an empty message": ("errors", "empty message", 'return call->host->fail(call, 100, "", NULL)'),
    "a code of nobody's": ("errors", "code 42", 'return call->host->fail(call, 42, "no", NULL)'),
    "output": ("standard output", "wrote to standard output: noise", 'printf("noise")'),
    "output, closed": ("standard output", "closed standard output", "close(1)"),
    "output, replaced": ("standard output", "something else", 'dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1)'),
    "a descriptor": ("descriptors", "left 1 open: /dev/null", 'open("/dev/null", O_RDONLY)'),
    "a descriptor closed": ("descriptors", "closed 0", "close(0)"),
    "a thread": ("threads", "1 left running", "pthread_t thread; pthread_create(&thread, NULL, sleep_on, NULL)"),
    "a process": ("child processes", "running", "if (fork() == 0) sleep_on(NULL)"),
    "a zombie": ("child processes", "nobody waited for",
                 "pid_t pid = fork(); if (pid == 0) _exit(0); siginfo_t i; waitid(P_PID, pid, &i, WEXITED | WNOWAIT)"),
    "a daemon": ("child processes", "running", "leave_a_daemon()"),
    "a namespace": ("network namespace", "changed it", "setns(call->netns_fd, CLONE_NEWNET)"),
    "a directory": ("working directory", "became /run", 'if (chdir("/run")) abort()'),
    "a umask": ("umask", "became 77", "umask(077)"),
    "a handler": ("signals", "caught or no longer: 15", "signal(SIGTERM, _exit)"),
    "a signal ignored": ("signals", "ignored or no longer: 1", "signal(SIGHUP, SIG_IGN)"),
    "a signal blocked": ("signals", "blocked or no longer: 2",
                         "sigset_t set; sigemptyset(&set); sigaddset(&set, SIGINT); sigprocmask(SIG_BLOCK, &set, NULL)"),
    "memory": ("memory", "leaves 10", "memset(malloc(1000), 1, 1000)"),
    "a link": ("left behind", "link left0", 'if (call->netns_fd >= 0 && setns(call->netns_fd, CLONE_NEWNET) == 0) '
               'system("ip link add left0 type veth peer name left1 2>/dev/null"); return call->host->fail(call, 100, "no", NULL)'),
    "a file": ("left behind", "file /run/left-check-a",
               'char path[5000]; snprintf(path, sizeof path, "/run/left-%s", call->container_id); write_file(path, "x")'),
    "a file that names it": ("left behind", "file /run/ledger", 'write_file("/run/ledger", call->container_id)'),
    "a file for each": ("CNI 1.1.0", "each attachment leaves something: file /run/each",
                        'char path[99]; strcpy(path, "/run/each-XXXXXX"); close(mkstemp(path))'),
    "a set's element": ("left behind", "check-a", 'system("nft \'add table inet bad; add set inet bad ids { type ipv4_addr; }; '
                        'add element inet bad ids { 10.0.0.1 comment \\"check-a\\" }\'")'),
    "no prevResult": ("without prevResult", "crashed: signal 11", "*(volatile int *)(call->prev_result ? (void *)&call->size : 0) = 1"),
    "a wrong type": ("wrong types", "crashed: signal 6", 'if (strstr(call->config, "\\"key\\":-1")) abort()'),
    "a long text": ("CNI_ARGS", "crashed: signal", "char buffer[2000]; strcpy(buffer, call->args); if (buffer[0] == 1) return 1"),
    "a loop": ("CNI_ARGS", "did not end within its limit", "while (call->args[0] == ';') {}"),
    "unknown keys": ("unknown keys", "crashed: signal 6", 'if (strstr(call->config, "org.example")) abort()'),
    "a version": ("CNI 0.4.0", "crashed: signal 6", 'if (strcmp(call->cni_version, "0.4.0") == 0) abort()'),
    "another outcome as an executable": ("as an executable", "in-process", 'if (strcmp(program_invocation_short_name, "bad") == 0) '
                                         'return call->host->fail(call, 100, "not so", NULL)'),
    "a long name": ("long names", "crashed: signal", "char buffer[300]; strcpy(buffer, call->container_id); if (buffer[0] == 1) return 1"),
}
DEL_HABITS = {
    "DEL without ADD": ("DEL without ADD", "nothing to remove"), "repeated DEL": ("repeated DEL", "nothing to remove"),
    "a namespace that is gone": ("namespace that is gone", "no namespace"), "no CNI_NETNS": ("DEL without CNI_NETNS", "no namespace"),
}


@pytest.mark.parametrize("name", HABITS)
def test_findings_of_add(bad, name):
    check_name, words, does = HABITS[name]
    schema = '.description = "x", .schema = "{\\"properties\\": {\\"key\\": {}}}"'
    rows = bad(flags=["-O0", "-fno-stack-protector", "-Wno-unused-result", "-Wno-error"], DOES=does, ABOUT=schema)
    assert rows[check_name][0] == "failed" and words in rows[check_name][1], {name: row for name, row in rows.items() if row[0] != "ok"}


@pytest.mark.parametrize("name", DEL_HABITS)
def test_findings_of_del(bad, name):
    """A DEL that fails since there is nothing to remove, or no namespace."""
    check_name, words = DEL_HABITS[name]
    if words == "no namespace":
        does = 'if (call->netns_fd < 0) return call->host->fail(call, 100, "no namespace", NULL)'
    else:
        does = ('if (unlink("/run/made")) return call->host->fail(call, 100, "nothing to remove", NULL)')
    rows = bad(VERB="CATENA_DEL", DOES=does)
    assert rows[check_name][0] == "failed" and words in rows[check_name][1], rows


@pytest.mark.parametrize("verb, check_name, does, words", [
    ("CATENA_GC", "GC", 'return call->host->fail(call, 100, "cannot", NULL)', "GC with it in use failed: cannot"),
    ("CATENA_GC", "GC", "if (call->valid_attachment_count == 0) abort()", "GC of all crashed"),
    ("CATENA_GC", "GC", "if (call->valid_attachment_count > 100) abort()", "1001 in use crashed"),
    ("CATENA_STATUS", "STATUS", "abort()", "STATUS crashed"),
    ("CATENA_CHECK", "CNI 1.0.0", 'return call->host->fail(call, 100, "differs", NULL)', "CHECK failed: differs"),
])
def test_findings_of_other_verbs(bad, verb, check_name, does, words):
    rows = bad(VERB=verb, DOES=does)
    assert rows[check_name][0] == "failed" and words in rows[check_name][1], rows


def test_a_configuration_that_does_not_work(bad, check):
    """What --config gives has to work, and to be what the schema says."""
    rows = bad(config={"type": "bad", "key": "x"}, DOES='return call->host->fail(call, 7, "key: no", NULL)',
               ABOUT='.description = "x", .schema = "{\\"properties\\": {\\"key\\": {\\"type\\": \\"integer\\"}}}"')
    assert rows["ADD"] == ("failed", "ADD failed: key: no (code 7)") and "/key: expected an integer" in rows["schema"][1]


def test_the_plugins_before_it(check, stage, compile_module, scratch):
    """A conflist's plugins run first: the module gets their result."""
    scratch.chmod(0o755)
    file = compile_module("hostile.c", scratch / "modules", "bad", DOES="if (call->prev_result->ip_count != 2) abort()")
    rows = check(file, conflist(bridge(**INSIDE), {"type": "bad"}))
    assert rows["ADD"][0] == "ok" and "2 addresses" in rows["ADD"][1]


def test_a_leftover_of_each_version_of_the_docs(check, scratch):
    """The module of docs/module-abi.md passes with nothing but warnings of what it leaves out."""
    import re
    scratch.chmod(0o755)
    source = scratch / "extra-dns.c"
    source.write_text(re.search(r"```c\n(.*?)```", (harness.REPO / "docs/module-abi.md").read_text(), re.S).group(1))
    subprocess.run(["gcc", "-shared", "-fPIC", f"-I{harness.INCLUDE}", "-o", scratch / "extra-dns.so", source], check=True)
    (scratch / "extra-dns.so").chmod(0o755)
    rows = check(scratch / "extra-dns.so")
    assert_clean(check, rows)
    assert rows["ADD"][1].startswith("succeeded")


# module list and module info


def test_list(tool, scratch, compile_module):
    """Types, versions, kinds, capabilities, paths; and why one is refused."""
    scratch.chmod(0o755)
    compile_module("hostile.c", scratch / "modules", "good", AT_FILE_SCOPE='static const char *const two[] = {"portMappings", "mac", 0};',
                   ABOUT='.description = "x", .capabilities = two')
    compile_module("hostile.c", scratch / "modules", "open").chmod(0o777)
    env = {"CATENA_MODULE_PATH": str(scratch / "modules")}
    lines = [line.split(maxsplit=4) for line in tool("module", "list", env=env).stdout.splitlines()]
    assert lines[0] == ["TYPE", "KIND", "VERSION", "CAPABILITIES", "PATH"]
    assert lines[1] == ["good", "meta", "1.0.0", "portMappings,mac", str((scratch / "modules/good.so").resolve())]
    assert lines[2][:2] == ["open", "refused"] and "open.so is writable by others" in lines[2][4]
    good, refused = json.loads(tool("module", "list", "--json", env=env).stdout)
    assert good["cniVersions"] == ["0.4.0", "1.0.0", "1.1.0"] and good["verbs"] == ["ADD", "DEL", "CHECK", "GC", "STATUS"]
    assert refused["type"] == "open" and "is writable by others" in refused["refused"] and refused["path"].endswith("/open.so")


def test_info(tool, scratch, compile_module):
    """All metadata, the keys of the schema, and which file wins."""
    scratch.chmod(0o755)
    schema = '{\\"properties\\": {\\"mode\\": {\\"type\\": \\"string\\", \\"default\\": \\"l2\\", \\"description\\": \\"how\\"}}}'
    for directory, version in (("modules", "2.0.0"), ("older", "1.0.0")):
        compile_module("hostile.c", scratch / directory, "mine", flags=["-Wno-override-init"],
                       ABOUT=f'.version = "{version}", .description = "does this", .schema = "{schema}"')
    env = {"CATENA_MODULE_PATH": f"{scratch / 'modules'}:{scratch / 'older'}"}
    text = tool("module", "info", "mine", env=env).stdout
    for words in ("2.0.0", "meta", "does this", "0.4.0, 1.0.0, 1.1.0", "ADD, DEL, CHECK, GC, STATUS", f"{scratch}/modules/mine.so",
                  f"{scratch}/older/mine.so", "hidden by it"):
        assert words in text, text
    assert 'mode  string  "l2"     how' in text
    assert json.loads(tool("module", "info", "mine", "--schema", env=env).stdout)["properties"]["mode"]["default"] == "l2"
    assert json.loads(tool("module", "info", scratch / "older/mine.so", "--json").stdout)["version"] == "1.0.0"
    done = tool("module", "info", "nothing", env=env)
    assert done.returncode == 1 and 'there is no module "nothing"' in done.stderr


def test_info_of_what_ships(tool, stage):
    """Keys of objects within, and through references."""
    text = tool("module", "info", "host-local").stdout
    assert "ipam.ranges[][].subnet" in text and "(required)" in text
