"""The processes of a worker's pool: what each is held to, and how the main process learns of the end of one."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import WorkerLostError
from celery.worker.request import Request as StockRequest

from refnet.domain.errors import RefnetError
from refnet.domain.workers import MOST_DATA
from refnet.entrypoints.celery import forking, orphans

logger = logging.getLogger(__name__)

#: What celery says of a process that ended, such as "Worker exited prematurely: signal 11 (SIGSEGV) Job: 3.".
_STATUS = re.compile(r"exited prematurely: (?:signal (\d+)|exitcode (-?\d+))")
#: Seconds for which the end of a process is kept that held nothing.
_KEPT = 60.0
#: Seconds that a process of the pool goes on at most when its main process is gone.
ORPHANED_AT_MOST = 1.0
#: The main process, once there is one.
_main: int | None = None


class Ends:
    """How processes of the pool ended, by id; told by the main thread, and taken by the one that frees their jobs."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[str, float]] = {}
        self._news = threading.Event()

    def tell(self, pid: int, how: str) -> None:
        """`how` is as in `reason_of_loss`."""
        self._told[pid] = (how, time.monotonic())
        self._news.set()

    def known(self) -> Mapping[int, str]:
        return {pid: how for pid, (how, _) in list(self._told.items())}

    def forget(self) -> None:
        """Of those told of long ago nobody asks any more; their ids may be somebody else's."""
        over = time.monotonic() - _KEPT
        for pid, (_, at) in list(self._told.items()):
            if at < over:
                del self._told[pid]

    def wait(self, seconds: float) -> bool:
        """Wait for news, or so long; whether there are any."""
        if not self._news.wait(seconds):
            return False  # and not cleared: news may have come just now
        self._news.clear()
        return True

    def wake(self) -> None:
        """Let whoever waits go on."""
        self._news.set()


ends = Ends()


class Request(StockRequest):  # type: ignore[misc,unused-ignore]
    """A task in the main process, which learns first that the process is gone which was at it."""

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, WorkerLostError) and self.worker_pid:
            self._end(how_it_ended(str(error)))
        if isinstance(error, MemoryError):
            exc_info = _in_other_words(error)
        return super().on_failure(exc_info, *args, **options)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if not soft and self.worker_pid:
            # At once: billiard asks it to end first, and a job that gives itself back then would come for ever.
            self._end(f"took longer than {timeout:g} s (the hard time limit) and was killed")
        super().on_timeout(soft, timeout)

    def _end(self, how: str) -> None:
        kill_group(self.worker_pid)
        ends.tell(self.worker_pid, how)


def _in_other_words(error: MemoryError) -> Any:
    """Celery raises a task's MemoryError in its own loop, and never ends the task (celery#10462)."""
    try:
        raise RefnetError(f"It took more memory than a worker's process may have: {error}")
    except RefnetError:
        return ExceptionInfo()


def how_it_ended(said: str) -> str:
    """In words for a dead letter, what became of a process."""
    found = _STATUS.search(said)
    if found is None:
        return "died"
    if found[1] is None:
        return f"ended with exit code {found[2]}"
    number = int(found[1])
    try:
        name = f" ({signal.Signals(number).name})"
    except ValueError:
        name = ""
    hint = ", as the system does where memory runs out," if number == signal.SIGKILL else ""
    return f"was killed by signal {number}{name}{hint}"


def kill_group(leader: int) -> None:
    """Kill a process of the pool and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def remember_main(**_: object) -> None:
    """This process is the main one, and its pool will be forked from it. For the signal `worker_init`."""
    global _main  # noqa: PLW0603 - there is one, and its pool is forked from it
    _main = os.getpid()
    orphans.watch_groups()
    forking.renew_locks()
    forking.hold_logs()


def confine(**_: object) -> None:
    """Hold this process to its share of memory, let what it starts end with it, and it with the main process.

    For the signal `worker_process_init`, which pools without processes send in the main process; that is left alone.
    """
    if os.getpid() == _main:
        return
    with suppress(OSError):
        os.setpgid(0, 0)
    if not orphans.tell_group():
        parent = os.getppid() if _main is None else _main
        threading.Thread(target=_end_with, args=(parent,), name="end-with-main", daemon=True).start()
    if _can_confine():
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = MOST_DATA if hard == resource.RLIM_INFINITY else min(MOST_DATA, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _end_with(parent: int) -> None:
    """Otherwise a process of a main process that was killed would renew its lease for as long as its task is stuck.

    Where nobody else sees to it: on Linux Celery has the system kill it at once, and `orphans` its whole group.
    """
    while os.getppid() == parent:
        time.sleep(ORPHANED_AT_MOST)
    kill_group(os.getpid())
    os.kill(os.getpid(), signal.SIGKILL)


def tell_whether_confined(**_: object) -> None:
    """Once, in the main process."""
    if not _can_confine():
        logger.warning("This system does not limit the memory of a process: a task may take all there is.")


def _can_confine() -> bool:
    # Elsewhere the limit exists and is not kept (macOS).
    return sys.platform == "linux"
