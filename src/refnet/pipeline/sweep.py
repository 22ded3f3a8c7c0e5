"""The sweep: whatever was lost on its way is found in the ledger and told of again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlStage
from refnet.domain.errors import BrokerUnavailable
from refnet.pipeline.announce import Announcer, HintStore, announce
from refnet.pipeline.lease import ticking

#: Seconds without a word from the database that are a break: it may have been away or at a standstill, or this machine
#: asleep, and nobody able to renew a lease. Must be shorter than the time that a lease has left when it is renewed.
BREAK = 15.0
#: Seconds after a break until a lease that ran out is taken for lost. By then whoever lives has renewed its own: one that
#: went out to a server that is gone is given up after ten, the connection for the next after ten more, and after a sleep a
#: renewal is due within a third of a lease.
GRACE = 25.0


class Contact:
    """For how long a process has heard from the database without a break; from the beginning it is as after one.

    What it does between an answer and the next question is not counted: a sweep may take long, or a broker.
    """

    def __init__(self, clock: Callable[[], float] = ticking) -> None:
        self._clock = clock
        self._since = self._asked = clock()

    def asks(self) -> None:
        """The next question begins, or the pause before it."""
        self._asked = self._clock()

    def answered(self) -> float:
        """It has answered; the seconds since the last break."""
        now = self._clock()
        if now - self._asked > BREAK:
            self._since = now
        self._asked = now
        return now - self._since


class SweepStore(HintStore, Protocol):
    """The part of the store that the sweep works on."""

    def sweeping(self) -> AbstractContextManager[bool]: ...

    def free_expired(self, *, leases: bool = True) -> int: ...

    def owners(self) -> list[str]: ...

    def free_owners(self, owners: list[str], ended: str = ...) -> int: ...

    def forget_old_workers(self) -> None: ...

    def go_on(self, limits: Limits) -> list[CrawlStage]: ...


def sweep(store: SweepStore, announcer: Announcer, limits: Limits, *, heard_for: float = math.inf) -> bool:
    """Take back what leases held too long, begin what can begin, and tell workers of all that is due.

    `heard_for` is the seconds for which this process has heard from the database without a break, see `Contact`: soon
    after one no lease is taken for lost. One process at a time does more than take back; False where another is at it.
    Raises what the store raises. A broker that is away is told the next time.
    """
    # Whoever may: the turn may be with one that has just begun.
    freed = store.free_expired(leases=heard_for >= GRACE)
    with store.sweeping() as mine:
        if mine:
            store.forget_old_workers()
            store.go_on(limits)
        if mine or freed:
            with suppress(BrokerUnavailable):
                announce(store, announcer)
    return mine


def free_dead(
    store: SweepStore, host: str, lives: Callable[[int], bool], ended: Mapping[int, str] | None = None
) -> int:
    """Take back what processes of this machine held that are gone, without waiting for their leases.

    `host` stands before their ids in the ledger; what others hold is left to its lease. `ended` says of some how they
    ended, by id, as in `reason_of_loss`.
    """
    known = ended or {}
    by_end: dict[str, list[str]] = {}
    for owner in store.owners():
        if _is_dead(owner, host, lives):
            by_end.setdefault(known.get(int(owner.rpartition(":")[2]), "died"), []).append(owner)
    return sum(store.free_owners(owners, how) for how, owners in by_end.items())


def _is_dead(owner: str, host: str, lives: Callable[[int], bool]) -> bool:
    place, _, pid = owner.rpartition(":")
    return place == host and pid.isdigit() and not lives(int(pid))
