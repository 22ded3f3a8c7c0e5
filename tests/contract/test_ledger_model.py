"""The ledger held against models of it, over random histories (reliability.md T12).

REFNET_MODEL_EXAMPLES raises the number of histories: 10000 of 50 steps each take three quarters of an hour.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select, update

from refnet.adapters.database import ledger
from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import database_url, open_engine, reading, writing
from refnet.adapters.database.schema import jobs, papers, summaries
from refnet.domain.crawl import Limits
from refnet.domain.errors import BrokerUnavailable, LeaseLost
from refnet.domain.jobs import MOST_LOSSES, DueJob, JobState, Stage, Wave
from refnet.domain.summaries import Summary
from refnet.pipeline import announce as announcing
from refnet.pipeline.announce import announce
from refnet.pipeline.sweep import sweep
from tests.contract.conftest import Clock
from tests.contract.making import LEAF, LIMITS, answer, enqueue, rows

PAPERS = [f"p{number}" for number in range(6)]
LEASE = 45.0
EXAMPLES = int(os.environ.get("REFNET_MODEL_EXAMPLES", "60"))


@dataclass
class Known:
    """What must be true of one paper's job."""

    state: JobState = JobState.QUEUED
    owner: Wave | None = None
    losses: int = 0


@dataclass
class Owned:
    wave: Wave
    until: float


@dataclass
class Model:
    jobs: dict[str, Known] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)


