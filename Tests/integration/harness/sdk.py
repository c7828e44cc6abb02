"""An installation below a directory, and what is built against it: the examples of Examples/modules, and new modules."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import uuid

import pytest

from . import REPO

#: What a language is compiled with; `make deps-dev` installs what Debian has.
COMPILERS = {"c": "cc", "cpp": "g++", "rust": "rustc", "swift": "swift"}


class SDK:
    """Catena installed into a prefix, from where modules are built and run as a stranger's would be."""

    def __init__(self, directory):
        self.directory = directory
        #: Of the test run: its processes share what one of them has built.
        self.run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
        self.prefix = directory / "usr"
        self.modules = self.prefix / "lib/catena/modules"
        self.plugins = self.prefix / "lib/cni"
        (directory / "done").mkdir(parents=True, exist_ok=True)
        self.once("install", lambda: self.make(REPO, "install", f"PREFIX={self.prefix}", f"CNIBINDIR={self.plugins}"))

    def locked(self):
        """One test process at a time builds in the directory."""
        file = open(self.directory / "lock", "w")
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def once(self, name, body):
        """Does something once in a test run: others may be using what it makes."""
        done = self.directory / "done" / name
        with self.locked():
            # The virtual machine sees the files of the machine, and uses what was built there: compilers are slow under emulation.
            if not done.exists() or done.read_text() != self.run and not os.environ.get("CATENA_VM"):
                body()
                done.write_text(self.run)

    def environment(self):
        """Debian's rustc comes before others: it is the oldest that the interface for Rust is made for."""
        rustc = "/usr/bin/rustc" if pathlib.Path("/usr/bin/rustc").exists() else "rustc"
        # One place for what SwiftPM builds of ModuleKit: it is the same for all modules.
        return {
            **os.environ, "PKG_CONFIG_PATH": f"{self.prefix}/lib/pkgconfig", "RUSTC": rustc, "SWIFT_SCRATCH": str(self.directory / "swift"),
        }

    def make(self, folder, *arguments):
        """Runs make; its output is the failure."""
        done = subprocess.run(
            ["make", "-s", "-C", folder, *arguments], env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            pytest.fail(f"make {' '.join(arguments)} in {folder}:\n{done.stdout}", pytrace=False)
        return done.stdout

    def require_compiler(self, language):
        """A compiler that is missing is a failure, which says how it gets there."""
        if not shutil.which(COMPILERS[language], path=os.environ["PATH"] + ":/usr/bin"):
            pytest.fail(f"{COMPILERS[language]} is missing: run make deps-dev", pytrace=False)

    def build(self, language, folder, type):
        """The file of a module that is built and installed in a copy of a folder, which is kept: the next run builds what has changed."""
        copy = self.directory / folder.name

        def build():
            self.require_compiler(language)
            shutil.copytree(folder, copy, dirs_exist_ok=True)
            output = self.make(copy, "install")
            assert "warning" not in output, output

        self.once(type, build)
        return self.modules / f"{type}.so"
