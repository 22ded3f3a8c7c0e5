"""Holding what was claimed while it is worked on."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from refnet.domain.about import about
from refnet.domain.errors import LeaseLost, RefnetError, StoreUnavailable, TransientError
from refnet.domain.jobs import Wave

logger = logging.getLogger(__name__)

#: Seconds for which a claim holds unless it is renewed; what a killed worker held is claimed again after it.
LEASE = 45.0
#: Seconds until what could not be renewed or given back is tried again.
SOON = 1.0


Held = TypeVar("Held")


#: The system's clock that goes on while the machine is suspended; `time.monotonic` stands still meanwhile on Linux and on
#: macOS, and goes on on Windows, which has none of these.
_CLOCK: int | None = getattr(time, "CLOCK_MONOTONIC_RAW" if sys.platform == "darwin" else "CLOCK_BOOTTIME", None)


def ticking() -> float:
    """Seconds by which the age of a lease is judged. They go on in a machine that sleeps, as the database's do, by which
    the lease is somebody else's meanwhile.

    A virtual machine that its host stops has no such clock: that a lease is lost is known there at the next renewal.
    """
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Lease:
    """The lease of what is held, a wave or a request, renewed by a thread of this process for as long as the context
    lasts. `renew` gives it so many seconds from now on, and raises LeaseLost where it is somebody else's.

    Raises TransientError on entering where the system has no room for a thread, as when something starts processes
    without end.

    A process that was stopped meanwhile finds its lease lost when it goes on: `check` raises LeaseLost then, and a
    write that is about to be made must not be made.
    """

    def __init__(
        self,
        renew: Callable[[Held, float], None],
        held: Held,
        seconds: float = LEASE,
        clock: Callable[[], float] = ticking,
    ) -> None:
        self._renew = partial(renew, held)
        self._seconds = seconds
        self._clock = clock
        self._until = clock() + seconds
        self._lost = False
        self._ended = threading.Event()
        # What it says of the jobs names them, too: a thread begins with nothing to name.
        self._thread = threading.Thread(target=copy_context().run, args=(self._keep,), name="lease", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._thread.start()
        except RuntimeError as error:
            raise TransientError("The system has no room for another thread.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raises LeaseLost where the jobs may be somebody else's by now."""
        if self._lost or self._clock() >= self._until:
            raise LeaseLost("The lease of this work ran out, and it went to somebody else.")

    def _keep(self) -> None:
        wait = self._seconds / 3
        while not self._ended.wait(wait):
            asked = self._clock()
            wait = self._seconds / 3
            try:
                self._renew(self._seconds)
            except LeaseLost:
                self._lost = True
                return
            except RefnetError:
                # The database is away: the lease runs on, and `check` tells when it is over. Once it is back, others
                # free what nobody renewed.
                wait = min(wait, SOON)
                continue
            self._until = asked + self._seconds


def give_back(release: Callable[[], None]) -> None:
    """Give back what was claimed. While the database is away a thread of this process goes on trying: nobody renews the
    lease any more, and when it runs out the process is taken for dead.
    """
    try:
        release()
    except StoreUnavailable:
        later = threading.Thread(
            target=copy_context().run, args=(_go_on_giving_back, release), name="give back", daemon=True
        )
        with suppress(RuntimeError):  # the system has no room for it
            later.start()
    except RefnetError as error:
        logger.warning("What was claimed waits until its lease runs out. %s", error)


def _go_on_giving_back(release: Callable[[], None]) -> None:
    away = True
    while away:
        threading.Event().wait(SOON)
        try:
            release()
        except StoreUnavailable:
            continue
        except RefnetError as error:
            logger.warning("What was claimed waits until its lease runs out. %s", error)
        away = False


@contextmanager
def naming(wave: Wave) -> Iterator[None]:
    """Let lines of the log name a wave's jobs while they are worked on; one at DEBUG names each with its paper."""
    with about(**wave.named):
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("Holds the jobs %s", ", ".join(f"{job.id} ({job.paper_id})" for job in wave.jobs))
        yield
