from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.pace import DatabasePace
from refnet.adapters.database.store import Store
from refnet.domain.about import ids
from refnet.domain.crawl import Ask, Limits
from refnet.domain.errors import (
    ConfigurationError,
    CredentialsRejected,
    InvalidResponse,
    NothingMatched,
    OutageTooLong,
    PaperNotFound,
    RateLimited,
    RequestRefused,
    RequestTooLarge,
    SourceUnavailable,
    StorageFull,
    StoreUnavailable,
    TransientError,
)
from refnet.domain.jobs import JobState, Wave
from refnet.domain.papers import Answer, Direction, ListName
from refnet.pipeline.crawl import run_crawl
from refnet.pipeline.lease import LEASE
from refnet.pipeline.patience import FULL, Patience, Unending
from refnet.pipeline.runner import LONGEST, Runner, trace_of
from tests.contract.making import LEAF, LIMITS, answer, enqueue, open_crawl, rows, stubs
from tests.pipeline.conftest import Clock
from tests.pipeline.scripted import Quiet, Request, Script, Scripted, Tally, all_well, failing, one_after_another

NAMES = [f"p{number:02}" for number in range(10)]
PAPERS: dict[str, Answer | None] = {name: answer(name, []) for name in NAMES}
WORLD: dict[str, Answer | None] = {**PAPERS, "seed": answer("seed", NAMES)}
TIMED_OUT = SourceUnavailable("504.", own_fault_possible=True)
DOWN = SourceUnavailable("502.")


class Rig:
    """A runner over a real store and a scripted source, and a crawl of `seed`, which refers to ten papers."""

    def __init__(self, store: Store, clock: Clock, script: Script = all_well, **more: object) -> None:
        self.store = store
        self.clock = clock
        self.source = Scripted(WORLD, **more)  # type: ignore[arg-type]
        self.patience = Patience(clock=clock.monotonic)
        self.runner = Runner(store, self.source, self.source.pace, self.patience, owner="me")
        self.crawl_id = open_crawl(store, "seed", direction=Direction.REFERENCES)
        self._step()
        self._advance()
        self._step()
        self._advance()
        assert store.tally(self.crawl_id) == (11, 1)
        self.source.asked.clear()
        self.source.script = script

    def _advance(self) -> None:
        assert self.store.advance(self.crawl_id, self.source.limits)

    def _step(self) -> None:
        self.runner.step(self.crawl_id)

    def run(self, most: int = 300) -> None:
        """Work to the end of the crawl, waiting on the clock; the source's pace takes no time."""
        for _ in range(most):
            if self.runner.step(self.crawl_id):
                continue
            due = self.store.next_due(self.crawl_id)
            if due is not None:
                assert due > 0
                self.clock.move(due)
            elif not self.store.advance(self.crawl_id, self.source.limits):
                return
        raise AssertionError("the crawl does not end")

    @property
    def collected(self) -> list[str]:
        return self.store.collected(self.crawl_id)

    @property
    def sizes(self) -> list[int]:
        return [len(request.ids) for request in self.source.asked]


@pytest.fixture
def rig(store: Store, clock: Clock) -> Rig:
    return Rig(store, clock)


# What lines of the log name


def test_while_a_request_is_worked_on_its_jobs_are_named_and_not_before_or_after(rig: Rig, engine: Engine) -> None:
    """Alone with its paper; and what fails is given back under the same name."""
    named: list[dict[str, str]] = []

    def ask(request: Request, number: int) -> BaseException | None:
        named.append(dict(ids()))
        return RequestRefused("no") if "p03" in request.ids else None

    rig.source.script = ask
    rig.run()
    jobs = {row.id: row.paper_id for row in rows(engine).values()}
    for request, told in zip(rig.source.asked, named, strict=True):
        assert [jobs[int(one)] for one in told["job"].split(",")] == list(request.ids)
        alone = len(request.ids) == 1
        assert (told.get("paper"), told.get("jobs")) == (
            (request.ids[0], None) if alone else (None, str(len(request.ids)))
        )
    assert named[-1]["claim"] not in {told["claim"] for told in named[:-1]}
    assert ids() == {}


# The source's state is not the job's (contract §7.6)


