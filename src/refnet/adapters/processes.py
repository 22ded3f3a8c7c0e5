"""Which process this is, so that others can tell whether it still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_machine() -> str:
    """Names where the ids of processes mean something: machine, its present run, and the processes it shows.

    Machines may have one name, and containers of one machine may, too; their ids of processes are not each other's.
    """
    return f"{socket.gethostname()}/{_boot()}/{_namespace()}"


def this_process() -> str:
    return f"{this_machine()}:{os.getpid()}"


def process_lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""  # no Linux: no containers that share a name either


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        return ""