class LedgerMachine(RuleBasedStateMachine):
    """Workers that claim, finish, give back, die, or come back too late, while time passes."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        path = Path(self.folder) / "refnet.db"
        shutil.copyfile(self.template, path)
        self.engine = open_engine(database_url(f"sqlite:///{path}"))
        self.clock = Clock()
        self.store = ClusterStore(self.engine, clock=self.clock)
        self.model = Model()
        self.waves: list[Owned] = []

    def teardown(self) -> None:
        self.engine.dispose()
        shutil.rmtree(self.folder)

    @rule(papers=st.sets(st.sampled_from(PAPERS), min_size=1))
    def enqueue(self, papers: set[str]) -> None:
        enqueue(self.store, dict.fromkeys(papers, LEAF))
        for paper in papers:
            known = self.model.jobs.setdefault(paper, Known())
            if known.state is JobState.DONE:
                self.model.jobs[paper] = Known()

    @rule(ids=st.integers(1, 6))
    def claim(self, ids: int) -> None:
        wave = self.store.claim("somebody", Limits(ids=ids), lease=LEASE)
        if wave is None:
            assert JobState.QUEUED not in {known.state for known in self.model.jobs.values()}
            return
        for paper in wave.paper_ids:
            assert self.model.jobs[paper].state is JobState.QUEUED
            self.model.jobs[paper].state, self.model.jobs[paper].owner = JobState.RUNNING, wave
        self.waves.append(Owned(wave, self.clock.now + LEASE))

    @precondition(lambda self: self.waves)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """In time or late, once or twice."""
        wave = data.draw(st.sampled_from(self.waves)).wave
        self.store.record_wave(wave, [answer(paper, [], title=wave.claim) for paper in wave.paper_ids], LIMITS)
        for paper in self._held(wave):
            known = self.model.jobs[paper]
            known.state, known.owner = JobState.DONE, None
            self.model.titles[paper] = wave.claim

    @precondition(lambda self: self.waves)
    @rule(data=st.data(), share=st.none() | st.integers(1, 3))
    def give_back(self, data: st.DataObject, share: int | None) -> None:
        wave = data.draw(st.sampled_from(self.waves)).wave
        self.store.release(wave, share=share)
        for paper in self._held(wave):
            self.model.jobs[paper].state, self.model.jobs[paper].owner = JobState.QUEUED, None

    @precondition(lambda self: self.waves)
    @rule(data=st.data())
    def bury(self, data: st.DataObject) -> None:
        wave = data.draw(st.sampled_from(self.waves)).wave
        self.store.bury(wave, "it will not do")
        for paper in self._held(wave):
            self.model.jobs[paper].state, self.model.jobs[paper].owner = JobState.DEAD, None

    @rule(seconds=st.sampled_from([1.0, LEASE, LEASE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.clock.move(seconds)

    @rule()
    def the_clock_is_set_back(self) -> None:
        self.clock.move(-86_400.0)
        for owned in self.waves:
            owned.until = -1.0

    @rule()
    def sweep(self) -> None:
        self.store.free_expired()
        self._lose(lambda owned: owned.until < self.clock.now)

    @rule()
    def everybody_dies(self) -> None:
        self.store.free_all()
        self._lose(lambda owned: True)

    @rule()
    def dead_letters_are_retried(self) -> None:
        self.store.retry_dead(None)
        for paper, known in self.model.jobs.items():
            if known.state is JobState.DEAD:
                self.model.jobs[paper] = Known()

    def _held(self, wave: Wave) -> list[str]:
        return [paper for paper in wave.paper_ids if self.model.jobs[paper].owner is wave]

    def _lose(self, which: Callable[[Owned], bool]) -> None:
        for owned in self.waves:
            if not which(owned):
                continue
            for paper in self._held(owned.wave):
                known = self.model.jobs[paper]
                known.losses += owned.wave.alone
                known.state = JobState.DEAD if known.losses >= MOST_LOSSES else JobState.QUEUED
                known.owner = None

    @invariant()
    def every_job_is_where_it_should_be(self) -> None:
        stored = rows(self.engine)
        assert {paper: row.state for paper, row in stored.items()} == {
            paper: known.state for paper, known in self.model.jobs.items()
        }
        assert {paper: row.claim for paper, row in stored.items()} == {
            paper: known.owner and known.owner.claim for paper, known in self.model.jobs.items()
        }

    @invariant()
    def what_is_stored_came_from_the_owner(self) -> None:
        assert self.store.titles(PAPERS) == self.model.titles


@pytest.mark.slow
def test_whatever_happens_no_job_is_lost_doubled_or_written_by_a_late_owner(sqlite_template: Path) -> None:
    class Machine(LedgerMachine):
        template = sqlite_template

    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=40, deadline=None))


# The same with hints, as the workers of a cluster are told of work


@dataclass
class Task:
    """What must be true of one job of a stage. `attempts` and `losses` are those that the ledger charged."""

    due_at: float
    state: JobState = JobState.QUEUED
    holder: Holding | None = None
    attempts: int = 0
    losses: int = 0


@dataclass(eq=False)
class Holding:
    """A claim as its process knows it. One that has crashed writes nothing any more; any other may, however late."""

    stage: Stage
    wave: Wave
    owner: str
    until: float
    crashed: bool = False


class Broker:
    """The port `Announcer` over lists, where messages can be lost, doubled and held up."""

    def __init__(self) -> None:
        self.queues: dict[Stage, list[str]] = {stage: [] for stage in Stage}
        self.away = False
        #: messages that it still takes before it goes away in the middle of a batch; None for any number
        self.takes: int | None = None

    def waiting(self, stage: Stage) -> int:
        self._answer()
        return len(self.queues[stage])

    def send(self, stage: Stage, due: Sequence[DueJob]) -> None:
        for job in due:
            self.away = self.away or self.takes == 0
            self._answer()
            self.queues[stage].append(job.paper_id)
            self.takes = None if self.takes is None else self.takes - 1

    def _answer(self) -> None:
        if self.away:
            raise BrokerUnavailable("The broker does not answer.")


class SoleStore(ClusterStore):
    """The store of processes that never sweep at the same moment; turns on a server are tested with PostgreSQL."""

    @contextmanager
    def sweeping(self) -> Iterator[bool]:
        yield True


class RolledBack(Exception):
    """A transaction ends without a commit."""


#: The stages that are modelled: one whose claims are packed for the source, one whose claims are not.
STAGES = [Stage.CRAWL, Stage.SUMMARIZE]
SLOTS = 3
stages_ = st.sampled_from(STAGES)
slots = st.integers(0, SLOTS - 1)
papers_ = st.sets(st.sampled_from(PAPERS), min_size=1)


class ClusterMachine(RuleBasedStateMachine):
    """Workers on several machines that take hints, claim, finish, fail, freeze and die; a broker that loses, doubles
    and holds up messages, or is away; transactions that are rolled back; clocks that are set.
    """

    template: Path
    store_class: type[SoleStore] = SoleStore

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        path = Path(self.folder) / "refnet.db"
        shutil.copyfile(self.template, path)
        self.engine = open_engine(database_url(f"sqlite:///{path}"))
        self.clock = Clock()
        self.store = self.store_class(self.engine, clock=self.clock)
        self.broker = Broker()
        self.jobs: dict[tuple[Stage, str], Task] = {}
        self.results: dict[tuple[Stage, str], str] = {}
        self.poison: set[str] = set()
        self.owners = [f"host{slot}:1" for slot in range(SLOTS)]
        self.busy: list[Holding | None] = [None] * SLOTS
        self.past: list[Holding] = []

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.work_comes_to_an_end()
        finally:
            self.engine.dispose()
            shutil.rmtree(self.folder)

    # Work is asked for

    @rule(stage=stages_, papers=papers_, commits=st.sampled_from([True, True, False]), tells=st.booleans())
    def enqueue(self, stage: Stage, papers: set[str], commits: bool, tells: bool) -> None:
        self.put(stage, papers, commits, tells)
        if not commits:
            return
        for paper in papers:
            task = self.jobs.setdefault((stage, paper), Task(self.clock.now))
            if task.state is JobState.DONE:
                self.jobs[stage, paper] = Task(self.clock.now)

    def put(self, stage: Stage, papers: set[str], commits: bool, tells: bool) -> None:
        """In one transaction; workers are told after it, unless the process dies in between."""
        with suppress(RolledBack), writing(self.engine) as connection:
            ledger.enqueue(connection, stage, dict.fromkeys(papers, LEAF), self.clock.now)
            if not commits:
                raise RolledBack
        if commits and tells:
            self._tell()

    @rule(paper=st.sampled_from(PAPERS))
    def a_paper_kills_whoever_works_on_it(self, paper: str) -> None:
        self.poison.add(paper)

    @rule()
    def dead_letters_are_retried(self) -> None:
        self.store.retry_dead(None)
        self.poison.clear()
        for (stage, paper), task in self.jobs.items():
            # There is nothing to summarize of a paper that is not collected.
            if task.state is JobState.DEAD and (stage is Stage.CRAWL or (Stage.CRAWL, paper) in self.results):
                self.jobs[stage, paper] = Task(self.clock.now)

    # Hints

    @rule(stage=stages_, slot=slots, most=st.integers(1, 6), place=st.integers(0, 9))
    def deliver(self, stage: Stage, slot: int, most: int, place: int) -> None:
        """A hint reaches a worker, in any order."""
        queue = self.broker.queues[stage]
        if queue and self.busy[slot] is None:
            self._claim(stage, slot, most, queue.pop(place % len(queue)))

    @rule(stage=stages_, place=st.integers(0, 9))
    def double(self, stage: Stage, place: int) -> None:
        queue = self.broker.queues[stage]
        if 0 < len(queue) < announcing.MOST_WAITING:
            queue.append(queue[place % len(queue)])

    @rule(stage=stages_, place=st.integers(0, 9))
    def drop(self, stage: Stage, place: int) -> None:
        queue = self.broker.queues[stage]
        if queue:
            queue.pop(place % len(queue))

    @rule()
    def the_broker_is_flushed(self) -> None:
        for queue in self.broker.queues.values():
            queue.clear()

    @rule(takes=st.none() | st.integers(0, 2))
    def the_broker_goes_away(self, takes: int | None) -> None:
        self.broker.takes, self.broker.away = takes, takes is None

    @rule()
    def the_broker_is_back(self) -> None:
        self.broker.takes, self.broker.away = None, False

    @rule()
    def sweep(self) -> None:
        assert sweep(self.store, self.broker, LIMITS)
        self._expire()

    # Workers

    @rule(stage=stages_, slot=slots, most=st.integers(1, 6), lead=st.none() | st.sampled_from(PAPERS))
    def claim(self, stage: Stage, slot: int, most: int, lead: str | None) -> None:
        """Without a hint, or with one of long ago."""
        if self.busy[slot] is None:
            self._claim(stage, slot, most, lead)

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """In time or late, once or twice."""
        self._finish(data.draw(st.sampled_from(self.past)))

    @precondition(lambda self: self.past)
    @rule(
        data=st.data(),
        charged=st.booleans(),
        hinted=st.booleans(),
        due_in=st.sampled_from([0.0, 1.0, 60.0]),
        share=st.none() | st.integers(1, 3),
    )
    def fail(self, data: st.DataObject, charged: bool, hinted: bool, due_in: float, share: int | None) -> None:
        holding = data.draw(st.sampled_from(self.past))
        self.store.release(holding.wave, due_in=due_in, share=share, charged=charged, hinted=hinted)
        for task in self._held(holding):
            refund = holding.wave.alone and not charged
            task.state, task.holder, task.due_at = JobState.QUEUED, None, self.clock.now + due_in
            task.attempts -= refund
        self._idle(holding)
        self._tell()

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def bury(self, data: st.DataObject) -> None:
        holding = data.draw(st.sampled_from(self.past))
        self.store.bury(holding.wave, "it will not do")
        for task in self._held(holding):
            task.state, task.holder = JobState.DEAD, None
        self._idle(holding)

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        holding = data.draw(st.sampled_from(self.past))
        try:
            self.store.renew(holding.wave, LEASE)
        except LeaseLost:
            assert not self._held(holding)
        else:
            assert self._held(holding)
            holding.until = self.clock.now + LEASE

    @rule(slot=slots)
    def freeze(self, slot: int) -> None:
        """A process is stopped in the middle of its work; whether it ever goes on is seen later."""
        self.busy[slot] = None

    @rule(slot=slots)
    def crash(self, slot: int) -> None:
        self._crash(slot)

    @rule()
    def machines_find_out_which_of_their_processes_are_gone(self) -> None:
        gone = [owner for owner in self.store.owners() if owner not in self.owners]
        self.store.free_owners(gone)
        self._lose(lambda holding: holding.owner in gone)

    # Time

    @rule(seconds=st.sampled_from([1.0, 6.0, LEASE, LEASE + 1, 130.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.move(seconds)

    @rule(seconds=st.sampled_from([-86_400.0, -600.0, -30.0, 30.0, 600.0, 86_400.0]))
    def the_clock_is_set(self, seconds: float) -> None:
        self.clock.move(seconds)

    @rule()
    def work_comes_to_an_end(self) -> None:
        """Whatever has been before: with a broker, a worker and time, every job is done or dead. Whoever is at work
        now never comes back.
        """
        self.the_broker_is_back()
        for slot in range(SLOTS):
            self.freeze(slot)
        for seconds in (*[6.0] * 3, *[LEASE + 1] * 12, *[600.0] * 12):
            if all(task.state in (JobState.DONE, JobState.DEAD) for task in self.jobs.values()):
                break
            self.clock.move(seconds)
            self.sweep()
            for stage in STAGES:
                while self.broker.queues[stage]:
                    self.deliver(stage, 0, 6, 0)
                    if (holding := self.busy[0]) is not None:
                        self._finish(holding)
        left = {key: task.state for key, task in self.jobs.items() if task.state in (JobState.QUEUED, JobState.RUNNING)}
        assert not left, "no job is lost"

    # What must be true

    @invariant()
    def every_job_is_where_it_should_be(self) -> None:
        with reading(self.engine) as connection:
            stored = {
                (row.stage, row.paper_id): (row.state, row.claim, row.attempts, row.losses)
                for row in connection.execute(select(jobs))
            }
        assert stored == {
            key: (task.state, task.holder and task.holder.wave.claim, task.attempts, task.losses)
            for key, task in self.jobs.items()
        }

    @invariant()
    def what_is_stored_came_from_the_owner(self) -> None:
        with reading(self.engine) as connection:
            titles = connection.execute(select(papers.c.paper_id, papers.c.title)).all()
            texts = connection.execute(select(summaries.c.paper_id, summaries.c.text)).all()
        found = {(Stage.CRAWL, row[0]): row[1] for row in titles} | {(Stage.SUMMARIZE, row[0]): row[1] for row in texts}
        assert found == self.results

    @invariant()
    def hints_are_few_and_of_jobs_that_are_committed(self) -> None:
        for stage, queue in self.broker.queues.items():
            assert len(queue) <= announcing.MOST_WAITING
            assert {(stage, paper) for paper in queue} <= self.jobs.keys()

    # Inside a rule

    def _tell(self) -> None:
        with suppress(BrokerUnavailable):
            announce(self.store, self.broker)

    def _claim(self, stage: Stage, slot: int, most: int, lead: str | None) -> None:
        owner = self.owners[slot]
        if stage is Stage.CRAWL:
            wave = self.store.claim(owner, Limits(ids=most), lease=LEASE, lead=lead)
        else:
            wave = self.store.claim_some(stage, owner, most, lease=LEASE, lead=lead)
        due = {paper for (one, paper), task in self.jobs.items() if one is stage and self._is_due(task)}
        if wave is None:
            assert not due
            return
        assert set(wave.paper_ids) <= due, "nobody else has them, and their time has come"
        assert lead not in due or lead in wave.paper_ids
        assert len(wave.jobs) <= most
        holding = Holding(stage, wave, owner, self.clock.now + LEASE)
        for paper in wave.paper_ids:
            task = self.jobs[stage, paper]
            task.state, task.holder = JobState.RUNNING, holding
            task.attempts += wave.alone
        self.busy[slot] = holding
        self.past = [*self.past[-7:], holding]

    def _finish(self, holding: Holding) -> None:
        wave, stage = holding.wave, holding.stage
        if self.poison & set(wave.paper_ids):
            if holding in self.busy:
                self._crash(self.busy.index(holding))
            return
        if stage is Stage.CRAWL:
            self.store.record_wave(wave, [answer(paper, [], title=wave.claim) for paper in wave.paper_ids], LIMITS)
        else:
            self.store.record_summaries(wave, {paper: Summary(wave.claim, "tldr") for paper in wave.paper_ids})
        for paper in wave.paper_ids:
            if self.jobs[stage, paper].holder is holding:
                self.results[stage, paper] = wave.claim
        for task in self._held(holding):
            task.state, task.holder = JobState.DONE, None
        self._idle(holding)
        self._tell()

    def _crash(self, slot: int) -> None:
        holding = self.busy[slot]
        if holding is not None:
            holding.crashed = True
            self.past = [one for one in self.past if one is not holding]
        self.busy[slot] = None
        host, pid = self.owners[slot].split(":")
        self.owners[slot] = f"{host}:{int(pid) + 1}"

    def _idle(self, holding: Holding) -> None:
        if holding in self.busy:
            self.busy[self.busy.index(holding)] = None

    def _held(self, holding: Holding) -> list[Task]:
        return [task for task in self.jobs.values() if task.holder is holding]

    def _is_due(self, task: Task) -> bool:
        return task.state is JobState.QUEUED and self._has_come(task.due_at)

    def _has_come(self, time: float) -> bool:
        return time <= self.clock.now or time > self.clock.now + ledger.LONGEST_WAIT

    def _expire(self) -> None:
        self._lose(lambda holding: holding.until != self.clock.now and self._has_come(holding.until))

    def _lose(self, which: Callable[[Holding], bool]) -> None:
        for task in self.jobs.values():
            if task.holder is None or not which(task.holder):
                continue
            task.losses += task.holder.wave.alone
            given_up = task.losses >= MOST_LOSSES
            task.state, task.holder = JobState.DEAD if given_up else JobState.QUEUED, None
            task.due_at = self.clock.now


@pytest.fixture
def few_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds of messages so low that six papers meet them."""
    monkeypatch.setattr(announcing, "MOST_WAITING", 3)
    monkeypatch.setattr(announcing, "FEW", 2)