@pytest.mark.parametrize(
    "error",
    [RateLimited("429."), RateLimited("429.", retry_after=3), DOWN, SourceUnavailable("no network", reached=False)],
)
def test_an_outage_costs_no_paper_an_attempt_and_no_request_its_company(
    rig: Rig, engine: Engine, error: TransientError
) -> None:
    rig.source.script = one_after_another([error] * 30)
    rig.run()
    assert rig.sizes == [10] * 31
    assert rig.collected == [*NAMES, "seed"]
    assert all(row.losses == 0 and row.attempts == 0 for row in rows(engine).values() if row.paper_id != "seed")


def test_a_single_paper_is_not_charged_for_an_outage(store: Store, clock: Clock, engine: Engine) -> None:
    rig = Rig(store, clock, limits=Limits(ids=1))
    rig.source.script = one_after_another([DOWN] * 40)
    rig.run()
    assert rig.collected == [*NAMES, "seed"]
    assert store.dead_letters() == []


def test_a_job_that_waits_for_an_outage_says_why_until_it_is_done(rig: Rig, engine: Engine) -> None:
    rig.source.script = one_after_another([RateLimited("429: very busy")])
    rig.runner.step(rig.crawl_id)
    assert {row.reason for row in rows(engine).values() if row.state == JobState.QUEUED} == {"429: very busy"}
    rig.run()
    assert {row.reason for row in rows(engine).values()} == {None}


def test_the_work_stops_when_the_outage_lasts_too_long_and_nothing_is_lost(rig: Rig, engine: Engine) -> None:
    def outage(request: Request, number: int) -> BaseException:
        rig.clock.move(60)
        return DOWN

    rig.source.script = outage
    with pytest.raises(OutageTooLong):
        rig.run()
    assert len(rig.source.asked) == 15
    assert {row.state for row in rows(engine).values()} == {JobState.QUEUED, JobState.DONE}
    rig.source.script = all_well
    rig.run()
    assert rig.collected == [*NAMES, "seed"]


def test_faults_that_may_be_the_requests_own_bury_nobody_during_an_outage(store: Store, clock: Clock) -> None:
    """Every request ends in 504, for whatever paper, until the work is given up."""
    rig = Rig(store, clock)

    def outage(request: Request, number: int) -> BaseException:
        clock.move(5)
        return TIMED_OUT

    rig.source.script = outage
    with pytest.raises(OutageTooLong):
        rig.run(1_000)
    assert store.dead_letters() == []
    rig.source.script = all_well
    rig.run()
    assert rig.collected == [*NAMES, "seed"]
    assert store.dead_letters() == []


# A request's own fault


@pytest.mark.parametrize("guilty", ["p00", "p04", "p05", "p09"])
def test_a_paper_that_always_fails_is_found_charged_and_buried_and_the_others_are_done(
    rig: Rig, engine: Engine, guilty: str
) -> None:
    rig.source.script = failing(TIMED_OUT, guilty)
    rig.run()
    assert rig.collected == sorted({*NAMES, "seed"} - {guilty})
    (letter,) = rig.store.dead_letters(rig.crawl_id)
    assert (letter.paper_id, letter.attempts, letter.traceback) == (guilty, 10, None)
    assert letter.reason == "504. It failed 10 times while other requests succeeded."
    assert all(row.attempts <= 1 for name, row in rows(engine).items() if name != guilty)


@pytest.mark.parametrize("seconds", [0, 5])
def test_two_papers_that_always_fail_are_both_found_however_long_a_request_takes(rig: Rig, seconds: float) -> None:
    """Each half holds one of them; by the time that one has failed, the other half is due again."""

    def script(request: Request, number: int) -> BaseException | None:
        rig.clock.move(seconds)
        return TIMED_OUT if {"p02", "p07"} & set(request.ids) else None

    rig.source.script = script
    rig.run()
    assert [letter.paper_id for letter in rig.store.dead_letters()] == ["p02", "p07"]
    assert len(rig.collected) == 9


def test_a_fault_that_passes_costs_one_more_request(rig: Rig) -> None:
    rig.source.script = one_after_another([TIMED_OUT])
    rig.run()
    assert rig.sizes == [10, 10]


def test_after_a_success_in_between_the_request_is_halved(rig: Rig) -> None:
    rig.source.script = one_after_another([TIMED_OUT, TIMED_OUT])
    rig.runner.step(rig.crawl_id)
    rig.source.pace.succeeded()  # by another process
    rig.run()
    assert rig.sizes == [10, 10, 5, 5]
    assert rig.collected == [*NAMES, "seed"]


