"""Fixtures of the integration tests.

They run what ships, in private hosts made of namespaces; no root needed. Environment:
CATENA_STAGE         the shipped build; .build/stage of this repository if not set
CATENA_VM            set in the virtual machine with a second kernel: without it, tests that need that kernel are left out
CATENA_TEST_ENGINES  what runs the conflists, a list with commas: catena, wrappers (both if not set), reference: the reference
                     plugins of CATENA_REFERENCE_PLUGINS (/usr/lib/cni), to see whether the tests themselves are right
"""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import pytest  # noqa: E402

import harness  # noqa: E402

ENGINES = [name for name in os.environ.get("CATENA_TEST_ENGINES", "catena,wrappers").split(",") if name]


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", ENGINES)


def pytest_collection_modifyitems(config, items):
    if not os.environ.get("CATENA_VM"):
        elsewhere = [item for item in items if item.get_closest_marker("vm")]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]
    if ENGINES != ["reference"] and "reference" not in ENGINES:
        return
    kept, left_out = [], []
    for item in items:
        engine = getattr(item, "callspec", None) and item.callspec.params.get("engine")
        if engine == "reference":
            if item.get_closest_marker("ours"):
                left_out.append(item)
                continue
            mark = item.get_closest_marker("reference_differs")
            if mark:
                item.add_marker(pytest.mark.xfail(reason=mark.args[0], strict=True))
        elif engine is None and ENGINES == ["reference"]:
            left_out.append(item)
            continue
        kept.append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


@pytest.fixture(scope="session")
def stage():
    """The shipped build. Without it there is nothing to test: that is a failure."""
    for program in (harness.PLUGINS / "catena", harness.PLUGINS / "catena-exec", harness.STAGE / "bin" / "catenactl"):
        if not program.exists():
            pytest.fail(f"{program} is not there: build it by `make`, or set CATENA_STAGE", pytrace=False)
    return harness.STAGE


@pytest.fixture(scope="session")
def sdk(stage):
    """An installation that modules are built against, as a stranger builds them. It is kept, with what was built."""
    return harness.SDK(harness.REPO / ".build" / "examples")


@pytest.fixture
def host():
    """A private host."""
    made = harness.Host()
    yield made
    strays = made.close()
    assert not strays, f"processes were left behind: {strays}"


@pytest.fixture
def a(host):
    """A container."""
    return host.add_netns("a")


@pytest.fixture
def b(host):
    """Another container."""
    return host.add_netns("b")


@pytest.fixture
def outside(host):
    """A machine beside the host."""
    return host.add_outside()


@pytest.fixture
def lan(host):
    """The network that the host's interface ens5 leads to: 10.1.0.1 and fd00:1::1 answer there, and serve TCP port 80."""
    made = host.add_lan()
    harness.serve(made, "tcp", 80)
    return made


@pytest.fixture
def runtime(request, host, engine):
    """A container runtime that runs conflists by the engine of the test."""
    if engine != "reference":
        request.getfixturevalue("stage")
    elif not (harness.REFERENCE / "bridge").exists():
        pytest.fail(f"the reference plugins are not in {harness.REFERENCE}", pytrace=False)
    return harness.Runtime(host, engine)


@pytest.fixture
def catena(host, stage):
    """A runtime whose only plugin is catena."""
    return harness.Runtime(host, "catena")


@pytest.fixture
def wrappers(host, stage):
    """A runtime that runs our plugins one by one."""
    return harness.Runtime(host, "wrappers")


@pytest.fixture
def plugins(stage):
    """The directory of our plugins."""
    return harness.PLUGINS


@pytest.fixture
def scratch():
    """A directory that is gone after the test; no one else may write to it."""
    with tempfile.TemporaryDirectory(prefix="catena-test-") as directory:
        yield pathlib.Path(directory)


@pytest.fixture(scope="session")
def compile_module(stage):
    """Compiles a C module of Tests/abi: compile_module(source, directory, type, **macros), against the shipped header or another."""

    def compile_module(source, directory, type, include=harness.INCLUDE, flags=(), **macros):
        directory.mkdir(exist_ok=True)
        target = directory / f"{type}.so"
        defines = [f"-D{name}={value}" for name, value in {"TYPE": f'"{type}"', **macros}.items()]
        subprocess.run(
            ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{include}",
             *flags, *defines, "-o", target, harness.REPO / "Tests" / "abi" / source],
            check=True)
        target.chmod(0o755)
        return target

    return compile_module


@pytest.fixture
def lab(host, stage, scratch, compile_module):
    """A private host with sample modules and stand-in executables."""
    return harness.Lab(host, scratch, compile_module)
