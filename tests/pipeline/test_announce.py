"""Telling workers of work: bounded, best first, and again when it was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.domain.crawl import Ask
from refnet.domain.crawls import CrawlSeed, CrawlStage, crawl_key
from refnet.domain.errors import BrokerUnavailable, StoreUnavailable
from refnet.domain.identifiers import parse_seed
from refnet.domain.jobs import DueJob, Stage, Wave
from refnet.domain.papers import Direction, Stub
from refnet.domain.permissions import Scope
from refnet.domain.requests import Wish
from refnet.pipeline import cluster
from refnet.pipeline.announce import (
    FEW,
    LOST_AFTER,
    LOST_BEHIND_OTHERS,
    MOST_WAITING,
    OUTSIDE,
    VAULT_LOST_AFTER,
    VAULT_PRIORITY,
    announce,
)
from refnet.pipeline.cluster import ClusterWorker
from refnet.pipeline.offline import OfflineRunner
from tests.contract.making import LEAF, LIMITS, answer, enqueue
from tests.pipeline.conftest import Clock

VAULT = "/home/ada/vault"


class Queues:
    """The port `Announcer`: lists, and a broker that can be away from the start or from the so-manyth message on."""

    def __init__(self) -> None:
        self.sent: dict[Stage, list[DueJob]] = {stage: [] for stage in Stage}
        self.away = False
        self.takes: int | None = None

    def waiting(self, stage: Stage) -> int:
        self._answer()
        return len(self.sent[stage])

    def send(self, stage: Stage, due: Sequence[DueJob]) -> None:
        self._answer()
        for job in due:
            if self.takes is not None and self.takes <= 0:
                raise BrokerUnavailable("The broker does not answer.")
            self.sent[stage].append(job)
            self.takes = None if self.takes is None else self.takes - 1

    def papers(self, stage: Stage = Stage.CRAWL) -> list[str]:
        return [job.paper_id for job in self.sent[stage]]

    def _answer(self) -> None:
        if self.away:
            raise BrokerUnavailable("The broker does not answer.")


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


@pytest.fixture
def queues() -> Queues:
    return Queues()


def due(store: ClusterStore, count: int, stage: Stage = Stage.CRAWL) -> None:
    enqueue(store, {f"p{number:05}": LEAF for number in range(count)}, stage)


def to_the_notes(store: ClusterStore, *seeds: str, claim: Scope | None = None) -> list[int]:
    """A crawl for each of these seeds that waits for somebody to see to the vault."""
    crawls = [
        store.hand_over(
            crawl_key([seed], Direction.REFERENCES),
            Direction.REFERENCES,
            0,
            9,
            [CrawlSeed(seed, seed, "")],
            None,
            vault=VAULT,
            lang="en",
            limits=LIMITS,
            claim=claim,
        )
        for seed in seeds
    ]
    while (wave := store.claim("me", LIMITS, lease=45)) is not None:
        store.record_wave(wave, [answer(one, []) for one in wave.paper_ids], LIMITS)
    store.go_on(LIMITS)
    assert {store.stage(one) for one in crawls} == {CrawlStage.NAME}
    return crawls


# How hints follow each other


def test_one_hint_is_enough_until_all_is_done_however_quick_the_work_is(store: ClusterStore, queues: Queues) -> None:
    """Nobody sweeps here: were a hint to end without another while work is left, it would wait for one who does."""
    due(store, 101, Stage.SUMMARIZE)
    worker = summarizing(store, queues, lambda wave: store.record_summaries(wave, {}))
    [hint] = store.take_untold(Stage.SUMMARIZE, 1, LOST_AFTER)
    queues.send(Stage.SUMMARIZE, [hint])
    fates = []
    while queues.sent[Stage.SUMMARIZE]:
        fates += worker.work(Stage.SUMMARIZE, queues.sent[Stage.SUMMARIZE].pop(0).paper_id)
    assert not store.has_due(Stage.SUMMARIZE)
    assert sum(len(fate.wave.jobs) for fate in fates) == 101


@pytest.mark.parametrize("end", [StoreUnavailable("The database is away."), SystemExit()])
def test_what_was_done_is_told_of_however_the_next_step_ends(
    store: ClusterStore, queues: Queues, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    monkeypatch.setattr(cluster, "TELL_EVERY", 600.0)  # a busy machine is no reason to tell meanwhile
    due(store, 9, Stage.SUMMARIZE)
    waves: list[Wave] = []

    def work(wave: Wave) -> None:
        waves.append(wave)
        if len(waves) == 3:
            raise end
        store.record_summaries(wave, {})

    worker = summarizing(store, queues, work)
    worker.work(Stage.SUMMARIZE)  # which tells, so that the next call goes on by itself
    queues.sent[Stage.SUMMARIZE].clear()
    with pytest.raises(type(end)):
        worker.work(Stage.SUMMARIZE)
    assert len(waves) == 3
    assert queues.sent[Stage.SUMMARIZE] != []


def test_a_task_by_hand_that_ends_soon_after_it_told_tells_of_what_is_left(
    store: ClusterStore, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first step may have made due what the next ones leave, and nobody else may be at work."""
    monkeypatch.setattr(cluster, "TELL_EVERY", 600.0)
    due(store, 9, Stage.SUMMARIZE)
    worker = summarizing(store, queues, lambda wave: store.record_summaries(wave, {}))
    worker.work(Stage.SUMMARIZE)
    queues.sent[Stage.SUMMARIZE].clear()
    worker._do(Stage.SUMMARIZE, "p00008")
    assert queues.sent[Stage.SUMMARIZE] != []