def test_without_a_success_in_between_the_first_half_is_tried_then_the_second(rig: Rig) -> None:
    rig.source.script = failing(TIMED_OUT, "p00")
    for _ in range(4):
        rig.runner.step(rig.crawl_id)
    assert [request.ids for request in rig.source.asked] == [
        tuple(NAMES),
        tuple(NAMES),
        tuple(NAMES[:5]),
        tuple(NAMES[5:]),
    ]


def test_a_paper_that_is_left_over_is_judged_by_one_that_is_known_to_be_well(rig: Rig) -> None:
    """No other request is due that could succeed in between; a seed's details are asked for instead."""
    rig.source.script = failing(TIMED_OUT, "p03")
    rig.run()
    probes = [request for request in rig.source.asked if request.ids == ("seed",)]
    assert {request.ask for request in probes} == {Ask.DETAILS}
    assert 8 <= len(probes) <= 10
    assert len(rig.source.asked) <= 40


def test_the_tries_of_a_failing_paper_lie_further_and_further_apart(rig: Rig) -> None:
    times: list[float] = []

    def script(request: Request, number: int) -> BaseException | None:
        if request.ids == ("p03",):
            times.append(rig.clock.now)
        return TIMED_OUT if "p03" in request.ids else None

    rig.source.script = script
    rig.run()
    gaps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    charged = gaps[-9:]
    for attempt, gap in enumerate(charged, start=1):
        middle = min(2.0**attempt, LONGEST)
        assert 0.75 * middle <= gap <= 1.25 * middle


def test_a_page_that_always_fails_is_buried_too(store: Store, clock: Clock) -> None:
    rig = Rig(store, clock)
    rig.source.script = lambda request, number: TIMED_OUT if request.page else None
    enqueue(store, {"p03": Ask.PAGE_REFERENCES})
    rig.run()
    assert [letter.paper_id for letter in store.dead_letters()] == ["p03"]
    assert rig.collected == [*NAMES, "seed"]


def test_a_seed_whose_lists_always_fail_is_judged_by_its_own_details(store: Store, clock: Clock) -> None:
    def script(request: Request, number: int) -> BaseException | None:
        return None if request.ask == Ask.DETAILS else TIMED_OUT

    rig = Rig.__new__(Rig)
    rig.store, rig.clock, rig.source = store, clock, Scripted(WORLD, script)
    rig.runner = Runner(store, rig.source, rig.source.pace, Patience(clock=clock.monotonic), owner="me")
    rig.crawl_id = open_crawl(store, "seed")
    rig.run()
    assert [letter.paper_id for letter in store.dead_letters()] == ["seed"]


# Refusals


def test_a_request_too_large_is_halved_until_it_passes(rig: Rig) -> None:
    rig.source.script = lambda request, number: RequestTooLarge("too large.") if len(request.ids) > 2 else None
    rig.run()
    assert rig.sizes[:3] == [10, 5, 3]
    assert sum(size for size in rig.sizes if size <= 2) == 10
    assert rig.collected == [*NAMES, "seed"]
    assert rig.store.dead_letters() == []


def test_one_paper_too_large_is_fetched_by_pages(store: Store, clock: Clock, engine: Engine) -> None:
    long = {**WORLD, "p03": answer("p03", stubs(25))}
    rig = Rig(store, clock, page_size=10)
    rig.source.answers = long
    rig.source.script = lambda request, number: (
        RequestTooLarge("too large.") if "p03" in request.ids and request.ask & Ask.REFERENCES else None
    )
    rig.run()
    pages = [(request.page, request.offset) for request in rig.source.asked if request.page]
    assert pages == [(ListName.REFERENCES, 0), (ListName.REFERENCES, 10), (ListName.REFERENCES, 20)]
    assert rig.collected == [*NAMES, "seed"]
    assert store.dead_letters() == []


def test_one_paper_whose_details_alone_are_too_large_is_dead(rig: Rig) -> None:
    rig.source.script = failing(RequestTooLarge("too large."), "p03")
    rig.run()
    assert [(letter.paper_id, letter.reason) for letter in rig.store.dead_letters()] == [("p03", "too large.")]


def test_a_request_of_which_nothing_matched_passes_at_the_second_try(rig: Rig) -> None:
    rig.source.script = one_after_another([NothingMatched("none known.")])
    rig.run()
    assert rig.sizes == [10, 10]
    assert rig.collected == [*NAMES, "seed"]


