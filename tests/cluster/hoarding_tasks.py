"""A task that tests add to a worker (`--include tests.cluster.hoarding_tasks`): it takes memory, and keeps it for a while."""

from __future__ import annotations

import threading
from pathlib import Path

from refnet.celery import app

_KEPT: list[bytes] = []


@app.task(name="probe.hoard")  # type: ignore[untyped-decorator,unused-ignore]
def hoard(megabytes: int, flag: str) -> str:
    """Keep so much memory until a file is there."""
    _KEPT.append(b"\1" * (megabytes << 20))
    pause = threading.Event()
    while not Path(flag).exists():
        pause.wait(0.05)
    return "let go"
