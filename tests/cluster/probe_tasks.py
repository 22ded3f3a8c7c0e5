"""Tasks that tests add to a worker (`--include tests.cluster.probe_tasks`): they tell of the process that runs them."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from refnet.celery import app


class Wanted(MetaPathFinder):
    """Notes which packages anybody tries to import, installed or not, from when this module is loaded on."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> None:
        self.names.add(fullname.partition(".")[0])


wanted = Wanted()
sys.meta_path.insert(0, wanted)


@app.task(name="probe.look")  # type: ignore[untyped-decorator,unused-ignore]
def look() -> dict[str, Any]:
    """What the process is like: its id, kilobytes of memory, frozen objects, packages imported or tried to be."""
    status = Path("/proc/self/status").read_text()
    return {
        "pid": os.getpid(),
        "resident": int(status.split("VmRSS:")[1].split()[0]),
        "frozen": gc.get_freeze_count(),
        "packages": sorted({name.partition(".")[0] for name in sys.modules} | wanted.names),
    }


@app.task(name="probe.hold")  # type: ignore[untyped-decorator,unused-ignore]
def hold(flag: str) -> str:
    """Occupy a process until a file is there."""
    pause = threading.Event()
    while not Path(flag).exists():
        pause.wait(0.05)
    return "let go"