def test_one_paper_that_spoils_requests_is_found_and_missing(rig: Rig) -> None:
    rig.source.script = failing(NothingMatched("none known."), "p03")
    rig.run()
    assert rig.collected == sorted({*NAMES, "seed"} - {"p03"})
    assert rig.store.missing(rig.crawl_id) == ["p03"]
    assert rig.store.dead_letters() == []
    assert rig.sizes[:3] == [10, 10, 5]


@pytest.mark.parametrize("error", [RequestRefused("refused."), InvalidResponse("nonsense.")])
def test_one_paper_that_is_refused_is_dead_and_the_others_are_done(rig: Rig, error: RequestRefused) -> None:
    rig.source.script = failing(error, "p03")
    rig.run()
    assert rig.collected == sorted({*NAMES, "seed"} - {"p03"})
    assert [(letter.paper_id, letter.reason, letter.traceback) for letter in rig.store.dead_letters()] == [
        ("p03", str(error), None)
    ]


def test_a_refusal_shows_that_the_source_is_there(rig: Rig) -> None:
    rig.clock.move(899)
    rig.source.script = one_after_another([RequestRefused("refused."), DOWN])
    rig.runner.step(rig.crawl_id)
    rig.clock.move(2)
    rig.runner.step(rig.crawl_id)  # would be too long without the first


def test_a_paper_that_is_gone_when_its_page_is_asked_for_is_no_failure(rig: Rig) -> None:
    enqueue(rig.store, {"p03": Ask.PAGE_REFERENCES})
    rig.source.script = lambda request, number: PaperNotFound("not found.") if request.page else None
    rig.run()
    assert rig.collected == [*NAMES, "seed"]
    assert rig.store.dead_letters() == []


# Bugs


def test_a_bug_buries_the_paper_it_is_about_with_its_traceback_and_the_rest_is_done(rig: Rig) -> None:
    rig.source.script = failing(ZeroDivisionError("division by zero"), "p03")
    rig.run()
    assert rig.collected == sorted({*NAMES, "seed"} - {"p03"})
    (letter,) = rig.store.dead_letters()
    assert (letter.paper_id, letter.reason) == ("p03", "ZeroDivisionError: division by zero")
    assert "Traceback" in (letter.traceback or "")
    assert "in fetch" in (letter.traceback or "")


def test_text_that_the_database_does_not_take_buries_its_paper_alone(rig: Rig) -> None:
    """The source cleans it; this is for a source that did not."""
    rig.source.answers = {**WORLD, "p03": answer("p03", [], title="lone \ud800 surrogate")}
    rig.run()
    assert rig.collected == sorted({*NAMES, "seed"} - {"p03"})
    (letter,) = rig.store.dead_letters()
    assert letter.paper_id == "p03"
    assert letter.reason.startswith("UnicodeEncodeError: ")


# Stops


def test_a_key_refused_twice_at_first_use_is_a_wrong_setting(store: Store, clock: Clock, engine: Engine) -> None:
    source = Scripted(WORLD, one_after_another([CredentialsRejected("403.")] * 2))
    runner = Runner(store, source, source.pace, Patience(clock=clock.monotonic), owner="me")
    crawl_id = open_crawl(store, "seed")
    store.advance(crawl_id, LIMITS)
    assert runner.step(crawl_id)
    with pytest.raises(ConfigurationError):
        runner.step(crawl_id)
    assert (rows(engine)["seed"].state, rows(engine)["seed"].attempts) == (JobState.QUEUED, 0)


def test_a_key_that_worked_and_is_refused_twice_stops_the_work(rig: Rig, engine: Engine) -> None:
    rig.source.script = one_after_another([CredentialsRejected("403.")] * 2)
    with pytest.raises(CredentialsRejected):
        rig.run()
    rig.run()
    assert rig.sizes == [10, 10, 10]


def test_a_key_refused_once_is_tried_again(rig: Rig) -> None:
    rig.source.script = one_after_another([CredentialsRejected("403.")])
    rig.run()
    assert rig.sizes == [10, 10]


class TooLong(Exception):
    """What a time limit raises."""


def harmed(store: Store, clock: Clock, error: BaseException) -> Rig:
    """A rig in a worker's process, in which one paper brings about an error."""
    rig = Rig(store, clock, failing(error, "p03"))
    rig.runner = Runner(
        store, rig.source, rig.source.pace, rig.patience, owner="me", passing=(TooLong,), ending=lambda: False
    )
    return rig


