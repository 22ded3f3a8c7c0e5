from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import Engine, text, update

from refnet.adapters.database import ledger
from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import writing
from refnet.adapters.database.schema import jobs
from refnet.adapters.database.store import Store
from refnet.domain.crawl import Ask, Limits
from refnet.domain.errors import LeaseLost
from refnet.domain.jobs import JobState, Stage
from refnet.domain.papers import Listing, Page
from tests.cluster.lab import until
from tests.contract.conftest import Clock
from tests.contract.making import (
    FULL,
    LEAF,
    LIMITS,
    answer,
    claimed,
    enqueue,
    job_of,
    listing,
    open_crawl,
    rows,
)

T = TypeVar("T")


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    """As workers have it: theirs are the leases that run out."""
    return ClusterStore(engine, clock=clock)


# Enqueue


def test_enqueueing_twice_makes_one_job(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    before = rows(engine)
    enqueue(store, {"b": LEAF, "a": LEAF})
    assert rows(engine) == before


def test_a_paper_has_one_job_in_each_stage(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF})
    enqueue(store, {"a": Ask.NOTHING}, Stage.SUMMARIZE)
    assert store.job_counts() == {("crawl", "queued"): 1, ("summarize", "queued"): 1}


def test_enqueueing_adds_to_what_a_queued_job_asks(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF})
    enqueue(store, {"a": Ask.PAGE_CITATIONS | Ask.EXPAND})
    assert rows(engine)["a"].ask == LEAF | Ask.PAGE_CITATIONS | Ask.EXPAND


def test_what_is_added_to_a_running_job_is_asked_after_it(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF})
    wave = claimed(store)
    enqueue(store, {"a": FULL})
    store.record_wave(wave, [answer("a", [], citations_of=3)], LIMITS)
    assert (rows(engine)["a"].state, rows(engine)["a"].ask) == (JobState.QUEUED, Ask.CITATIONS | Ask.EXPAND)


def test_a_finished_job_is_queued_afresh(store: Store, engine: Engine, clock: Clock) -> None:
    enqueue(store, {"a": LEAF})
    store.release(claimed(store), charged=True, share=1)
    store.record_wave(claimed(store), [answer("a", [])], LIMITS)
    assert (rows(engine)["a"].state, rows(engine)["a"].attempts) == (JobState.DONE, 2)
    clock.move(60)
    enqueue(store, {"a": Ask.CITATIONS})
    row = rows(engine)["a"]
    assert (row.state, row.ask, row.attempts, row.losses, row.due_at) == (
        JobState.QUEUED,
        Ask.CITATIONS,
        0,
        0,
        clock.now,
    )


def test_a_dead_job_stays_dead(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF})
    store.bury(claimed(store), "it will not do")
    before = rows(engine)
    enqueue(store, {"a": FULL})
    assert rows(engine) == before
    assert store.claim("me", LIMITS) is None


