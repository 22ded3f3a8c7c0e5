"""Which due jobs workers are told of."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.domain.crawl import Ask
from refnet.domain.jobs import DueJob, Stage
from refnet.domain.papers import Answer, Stub
from tests.contract.conftest import Clock
from tests.contract.making import LEAF, LIMITS, answer, claimed, enqueue

LOST_AFTER = 5.0


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def told(store: ClusterStore, most: int = 100, told_for: float = LOST_AFTER, stage: Stage = Stage.CRAWL) -> list[str]:
    return [job.paper_id for job in store.take_untold(stage, most, told_for)]


def test_nothing_due_nobody_told(store: ClusterStore) -> None:
    assert told(store) == []
    store.untell([])


def test_what_is_due_is_told_of_once(store: ClusterStore, clock: Clock) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    assert sorted(told(store)) == ["a", "b"]
    assert told(store) == []
    clock.move(LOST_AFTER)
    assert told(store) == []
    clock.move(0.1)
    assert sorted(told(store)) == ["a", "b"]


def test_how_long_a_hint_counts_is_for_the_caller_to_say(store: ClusterStore, clock: Clock) -> None:
    enqueue(store, {"a": LEAF})
    assert told(store) == ["a"]
    clock.move(6)
    assert told(store, told_for=120) == []
    assert told(store, told_for=5) == ["a"]
    clock.move(119)
    assert told(store, told_for=120) == []
    clock.move(2)
    assert told(store, told_for=120) == ["a"]


def test_no_more_are_told_of_than_asked_for_and_the_others_come_next(store: ClusterStore) -> None:
    enqueue(store, {f"p{number}": LEAF for number in range(5)})
    first, second, third = told(store, 2), told(store, 2), told(store, 2)
    assert (len(first), len(second), len(third)) == (2, 2, 1)
    assert len({*first, *second, *third}) == 5


def test_stages_are_told_of_apart(store: ClusterStore) -> None:
    enqueue(store, {"a": LEAF})
    enqueue(store, {"b": Ask.DETAILS}, Stage.SUMMARIZE)
    assert told(store, stage=Stage.SUMMARIZE) == ["b"]
    assert told(store, stage=Stage.GENERATE) == []
    assert told(store) == ["a"]


def cited(store: ClusterStore, **papers: tuple[int | None, int | None]) -> None:
    """Papers seen in a list, with their citation counts and years, and due."""
    found = [Stub(paper, f"Title of {paper}", year, count) for paper, (count, year) in papers.items()]
    seed: dict[str, Answer] = {"seed": answer("seed", found)}
    store.record_seeds(seed, LEAF, LIMITS)
    enqueue(store, dict.fromkeys(papers, LEAF))


def test_the_weightiest_come_first_with_their_priority(store: ClusterStore) -> None:
    cited(store, light=(5, 1990), heavy=(5_000, 2021), middle=(500, 2016), unknown=(None, None))
    enqueue(store, {"never seen": LEAF})
    found = store.take_untold(Stage.CRAWL, 100, LOST_AFTER)
    assert [job.paper_id for job in found][:3] == ["heavy", "middle", "light"]
    assert {job.paper_id: job.priority for job in found} == {
        "heavy": 10,
        "middle": 8,
        "light": 5,
        "unknown": 5,
        "never seen": 5,
    }


def test_of_equals_what_is_due_longest_comes_first(store: ClusterStore, clock: Clock) -> None:
    for paper in ("z", "m", "a"):
        enqueue(store, {paper: LEAF})
        clock.move(1)
    assert told(store) == ["z", "m", "a"]


def test_what_runs_or_waits_or_is_over_is_not_told_of(store: ClusterStore, clock: Clock) -> None:
    enqueue(store, {"a": LEAF})
    wave = claimed(store, lease=45)
    assert told(store) == []
    store.release(wave, due_in=60)
    assert told(store) == []
    clock.move(60)
    assert told(store) == ["a"]
    store.record_wave(claimed(store, lease=45), [answer("a", [])], LIMITS)
    clock.move(1_000)
    assert told(store) == []


def test_a_claimed_job_that_comes_back_is_told_of_at_once(store: ClusterStore) -> None:
    enqueue(store, {"a": LEAF})
    assert told(store) == ["a"]
    store.release(claimed(store, lease=45))
    assert told(store) == ["a"]


def test_a_lost_job_is_told_of_at_once(store: ClusterStore, clock: Clock) -> None:
    enqueue(store, {"a": LEAF})
    assert told(store) == ["a"]
    claimed(store, lease=45)
    clock.move(46)
    assert store.free_expired() == 1
    assert told(store) == ["a"]


def test_a_job_for_which_a_message_will_come_is_told_of_only_when_that_is_late(
    store: ClusterStore, clock: Clock
) -> None:
    """A retry of Celery's is such a message, which a flushed broker loses."""
    enqueue(store, {"a": LEAF})
    store.release(claimed(store, lease=45), due_in=60, hinted=True)
    clock.move(60 + LOST_AFTER)
    assert store.due_count(Stage.CRAWL) == 1
    assert told(store) == []
    clock.move(0.1)
    assert told(store) == ["a"]


