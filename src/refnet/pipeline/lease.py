"""Holding claimed jobs while they are worked on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from refnet.domain.about import about
from refnet.domain.errors import LeaseLost, RefnetError, TransientError
from refnet.domain.jobs import Wave

#: Seconds for which a claim holds unless it is renewed; what a killed worker held is claimed again after it.
LEASE = 45.0
#: Seconds until a lease is renewed again that could not be.
SOON = 1.0


class LeaseStore(Protocol):
    """The part of the store that keeps leases."""

    def renew(self, wave: Wave, lease: float) -> None: ...


class Lease:
    """A wave's lease, renewed by a thread of this process for as long as the context lasts.

    Raises TransientError on entering where the system has no room for a thread, as when something starts processes
    without end.

    A process that was stopped meanwhile finds its lease lost when it goes on: `check` raises LeaseLost then, and a
    write that is about to be made must not be made.
    """

    def __init__(
        self,
        store: LeaseStore,
        wave: Wave,
        seconds: float = LEASE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._wave = wave
        self._seconds = seconds
        self._clock = clock
        self._until = clock() + seconds
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._about = about(claim=wave.claim)

    def __enter__(self) -> Self:
        try:
            self._thread.start()
        except RuntimeError as error:
            raise TransientError("The system has no room for another thread.") from error
        self._about.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._about.__exit__(kind, error, trace)
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
                self._store.renew(self._wave, self._seconds)
            except LeaseLost:
                self._lost = True
                return
            except RefnetError:
                # The database is away: the lease runs on, and `check` tells when it is over. Once it is back, others
                # free what nobody renewed.
                wait = min(wait, SOON)
                continue
            self._until = asked + self._seconds