def test_a_paper_that_comes_to_the_time_limit_alone_three_times_is_a_dead_letter(store: Store, clock: Clock) -> None:
    rig = harmed(store, clock, TooLong("300 s"))
    rig.run()
    (letter,) = store.dead_letters()
    assert (letter.paper_id, letter.attempts) == ("p03", 3)
    assert letter.reason == (
        "It took longer than its worker allows (TooLong). That, or the loss of its process, came 3 times while this job "
        "ran alone."
    )
    assert rig.collected == [*(name for name in NAMES if name != "p03"), "seed"]


def test_a_paper_whose_work_ends_the_process_itself_is_a_bug_and_ends_nothing(store: Store, clock: Clock) -> None:
    rig = harmed(store, clock, SystemExit(7))
    rig.run()
    (letter,) = store.dead_letters()
    assert (letter.paper_id, letter.reason, letter.attempts) == ("p03", "SystemExit: 7", 1)
    assert rig.collected == [*(name for name in NAMES if name != "p03"), "seed"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupt_gives_the_papers_back_whole(rig: Rig, engine: Engine, stop: BaseException) -> None:
    rig.source.script = one_after_another([stop])
    with pytest.raises(type(stop)):
        rig.run()
    left = [row for row in rows(engine).values() if row.paper_id != "seed"]
    assert {(row.state, row.share, row.attempts, row.owner) for row in left} == {(JobState.QUEUED, None, 0, None)}
    assert rig.store.free_all() == 0
    rig.run()
    assert rig.sizes == [10, 10]


def test_an_interrupt_does_not_mix_what_failed_in_company_with_the_rest(rig: Rig) -> None:
    too_large = RequestTooLarge("too large.")
    rig.source.script = one_after_another(
        [too_large, too_large, KeyboardInterrupt(), CredentialsRejected("403."), DOWN]
    )
    with pytest.raises(KeyboardInterrupt):
        rig.run()
    rig.run()
    assert [request.ids for request in rig.source.asked[2:6]] == [tuple(NAMES[:3])] * 4
    assert rig.sizes == [10, 5, 3, 3, 3, 3, 2, 5]


class Interrupted(Store):
    """A real store at whose next record something else happens."""

    error: BaseException | None = None

    def record_wave(self, wave: Wave, answers: Sequence[Answer | None], limits: Limits) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        super().record_wave(wave, answers, limits)


@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt(), StorageFull("disk full."), StoreUnavailable("away."), ConfigurationError("corrupt.")]
)
def test_what_stops_the_recording_of_an_answer_gives_the_papers_back_whole(
    engine: Engine, clock: Clock, stop: BaseException
) -> None:
    store = Interrupted(engine, clock=clock)
    rig = Rig(store, clock)
    store.error = stop
    with pytest.raises(type(stop)):
        rig.run()
    assert store.free_all() == 0
    assert {row.share for row in rows(engine).values()} == {None}
    rig.run()
    assert rig.sizes == [10, 10]
    assert rig.collected == [*NAMES, "seed"]


def test_workers_ask_nothing_while_there_is_no_room_for_the_answers(engine: Engine, clock: Clock) -> None:
    """Contract §7.14: they pause, all of them, and go on by themselves."""
    store = Interrupted(engine, clock=clock)
    rig = Rig(store, clock)
    pace = DatabasePace(engine, "host", 1_000.0, longest=1.0, clock=clock)
    pace.reserve()
    clock.move(1)
    rig.runner = Runner(store, rig.source, rig.source.pace, Unending(pace), owner="me", paused=pace.paused)
    store.error = StorageFull("disk full.")
    found = rig.runner.step()
    assert found is not None
    assert (str(found.error), found.due_in, found.charged, found.buried) == ("disk full.", FULL, False, False)
    held = [row for row in rows(engine).values() if row.state == JobState.QUEUED]
    assert {(row.due_at, row.hinted_at, row.attempts, row.share, row.reason) for row in held} == {
        (clock.now + FULL, clock.now + FULL, 0, None, "disk full.")
    }
    assert pace.paused() == FULL, "nobody else asks for what is due either"
    with pytest.raises(RateLimited):
        pace.start()
    clock.move(FULL)
    pace.start()
    assert rig.runner.step() is not None
    assert rig.sizes == [10, 10]
    assert rig.collected == [*NAMES, "seed"]