def test_what_was_not_sent_after_all_is_told_of_the_next_time(store: ClusterStore) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    found = store.take_untold(Stage.CRAWL, 100, LOST_AFTER)
    store.untell(found[:1])
    assert told(store) == [found[0].paper_id]


def test_a_clock_set_back_keeps_nobody_untold(store: ClusterStore, clock: Clock) -> None:
    """reliability.md T15. The hint of a day to come was given before the clock was set."""
    enqueue(store, {"a": LEAF})
    assert told(store) == ["a"]
    clock.move(-86_400)
    assert told(store) == ["a"]
    assert told(store) == []


def test_a_clock_set_back_a_little_costs_no_more_than_that(store: ClusterStore, clock: Clock) -> None:
    enqueue(store, {"a": LEAF})
    assert told(store) == ["a"]
    clock.move(-600)
    clock.move(600 + LOST_AFTER + 0.1)
    assert told(store) == ["a"]


def test_two_who_tell_at_once_never_tell_of_the_same_job(store: ClusterStore) -> None:
    papers = {f"p{number:03}": LEAF for number in range(120)}
    enqueue(store, papers)
    start = threading.Barrier(6)

    def tell(_: int) -> list[DueJob]:
        start.wait(60)
        return [job for _ in range(4) for job in store.take_untold(Stage.CRAWL, 5, LOST_AFTER)]

    with ThreadPoolExecutor(6) as pool:
        found = [job.paper_id for jobs in pool.map(tell, range(6)) for job in jobs]
    assert len(found) == len(set(found)) == 120


def test_due_jobs_are_counted_and_the_oldest_is_known_by_stage(store: ClusterStore, clock: Clock) -> None:
    assert (store.due_count(Stage.CRAWL), store.oldest_due()) == (0, {})
    enqueue(store, {"a": LEAF})
    clock.move(10)
    enqueue(store, {"b": LEAF})
    enqueue(store, {"a": Ask.DETAILS}, Stage.GENERATE)
    clock.move(5)
    assert (store.due_count(Stage.CRAWL), store.due_count(Stage.GENERATE)) == (2, 1)
    assert store.oldest_due() == {Stage.CRAWL: 15.0, Stage.GENERATE: 5.0}
    told(store)
    assert store.due_count(Stage.CRAWL) == 2, "telling is not doing"
    store.release(claimed(store, lease=45), due_in=60)
    assert store.oldest_due() == {Stage.GENERATE: 5.0}
    clock.move(-86_400)
    assert store.oldest_due() == {Stage.CRAWL: 0.0, Stage.GENERATE: 0.0}