def summarizing(store: ClusterStore, queues: Queues, work: Callable[[Wave], None]) -> ClusterWorker:
    """A process of a summarizer worker that takes two papers at a time."""
    unused: Any = None
    return ClusterWorker(
        store=store,
        crawler=unused,
        summarizer=OfflineRunner(store, Stage.SUMMARIZE, lambda wave, _lease: work(wave), owner="me", most=2),
        generator=unused,
        vault=unused,
        requests=unused,
        announcer=queues,
        limits=LIMITS,
        max_depth=1,
    )


# Whose turn it is


def test_somebody_whose_messages_are_refused_does_not_keep_workers_from_telling(
    store: ClusterStore, clock: Clock
) -> None:
    """Both look once a second, the outsider first."""
    to_the_notes(store, "s")
    due(store, 1)
    told: set[str] = set()
    for _ in range(60):
        announce(store, Queues(), patience=OUTSIDE)  # refused
        workers = Queues()
        announce(store, workers)
        told.update(workers.papers(), workers.papers(Stage.GENERATE))
        clock.now += 1
    assert told == {"p00000", "s"}


def test_what_nobody_may_do_for_whom_it_is_done_is_told_of_once(store: ClusterStore, clock: Clock) -> None:
    """A vault to be seen to, a crawl that was asked for, and a job: each refused by the worker that it came to."""
    to_the_notes(store, "s", claim=Scope.READ)
    store.add_request(Wish((parse_seed("arXiv:2005.11401"),)), Scope.READ)
    due(store, 1)
    told: list[tuple[str, str | None]] = []
    for _ in range(60):
        queues = Queues()
        announce(store, queues)
        for stage, sent in queues.sent.items():
            for hint in sent:
                told.append((hint.paper_id, hint.claim))
                store.refuse(stage, hint.paper_id, "no", hint.claim or "")
        clock.now += 1
    assert sorted(told) == [("arXiv:2005.11401", "read"), ("p00000", None), ("s", "read")]


# How many


def test_nothing_due_asks_no_broker(store: ClusterStore, queues: Queues) -> None:
    queues.away = True
    assert announce(store, queues) == 0


@pytest.mark.parametrize(
    ("count", "hints"),
    [
        (1, 1),
        (FEW - 1, 1),
        (FEW, 2),
        (10 * FEW, 11),
        (FEW * (MOST_WAITING - 1), MOST_WAITING),
        (FEW * MOST_WAITING * 2, MOST_WAITING),
    ],
)
def test_a_few_hints_are_enough_for_much_work_and_there_are_never_more_than_the_most(
    store: ClusterStore, queues: Queues, count: int, hints: int
) -> None:
    due(store, count)
    assert announce(store, queues) == hints
    assert len(set(queues.papers())) == hints


def test_nobody_who_consumes_nothing_is_sent_more_however_long_and_often_one_tells(
    store: ClusterStore, queues: Queues, clock: Clock
) -> None:
    to_the_notes(store, *(f"s{number:03}" for number in range(MOST_WAITING + 10)))
    due(store, 3 * FEW)
    due(store, 2, Stage.GENERATE)
    for _ in range(100):
        announce(store, queues)
        clock.move(LOST_BEHIND_OTHERS + 1)
    assert {len(sent) for stage, sent in queues.sent.items() if stage is not Stage.SUMMARIZE} == {MOST_WAITING}


def test_room_is_what_waits_from_anybody(store: ClusterStore, queues: Queues) -> None:
    due(store, 100 * FEW)
    queues.sent[Stage.CRAWL] = [DueJob(0, "by hand", 5)] * (MOST_WAITING - 3)
    assert announce(store, queues) == 3
    assert announce(store, queues) == 0


def test_each_stage_has_a_queue_of_its_own(store: ClusterStore, queues: Queues) -> None:
    for stage, count in zip(Stage, (1, FEW, 2 * FEW), strict=True):
        due(store, count, stage)
    assert announce(store, queues, [Stage.SUMMARIZE]) == 2
    assert [len(queues.sent[stage]) for stage in Stage] == [0, 2, 0]
    queues.sent[Stage.SUMMARIZE].clear()
    assert announce(store, queues) == 6
    assert [len(queues.sent[stage]) for stage in Stage] == [1, 2, 3]


def test_the_weightiest_are_told_of_first_with_their_priority(store: ClusterStore, queues: Queues) -> None:
    found = [Stub(f"x{number}", "T", 2021, 10 * number) for number in range(12)]
    store.record_seeds({"seed": answer("seed", found)}, LEAF, LIMITS)
    enqueue(store, {stub.paper_id: LEAF for stub in found if stub.paper_id})
    announce(store, queues)
    assert [(job.paper_id, job.priority) for job in queues.sent[Stage.CRAWL]] == [("x11", 9)]


