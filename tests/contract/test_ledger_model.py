"""The ledger held against a model of it, over random histories (reliability.md T12)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.store import Store
from refnet.domain.crawl import Limits
from refnet.domain.jobs import MOST_LOSSES, JobState, Wave
from tests.contract.conftest import Clock
from tests.contract.making import LEAF, LIMITS, answer, enqueue, rows

PAPERS = [f"p{number}" for number in range(6)]
LEASE = 45.0


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
        self.store = Store(self.engine, clock=self.clock)
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
        self._lose(lambda owned: owned.until < self.clock.now)
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