@pytest.mark.slow
def test_whatever_becomes_of_hints_processes_and_clocks_no_job_is_lost_or_done_by_two(
    sqlite_template: Path, few_messages: None
) -> None:
    class Machine(ClusterMachine):
        template = sqlite_template

    run_state_machine_as_test(Machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None))


# Planted bugs: the machine is worth its time only if it catches them


def caught(machine: type[ClusterMachine], template: Path) -> str:
    """What the machine says of a bug. It is the first failure found, not the smallest."""

    class Machine(machine):  # type: ignore[valid-type,misc]
        pass

    Machine.template = template
    looking = settings(
        max_examples=300,
        stateful_step_count=50,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        print_blob=False,
    )
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(Machine, settings=looking)
    return str(caught.value)


@pytest.mark.slow
def test_a_ledger_without_a_fence_is_caught(
    sqlite_template: Path, few_messages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_held", lambda wave: jobs.c.id.in_([job.id for job in wave.jobs]))
    caught(ClusterMachine, sqlite_template)


@pytest.mark.slow
def test_a_ledger_whose_claims_never_run_out_is_caught(
    sqlite_template: Path, few_messages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "free_expired", lambda connection, now: 0)
    caught(ClusterMachine, sqlite_template)


class PublishedFirst(ClusterMachine):
    """Tells workers inside the transaction, and counts its jobs as told."""

    #: whether a worker is faster than the commit
    taken_at_once = False

    def put(self, stage: Stage, papers: set[str], commits: bool, tells: bool) -> None:
        with suppress(BrokerUnavailable):
            self.broker.send(stage, [DueJob(0, paper, 5) for paper in sorted(papers)][: announcing.MOST_WAITING])
        if self.taken_at_once:
            for slot in range(SLOTS):
                self.deliver(stage, slot, 6, 0)
            self.broker.queues[stage].clear()
        super().put(stage, papers, commits, tells=False)
        if commits:
            with writing(self.engine) as connection:
                told = update(jobs).where(jobs.c.stage == stage, jobs.c.paper_id.in_(papers))
                connection.execute(told.values(hinted_at=self.clock.now))


class Trusting(SoleStore):
    """Takes what was told once for told for ever."""

    def take_untold(self, stage: Stage, most: int, told_for: float) -> list[DueJob]:
        return super().take_untold(stage, most, 1e12)


class TakenBeforeTheCommit(PublishedFirst):
    taken_at_once = True
    store_class = Trusting


@pytest.mark.slow
@pytest.mark.parametrize("machine", [PublishedFirst, TakenBeforeTheCommit])
def test_hints_that_are_published_before_the_commit_are_caught(
    sqlite_template: Path, few_messages: None, machine: type[ClusterMachine]
) -> None:
    caught(machine, sqlite_template)
