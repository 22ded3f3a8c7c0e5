"""Turns of those that see to a vault, as the database counts them, and crawls that failed."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.domain.crawls import CrawlState
from refnet.domain.jobs import Stage
from refnet.domain.papers import Direction
from tests.contract.conftest import Clock
from tests.contract.making import LIMITS, open_crawl, work_off
from tests.contract.test_stages import SOURCE, begin, by_hand, collect, hand_over, to_the_notes, work


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def how_it_stands(store: ClusterStore, crawl_id: int) -> tuple[CrawlState, str | None, str | None]:
    crawl = store.crawl(crawl_id)
    return crawl.state, crawl.reason, crawl.traceback


def test_turns_that_do_not_end_are_counted_until_one_ends_well(store: ClusterStore) -> None:
    crawl_id = to_the_notes(store, "s")
    assert [store.begin_turn([crawl_id], f"host:{number}")[crawl_id] for number in range(3)] == [0, 1, 2]
    store.end_turn("host:0")
    assert store.begin_turn([crawl_id], "host:3") == {crawl_id: 3}, "that was not the last who was at it"
    store.end_turn("host:3")
    assert store.begin_turn([crawl_id], "host:4") == {crawl_id: 0}


def test_a_turn_given_back_does_not_count(store: ClusterStore) -> None:
    crawl_id = to_the_notes(store, "s")
    store.begin_turn([crawl_id], "host:1")
    store.begin_turn([crawl_id], "host:2")
    store.give_back_turn("host:1")
    store.give_back(["host:2", "host:3"])
    store.give_back(["host:2"])
    assert store.begin_turn([crawl_id], "host:4") == {crawl_id: 1}


def test_a_turn_that_is_charged_is_neither_given_back_nor_forgotten_with_the_next_of_its_process(
    store: ClusterStore,
) -> None:
    crawl_id, another = to_the_notes(store, "s"), to_the_notes(store, "t")
    store.begin_turn([crawl_id], "host:1")
    store.charge_turn("host:1")
    store.give_back(["host:1"])
    store.give_back_turn("host:1")
    store.begin_turn([another], "host:1")
    store.end_turn("host:1")
    assert store.begin_turn([crawl_id, another], "host:2") == {crawl_id: 1, another: 0}


def test_a_turn_is_over_crawls_only_whose_notes_are_due(store: ClusterStore) -> None:
    naming, collecting = to_the_notes(store, "s"), hand_over(store, "t")
    assert store.begin_turn([collecting, naming, 999], "host:1") == {naming: 0}


def test_a_crawl_fails_with_its_reason_and_nobody_is_told_of_it_any_more(store: ClusterStore) -> None:
    crawl_id = to_the_notes(store, "s")
    store.fail_crawls([crawl_id], "TypeError: no", "Traceback: …")
    assert how_it_stands(store, crawl_id) == (CrawlState.FAILED, "TypeError: no", "Traceback: …")
    assert (store.notes_due(), store.take_vaults_due(0.0), store.go_on(LIMITS)) == ([], [], [])


def test_a_crawl_whose_notes_are_being_written_can_fail_too_and_the_notes_are_written_all_the_same(
    store: ClusterStore,
) -> None:
    crawl_id = to_the_notes(store, "s")
    begin(store, crawl_id, ["a", "s"])
    store.fail_crawls([crawl_id], "no")
    assert work(store, Stage.GENERATE) == ["a", "s"]
    assert how_it_stands(store, crawl_id)[0] is CrawlState.FAILED


def test_only_crawls_whose_notes_are_due_fail_by_their_vault(store: ClusterStore) -> None:
    finished, extended = open_crawl(store, "t", depth=0), to_the_notes(store, "s", depth=0)
    work_off(store, finished, SOURCE)
    hand_over(store, "s", depth=1)
    store.fail_crawls([finished, extended], "no")
    assert how_it_stands(store, finished) == (CrawlState.FINISHED, None, None)
    assert how_it_stands(store, extended) == (CrawlState.RUNNING, None, None)


@pytest.mark.parametrize("again", ["handed over", "rewritten", "opened by one process"])
def test_a_failed_crawl_that_is_asked_for_again_is_as_if_it_had_never_failed(store: ClusterStore, again: str) -> None:
    crawl_id = to_the_notes(store, "s")
    store.begin_turn([crawl_id], "host:1")
    store.begin_turn([crawl_id], "host:2")
    store.fail_crawls([crawl_id], "no", "Traceback")
    if again == "handed over":
        assert hand_over(store, "s") == crawl_id
    elif again == "rewritten":
        store.rewrite(crawl_id, None)
    else:
        assert open_crawl(store, "s", direction=Direction.REFERENCES) == crawl_id
    assert how_it_stands(store, crawl_id) == (CrawlState.RUNNING, None, None)
    if again == "handed over":
        assert to_the_notes(store, "s") == crawl_id
        assert store.begin_turn([crawl_id], "host:3") == {crawl_id: 0}


def test_papers_by_hand_take_up_their_crawl_that_failed(store: ClusterStore) -> None:
    crawl_id = by_hand(store, "s")
    collect(store)
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    store.fail_crawls([crawl_id], "no")
    assert how_it_stands(store, crawl_id)[0] is CrawlState.FAILED
    assert by_hand(store, "t") == crawl_id
    assert how_it_stands(store, crawl_id) == (CrawlState.RUNNING, None, None)


def test_what_one_process_does_fails_by_itself_and_what_workers_do_does_not(store: ClusterStore) -> None:
    alone, together = open_crawl(store, "t", depth=0), to_the_notes(store, "s")
    for crawl_id in (alone, together):
        store.fail_crawl(crawl_id, "TypeError: no", "Traceback")
    assert how_it_stands(store, alone) == (CrawlState.FAILED, "TypeError: no", "Traceback")
    assert how_it_stands(store, together) == (CrawlState.RUNNING, None, None)