# Lost hints


def test_what_was_told_is_not_told_again_until_it_counts_as_lost(
    store: ClusterStore, queues: Queues, clock: Clock
) -> None:
    due(store, 1)
    assert announce(store, queues) == 1
    queues.sent[Stage.CRAWL].clear()
    clock.move(LOST_AFTER)
    assert announce(store, queues) == 0
    clock.move(0.1)
    assert announce(store, queues) == 1


def test_behind_others_a_hint_may_take_longer(store: ClusterStore, queues: Queues, clock: Clock) -> None:
    due(store, 1)
    assert announce(store, queues) == 1
    clock.move(LOST_BEHIND_OTHERS)
    assert announce(store, queues) == 0
    clock.move(0.1)
    assert announce(store, queues) == 1


def test_many_who_tell_at_once_tell_of_each_job_once(store: ClusterStore) -> None:
    due(store, 40)
    start, queues = threading.Barrier(4), [Queues() for _ in range(4)]

    def tell(own: Queues) -> int:
        start.wait(60)
        told = 0
        for _ in range(10):
            told += announce(store, own)
            own.sent[Stage.CRAWL].clear()
        return told

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tell, queues)) == 40


# A broker that is away


@pytest.mark.parametrize("stage", list(Stage))
def test_where_the_broker_is_away_nobody_counts_as_told(store: ClusterStore, queues: Queues, stage: Stage) -> None:
    due(store, FEW, stage)
    queues.away = True
    with pytest.raises(BrokerUnavailable):
        announce(store, queues)
    queues.away = False
    assert announce(store, queues) == 2


def test_a_broker_that_goes_away_among_messages_is_told_all_of_them_the_next_time(
    store: ClusterStore, queues: Queues
) -> None:
    due(store, 4)
    due(store, FEW, Stage.SUMMARIZE)
    assert announce(store, queues, [Stage.CRAWL]) == 1
    queues.takes = 1
    with pytest.raises(BrokerUnavailable):
        announce(store, queues, [Stage.SUMMARIZE])
    (sent,) = queues.papers(Stage.SUMMARIZE)
    queues.takes = None
    assert announce(store, queues, [Stage.SUMMARIZE]) == 2
    assert sent in queues.papers(Stage.SUMMARIZE)[1:], "whether it came is not known"


@pytest.mark.parametrize("takes", [None, 0, 1])
def test_that_a_vault_is_to_be_seen_to_is_told_as_soon_as_the_broker_is_back(
    store: ClusterStore, queues: Queues, takes: int | None
) -> None:
    to_the_notes(store, "s", "t")
    queues.away, queues.takes = takes is None, takes
    with pytest.raises(BrokerUnavailable):
        announce(store, queues)
    queues.away, queues.takes = False, None
    queues.sent[Stage.GENERATE].clear()
    assert announce(store, queues) == 2


# Vaults


def test_workers_are_told_of_a_vault_that_is_to_be_seen_to(store: ClusterStore, queues: Queues, clock: Clock) -> None:
    to_the_notes(store, "s")
    assert announce(store, queues) == 1
    assert queues.sent[Stage.GENERATE] == [DueJob(0, "s", VAULT_PRIORITY)]
    assert announce(store, queues) == 0
    queues.sent[Stage.GENERATE].clear()
    clock.move(VAULT_LOST_AFTER + 0.1)
    assert announce(store, queues) == 1


def test_a_vault_is_told_of_beside_notes_that_are_due(store: ClusterStore, queues: Queues) -> None:
    to_the_notes(store, "s")
    enqueue(store, {"other": Ask.DETAILS}, Stage.GENERATE)
    assert announce(store, queues) == 2
    assert queues.papers(Stage.GENERATE) == ["other", "s"]


def test_only_generators_are_told_of_vaults(store: ClusterStore, queues: Queues) -> None:
    to_the_notes(store, "s")
    assert announce(store, queues, [Stage.CRAWL, Stage.SUMMARIZE]) == 0


def test_a_vault_that_waits_behind_a_full_queue_is_told_of_when_there_is_room(
    store: ClusterStore, queues: Queues
) -> None:
    to_the_notes(store, "s")
    queues.sent[Stage.GENERATE] = [DueJob(0, "by hand", 5)] * MOST_WAITING
    assert announce(store, queues) == 0
    queues.sent[Stage.GENERATE].clear()
    assert announce(store, queues) == 1


# Whose work


def test_each_hint_says_whose_work_it_is(store: ClusterStore, queues: Queues) -> None:
    to_the_notes(store, "s", claim=Scope.WRITE)
    to_the_notes(store, "t")
    enqueue(store, {"s": LEAF, "t": LEAF, "in no crawl": LEAF})
    while announce(store, queues):
        pass

    told = {stage: {(job.paper_id, job.claim) for job in queues.sent[stage]} for stage in Stage}
    assert told[Stage.CRAWL] == {("s", "write"), ("t", None), ("in no crawl", None)}
    assert told[Stage.GENERATE] == {("s", "write"), ("t", None)}, "also of a vault"
