"""Telling workers that work is due: after it is committed, a bounded number of messages, the weightiest first.

A message is a hint and nothing more. It may be lost, doubled or late: the ledger knows what is due, and the sweep of the
workers tells of it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from refnet.domain.errors import TransientError
from refnet.domain.jobs import DueJob, Stage

#: Messages that may wait in a queue before no more are sent.
MOST_WAITING = 64
#: Seconds after which a hint counts as lost: where none waits in the queue any more, and where some do.
LOST_AFTER, LOST_BEHIND_OTHERS = 5.0, 120.0
#: The same for a hint that some vault is to be seen to. A vault that cannot be written is looked at again as often.
VAULT_LOST_AFTER = 20.0
#: How much longer somebody waits who is no worker.
OUTSIDE = 2.0
#: A task does many jobs where many are due, so for so many of them one more hint is enough.
FEW = 50
#: The priority of a hint that some vault is to be seen to, and of one that somebody asked for a crawl.
VAULT_PRIORITY, REQUEST_PRIORITY = 3, 10


class Announcer(Protocol):
    """Sends hints to workers. Both methods raise BrokerUnavailable, soon, when the broker is away."""

    def waiting(self, stage: Stage) -> int:
        """Messages in the queue of a stage."""

    def send(self, stage: Stage, due: Sequence[DueJob]) -> None: ...


class HintStore(Protocol):
    """The part of the store that knows what is due, and what was told."""

    def take_untold(self, stage: Stage, most: int, told_for: float) -> list[DueJob]: ...

    def untell(self, found: Sequence[DueJob]) -> None: ...

    def due_counts(self) -> Mapping[Stage, int]:
        """Due jobs by stage, of those that have any."""

    def notes_due(self) -> Sequence[object]:
        """Crawls whose notes are to be begun or ended."""

    def take_vaults_due(self, told_for: float) -> list[str]:
        """A paper each of those crawls that nobody was told of."""

    def untell_vaults(self) -> None: ...

    def requests_due(self) -> bool:
        """Whether crawls were asked for that nobody is at."""

    def take_requests_due(self, told_for: float) -> list[tuple[str, str | None]]:
        """A word each on those that nobody was told of, and the claim."""

    def untell_requests(self) -> None: ...

    def claims(self, paper_ids: Sequence[str]) -> Mapping[str, str]:
        """Whose work papers are, where it is not the operator's."""


def announce(
    store: HintStore, announcer: Announcer, stages: Sequence[Stage] = tuple(Stage), *, patience: float = 1.0
) -> int:
    """Tell of what is due and nobody was told of; returns the number of messages.

    A hint counts as lost after `patience` times as long as for a worker. Whoever is no worker has more of it than they: its
    messages may all be refused, where it signs with another key, and what it told of would never be theirs to tell.

    Raises BrokerUnavailable: then nobody counts as told, and the next call tells.
    """
    due = store.due_counts()
    return sum(_announce(store, announcer, stage, due.get(stage, 0), patience) for stage in stages)


def _announce(store: HintStore, announcer: Announcer, stage: Stage, due: int, patience: float) -> int:
    vaults = stage is Stage.GENERATE and bool(store.notes_due())
    requests = stage is Stage.CRAWL and store.requests_due()
    if not due and not vaults and not requests:
        return 0
    # Asked before anything counts as told: a broker that is away raises here.
    waiting = announcer.waiting(stage)
    room = MOST_WAITING - waiting
    if room <= 0:
        return 0
    lost_after = patience * (LOST_BEHIND_OTHERS if waiting else LOST_AFTER)
    found = store.take_untold(stage, min(room, 1 + due // FEW), lost_after) if due else []
    told = store.take_vaults_due(patience * VAULT_LOST_AFTER) if vaults and room > len(found) else []
    extra = [DueJob(0, paper_id, VAULT_PRIORITY) for paper_id in told[: room - len(found)]]
    if requests:
        asked = store.take_requests_due(patience * LOST_AFTER)
        extra += [DueJob(0, word, REQUEST_PRIORITY, claim) for word, claim in asked[: max(1, room - len(found))]]
    if not found and not extra:
        return 0
    try:
        announcer.send(stage, _claimed(store, [*found, *extra]))
    except TransientError:
        store.untell(found)
        if told:
            store.untell_vaults()
        if requests:
            store.untell_requests()
        raise
    return len(found) + len(extra)


def _claimed(store: HintStore, due: Sequence[DueJob]) -> list[DueJob]:
    """The same, each with the claim of the crawls that its paper is in."""
    claims = store.claims([job.paper_id for job in due])
    return [replace(job, claim=job.claim or claims.get(job.paper_id)) for job in due]