def test_where_even_the_pause_cannot_be_kept_the_papers_are_given_back(engine: Engine, clock: Clock) -> None:
    class Full(Tally):
        def failed(self, error: TransientError) -> None:
            raise StorageFull("disk full.")

    store = Interrupted(engine, clock=clock)
    rig = Rig(store, clock)
    rig.runner = Runner(store, rig.source, rig.source.pace, Unending(Full()), owner="me")
    store.error = StorageFull("disk full.")
    with pytest.raises(StorageFull):
        rig.runner.step()
    assert store.free_all() == 0


def test_a_worker_gives_the_papers_back_when_the_database_is_there_again(
    engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refnet.pipeline.lease.SOON", 0.01)

    class Away(Interrupted):
        there, released = threading.Event(), threading.Event()

        def release(self, wave: Wave, **how: Any) -> None:
            if not self.there.is_set():
                raise StoreUnavailable("away.")
            super().release(wave, **how)
            self.released.set()

    store = Away(engine, clock=clock)
    rig = Rig(store, clock)
    store.error = StoreUnavailable("away.")
    with pytest.raises(StoreUnavailable):
        rig.runner.step(lease=LEASE)
    store.there.set()
    assert store.released.wait(30)
    assert {(row.share, row.losses) for row in rows(engine).values()} == {(None, 0)}
    assert rig.runner.step(lease=LEASE) is not None
    assert rig.collected == [*NAMES, "seed"]


def test_a_bug_in_the_recording_buries_the_paper_it_is_about(engine: Engine, clock: Clock) -> None:
    class Picky(Store):
        def record_wave(self, wave: Wave, answers: Sequence[Answer | None], limits: Limits) -> None:
            if "p03" in wave.paper_ids:
                raise sqlite3.IntegrityError("no")
            super().record_wave(wave, answers, limits)

    rig = Rig(Picky(engine, clock=clock), clock)
    rig.run()
    assert [letter.paper_id for letter in rig.store.dead_letters()] == ["p03"]
    assert rig.collected == sorted({*NAMES, "seed"} - {"p03"})


def test_what_a_failed_work_held_is_let_go_however_its_errors_caused_each_other() -> None:
    """Raised again in the handling of what it caused, an error is in its own chain."""

    def work() -> None:
        held = Held()
        seen.append(weakref.ref(held))
        raise TypeError("first")

    class Held:
        pass

    seen: list[weakref.ref[Held]] = []
    trace = ""
    try:
        work()
    except TypeError as error:
        between = ValueError("second")
        between.__cause__, error.__context__ = error, between
        trace = trace_of(error)
        assert [held() for held in seen] == [None]
    assert trace.count("TypeError: first") == 1
    assert trace.count("ValueError: second") == 1


def test_nothing_due_is_no_step(rig: Rig) -> None:
    rig.run()
    assert not rig.runner.step(rig.crawl_id)
    assert not rig.runner.step()


# The crawl as a whole


def test_a_crawl_runs_to_its_end_and_tells_how_far_it_is(store: Store, clock: Clock) -> None:
    source, quiet = Scripted(WORLD), Quiet()
    runner = Runner(store, source, source.pace, Patience(clock=clock.monotonic), owner="me")
    crawl_id = open_crawl(store, "seed", direction=Direction.REFERENCES)
    run_crawl(crawl_id, store, source, runner, quiet)
    assert store.collected(crawl_id) == [*NAMES, "seed"]
    assert [(request.ask, len(request.ids)) for request in source.asked] == [(LEAF, 1), (LEAF, 10)]
    assert set(quiet.said) == {"collecting papers"}


def test_a_crawl_waits_for_a_paper_that_is_tried_again_later(engine: Engine) -> None:
    store = Store(engine)
    source, quiet = Scripted(WORLD), Quiet()
    runner = Runner(store, source, source.pace, Patience(), owner="me", backoff=0.001)
    crawl_id = open_crawl(store, "seed", direction=Direction.REFERENCES)
    source.script = failing(TIMED_OUT, "p03")
    run_crawl(crawl_id, store, source, runner, quiet)
    assert [letter.paper_id for letter in store.dead_letters()] == ["p03"]
    assert "a paper that failed is tried again" in quiet.said
