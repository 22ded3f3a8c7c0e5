"""The fate of jobs that ask no source: what each failure costs, and when they are tried again."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.domain.about import ids
from refnet.domain.errors import (
    BrokerUnavailable,
    ConfigurationError,
    CredentialsRejected,
    HeldElsewhere,
    LeaseLost,
    OutageTooLong,
    PaperNotFound,
    RefnetError,
    SourceUnavailable,
    StorageFull,
    StoreUnavailable,
    TimeLimitReached,
    TransientError,
    UnreadableDocument,
)
from refnet.domain.jobs import MOST_LOSSES, MOST_TRIES, JobFate, JobState, Stage, Wave
from refnet.domain.summaries import Summary
from refnet.pipeline.lease import LEASE, Lease
from refnet.pipeline.offline import STEP, OfflineRunner
from refnet.pipeline.patience import FULL
from refnet.pipeline.runner import Fate
from tests.contract.making import rows
from tests.pipeline.conftest import Clock

STAGE = Stage.SUMMARIZE


class TooLong(Exception):
    """What a time limit raises."""


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


class Bench:
    """A runner whose work raises what a test says, for all waves or for those with one paper in them."""

    def __init__(self, store: ClusterStore, most: int = 100) -> None:
        self.store = store
        self.error: BaseException | None = None
        self.guilty: str | None = None
        self.waves: list[list[str]] = []
        #: what lines of the log would have named
        self.named: list[dict[str, str]] = []
        self.runner = OfflineRunner(store, STAGE, self._work, owner="me", most=most, passing=(TooLong,))

    def step(self, lead: str | None = None) -> Fate:
        fate = self.runner.step(lead)
        assert fate is not None
        return fate

    def _work(self, wave: Wave, lease: Lease) -> None:
        self.waves.append(wave.paper_ids)
        self.named.append(dict(ids()))
        lease.check()
        if self.error is not None and (self.guilty is None or self.guilty in wave.paper_ids):
            raise self.error
        self.store.record_summaries(wave, {one: Summary(f"Of {one}.", "tldr") for one in wave.paper_ids})


@pytest.fixture
def bench(store: ClusterStore) -> Bench:
    return Bench(store)


def fate(store: ClusterStore, paper: str = "a") -> JobFate:
    found = store.fate(STAGE, paper)
    assert found is not None
    return found


def attempts(engine: Engine, paper: str = "a") -> int:
    return int(rows(engine, STAGE)[paper].attempts)


# Work that goes well


def test_nothing_due_is_nothing_done(bench: Bench) -> None:
    assert bench.runner.step() is None
    assert bench.waves == []


def test_what_is_due_is_done_together_up_to_the_most(store: ClusterStore) -> None:
    store.enqueue(STAGE, ["a", "b", "c"])
    bench = Bench(store, most=2)
    first, second = bench.step(), bench.step()
    assert (first.error, len(first.wave.jobs), len(second.wave.jobs)) == (None, 2, 1)
    assert store.job_counts() == {(STAGE, JobState.DONE): 3}


def test_the_paper_that_leads_is_done(bench: Bench, store: ClusterStore) -> None:
    store.enqueue(STAGE, ["a", "b", "c"])
    bench = Bench(store, most=1)
    bench.step("c")
    assert bench.waves == [["c"]]


def test_lines_of_the_log_name_the_jobs_while_they_are_worked_on(
    store: ClusterStore, engine: Engine, bench: Bench
) -> None:
    store.enqueue(STAGE, ["a", "b"])
    bench.error, bench.guilty = PaperNotFound("no"), "a"
    for _ in range(3):
        bench.step()
    a, b = (str(rows(engine, STAGE)[paper].id) for paper in ("a", "b"))
    assert [(told["job"], told.get("jobs"), told.get("paper")) for told in bench.named] == [
        (f"{a},{b}", "2", None),
        (a, None, "a"),
        (b, None, "b"),
    ]
    assert ids() == {}


# A paper that fails by itself


def test_a_transient_failure_waits_a_minute_more_each_time_and_the_fourth_is_the_last(
    bench: Bench, store: ClusterStore, engine: Engine, clock: Clock
) -> None:
    """Design document §4.2: three retries at 60 s × (n + 1)."""
    store.enqueue(STAGE, ["a"])
    bench.error = SourceUnavailable("no answer")
    for number in range(1, MOST_TRIES):
        found = bench.step()
        assert (found.error, found.due_in, found.charged, found.buried) == (bench.error, number * STEP, True, False)
        assert fate(store) == JobFate(JobState.QUEUED, number * STEP, "no answer")
        assert attempts(engine) == number
        clock.move(number * STEP - 0.1)
        assert bench.runner.step() is None
        clock.move(0.1)
    assert (number, STEP) == (3, 60.0)
    last = bench.step()
    assert (last.error, last.buried) == (bench.error, True)
    (letter,) = store.dead_letters()
    assert (letter.reason, letter.attempts, letter.traceback) == ("no answer", MOST_TRIES, None)


def test_who_asks_to_be_left_alone_for_a_while_is(bench: Bench, store: ClusterStore) -> None:
    store.enqueue(STAGE, ["a"])
    bench.error = SourceUnavailable("later", retry_after=7.0)
    assert bench.step().due_in == 7.0
    assert fate(store).due_in == 7.0


def test_a_success_in_between_forgets_the_failures(bench: Bench, store: ClusterStore, clock: Clock) -> None:
    store.enqueue(STAGE, ["a"])
    bench.error = SourceUnavailable("no answer")
    for _ in range(MOST_TRIES - 1):
        bench.step()
        clock.move(1_000)
    bench.error = None
    assert bench.step().error is None
    store.enqueue(STAGE, ["a"])
    bench.error = SourceUnavailable("no answer")
    assert bench.step().due_in == STEP


@pytest.mark.parametrize(
    "error",
    [
        TransientError("later"),
        SourceUnavailable("no answer"),
        BrokerUnavailable("away"),
        HeldElsewhere("held"),
        TimeLimitReached("long"),
        TooLong("from outside"),
    ],
)
def test_each_transient_failure_is_charged_and_comes_again(
    bench: Bench, store: ClusterStore, engine: Engine, error: Exception
) -> None:
    store.enqueue(STAGE, ["a"])
    bench.error = error
    found = bench.step()
    assert (found.charged, found.buried, found.due_in) == (True, False, STEP)
    assert (fate(store).state, attempts(engine)) == (JobState.QUEUED, 1)


def test_a_time_limit_says_so_in_words(bench: Bench, store: ClusterStore) -> None:
    store.enqueue(STAGE, ["a"])
    bench.error = TooLong("from outside")
    assert isinstance(bench.step().error, TimeLimitReached)
    assert fate(store).reason == "It took longer than its worker allows (TooLong)."


@pytest.mark.parametrize("error", [PaperNotFound("no such paper"), UnreadableDocument("damaged")])
def test_a_permanent_failure_is_a_dead_letter_at_once(bench: Bench, store: ClusterStore, error: RefnetError) -> None:
    store.enqueue(STAGE, ["a"])
    bench.error = error
    found = bench.step()
    assert (found.error, found.buried, found.charged) == (error, True, False)
    (letter,) = store.dead_letters()
    assert (letter.reason, letter.attempts, letter.traceback) == (str(error), 1, None)


def test_what_nobody_foresaw_is_a_dead_letter_with_its_traceback(bench: Bench, store: ClusterStore) -> None:
    store.enqueue(STAGE, ["a"])
    bench.error = KeyError("what")
    found = bench.step()
    assert found.buried
    (letter,) = store.dead_letters()
    assert letter.reason == "KeyError: 'what'"
    assert "in _work" in (letter.traceback or "")


def test_time_limits_bury_a_job_that_ran_alone_at_the_third_as_losses_of_its_process_do(
    bench: Bench, store: ClusterStore, clock: Clock
) -> None:
    store.enqueue(STAGE, ["a"])
    bench.error = TooLong("from outside")
    for _ in range(MOST_LOSSES - 1):
        found = bench.step()
        assert (found.charged, found.buried) == (True, False)
        clock.move(found.due_in)
    assert bench.step().buried
    (letter,) = store.dead_letters()
    assert letter.attempts == MOST_LOSSES
    assert letter.reason == (
        "It took longer than its worker allows (TooLong). That, or the loss of its process, came 3 times while this job "
        "ran alone."
    )


def test_work_that_ends_its_own_process_is_a_bug_and_ends_nothing(store: ClusterStore) -> None:
    store.enqueue(STAGE, ["a", "b", "c"])

    def work(wave: Wave, lease: Lease) -> None:
        if "b" in wave.paper_ids:
            raise SystemExit(7)
        store.record_summaries(wave, {})

    runner = OfflineRunner(store, STAGE, work, owner="me", most=10, ending=lambda: False)
    while runner.step() is not None:
        pass
    (letter,) = store.dead_letters()
    assert (letter.paper_id, letter.reason, letter.attempts) == ("b", "SystemExit: 7", 1)
    assert "in work" in (letter.traceback or "")


def test_what_failed_work_held_is_let_go_before_its_end_is_recorded(bench: Bench, store: ClusterStore) -> None:
    """It may be all the memory there is."""

    class Large:
        pass

    held: list[weakref.ref[Large]] = []

    def work(wave: Wave, lease: Lease) -> None:
        large = Large()
        held.append(weakref.ref(large))
        raise MemoryError

    class Watched(OfflineRunner):
        def _bury(self, wave: Wave, error: RefnetError, trace: str | None = None) -> Fate:
            assert held[-1]() is None
            return super()._bury(wave, error, trace)

    store.enqueue(STAGE, ["a"])
    assert Watched(store, STAGE, work, owner="me", most=1).step() is not None
    (letter,) = store.dead_letters()
    assert letter.reason == "MemoryError: "


# What is not the paper's fault


@pytest.mark.parametrize("error", [StorageFull("no room"), OutageTooLong("away"), ConfigurationError("not yours")])
@pytest.mark.parametrize("papers", [["a"], ["a", "b"]])
def test_a_full_disk_or_a_closed_folder_is_waited_for_and_charged_to_nobody(
    bench: Bench, store: ClusterStore, engine: Engine, clock: Clock, error: RefnetError, papers: list[str]
) -> None:
    store.enqueue(STAGE, papers)
    bench.error = error
    for _ in range(3 * MOST_TRIES):
        found = bench.step()
        assert (found.error, found.due_in, found.charged, found.buried) == (error, FULL, False, False)
        assert fate(store) == JobFate(JobState.QUEUED, FULL, str(error))
        clock.move(FULL)
    assert {attempts(engine, paper) for paper in papers} == {0}
    assert bench.waves[-1] == papers, "they still go together"
    bench.error = None
    assert bench.step().error is None


@pytest.mark.parametrize("papers", [["a"], ["a", "b"]])
def test_a_lease_that_ran_out_by_its_owners_clock_is_given_back_and_charged_to_nobody(
    bench: Bench, store: ClusterStore, engine: Engine, papers: list[str]
) -> None:
    store.enqueue(STAGE, papers)
    bench.error = LeaseLost("gone")
    found = bench.step()
    assert (found.error, found.due_in, found.charged, found.buried) == (bench.error, 0.0, False, False)
    assert {(row.state, row.share, row.attempts, row.losses) for row in rows(engine, STAGE).values()} == {
        (JobState.QUEUED, None, 0, 0)
    }


@pytest.mark.parametrize("papers", [["a"], ["a", "b"]])
def test_work_that_ended_while_the_database_was_away_is_given_back_when_it_is_there_and_charged_to_nobody(
    engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch, papers: list[str]
) -> None:
    monkeypatch.setattr("refnet.pipeline.lease.SOON", 0.01)

    class Away(ClusterStore):
        there, released = threading.Event(), threading.Event()

        def release(self, wave: Wave, **how: Any) -> None:
            if not self.there.is_set():
                raise StoreUnavailable("away")
            super().release(wave, **how)
            self.released.set()

    def work(wave: Wave, lease: Lease) -> None:
        raise StoreUnavailable("away")

    store = Away(engine, clock=clock)
    store.enqueue(STAGE, papers)
    with pytest.raises(StoreUnavailable):
        OfflineRunner(store, STAGE, work, owner="me", most=9).step()
    store.there.set()
    assert store.released.wait(30)
    assert store.free_expired() == 0
    assert {(row.state, row.share, row.attempts, row.losses) for row in rows(engine, STAGE).values()} == {
        (JobState.QUEUED, None, 0, 0)
    }


def test_a_lost_lease_drops_the_work_and_leaves_the_job_to_its_owner(store: ClusterStore, engine: Engine) -> None:
    store.enqueue(STAGE, ["a"])

    def work(wave: Wave, lease: Lease) -> None:
        store.free_owners(["me"])
        store.claim_some(STAGE, "you", 1, lease=LEASE)
        raise LeaseLost("gone")

    assert OfflineRunner(store, STAGE, work, owner="me", most=1).step() is not None
    row = rows(engine, STAGE)["a"]
    assert (row.state, row.owner) == (JobState.RUNNING, "you")


def test_work_that_went_to_somebody_else_meanwhile_is_neither_settled_nor_charged(
    store: ClusterStore, engine: Engine
) -> None:
    store.enqueue(STAGE, ["a"])
    taken: list[Wave | None] = []

    def work(wave: Wave, lease: Lease) -> None:
        store.free_owners(["me"])
        taken.append(store.claim_some(STAGE, "you", 1, lease=LEASE))
        raise PaperNotFound("says who came too late")

    OfflineRunner(store, STAGE, work, owner="me", most=1).step()
    row = rows(engine, STAGE)["a"]
    assert taken[0] is not None
    assert (row.state, row.owner, row.claim) == (JobState.RUNNING, "you", taken[0].claim)
    assert "too late" not in row.reason


@pytest.mark.parametrize(
    "error", [StoreUnavailable("away"), CredentialsRejected("no"), KeyboardInterrupt(), SystemExit(1)]
)
@pytest.mark.parametrize("papers", [["a"], ["a", "b"]])
def test_what_ends_the_work_gives_the_jobs_back_whole_at_once_and_passes_through(
    bench: Bench, store: ClusterStore, engine: Engine, error: BaseException, papers: list[str]
) -> None:
    store.enqueue(STAGE, papers)
    bench.error = error
    with pytest.raises(type(error)):
        bench.runner.step()
    assert {(row.state, row.share, row.attempts, row.losses) for row in rows(engine, STAGE).values()} == {
        (JobState.QUEUED, None, 0, 0)
    }
    bench.error = None
    assert bench.step().wave.paper_ids == papers


# In company


@pytest.mark.parametrize(
    "error",
    [SourceUnavailable("no answer"), PaperNotFound("none"), ValueError("a bug"), TooLong("from outside")],
)
def test_of_many_the_one_whose_fault_it_is_is_found_by_halves_and_the_others_are_done(
    bench: Bench, store: ClusterStore, engine: Engine, clock: Clock, error: Exception
) -> None:
    papers = [f"p{number}" for number in range(8)]
    store.enqueue(STAGE, papers)
    bench.error, bench.guilty = error, "p5"
    fates = [found for _ in range(40) if (found := bench.runner.step()) is not None]
    assert [len(wave) for wave in bench.waves[:2]] == [8, 4]
    assert {paper for paper in papers if fate(store, paper).state is JobState.DONE} == {*papers} - {"p5"}
    assert not any(found.charged or found.buried for found in fates if not found.wave.alone)
    assert {attempts(engine, paper) for paper in papers if paper != "p5"} <= {0, 1}
    alone = [found for found in fates if found.error is not None and found.wave.alone]
    assert [found.wave.paper_ids for found in alone] == [["p5"]]
    assert fate(store, "p5").state is (
        JobState.DEAD if isinstance(error, PaperNotFound | ValueError) else JobState.QUEUED
    )


def test_company_that_fails_is_tried_again_at_once_in_halves_of_odd_numbers_too(
    bench: Bench, store: ClusterStore
) -> None:
    store.enqueue(STAGE, [f"p{number}" for number in range(7)])
    bench.error = SourceUnavailable("no answer")
    found = bench.step()
    assert (found.due_in, found.charged) == (0.0, False)
    bench.step()
    bench.step()
    assert [len(wave) for wave in bench.waves] == [7, 4, 2]


def test_nothing_is_held_after_a_step_however_it_ends(bench: Bench, store: ClusterStore, clock: Clock) -> None:
    errors = (None, SourceUnavailable("x"), PaperNotFound("x"), ValueError("x"), StorageFull("x"), TooLong("x"))
    for number, error in enumerate(errors):
        for papers in ([f"{number}"], [f"{number}a", f"{number}b", f"{number}c"]):
            store.enqueue(STAGE, papers)
            clock.move(1_000)
            bench.error = error
            bench.step()
            assert store.owners() == []


def test_a_failed_job_is_told_of_by_its_own_message_first(bench: Bench, store: ClusterStore, clock: Clock) -> None:
    """The task retries when the job is due; the sweep need not send another, unless that one is lost."""
    store.enqueue(STAGE, ["a"])
    bench.error = SourceUnavailable("no answer")
    bench.step()
    clock.move(STEP)
    assert (store.due_count(STAGE), store.take_untold(STAGE, 9, 5.0)) == (1, [])
    clock.move(5.1)
    assert [job.paper_id for job in store.take_untold(STAGE, 9, 5.0)] == ["a"]
