"""The sweep over a real database on a server: one at a time, and whatever was lost is told of again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import database_url, open_engine, writing
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.schema import metadata
from refnet.adapters.database.worker_rows import FORGOTTEN
from refnet.adapters.processes import process_lives
from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlSeed, CrawlStage, crawl_key
from refnet.domain.errors import BrokerUnavailable
from refnet.domain.jobs import DueJob, JobState, Stage
from refnet.domain.papers import Direction
from refnet.domain.workers import WorkerReport
from refnet.pipeline.lease import LEASE, SOON
from refnet.pipeline.sweep import BREAK, GRACE, Contact, free_dead, sweep
from tests.contract.making import LEAF, LIMITS, answer, enqueue
from tests.pipeline.conftest import Clock
from tests.servers import fresh_database


class Queue:
    """The port `Announcer`: what was sent, or a broker that is away."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.away = False

    def waiting(self, stage: Stage) -> int:
        if self.away:
            raise BrokerUnavailable("The broker does not answer.")
        return 0

    def send(self, stage: Stage, due: Sequence[DueJob]) -> None:
        self.sent += [job.paper_id for job in due]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        engine = open_engine(database_url(url))
        upgrade(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def store(server: Engine, clock: Clock) -> ClusterStore:
    with writing(server) as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    return ClusterStore(server, clock=clock)


@pytest.fixture
def queue() -> Queue:
    return Queue()


def held(store: ClusterStore, owner: str, paper: str) -> None:
    enqueue(store, {paper: LEAF})
    assert store.claim(owner, LIMITS, lease=LEASE, lead=paper) is not None


def test_what_is_due_and_what_a_lease_held_too_long_is_told_of(store: ClusterStore, queue: Queue, clock: Clock) -> None:
    held(store, "dead", "a")
    assert sweep(store, queue, LIMITS)
    assert queue.sent == []
    clock.move(LEASE + 1)
    assert sweep(store, queue, LIMITS)
    assert queue.sent == ["a"]


def test_a_crawl_whose_last_worker_died_before_it_began_the_next_stage_goes_on(
    store: ClusterStore, queue: Queue
) -> None:
    seed = CrawlSeed("s", "s", "")
    crawl_id = store.hand_over(
        crawl_key(["s"], Direction.BOTH), Direction.BOTH, 0, 9, [seed], None, vault="/v", lang="en", limits=LIMITS
    )
    wave = store.claim("me", LIMITS, lease=LEASE)
    assert wave is not None
    store.record_wave(wave, [answer("s", [], abstract="About s.")], LIMITS)
    assert sweep(store, queue, LIMITS)
    assert (store.stage(crawl_id), queue.sent) == (CrawlStage.SUMMARIZE, ["s"])


def test_workers_that_were_silent_for_long_are_forgotten(store: ClusterStore, queue: Queue, clock: Clock) -> None:
    store.report(WorkerReport("w@host", 1, ("crawler",), None, 4, 0))
    clock.move(FORGOTTEN + 1)
    assert sweep(store, queue, LIMITS)
    assert store.workers() == []


def test_where_the_broker_is_away_all_else_is_done_and_it_is_told_the_next_time(
    store: ClusterStore, queue: Queue, clock: Clock
) -> None:
    held(store, "dead", "a")
    clock.move(LEASE + 1)
    queue.away = True
    assert sweep(store, queue, LIMITS)
    assert store.job_counts() == {(Stage.CRAWL, JobState.QUEUED): 1}
    queue.away = False
    assert sweep(store, queue, LIMITS)
    assert queue.sent == ["a"]


def test_one_at_a_time_sweeps_and_the_others_go_at_once(store: ClusterStore) -> None:
    enqueue(store, {"a": LEAF})
    over = threading.Barrier(4)

    class Slow(Queue):
        """Sends only when all the others have been refused."""

        def send(self, stage: Stage, due: Sequence[DueJob]) -> None:
            over.wait(60)
            super().send(stage, due)

    slow = Slow()

    def run(_: int) -> bool:
        mine = sweep(store, slow, LIMITS)
        if not mine:
            over.wait(60)
        return mine

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [False, False, False, True]
    assert slow.sent == ["a"]
    assert sweep(store, slow, LIMITS)


# Leases that nobody could renew


def test_after_a_break_whoever_lives_keeps_its_work_and_whoever_died_is_charged(
    store: ClusterStore, queue: Queue, clock: Clock
) -> None:
    """The database was away for longer than a lease, and longer than it takes three times to be a dead letter."""
    enqueue(store, {"a": LEAF, "b": LEAF})
    alive, dead = store.claim("alive", Limits(ids=1), lease=LEASE), store.claim("dead", Limits(ids=1), lease=LEASE)
    assert alive is not None
    assert dead is not None
    clock.move(10 * LEASE)
    assert sweep(store, queue, LIMITS, heard_for=GRACE - 1)
    assert store.job_counts() == {(Stage.CRAWL, JobState.RUNNING): 2}
    store.renew(alive, LEASE)
    assert sweep(store, queue, LIMITS, heard_for=GRACE)
    assert (store.owners(), queue.sent) == (["alive"], dead.paper_ids)
    fate = store.fate(Stage.CRAWL, dead.paper_ids[0])
    assert fate is not None
    assert fate.reason == "Its process was not heard of any more while this job ran alone."


def test_a_worker_that_has_just_begun_holds_up_nobody_who_knows_which_lease_is_lost(
    store: ClusterStore, queue: Queue, clock: Clock
) -> None:
    held(store, "dead", "a")
    clock.move(LEASE + 1)
    with store.sweeping():
        assert not sweep(store, queue, LIMITS, heard_for=GRACE)
    assert queue.sent == ["a"]


def test_what_one_held_who_worked_alone_is_free_at_once_after_a_break(
    store: ClusterStore, queue: Queue, clock: Clock
) -> None:
    enqueue(store, {"a": LEAF})
    assert store.claim("alone", LIMITS) is not None
    assert sweep(store, queue, LIMITS, heard_for=0)
    assert queue.sent == ["a"]


class Ticks:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


def test_who_has_just_begun_has_not_heard_of_anybody() -> None:
    ticks = Ticks()
    contact = Contact(ticks)
    assert contact.answered() == 0
    ticks.now += BREAK
    assert contact.answered() == BREAK


def test_a_database_that_stood_still_or_a_machine_that_slept_is_a_break() -> None:
    ticks = Ticks()
    contact = Contact(ticks)
    for _ in range(3):
        ticks.now += BREAK
        contact.answered()
        contact.asks()
    ticks.now += BREAK + 1
    assert contact.answered() == 0
    ticks.now += 5
    assert contact.answered() == 5


def test_a_sweep_that_takes_long_is_none() -> None:
    ticks = Ticks()
    contact = Contact(ticks)
    for _ in range(3):
        assert contact.answered() == ticks.now - Ticks.now
        ticks.now += 10 * BREAK
        contact.asks()


def test_whoever_lives_has_renewed_its_lease_before_it_is_taken_for_lost() -> None:
    """A renewal is due within a third of a lease; one that fails does so after ten seconds, and is tried again after one,
    by a connection that may take ten.
    """
    assert max(LEASE / 3, 10 + SOON + 10) < GRACE
    assert BREAK + 10 + SOON < LEASE - LEASE / 3


# Processes of this machine


def test_what_dead_processes_of_this_machine_held_is_taken_back_without_waiting(store: ClusterStore) -> None:
    for owner in ("here:10", "here:11", "elsewhere:10", "here", "here:x", "me"):
        held(store, owner, owner)
    assert free_dead(store, "here", lambda pid: pid != 10) == 1
    assert store.owners() == ["elsewhere:10", "here", "here:11", "here:x", "me"]
    assert free_dead(store, "here", lambda pid: True) == 0


def test_how_a_process_ended_is_told_of_what_it_held(store: ClusterStore) -> None:
    for owner, paper_id in (("here:10", "a"), ("here:11", "b"), ("here:12", "c")):
        held(store, owner, paper_id)
    ended = {10: "ended with exit code 1", 11: "was killed by signal 11 (SIGSEGV)", 99: "died of something else"}
    assert free_dead(store, "here", lambda pid: False, ended) == 3
    fates = [store.fate(Stage.CRAWL, paper_id) for paper_id in ("a", "b", "c")]
    assert [fate.reason if fate else None for fate in fates] == [
        "Its process ended with exit code 1 while this job ran alone.",
        "Its process was killed by signal 11 (SIGSEGV) while this job ran alone.",
        "Its process died while this job ran alone.",
    ]


def test_a_host_whose_name_holds_a_colon_is_told_from_its_process(store: ClusterStore) -> None:
    held(store, "fe80::1:77", "a")
    assert free_dead(store, "fe80:", lambda pid: False) == 0
    assert free_dead(store, "fe80::1", lambda pid: False) == 1


def test_it_is_seen_whether_a_process_lives() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        assert process_lives(process.pid)
        process.kill()
        process.wait(30)
        assert not process_lives(process.pid)
    assert process_lives(os.getpid())
    assert process_lives(1), "somebody else's process lives, too"
