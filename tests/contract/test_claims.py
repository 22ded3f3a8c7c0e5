"""Whose work a paper's is: the operator's, or that of a key of the API."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text, update

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import crawls
from refnet.domain.crawls import CrawlSeed, CrawlState, crawl_key
from refnet.domain.identifiers import parse_seed
from refnet.domain.jobs import Stage
from refnet.domain.papers import Direction
from refnet.domain.permissions import Scope
from refnet.domain.requests import Wish
from tests.contract.conftest import Clock
from tests.contract.making import LIMITS, answer, claimed

READ, WRITE, ADMIN = Scope


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def crawl(store: ClusterStore, claim: Scope | None, *seeds: str, on_cluster: bool = True) -> int:
    about = (
        crawl_key(seeds, Direction.BOTH),
        Direction.BOTH,
        0,
        9,
        [CrawlSeed(seed, seed, "") for seed in seeds],
        None,
    )
    if on_cluster:
        return store.hand_over(*about, vault=None, lang="en", limits=LIMITS, claim=claim)
    return store.open_crawl(*about, claim=claim)


def kept(store: ClusterStore, crawl_id: int) -> str | None:
    with reading(store._engine) as connection:
        found: str | None = connection.execute(
            text("SELECT claim FROM crawls WHERE id = :id"), {"id": crawl_id}
        ).scalar()
        return found


@pytest.mark.parametrize("on_cluster", [True, False])
@pytest.mark.parametrize("claim", [None, *Scope])
def test_a_crawl_keeps_the_scope_of_the_key_that_began_it(
    store: ClusterStore, claim: Scope | None, on_cluster: bool
) -> None:
    assert kept(store, crawl(store, claim, "a", on_cluster=on_cluster)) == claim


@pytest.mark.parametrize(
    ("first", "then", "result"),
    [(WRITE, ADMIN, ADMIN), (ADMIN, WRITE, ADMIN), (WRITE, None, None), (None, WRITE, None), (None, None, None)],
)
def test_a_crawl_that_two_have_asked_for_keeps_the_wider_claim(
    store: ClusterStore, first: Scope | None, then: Scope | None, result: Scope | None
) -> None:
    assert crawl(store, first, "a") == (crawl_id := crawl(store, then, "a"))
    assert kept(store, crawl_id) == result


def test_a_paper_has_the_claim_of_its_crawl_and_the_operators_have_none(store: ClusterStore) -> None:
    crawl(store, WRITE, "a", "b")
    crawl(store, ADMIN, "c")
    crawl(store, None, "d")

    assert store.claims(["a", "b", "c", "d", "in no crawl", ""]) == {"a": "write", "b": "write", "c": "admin"}
    assert store.claims(["c"]) == {"c": "admin"}
    assert store.claims([]) == {}


def test_a_paper_of_several_crawls_has_the_widest_claim_of_them(store: ClusterStore) -> None:
    crawl(store, READ, "a", "b", "c")
    crawl(store, WRITE, "b", "c")
    crawl(store, None, "c")

    assert store.claims(["a", "b", "c"]) == {"a": "read", "b": "write"}


def test_where_all_is_the_operators_there_are_no_claims(store: ClusterStore) -> None:
    crawl(store, None, "a")
    assert store.claims(["a"]) == {}


def test_a_claim_that_is_no_scope_is_told_as_it_stands_so_that_it_is_refused(store: ClusterStore) -> None:
    crawl_id = crawl(store, WRITE, "a")
    with writing(store._engine) as connection:
        connection.execute(update(crawls).where(crawls.c.id == crawl_id).values(claim="root"))
    assert store.claims(["a"]) == {"a": "root"}


# What becomes of it where the claim does not reach


def test_a_job_that_is_refused_is_a_dead_letter_and_stays_one_when_its_crawl_goes_on(store: ClusterStore) -> None:
    crawl_id = crawl(store, READ, "a")
    store.refuse(Stage.CRAWL, "a", "Not for readers.", READ)
    store.go_on(LIMITS)

    [letter] = store.dead_letters(crawl_id)
    assert (letter.stage, letter.paper_id, letter.reason) == ("crawl", "a", "Not for readers.")
    assert store.due_count(Stage.CRAWL) == 0
    assert store.retry_dead([letter.id]) == [letter.id]
    assert store.claim("me", LIMITS, lease=45) is not None


def test_what_runs_or_is_over_or_is_not_there_is_left_alone(store: ClusterStore) -> None:
    """A hint may come late."""
    crawl(store, READ, "a")
    wave = claimed(store, lease=45)
    store.refuse(Stage.CRAWL, "a", "no", READ)
    store.refuse(Stage.SUMMARIZE, "a", "no", READ)
    store.refuse(Stage.CRAWL, "b", "no", READ)
    store.record_wave(wave, [answer("a", [])], LIMITS)
    store.refuse(Stage.CRAWL, "a", "no", READ)

    assert store.dead_letters() == []


@pytest.mark.parametrize("claim", [READ, None])
def test_a_crawl_whose_vault_may_not_be_seen_to_has_failed_unless_somebody_else_asks_for_it_too(
    store: ClusterStore, claim: Scope | None
) -> None:
    crawl_id = crawl(store, READ, "a")
    store.record_wave(claimed(store, lease=45), [answer("a", [])], LIMITS)
    store.go_on(LIMITS)
    work = store.claim_some(Stage.SUMMARIZE, "me", 9, lease=45)
    if work is not None:
        store.record_summaries(work, {})
        store.go_on(LIMITS)
    assert store.take_vaults_due(20.0) == ["a"]
    other = crawl(store, claim, "a", "b")
    store.refuse(Stage.GENERATE, "a", "Not for readers.", READ)

    [found] = [one for one in store.crawls() if one.id == crawl_id]
    if claim is None:
        assert (found.state, found.reason) == (CrawlState.RUNNING, None)
    else:
        assert (found.state, found.reason) == (CrawlState.FAILED, "Not for readers.")
        assert store.notes_due() == []
    assert [one.state for one in store.crawls() if one.id == other] == [CrawlState.RUNNING]


def test_what_was_asked_for_with_a_claim_that_does_not_reach_has_failed_and_the_others_are_begun(
    store: ClusterStore,
) -> None:
    wish = Wish((parse_seed("arXiv:2005.11401"),))
    refused, other = store.add_request(wish, READ), store.add_request(wish, WRITE)
    store.refuse(Stage.CRAWL, "arXiv:2005.11401", "Not for readers.", READ)

    view = store.crawl_view(refused)
    assert view is not None
    assert (view.state, view.reason) == (CrawlState.FAILED, "Not for readers.")
    taken = store.take_request(45)
    assert taken is not None
    assert taken.id == other
    assert store.take_request(45) is None
