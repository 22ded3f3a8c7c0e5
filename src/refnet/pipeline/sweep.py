"""The sweep: whatever was lost on its way is found in the ledger and told of again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlStage
from refnet.domain.errors import BrokerUnavailable
from refnet.pipeline.announce import Announcer, HintStore, announce


class SweepStore(HintStore, Protocol):
    """The part of the store that the sweep works on."""

    def sweeping(self) -> AbstractContextManager[bool]: ...

    def free_expired(self) -> int: ...

    def owners(self) -> list[str]: ...

    def free_owners(self, owners: list[str], ended: str = ...) -> int: ...

    def forget_old_workers(self) -> None: ...

    def go_on(self, limits: Limits) -> list[CrawlStage]: ...


def sweep(store: SweepStore, announcer: Announcer, limits: Limits) -> bool:
    """Take back what leases held too long, begin what can begin, and tell workers of all that is due.

    One process does so at a time; False where another is at it. Raises what the store raises. A broker that is away is
    told the next time.
    """
    with store.sweeping() as mine:
        if not mine:
            return False
        store.free_expired()
        store.forget_old_workers()
        store.go_on(limits)
        with suppress(BrokerUnavailable):
            announce(store, announcer)
    return True


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