def test_pages_of_another_list_begin_at_their_start(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": Ask.PAGE_CITATIONS | Ask.EXPAND})
    wave = claimed(store)
    store.record_page(wave, Page(listing(["x"]) or Listing(), 1_000), LIMITS)
    assert rows(engine)["a"].offset == 1_000
    enqueue(store, {"a": Ask.PAGE_CITATIONS})
    assert rows(engine)["a"].offset == 1_000
    enqueue(store, {"a": Ask.PAGE_REFERENCES})
    assert rows(engine)["a"].offset == 0


# Claim, and the fence


def test_a_claimed_job_is_not_claimed_again(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    wave = claimed(store, Limits(ids=1))
    assert rows(engine)[job_of(wave).paper_id].owner == "me"
    assert claimed(store, Limits(ids=1)).paper_ids != wave.paper_ids
    assert store.claim("you", LIMITS) is None


def test_nothing_is_claimed_before_it_is_due(store: Store, clock: Clock) -> None:
    crawl_id = open_crawl(store, "a")
    store.advance(crawl_id, LIMITS)
    store.release(claimed(store), due_in=10)
    assert store.next_due(crawl_id) == 10
    clock.move(9.5)
    assert store.claim("me", LIMITS) is None
    assert store.next_due(crawl_id) == pytest.approx(0.5)
    clock.move(0.5)
    assert store.next_due(crawl_id) == 0
    assert claimed(store).paper_ids == ["a"]
    assert store.next_due(crawl_id) is None


def test_a_clock_set_back_holds_up_no_job(store: ClusterStore, clock: Clock) -> None:
    """reliability.md T15."""
    crawl_id = open_crawl(store, "a", "b")
    store.advance(crawl_id, LIMITS)
    lost = claimed(store, Limits(ids=1), lease=45)
    clock.move(-86_400)
    assert store.next_due(crawl_id) == 0
    assert store.free_expired() == 1
    taken = [*claimed(store, lease=45).paper_ids, *claimed(store, lease=45).paper_ids]
    assert sorted(taken) == ["a", "b"]
    assert set(lost.paper_ids) < set(taken)


def test_a_claim_for_one_crawl_leaves_the_jobs_of_others(store: Store) -> None:
    first, second = open_crawl(store, "a"), open_crawl(store, "b")
    store.advance(first, LIMITS)
    store.advance(second, LIMITS)
    assert claimed(store, crawl_id=second).paper_ids == ["b"]
    assert store.claim("me", LIMITS, crawl_id=second) is None
    assert claimed(store).paper_ids == ["a"]


def test_only_jobs_of_the_crawl_stage_are_claimed(store: Store) -> None:
    enqueue(store, {"a": Ask.DETAILS}, Stage.SUMMARIZE)
    assert store.claim("me", LIMITS) is None


@pytest.mark.parametrize("way", ["settled", "released", "expired", "freed"])
def test_what_a_late_owner_brings_changes_nothing(store: ClusterStore, engine: Engine, clock: Clock, way: str) -> None:
    enqueue(store, {"a": LEAF})
    late = claimed(store, lease=45)
    if way == "settled":
        store.record_wave(late, [answer("a", [], title="In time")], LIMITS)
    elif way == "released":
        store.release(late)
    elif way == "expired":
        clock.move(46)
        store.free_expired()
        claimed(store, lease=45)
    else:
        store.free_all()
    before = rows(engine)
    store.record_wave(late, [answer("a", ["x"], title="Too late")], LIMITS)
    store.release(late, share=1, charged=True, reason="late")
    store.bury(late, "late")
    store.replace_asks(late, Ask.PAGE_REFERENCES)
    with pytest.raises(LeaseLost):
        store.renew(late, 45)
    assert rows(engine) == before
    assert [paper.title for paper in store.papers(["a", "x"])] == (["In time"] if way == "settled" else [])


def test_a_late_page_is_dropped(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": Ask.PAGE_CITATIONS})
    late = claimed(store)
    store.free_all()
    claimed(store)
    before = rows(engine)
    store.record_page(late, Page(listing(["x"]) or Listing()), LIMITS)
    assert rows(engine) == before
    assert store.titles(["x"]) == {}


def test_of_a_wave_partly_lost_the_rest_is_kept(store: ClusterStore, engine: Engine, clock: Clock) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    late = claimed(store, lease=45)
    clock.move(46)
    store.free_expired()
    taken = claimed(store, Limits(ids=1), lease=45)
    assert taken.paper_ids == ["a"]
    store.record_wave(taken, [answer("a", [], title="By the new owner")], LIMITS)
    store.record_wave(late, [answer("a", [], title="Late"), answer("b", [], title="Late")], LIMITS)
    assert [paper.title for paper in store.papers(["a", "b"])] == ["By the new owner"]
    assert rows(engine)["b"].state == JobState.QUEUED


# Leases


def test_a_lease_holds_at_its_last_moment_and_not_a_second_longer(store: ClusterStore, clock: Clock) -> None:
    enqueue(store, {"a": LEAF})
    first = claimed(store, lease=45)
    clock.move(45)
    assert store.free_expired() == 0
    clock.move(1)
    assert store.free_expired() == 1
    second = store.claim("you", LIMITS)
    assert second is not None
    assert second.claim != first.claim


def test_a_renewed_lease_counts_from_the_renewal(store: ClusterStore, clock: Clock) -> None:
    enqueue(store, {"a": LEAF})
    wave = claimed(store, lease=45)
    clock.move(40)
    store.renew(wave, 45)
    clock.move(45)
    assert store.free_expired() == 0
    clock.move(1)
    assert store.free_expired() == 1


def test_a_claim_takes_nothing_from_whom_it_has_heard_nothing_of(store: ClusterStore, clock: Clock) -> None:
    """The database may have been away, and its owner be about to renew: the sweep decides."""
    enqueue(store, {"a": LEAF})
    wave = claimed(store, lease=45)
    clock.move(46)
    assert store.claim("you", LIMITS, lease=45) is None
    store.renew(wave, 45)
    assert store.free_expired() == 0


def test_without_a_lease_jobs_are_held_until_all_are_freed(store: Store, clock: Clock) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    claimed(store)
    clock.move(10 * 86_400)
    assert store.claim("you", LIMITS) is None
    assert store.free_all() == 2
    assert store.free_all() == 0
    assert store.claim("you", LIMITS) is not None


# Lost waves (contract §7.7)


def test_a_lost_wave_is_claimed_again_in_halves_down_to_one(store: Store) -> None:
    enqueue(store, {f"p{number}": LEAF for number in range(8)})
    sizes = []
    for _ in range(5):
        sizes.append(len(claimed(store).jobs))
        store.free_all()
    assert sizes == [8, 4, 2, 1, 1]


def test_both_halves_of_a_lost_wave_come_before_anything_else(store: Store) -> None:
    enqueue(store, {f"p{number}": LEAF for number in range(7)})
    claimed(store)
    store.free_all()
    enqueue(store, {"later": LEAF})
    assert [len(claimed(store).jobs) for _ in range(3)] == [4, 3, 1]


def test_papers_of_a_half_that_went_well_are_free_again(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": FULL, "b": FULL})
    claimed(store)
    store.free_all()
    wave = claimed(store)
    store.record_wave(wave, [answer(job_of(wave).paper_id, [], [], citations_of=99_999)], LIMITS)
    row = rows(engine)[job_of(wave).paper_id]
    assert (row.state, row.share, row.attempts) == (JobState.QUEUED, None, 0)


def test_only_a_job_that_ran_alone_is_charged_for_a_lost_wave(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    claimed(store)
    store.free_all()
    assert {(row.attempts, row.losses) for row in rows(engine).values()} == {(0, 0)}
    wave = claimed(store)
    store.free_all()
    guilty = job_of(wave).paper_id
    charged = {paper_id: (row.attempts, row.losses) for paper_id, row in rows(engine).items()}
    assert charged == {"a": (0, 0), "b": (0, 0), guilty: (1, 1)}


@pytest.mark.parametrize("by_lease", [True, False])
def test_a_job_that_took_its_process_with_it_alone_three_times_is_dead(
    store: ClusterStore, engine: Engine, clock: Clock, by_lease: bool
) -> None:
    enqueue(store, {"poison": LEAF})
    for _ in range(3):
        assert rows(engine)["poison"].state == JobState.QUEUED
        claimed(store, lease=45 if by_lease else None)
        clock.move(46)
        if by_lease:
            store.free_expired()
        else:
            store.free_all()
    (letter,) = store.dead_letters()
    assert (letter.paper_id, letter.attempts, letter.at) == ("poison", 3, clock.now)
    ended = "was not heard of any more" if by_lease else "died"
    assert letter.reason == f"Its process {ended} while this job ran alone. That makes 3 times."
    assert rows(engine)["poison"].owner is None


@pytest.mark.parametrize("ended", ["was killed by signal 11 (SIGSEGV)", "ended with exit code 1"])
def test_what_became_of_the_process_is_told_of_a_job_that_ran_alone(
    store: Store, engine: Engine, clock: Clock, ended: str
) -> None:
    def lose() -> None:
        with writing(engine) as connection:
            ledger.free_owners(connection, ["me"], clock.now, ended)

    enqueue(store, {"poison": LEAF})
    claimed(store, lease=45)
    lose()
    assert rows(engine)["poison"].reason == f"Its process {ended} while this job ran alone."
    for _ in range(2):
        claimed(store, lease=45)
        lose()
    (letter,) = store.dead_letters()
    assert letter.reason == f"Its process {ended} while this job ran alone. That makes 3 times."


def test_an_outage_does_not_hide_how_a_process_ended_with_a_job(store: Store, engine: Engine, clock: Clock) -> None:
    enqueue(store, {"poison": LEAF, "other": LEAF})
    lost = claimed(store, lease=45)
    store.release(lost, reason="429")
    assert {row.reason for row in rows(engine).values()} == {"429"}
    with writing(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.paper_id == "poison").values(losses=1, reason="It was killed."))
    store.release(claimed(store, lease=45), reason="503")
    assert {paper_id: row.reason for paper_id, row in rows(engine).items()} == {
        "poison": "It was killed.",
        "other": "503",
    }


def test_of_a_job_lost_in_company_nothing_is_told(store: Store, engine: Engine, clock: Clock) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    claimed(store, lease=45)
    with writing(engine) as connection:
        ledger.free_owners(connection, ["me"], clock.now, "was killed")
    assert {row.reason for row in rows(engine).values()} == {None}


def test_a_time_limit_that_a_job_came_to_alone_counts_as_a_loss(store: Store, engine: Engine, clock: Clock) -> None:
    enqueue(store, {"slow": LEAF})
    for losses in range(2):
        wave = claimed(store, lease=45)
        assert wave.jobs[0].losses == losses
        store.release(wave, share=1, charged=True, lost=True, reason="too long")
    claimed(store, lease=45)
    store.free_all()
    assert [(letter.paper_id, letter.attempts) for letter in store.dead_letters()] == [("slow", 3)]


def test_losses_are_forgotten_when_a_request_goes_well(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": FULL})
    for _ in range(2):
        claimed(store)
        store.free_all()
    assert rows(engine)["a"].losses == 2
    store.record_wave(claimed(store), [answer("a", [], [], citations_of=99_999)], LIMITS)
    assert rows(engine)["a"].losses == 0


# Release and bury


def test_an_outage_costs_no_attempt(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF})
    for _ in range(20):
        wave = claimed(store)
        assert job_of(wave).attempts == 1
        store.release(wave)
    assert rows(engine)["a"].attempts == 0


def test_a_failure_of_its_own_costs_an_attempt(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF})
    for attempt in (1, 2, 3):
        wave = claimed(store)
        assert job_of(wave).attempts == attempt
        store.release(wave, share=1, charged=True, reason="504")
    assert (rows(engine)["a"].attempts, rows(engine)["a"].reason) == (3, "504")


def test_company_is_never_charged(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    store.release(claimed(store), charged=True)
    assert {row.attempts for row in rows(engine).values()} == {0}


def test_a_released_job_goes_with_others_or_in_its_share(store: Store) -> None:
    enqueue(store, {f"p{number}": LEAF for number in range(6)})
    store.release(claimed(store))
    store.release(claimed(store), share=2)
    assert len(claimed(store).jobs) == 2


def test_faults_are_counted_and_marked(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF})
    store.release(claimed(store), faulted_at=7)
    store.release(claimed(store), faulted_at=7)
    (job,) = claimed(store).jobs
    assert (job.faults, job.faulted_at) == (2, 7)


def test_a_job_may_ask_for_something_else_instead(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": FULL})
    store.replace_asks(claimed(store), Ask.DETAILS | Ask.PAGE_REFERENCES)
    row = rows(engine)["a"]
    assert (row.state, row.ask, row.attempts) == (JobState.QUEUED, Ask.DETAILS | Ask.PAGE_REFERENCES, 0)


# Dead letters


def test_dead_letters_tell_what_why_and_when(store: Store, clock: Clock) -> None:
    crawl_id = open_crawl(store, "b")
    store.advance(crawl_id, LIMITS)
    store.bury(claimed(store), "ValueError: no", "Traceback …")
    enqueue(store, {"a": LEAF})
    clock.move(5)
    store.bury(claimed(store), "refused")
    second, first = store.dead_letters()[::-1]
    assert (first.paper_id, first.stage, first.reason, first.traceback) == (
        "b",
        "crawl",
        "ValueError: no",
        "Traceback …",
    )
    assert (second.paper_id, second.traceback, second.at) == ("a", None, clock.now)
    assert store.dead_letters(crawl_id) == [first]
    assert store.crawl(crawl_id).dead == 1


def test_a_dead_job_that_is_retried_starts_afresh(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    store.release(claimed(store), share=1, faulted_at=3)
    store.release(claimed(store), share=1, charged=True, reason="504")
    for _ in range(2):
        store.bury(claimed(store), "given up", "trace")
    first, second = store.dead_letters()
    assert store.retry_dead([first.id, 999]) == [first.id]
    assert store.retry_dead([first.id]) == []
    assert store.dead_letters() == [second]
    row = rows(engine)[first.paper_id]
    assert (row.state, row.attempts, row.losses, row.share, row.faults, row.faulted_at, row.reason, row.traceback) == (
        JobState.QUEUED,
        0,
        0,
        None,
        0,
        None,
        None,
        None,
    )
    assert store.retry_dead(None) == [second.id]
    assert len(claimed(store).jobs) == 2


def test_only_dead_jobs_are_purged(store: Store, engine: Engine) -> None:
    enqueue(store, {"a": LEAF, "b": LEAF})
    wave = claimed(store, Limits(ids=1))
    store.bury(wave, "given up")
    (letter,) = store.dead_letters()
    ids = [row.id for row in rows(engine).values()]
    assert store.purge_dead(ids) == [letter.id]
    assert set(rows(engine)) == {"a", "b"} - {letter.paper_id}


# Many at once


def test_many_who_enqueue_the_same_papers_make_one_job_each(store: Store, engine: Engine) -> None:
    """reliability.md T9."""
    papers = {f"p{number:03}": LEAF for number in range(500)}

    def thrice(_: int) -> None:
        for _ in range(3):
            enqueue(store, papers)

    together(12, thrice)
    assert len(rows(engine)) == 500


def test_no_job_is_ever_claimed_by_two(store: Store, engine: Engine) -> None:
    enqueue(store, {f"p{number:03}": LEAF for number in range(300)})

    def work(_: int) -> list[str]:
        mine = []
        while (wave := store.claim("one of many", Limits(ids=7))) is not None:
            mine += wave.paper_ids
            store.record_wave(wave, [answer(paper_id, ["p000", "p299"]) for paper_id in wave.paper_ids], LIMITS)
        return mine

    taken = [paper_id for mine in together(6, work) for paper_id in mine]
    # Nobody who found all that was left locked by others comes back; so what is left is claimed at the end.
    taken += work(0)
    assert sorted(taken) == sorted(rows(engine))
    assert {row.state for row in rows(engine).values()} == {JobState.DONE}


def test_papers_that_cite_each_other_are_recorded_at_once_without_a_deadlock(store: Store, engine: Engine) -> None:
    """Each answer names the papers of all the others in its lists."""
    papers = [f"p{number:03}" for number in range(60)]
    for _ in range(5):
        enqueue(store, dict.fromkeys(papers, LEAF))
        waves = [claimed(store, Limits(ids=10)) for _ in range(6)]
        together(
            6,
            lambda index, waves=waves: store.record_wave(  # type: ignore[misc]
                waves[index], [answer(one, reversed(papers)) for one in waves[index].paper_ids], LIMITS
            ),
        )
    assert {row.state for row in rows(engine).values()} == {JobState.DONE}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # SQLite has one writer
@pytest.mark.parametrize("way", ["give back", "retry", "purge", "untell"])
def test_who_waits_for_one_job_holds_none_that_comes_after_it(engine: Engine, clock: Clock, way: str) -> None:
    """Jobs are locked in one order, by whomever: or two wait for each other, and the server ends one of them."""
    store = ClusterStore(engine, clock=clock)
    for paper_id in ("d", "c", "b", "B", "a"):  # so that they do not lie in the order of their ids
        enqueue(store, {paper_id: LEAF})
        wave = claimed(store)
        if way in ("retry", "purge"):
            store.bury(wave, "it will not do")
        elif way == "untell":
            store.release(wave)
    ids = [row.id for row in rows(engine).values()]
    told = store.take_untold(Stage.CRAWL, 9, 60.0) if way == "untell" else []
    ways: dict[str, Callable[[], object]] = {
        "give back": lambda: store.give_back(["me"]),
        "retry": lambda: store.retry_dead(ids),
        "purge": lambda: store.purge_dead(ids),
        "untell": lambda: store.untell(told),
    }
    with engine.connect() as other, other.begin(), ThreadPoolExecutor(1) as pool:
        other.execute(text("SELECT 1 FROM jobs WHERE paper_id = 'B' FOR UPDATE"))
        ended = pool.submit(ways[way])
        until(lambda: ended.done() or waiting_for_locks(engine) == 1, 20)
        free = other.execute(text("SELECT paper_id FROM jobs WHERE paper_id <> 'B' FOR UPDATE SKIP LOCKED")).scalars()
        found = sorted(free)
        other.rollback()
    assert found == ["a", "b", "c", "d"]
    ended.result()


def waiting_for_locks(engine: Engine) -> int:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return int(connection.execute(text(query)).scalar_one())


def test_expired_leases_are_freed_once_though_many_look(store: ClusterStore, engine: Engine, clock: Clock) -> None:
    enqueue(store, {f"p{number}": LEAF for number in range(64)})
    for _ in range(4):
        claimed(store, Limits(ids=16), lease=45)
    clock.move(46)
    together(6, lambda _: store.free_expired())
    assert {(row.state, row.share, row.losses) for row in rows(engine).values()} == {(JobState.QUEUED, 8, 0)}


def together(threads: int, work: Callable[[int], T]) -> list[T]:
    """Run `work` in threads that begin at the same moment."""
    start = threading.Barrier(threads)

    def run(index: int) -> T:
        start.wait()
        return work(index)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))
