"""The application with tasks that bring about what a test is to see: `Lab.worker(…, app="tests.cluster.acting_tasks")`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from refnet.celery import app
from refnet.domain.errors import SourceUnavailable
from refnet.domain.jobs import Stage, Wave
from refnet.entrypoints.celery import process
from refnet.entrypoints.celery.tasks import CrawlerTask
from refnet.pipeline.lease import Lease
from refnet.pipeline.offline import OfflineRunner

__all__ = ["app"]


@app.task(bind=True, name="acting.note", max_retries=None)  # type: ignore[untyped-decorator]
def note(self: Any, path: str, line: str, seconds: float = 0.0, again: int = 0) -> int:
    """Append a line to a file, stay for some seconds, come again so many times; returns the process's id."""
    with Path(path).open("a") as file:
        file.write(f"{line} {os.getpid()}\n")
    if seconds:
        threading.Event().wait(seconds)
    if self.request.retries < again:
        raise self.retry(countdown=0)
    return os.getpid()


@app.task(name="acting.stay")  # type: ignore[untyped-decorator]
def stay(path: str, flag: str) -> None:
    """Append the process's id to a file, and stay until another is there."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    pause = threading.Event()
    while not Path(flag).exists():
        pause.wait(0.05)


@app.task(name="acting.hold")  # type: ignore[untyped-decorator]
def hold(kilobytes: int) -> int:
    """Hold so much memory for a moment; returns the process's id."""
    assert len(b"\1" * (kilobytes * 1024)) == kilobytes * 1024
    return os.getpid()


@app.task(name="acting.start")  # type: ignore[untyped-decorator]
def start(path: str) -> None:
    """Start a process that stays, write its id into a file, and stay."""
    started = subprocess.Popen(["sleep", "600"])
    Path(path).write_text(str(started.pid))
    threading.Event().wait(600)


@app.task(name="acting.heed_nothing")  # type: ignore[untyped-decorator]
def heed_nothing(path: str) -> None:
    """Go on for long, whatever signal comes, once a file is there."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    Path(path).touch()
    threading.Event().wait(600)


@app.task(name="acting.poison", max_retries=1, default_retry_delay=0)  # type: ignore[untyped-decorator]
def poison(path: str) -> None:
    """Kill its own process, each time."""
    with Path(path).open("a") as file:
        file.write("run\n")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="acting.fail_unless")  # type: ignore[untyped-decorator]
def fail_unless(path: str) -> None:
    """Fail as a bug does, until a file is there."""
    if not Path(path).exists():
        raise FileNotFoundError("not yet")


@app.task(name="acting.cling")  # type: ignore[untyped-decorator]
def cling(seconds: float) -> None:
    """Go on for so long, whatever the soft time limit says."""
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        with suppress(SoftTimeLimitExceeded):
            threading.Event().wait(0.1)


@app.task(bind=True, base=CrawlerTask, name="acting.back_off")  # type: ignore[untyped-decorator]
def back_off(self: CrawlerTask, due_in: float = 0.0, counted: bool = True) -> None:
    """Come again as tasks of the crawler do after a fault that passes."""
    raise self.again(SourceUnavailable("It rests."), due_in, counted=counted)


@app.task(name="acting.lose_publisher")  # type: ignore[untyped-decorator]
def lose_publisher() -> None:
    """From here on the summarizer of this process cannot have what it needs."""

    def work(wave: Wave, lease: Lease) -> None:
        raise SourceUnavailable("The publisher does not answer.")

    worker = process.worker()
    owner = f"{socket.gethostname()}:{os.getpid()}"
    worker.summarizer = OfflineRunner(process.cluster().store, Stage.SUMMARIZE, work, owner=owner, most=10)


@app.task(name="acting.kill_worker")  # type: ignore[untyped-decorator]
def kill_worker() -> None:
    """Kill the main process of its worker, each time."""
    os.kill(os.getppid(), signal.SIGKILL)
    threading.Event().wait(600)
