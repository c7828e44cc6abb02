"""A private host with C modules and shell scripts as plugins, which note what they are asked."""

import json

from . import MODULES
from .cni import Runtime

LOG = "/run/test/log"

# A plugin as an executable: notes what it was given, and hands the prevResult on. What it does for VERB is in $VERB_DOES.
STAND_IN = """#!/bin/sh
input=$(cat)
printf '%s\\n' "$(basename "$0") $CNI_COMMAND cid=$CNI_CONTAINERID ifname=$CNI_IFNAME args=$CNI_ARGS netns=$CNI_NETNS" >>LOG
printf '%s' "$input" >"LOG.$(basename "$0").$CNI_COMMAND"
echo "a word on standard error" >&2
if [ -e "LOG.$(basename "$0").fails.$CNI_COMMAND" ]; then . "LOG.$(basename "$0").fails.$CNI_COMMAND"; fi
[ "$CNI_COMMAND" = ADD ] && printf '%s' "$input" | python3 -c '
import json, sys
config = json.load(sys.stdin)
print(json.dumps(config.get("prevResult") or {"cniVersion": config["cniVersion"], "ips": [{"address": "10.7.0.2/24"}]}))'
exit 0
"""


class Lab:
    """A private host with sample modules and stand-in executables."""

    def __init__(self, host, scratch, compile_module):
        self.host = host
        self.modules = scratch / "modules"
        self.modules.mkdir()
        self.modules.chmod(0o755)
        for module in MODULES.glob("*.so"):
            (self.modules / module.name).write_bytes(module.read_bytes())
            (self.modules / module.name).chmod(0o755)
        self._compile = compile_module
        self.env = {"CATENA_MODULE_PATH": self.modules, "SAMPLE_LOG": LOG}
        host.write(LOG, "")

    def module(self, type, **macros):
        """A C module; what it does is in the macros of Tests/abi/sample.c."""
        self._compile("sample.c", self.modules, type, **macros)
        return {"type": type}

    def executable(self, type, **fails):
        """A stand-in executable; fails=(verb=shell commands)."""
        self.host.write(f"/run/test/bin/{type}", STAND_IN.replace("LOG", LOG), 0o755)
        for verb, commands in fails.items():
            self.host.write(f"{LOG}.{type}.fails.{verb}", commands)
        return {"type": type}

    def runtime(self, engine="catena"):
        return Runtime(self.host, engine, path=["/run/test/bin"], env=self.env)

    def log(self):
        """Who was called, in order: [(type, verb)]."""
        return [tuple(line.split()[:2]) for line in self.host.path(LOG).read_text().splitlines()]

    def given(self, type, verb):
        """What an executable got on standard input."""
        return json.loads(self.host.path(f"{LOG}.{type}.{verb}").read_text())
