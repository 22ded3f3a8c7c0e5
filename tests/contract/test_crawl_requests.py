"""Crawls that were asked for: one kind of id from the wish to the crawl, whoever takes them up, and how they are stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import NoResultFound

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.figures import read_figures
from refnet.adapters.database.ledger import LONGEST_WAIT
from refnet.domain.crawls import CrawlSeed, CrawlStage, CrawlState, crawl_key
from refnet.domain.errors import LeaseLost
from refnet.domain.identifiers import parse_seed
from refnet.domain.jobs import Stage
from refnet.domain.papers import Direction
from refnet.domain.requests import CrawlRequest, Found, RequestState, Wish
from refnet.domain.seeds import Seed, Unresolved
from tests.cluster.lab import until
from tests.contract.conftest import Clock
from tests.contract.making import LEAF, LIMITS, answer, enqueue, open_crawl, rows
from tests.contract.test_ledger import waiting_for_locks
from tests.contract.test_stages import to_the_notes

LEASE = 100.0
WISH = Wish((parse_seed("arXiv:2005.11401"), Seed("x.bib: key", title="A title", year=2020, citekey="key")), depth=2)
S = [CrawlSeed("s", "arXiv:2005.11401", "")]
KEY = crawl_key(["s"], Direction.BOTH)


@pytest.fixture
def store(engine: Engine, clock: Clock) -> Iterator[ClusterStore]:
    """At the end of each test the figures count all crawls in the state in which they are shown."""
    found = ClusterStore(engine, clock=clock)
    yield found
    assert crawls_counted(engine) == Counter(view.state.value for view in found.crawl_views(None, 1_000))


def crawls_counted(engine: Engine) -> dict[str, int]:
    return read_figures(engine, LEASE).crawls


def taken(store: ClusterStore) -> CrawlRequest:
    request = store.take_request(LEASE)
    assert request is not None
    return request


def started(store: ClusterStore, claim: str | None = None) -> int:
    """The id of a crawl that workers are at."""
    identity = store.add_request(WISH, claim)
    request = taken(store)
    store.keep_found(request, Found(2, tuple(S)), [])
    found = store.request(identity)
    assert found is not None
    store.start_request(found, KEY, LIMITS)
    return identity


def state(store: ClusterStore, identity: int) -> CrawlState:
    view = store.crawl_view(identity)
    assert view is not None
    return view.state


def test_a_wish_is_kept_as_it_was(store: ClusterStore) -> None:
    kept = store.request(store.add_request(WISH, "write"))

    assert kept is not None
    assert (kept.wish, kept.state) == (WISH, RequestState.QUEUED)


def test_a_crawl_has_the_id_under_which_it_was_asked_for(store: ClusterStore) -> None:
    first, second = store.add_request(WISH), store.add_request(WISH)
    store.next_request()

    assert store.begin_request(first, KEY, S, []) == first
    store.end_request(first)
    store.next_request()
    assert store.begin_request(second, KEY, S, []) == first, "the same seeds are the same crawl"

    views = store.crawl_views(None, 10)
    assert [(view.id, view.crawl_id) for view in views] == [(second, first), (first, first)]


def test_a_crawl_of_a_command_never_has_the_id_of_a_request(store: ClusterStore) -> None:
    asked = store.add_request(WISH)
    mapped = open_crawl(store, "t")
    again = store.add_request(WISH)

    assert len({asked, mapped, again}) == 3


def test_pages_of_crawls_hold_each_once_whatever_comes_in_between(store: ClusterStore) -> None:
    ids = [store.add_request(WISH) for _ in range(3)] + [open_crawl(store, "t")]

    first = store.crawl_views(None, 2)
    store.add_request(WISH)
    second = store.crawl_views(first[-1].id, 10)

    assert [view.id for view in (*first, *second)] == sorted(ids, reverse=True)


def test_the_state_is_that_of_the_request_and_then_that_of_the_crawl(store: ClusterStore) -> None:
    identity = store.add_request(WISH)
    assert state(store, identity) is CrawlState.QUEUED
    store.next_request()
    store.begin_request(identity, KEY, S, [Unresolved("x", "no paper")])
    # Collected, but not written yet: one process does both.
    assert not store.advance(identity, LIMITS) or store.claim("me", LIMITS)
    assert state(store, identity) is CrawlState.RUNNING
    store.end_request(identity, "report")

    view = store.crawl_view(identity)
    assert view is not None
    assert [one.input for one in view.unresolved] == ["x"]
    kept = store.request(identity)
    assert kept is not None
    assert kept.report == "report"


def test_the_figures_count_crawls_from_the_moment_they_are_asked_for(store: ClusterStore, engine: Engine) -> None:
    failed = store.add_request(WISH)
    store.next_request()
    store.fail_request(failed, "No seed names a paper.")
    store.cancel_crawl(store.add_request(WISH))
    done = store.open_crawl(KEY, Direction.BOTH, 2, 300, S, vault="/v", lang="en")
    store.finish_crawl(done)
    store.ask_again(open_crawl(store, "asked again"))
    store.open_crawl(crawl_key(["t"], Direction.BOTH), Direction.BOTH, 2, 300, S, vault="/v", lang="en")
    store.open_crawl(crawl_key(["u"], Direction.BOTH), Direction.BOTH, 2, 300, S)  # of a version that kept no place
    store.add_request(WISH)

    assert crawls_counted(engine) == {"failed": 1, "cancelled": 2, "finished": 1, "running": 1, "queued": 2}


def test_one_that_cannot_be_done_says_why(store: ClusterStore) -> None:
    identity = store.add_request(WISH)
    store.next_request()
    store.fail_request(identity, "No seed names a paper.", [Unresolved("x", "no paper")])

    view = store.crawl_view(identity)
    assert view is not None
    assert (view.state, view.reason, len(view.unresolved)) == (CrawlState.FAILED, "No seed names a paper.", 1)
    assert store.next_request() is None


def test_one_that_was_begun_is_taken_up_again_after_a_crash(store: ClusterStore) -> None:
    first = store.add_request(WISH)
    store.add_request(WISH)

    for _ in range(2):
        request = store.next_request()
        assert request is not None
        assert request.id == first


@pytest.mark.parametrize("elsewhere", [False, True], ids=["", "where the present id has a crawl of its own"])
def test_a_crawl_whose_seed_the_source_merged_meanwhile_is_gone_on_with_under_its_own_id(
    store: ClusterStore, elsewhere: bool
) -> None:
    identity = store.add_request(WISH)
    store.next_request()
    store.record_seeds({"ARXIV:2005.11401": answer("s", ["a"])}, LEAF, LIMITS)
    assert store.begin_request(identity, KEY, S, []) == identity
    store.advance(identity, LIMITS)
    wave = store.claim("me", LIMITS, crawl_id=identity)
    assert wave is not None
    if elsewhere:
        open_crawl(store, "z")
    store.record_wave(wave, [answer("z", ["a"], ["c"])], LIMITS)
    assert store.known(["ARXIV:2005.11401"]) == {"ARXIV:2005.11401": "z"}

    assert store.next_request() is not None
    present = crawl_key(["z"], Direction.BOTH)
    assert store.begin_request(identity, present, [replace(S[0], paper_id="z")], []) == identity

    assert [(seed.paper_id, seed.input) for seed in store.seeds(identity)] == [("z", "arXiv:2005.11401")]
    view = store.crawl_view(identity)
    assert view is not None
    assert view.crawl_id == identity


def test_workers_go_on_with_a_crawl_asked_for_again_whose_seed_the_source_merged_meanwhile(
    store: ClusterStore,
) -> None:
    identity = started(store)
    wave = store.claim("me", LIMITS)
    assert wave is not None
    store.record_wave(wave, [answer("z", ["a"], ["c"])], LIMITS)
    store.ask_again(identity)
    request = replace(taken(store), found=Found(1, (replace(S[0], paper_id="z"),)))

    assert store.start_request(request, crawl_key(["z"], Direction.BOTH), LIMITS) == identity


# ---- workers


def test_a_request_is_held_by_one_worker_until_its_lease_is_over_and_taken_back(
    store: ClusterStore, clock: Clock
) -> None:
    store.add_request(WISH)
    first = taken(store)
    assert store.take_requests_due(5) == []
    assert (store.take_request(LEASE), store.requests_due()) == (None, False)

    clock.move(LEASE + 1)
    assert store.free_expired() == 1
    assert store.free_expired() == 0
    assert store.take_requests_due(5) == [("arXiv:2005.11401", None)]
    second = taken(store)

    assert second.id == first.id
    with pytest.raises(LeaseLost):
        store.keep_found(first, Found(1), [])
    with pytest.raises(LeaseLost):
        store.start_request(first, KEY, LIMITS)
    with pytest.raises(LeaseLost):
        store.renew_request(first, LEASE)


def test_a_request_that_is_renewed_is_held_from_then_on(store: ClusterStore, clock: Clock) -> None:
    store.add_request(WISH)
    request = taken(store)
    clock.move(LEASE - 1)
    store.renew_request(request, LEASE)
    clock.move(LEASE - 1)
    assert store.free_expired() == 0
    clock.move(2)
    assert store.free_expired() == 1
    assert store.requests_due()


def test_whoever_could_not_renew_a_request_while_the_database_was_away_is_not_lost_at_it(
    store: ClusterStore, clock: Clock
) -> None:
    """Soon after that no lease is taken for lost."""
    store.add_request(WISH)
    request = taken(store)
    clock.move(10 * LEASE)
    assert store.free_expired(leases=False) == 0
    assert (store.take_request(LEASE), store.requests_due()) == (None, False)

    store.renew_request(request, LEASE)
    assert store.free_expired() == 0
    store.give_back_request(request)
    assert taken(store).losses == 0


def test_a_request_whose_lease_no_clock_explains_is_taken_back(store: ClusterStore, clock: Clock) -> None:
    store.add_request(WISH)
    taken(store)
    clock.move(-2 * LONGEST_WAIT)
    assert store.free_expired() == 1
    assert store.requests_due()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # SQLite has one writer
def test_a_request_that_somebody_is_writing_to_is_not_waited_for_when_leases_are_taken_back(
    store: ClusterStore, clock: Clock, engine: Engine
) -> None:
    """Whoever begins it waits for jobs that are locked until they are taken back."""
    store.add_request(WISH)
    taken(store)
    clock.move(LEASE + 1)

    with engine.connect() as other, other.begin():
        other.execute(text("SELECT id FROM crawl_requests FOR UPDATE"))
        assert store.free_expired() == 0
    assert store.free_expired() == 1


def test_what_was_found_of_the_seeds_is_there_for_the_next_worker(store: ClusterStore, clock: Clock) -> None:
    store.add_request(WISH)
    store.keep_found(taken(store), Found(1, tuple(S)), [Unresolved("y", "why")])
    clock.move(LEASE + 1)
    store.free_expired()

    request = taken(store)

    assert request.found == Found(1, tuple(S))
    assert list(request.wish.unresolved) == [Unresolved("y", "why")]


def test_one_that_is_given_back_is_due_at_once(store: ClusterStore) -> None:
    store.add_request(WISH)
    store.give_back_request(taken(store))

    assert store.requests_due()


def test_workers_lost_at_a_request_are_counted_until_a_seed_is_resolved(store: ClusterStore, clock: Clock) -> None:
    store.add_request(WISH)
    first = taken(store)
    assert first.losses == 0
    for lost in (1, 2, 3):
        clock.move(LEASE + 1)
        store.free_expired()
        assert taken(store).losses == lost
        store.give_back_request(first)  # who has lost it by then

    clock.move(LEASE + 1)
    store.free_expired()
    request = taken(store)
    store.keep_found(request, Found(1, tuple(S)), [])
    store.give_back_request(request, lost=True)
    assert taken(store).losses == 1


def test_one_that_is_given_back_was_not_lost(store: ClusterStore) -> None:
    store.add_request(WISH)
    for _ in range(3):
        request = taken(store)
        assert request.losses == 0
        store.give_back_request(request)


def test_starting_makes_a_crawl_of_the_workers_with_the_claim_of_the_key(store: ClusterStore, engine: Engine) -> None:
    identity = started(store, "write")

    assert store.stage(identity) is CrawlStage.CRAWL
    assert set(rows(engine)) == {"s"}
    assert store.claims(["s"]) == {"s": "write"}
    assert not store.requests_due()


def test_workers_are_told_once_in_a_while_and_again_where_the_broker_was_away(
    store: ClusterStore, clock: Clock
) -> None:
    store.add_request(WISH, "write")

    assert store.take_requests_due(5) == [("arXiv:2005.11401", "write")]
    assert store.take_requests_due(5) == []
    clock.move(6)
    assert len(store.take_requests_due(5)) == 1
    store.untell_requests()
    assert len(store.take_requests_due(5)) == 1


# ---- stopping


def test_a_request_that_is_cancelled_becomes_no_crawl(store: ClusterStore) -> None:
    identity = store.add_request(WISH)
    request = taken(store)

    assert store.cancel_crawl(identity)

    with pytest.raises(LeaseLost):
        store.start_request(request, KEY, LIMITS)
    assert state(store, identity) is CrawlState.CANCELLED
    assert not store.cancel_crawl(identity), "it is over already"
    assert store.next_request() is None


def test_what_is_over_meanwhile_stays_cancelled(store: ClusterStore) -> None:
    identity = store.add_request(WISH)
    store.next_request()
    store.begin_request(identity, KEY, S, [])
    store.cancel_crawl(identity)

    store.end_request(identity, "report")

    assert state(store, identity) is CrawlState.CANCELLED
    assert not store.advance(identity, LIMITS)


def test_a_cancelled_crawl_of_workers_collects_no_more_and_goes_on_to_its_notes(
    store: ClusterStore, engine: Engine
) -> None:
    identity = started(store)

    store.cancel_crawl(identity)

    assert rows(engine) == {}, "its queued jobs are gone"
    assert state(store, identity) is CrawlState.CANCELLED
    assert store.go_on(LIMITS) == [CrawlStage.NAME]
    assert rows(engine) == {}
    store.adopt(identity, "/vault")
    assert store.end_unchanged("/vault", [identity]) == [identity]
    assert store.crawl(identity).state is CrawlState.CANCELLED


def test_papers_that_another_crawl_of_workers_wants_stay_queued(store: ClusterStore, engine: Engine) -> None:
    identity = started(store)
    other = store.hand_over(
        crawl_key(["s", "t"], Direction.BOTH),
        Direction.BOTH,
        1,
        10,
        [CrawlSeed("s", "s", ""), CrawlSeed("t", "t", "")],
        None,
        vault=None,
        lang="en",
        limits=LIMITS,
    )
    enqueue(store, {"of no crawl": LEAF})

    store.cancel_crawl(identity)
    assert set(rows(engine)) == {"s", "t", "of no crawl"}
    store.cancel_crawl(other)
    assert set(rows(engine)) == {"of no crawl"}


def test_a_cancelled_crawl_goes_on_where_it_is_asked_for_again(store: ClusterStore, engine: Engine) -> None:
    first = started(store)
    store.cancel_crawl(first)

    second = started(store)

    assert state(store, first) is state(store, second) is CrawlState.RUNNING
    assert set(rows(engine)) == {"s"}


def test_what_is_on_its_way_is_recorded_although_the_crawl_was_cancelled(store: ClusterStore, engine: Engine) -> None:
    identity = started(store)
    wave = store.claim("me", LIMITS)
    assert wave is not None
    store.cancel_crawl(identity)

    store.record_wave(wave, [answer("s", ["a"], ["b"])], LIMITS)

    assert store.collected(identity) == ["s"]
    assert CrawlStage.SUMMARIZE in store.go_on(LIMITS) or store.stage(identity) is not CrawlStage.CRAWL
    assert set(rows(engine)) == {"s"}, "nothing of what it cites was asked for"


# ---- going on


def test_a_crawl_is_asked_for_again_under_its_own_id_by_the_seeds_that_it_has(store: ClusterStore) -> None:
    mapped = open_crawl(store, "t")

    store.ask_again(mapped)
    store.ask_again(mapped)

    request = store.next_request()
    assert request is not None
    assert request.id == request.crawl_id == mapped
    assert [str(one) for seed in request.wish.seeds for one in seed.identifiers] == ["t"]
    store.end_request(mapped)
    assert store.next_request() is None


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # SQLite has one writer
def test_of_two_who_ask_for_a_crawl_again_at_once_the_second_finds_that_it_is_asked_for(
    store: ClusterStore, engine: Engine
) -> None:
    mapped = open_crawl(store, "t")

    with ThreadPoolExecutor(2) as pool, engine.connect() as other, other.begin():
        # Whoever has looked whether it is asked for can write that it is only when this one goes.
        other.execute(text("LOCK TABLE crawl_requests IN SHARE ROW EXCLUSIVE MODE"))
        asked = [pool.submit(store.ask_again, mapped) for _ in range(2)]
        until(lambda: waiting_for_locks(engine) == 2, 20, "both to have begun")
        other.rollback()

    assert [one.result() for one in asked] == [[], []]
    request = store.next_request()
    assert request is not None
    assert request.id == mapped
    store.end_request(mapped)
    assert store.next_request() is None


def test_who_asked_for_a_crawl_that_is_gone_on_with_keeps_the_vault_and_what_was_told(store: ClusterStore) -> None:
    refused = Unresolved("???", "names no paper")
    wish = replace(WISH, vault="/my/vault", lang="ja", refresh_days=30.0, unresolved=[refused])
    identity = store.add_request(wish, "write")
    store.next_request()
    store.begin_request(identity, KEY, S, [refused])
    store.end_request(identity, "what came of it")

    store.ask_again(identity)

    again = store.next_request()
    assert again is not None
    assert (again.id, again.crawl_id, again.report) == (identity, identity, "what came of it")
    assert [str(one) for seed in again.wish.seeds for one in seed.identifiers] == ["s"]
    assert replace(again.wish, seeds=WISH.seeds) == replace(wish, unresolved=(refused,), lang=None)
    assert store.vault_language("/my/vault") == "ja", "once is enough: whoever gives it another later is not undone"


def test_a_dead_job_is_queued_again_together_with_a_request_for_its_crawl_or_not_at_all(store: ClusterStore) -> None:
    crawl_id = open_crawl(store, "s")
    store.bury_by_hand(Stage.CRAWL, "s", "why")
    (letter,) = store.dead_letters()

    with pytest.raises(NoResultFound):
        store.ask_again(crawl_id + 1, [letter.id])
    assert store.dead_letters() == [letter]

    assert store.ask_again(crawl_id, [letter.id]) == [letter.id]
    assert not store.dead_letters()
    request = store.next_request()
    assert request is not None
    store.end_request(request.id)
    assert store.ask_again(crawl_id, [letter.id]) == []
    assert store.next_request() is None


def test_a_dead_letter_belongs_to_the_latest_crawl_that_was_not_cancelled(store: ClusterStore) -> None:
    first = open_crawl(store, "s")
    second = open_crawl(store, "s", "t")
    for one in (first, second):
        store.ask_again(one)
    store.bury_by_hand(Stage.CRAWL, "s", "why")
    (letter,) = store.dead_page(0, 1)

    assert store.crawl_of_job(letter.id) == second
    store.cancel_crawl(second)
    assert store.crawl_of_job(letter.id) == first
    store.cancel_crawl(first)
    assert store.crawl_of_job(letter.id) is None


def test_a_crawl_that_an_interrupted_process_left_is_not_over_and_is_taken_up_by_who_serves(
    store: ClusterStore,
) -> None:
    left = store.open_crawl(KEY, Direction.BOTH, 2, 300, S, 30.0, vault="/my/vault", lang="ja")
    assert state(store, left) is CrawlState.RUNNING

    assert store.take_up_left() == [left]
    assert state(store, left) is CrawlState.QUEUED
    assert store.take_up_left() == [], "once is enough"
    request = store.next_request()

    assert state(store, left) is CrawlState.RUNNING
    assert request is not None
    wish = request.wish
    assert (wish.depth, wish.limit, wish.vault, wish.lang) == (2, 300, "/my/vault", None)
    assert store.vault_language("/my/vault") == "ja"


def test_one_that_a_version_left_which_did_not_keep_where_its_notes_belong_counts_as_cancelled(
    store: ClusterStore,
) -> None:
    old = store.open_crawl(KEY, Direction.BOTH, 2, 300, S, 30.0)

    assert state(store, old) is CrawlState.CANCELLED
    assert store.take_up_left() == []


def test_a_crawl_that_was_extended_by_a_command_is_taken_up_with_its_vault(store: ClusterStore) -> None:
    identity = store.add_request(replace(WISH, vault="/old"))
    store.next_request()
    store.begin_request(identity, KEY, S, [])
    store.end_request(identity, "report")
    store.open_crawl(KEY, Direction.BOTH, 2, 300, S, vault="/new", lang="en")

    store.take_up_left()

    request = store.next_request()
    assert request is not None
    assert (request.id, request.wish.vault) == (identity, "/new")


def test_nothing_is_taken_up_that_is_over_or_that_somebody_is_at(store: ClusterStore) -> None:
    cancelled = open_crawl(store, "a")
    store.cancel_crawl(cancelled)
    failed = open_crawl(store, "b")
    store.ask_again(failed)
    store.next_request()
    store.fail_request(failed, "The vault cannot be written.")
    of_workers = to_the_notes(store, "c")

    assert store.take_up_left() == []
    assert state(store, cancelled) is CrawlState.CANCELLED
    assert state(store, failed) is CrawlState.FAILED
    assert state(store, of_workers) is CrawlState.RUNNING


def test_what_workers_do_and_what_was_stopped_is_not_called_finished_by_one_process(store: ClusterStore) -> None:
    stopped = store.open_crawl(KEY, Direction.BOTH, 2, 300, S, 30.0, vault="/my/vault", lang="ja")
    assert store.cancel_crawl(stopped)
    of_workers = to_the_notes(store, "c")

    for crawl_id in (stopped, of_workers):
        store.finish_crawl(crawl_id)

    assert store.crawl(stopped).state is CrawlState.CANCELLED
    assert store.crawl(of_workers).state is CrawlState.RUNNING


def test_how_far_one_is_cannot_be_told_once_it_is_cancelled(store: ClusterStore) -> None:
    identity = store.add_request(WISH)
    store.next_request()
    assert store.tell_progress(identity, {"found": 1})
    assert store.is_wanted(identity)

    store.cancel_crawl(identity)

    assert not store.tell_progress(identity, {"found": 2})
    assert not store.is_wanted(identity)


def test_dead_letters_are_found_page_by_page_with_the_crawl_that_wants_them(store: ClusterStore) -> None:
    for name in ("a", "b", "c"):
        store.bury_by_hand(Stage.CRAWL, name, "why")
    first = store.dead_page(0, 2)
    rest = store.dead_page(first[-1].id, 2)

    assert [letter.reason for letter in (*first, *rest)] == ["why"] * 3
    assert store.dead_letter(first[0].id) == first[0]
    assert store.dead_letter(rest[-1].id + 1) is None
    assert store.crawl_of_job(first[0].id) is None


def test_who_saw_it_stopped_sees_it_at_work_again(store: ClusterStore) -> None:
    first = store.add_request(WISH)
    store.next_request()
    store.begin_request(first, KEY, S, [])
    store.cancel_crawl(first)
    assert state(store, first) is CrawlState.CANCELLED

    second = store.add_request(WISH)
    store.next_request()
    assert store.begin_request(second, KEY, S, []) == first

    assert state(store, first) is CrawlState.RUNNING


def test_of_a_crawl_that_failed_it_is_said_why(store: ClusterStore) -> None:
    crawl_id = to_the_notes(store, "s")
    store.fail_crawls([crawl_id], "TypeError: no", "Traceback: …")

    failed = store.crawl_view(crawl_id)

    assert failed is not None
    assert (failed.state, failed.reason) == (CrawlState.FAILED, "TypeError: no")
