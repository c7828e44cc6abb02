"""What an operation takes, in counts that are kept in Tests/bench/counts.json: see Tests/bench/guard."""

import os
import subprocess
import sys

import pytest

import harness

pytestmark = pytest.mark.skipif(bool(os.environ.get("CATENA_VM")), reason="the counts are those of the first kernel")


def guard(*arguments):
    environment = {**os.environ, "CATENA_STAGE": str(harness.STAGE)}
    return subprocess.run(
        [sys.executable, str(harness.REPO / "Tests" / "bench" / "guard"), *map(str, arguments)], env=environment, capture_output=True,
        text=True, timeout=120)


def test_counts_are_not_more_than_kept(stage):
    """What is more than is kept was made so on purpose, and kept so by `Tests/bench/guard --write`; or it is a mistake."""
    done = guard()
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_list_is_noticed(stage, tmp_path):
    """A module that lists all links, whose number grows with that of the containers, does not pass."""
    module = tmp_path / "dumper.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", f"-I{harness.REPO / 'Sources/CatenaABI/include'}", "-o", str(module), str(harness.REPO / "Tests/abi/dumper.c")],
        check=True)
    done = guard("--with", module, "dumper")
    assert done.returncode == 1 and "more: ADD (b): netlink dumps: 1, kept 0" in done.stdout, done.stdout + done.stderr
