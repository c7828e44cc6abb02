"""What the integration tests stand on: a private host in namespaces, runtimes that act like libcni, and traffic."""

import os
import pathlib
import sys

sys.dont_write_bytecode = True

REPO = pathlib.Path(__file__).resolve().parents[3]
STAGE = pathlib.Path(os.environ.get("CATENA_STAGE", REPO / ".build" / "stage"))
REFERENCE = pathlib.Path(os.environ.get("CATENA_REFERENCE_PLUGINS", "/usr/lib/cni"))
PLUGINS = STAGE / "lib" / "cni"
MODULES = STAGE / "lib" / "catena" / "modules"
INCLUDE = STAGE / "include"

from .cni import CNIFailure, ExecResult, Runtime, add_at_once, run_plugin  # noqa: E402
from .configs import bridge, conflist, host_local, portmap  # noqa: E402
from .firewalls import firewalld, iptables_drop  # noqa: E402
from .host import (  # noqa: E402
    Container, Host, Snapshot, assert_check_finds, assert_del_leaves_nothing, assert_detached, assert_failure_leaves_nothing)
from .lab import LOG, Lab  # noqa: E402
from .sdk import SDK  # noqa: E402
from .traffic import (  # noqa: E402
    Answer, NoAnswer, ask, assert_reaches, bits_per_second, has_sctp, hear_frames, send_frames, serve)
