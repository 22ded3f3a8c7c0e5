"""Crawls that go on from an earlier stage after dead letters are tried again, and those whose notes go to another vault."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, update

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import writing
from refnet.adapters.database.schema import crawls
from refnet.adapters.database.store import Store
from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlStage, CrawlState
from refnet.domain.jobs import JobFate, JobState, Stage
from refnet.domain.workers import UNHEALTHY_AFTER, WorkerReport
from tests.contract.conftest import Clock
from tests.contract.making import LIMITS, answer, open_crawl, work_off
from tests.contract.test_stages import (
    LEASE,
    SOURCE,
    VAULT,
    begin,
    by_hand,
    collect,
    hand_over,
    queued,
    to_the_notes,
    work,
)

NEW = "/home/ada/new"


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def bury(store: ClusterStore, stage: Stage, paper_id: str) -> None:
    """Give up the job of one paper that is due."""
    if stage is Stage.CRAWL:
        wave = store.claim("me", Limits(ids=1), lease=LEASE, lead=paper_id)
    else:
        wave = store.claim_some(stage, "me", 1, lead=paper_id, lease=LEASE)
    assert wave is not None
    assert wave.paper_ids == [paper_id]
    store.bury(wave, "it will not do")


def write(store: ClusterStore, crawl_id: int) -> None:
    """Name and write a crawl's notes, to its end."""
    begin(store, crawl_id, store.vault_papers(VAULT))
    work(store, Stage.GENERATE)
    store.end_writing(VAULT, store.written_revision(VAULT))
    assert store.stage(crawl_id) is None


def crawled_but(store: ClusterStore, stage: Stage) -> int:
    """A crawl that has ended, all but the job of `a` at `stage` done."""
    crawl_id = hand_over(store, "s", depth=2)
    work(store, Stage.CRAWL)
    store.go_on(LIMITS)
    if stage is Stage.CRAWL:
        bury(store, stage, "a")
    collect(store)
    if stage is Stage.SUMMARIZE:
        bury(store, stage, "a")
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    store.add_to_vault(VAULT, crawl_id)
    begin(store, crawl_id, store.vault_papers(VAULT))
    if stage is Stage.GENERATE:
        bury(store, stage, "a")
    work(store, Stage.GENERATE)
    assert store.end_writing(VAULT, store.written_revision(VAULT)) == [crawl_id]
    return crawl_id


def how(store: ClusterStore, crawl_id: int) -> tuple[CrawlState, CrawlStage | None]:
    return store.crawl(crawl_id).state, store.stage(crawl_id)


# Dead letters that are tried again


@pytest.mark.parametrize(
    ("stage", "at"),
    [(Stage.CRAWL, CrawlStage.CRAWL), (Stage.SUMMARIZE, CrawlStage.SUMMARIZE)],
)
def test_a_crawl_that_is_over_goes_on_with_a_job_of_it_that_is_tried_again_and_comes_to_its_notes(
    store: ClusterStore, stage: Stage, at: CrawlStage
) -> None:
    crawl_id = crawled_but(store, stage)
    assert how(store, crawl_id) == (CrawlState.FINISHED, None)

    (letter,) = store.dead_letters()
    assert store.retry_dead([letter.id]) == [letter.id]

    assert how(store, crawl_id) == (CrawlState.RUNNING, at)
    assert store.vault_of(crawl_id) == VAULT
    assert store.go_on(LIMITS) == [], "the job comes first"
    collect(store)
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    assert how(store, crawl_id) == (CrawlState.RUNNING, CrawlStage.NAME)
    assert store.collected(crawl_id) == ["a", "b", "s"]
    assert "a" in store.stored_summaries(["a"])
    write(store, crawl_id)
    assert store.fate(Stage.GENERATE, "a") == JobFate(JobState.DONE, 0.0)


@pytest.mark.parametrize("place", [VAULT, None], ids=["workers write there", "no worker has said where it writes"])
def test_of_a_note_that_is_tried_again_nothing_but_its_job_is_done(store: ClusterStore, place: str | None) -> None:
    """Else the vault would be seen to as a whole, and the crawl fail by what the note is given up for."""
    crawl_id = crawled_but(store, Stage.GENERATE)
    store.report(WorkerReport("generator@host", 1, ("generator",), place, 4, 0))
    store.retry_dead(None)
    assert how(store, crawl_id) == (CrawlState.FINISHED, None)
    assert work(store, Stage.GENERATE) == ["a"]


def test_a_note_of_a_folder_where_no_worker_writes_takes_its_crawl_along_when_it_is_tried_again(
    store: ClusterStore,
) -> None:
    crawl_id = crawled_but(store, Stage.GENERATE)
    store.report(WorkerReport("generator@host", 1, ("generator",), NEW, 4, 0))
    store.retry_dead(None)
    assert how(store, crawl_id) == (CrawlState.RUNNING, CrawlStage.SUMMARIZE)


def test_a_worker_that_was_not_heard_of_lately_writes_nowhere(store: ClusterStore, clock: Clock) -> None:
    crawl_id = crawled_but(store, Stage.GENERATE)
    store.report(WorkerReport("generator@gone", 1, ("generator",), VAULT, 4, 0))
    clock.move(UNHEALTHY_AFTER + 1)
    store.report(WorkerReport("generator@host", 1, ("generator",), NEW, 4, 0))
    store.retry_dead(None)
    assert how(store, crawl_id) == (CrawlState.RUNNING, CrawlStage.SUMMARIZE)


def test_what_was_to_follow_from_a_paper_that_is_tried_again_is_collected_too(store: ClusterStore) -> None:
    source = {**SOURCE, "a": answer("a", ["z"]), "z": answer("z", [])}
    crawl_id = crawled_but(store, Stage.CRAWL)
    store.retry_dead(None)
    collect(store, source)
    assert store.collected(crawl_id) == ["a", "b", "s", "z"]


def test_every_crawl_with_the_paper_goes_on_and_no_other(store: ClusterStore) -> None:
    first = crawled_but(store, Stage.CRAWL)
    ended = []
    for seed in ("t", "b"):
        crawl_id = hand_over(store, seed)
        collect(store)
        work(store, Stage.SUMMARIZE)
        store.go_on(LIMITS)
        write(store, crawl_id)
        ended.append(crawl_id)
    store.retry_dead(None)
    assert [store.stage(one) for one in (first, *ended)] == [CrawlStage.CRAWL, CrawlStage.CRAWL, None]


def test_a_crawl_that_failed_goes_on_and_its_reason_is_forgotten(store: ClusterStore) -> None:
    crawl_id = hand_over(store, "s")
    work(store, Stage.CRAWL)
    store.go_on(LIMITS)
    bury(store, Stage.CRAWL, "a")
    collect(store)
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    store.fail_crawls([crawl_id], "a bug")
    store.retry_dead(None)
    assert how(store, crawl_id) == (CrawlState.RUNNING, CrawlStage.CRAWL)
    assert store.crawl(crawl_id).reason is None


def test_a_crawl_that_was_cancelled_stays_so(store: ClusterStore) -> None:
    crawl_id = hand_over(store, "s")
    work(store, Stage.CRAWL)
    store.go_on(LIMITS)
    bury(store, Stage.CRAWL, "a")
    store.cancel_crawl(crawl_id)
    store.go_on(LIMITS)
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    assert how(store, crawl_id) == (CrawlState.RUNNING, CrawlStage.NAME)
    store.retry_dead(None)
    assert how(store, crawl_id) == (CrawlState.RUNNING, CrawlStage.NAME), "only what is collected becomes notes"
    write(store, crawl_id)
    work(store, Stage.CRAWL)
    assert how(store, crawl_id) == (CrawlState.CANCELLED, None)


def test_a_crawl_at_its_notes_goes_back_for_a_paper_that_is_tried_again_and_still_goes_round_once_more(
    store: ClusterStore, engine: Engine
) -> None:
    crawl_id = hand_over(store, "s")
    work(store, Stage.CRAWL)
    store.go_on(LIMITS)
    bury(store, Stage.CRAWL, "a")
    collect(store)
    bury(store, Stage.SUMMARIZE, "s")
    store.go_on(LIMITS)
    begin(store, crawl_id, ["b", "s"])
    with writing(engine) as connection:
        connection.execute(update(crawls).values(again=True))
    dead = {letter.stage: letter.id for letter in store.dead_letters()}

    store.retry_dead([dead["summarize"]])
    assert store.stage(crawl_id) is CrawlStage.SUMMARIZE
    store.retry_dead([dead["crawl"]])
    assert store.stage(crawl_id) is CrawlStage.CRAWL

    collect(store)
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    begin(store, crawl_id, ["a", "b", "s"])
    work(store, Stage.GENERATE)
    assert store.end_writing(VAULT, store.written_revision(VAULT)) == []
    assert store.stage(crawl_id) is CrawlStage.SUMMARIZE


def test_a_note_that_is_tried_again_keeps_a_crawl_at_its_notes_there(store: ClusterStore) -> None:
    crawl_id = to_the_notes(store, "s")
    begin(store, crawl_id, ["a", "b", "s"])
    bury(store, Stage.GENERATE, "a")
    store.retry_dead(None)
    assert store.stage(crawl_id) is CrawlStage.WRITE
    assert queued(store, Stage.GENERATE) == ["a", "b", "s"]


def test_a_paper_by_hand_that_the_source_knows_by_now_becomes_a_note_when_it_is_tried_again(
    store: ClusterStore,
) -> None:
    crawl_id = by_hand(store, "new", "s")
    collect(store)
    assert store.is_missing("new")
    work(store, Stage.SUMMARIZE)
    store.go_on(LIMITS)
    write(store, crawl_id)
    store.retry_dead(None)
    collect(store, {**SOURCE, "new": answer("new", [])})
    assert (store.is_missing("new"), store.collected(crawl_id)) == (False, ["new", "s"])


def test_papers_by_hand_are_collected_whatever_else_is_tried_again(store: ClusterStore) -> None:
    crawl_id = by_hand(store, "s")
    collect(store)
    bury(store, Stage.SUMMARIZE, "s")
    store.go_on(LIMITS)
    by_hand(store, "t")
    store.fail_crawls([crawl_id], "a bug")
    store.retry_dead(None)
    assert store.stage(crawl_id) is CrawlStage.CRAWL
    collect(store)
    assert store.collected(crawl_id) == ["s", "t"]
    assert queued(store, Stage.SUMMARIZE) == ["s", "t"]


def test_without_workers_the_next_who_asks_for_the_crawl_takes_up_what_is_tried_again(
    engine: Engine, clock: Clock
) -> None:
    alone = Store(engine, clock=clock)
    crawl_id = open_crawl(alone, "s", depth=0)
    alone.advance(crawl_id, LIMITS)
    wave = alone.claim("me", LIMITS)
    assert wave is not None
    alone.bury(wave, "it will not do")
    alone.advance(crawl_id, LIMITS)
    alone.finish_crawl(crawl_id)
    alone.retry_dead(None)
    assert alone.crawl(crawl_id).state is CrawlState.FINISHED
    assert open_crawl(alone, "s", depth=0) == crawl_id
    work_off(alone, crawl_id, SOURCE)
    assert alone.collected(crawl_id) == ["s"]


# Notes that are to go to a vault where nobody writes


@pytest.mark.parametrize("begun", [False, True], ids=["to be named", "being written"])
def test_notes_of_other_vaults_go_to_one_from_their_naming_on(store: ClusterStore, begun: bool) -> None:
    crawl_id = to_the_notes(store, "s")
    if begun:
        begin(store, crawl_id, ["a", "b", "s"])
    assert store.redirect(NEW) == [(crawl_id, VAULT)]
    assert (*how(store, crawl_id), store.vault_of(crawl_id)) == (CrawlState.RUNNING, CrawlStage.NAME, NEW)
    assert store.redirect(NEW) == []


def test_notes_that_were_queued_for_another_vault_alone_are_queued_no_more(store: ClusterStore) -> None:
    """Whoever writes to the new one would meet a whole vault of notes that belong to the other."""
    over = crawled_but(store, Stage.GENERATE)
    store.retry_dead(None)
    again = to_the_notes(store, "t")
    begin(store, again, ["a", "b", "s", "t"])
    store.add_to_vault(NEW, hand_over(store, "a", vault=NEW, depth=0))
    assert queued(store, Stage.GENERATE) == ["a", "b", "s", "t"]
    assert store.redirect(NEW) == [(again, VAULT)]
    assert queued(store, Stage.GENERATE) == ["a"], "of which the new one wants a note"
    assert how(store, over) == (CrawlState.FINISHED, None)


def test_only_notes_that_are_to_be_written_next_go_elsewhere(store: ClusterStore) -> None:
    over = crawled_but(store, Stage.GENERATE)
    here = to_the_notes(store, "t", vault=NEW)
    collecting = hand_over(store, "u")
    assert store.redirect(NEW) == []
    assert [store.vault_of(one) for one in (over, here, collecting)] == [VAULT, NEW, VAULT]


def test_a_vault_in_whose_place_another_comes_gives_it_its_language(store: ClusterStore) -> None:
    first = to_the_notes(store, "s")
    store.set_vault_language(VAULT, "ja")
    store.redirect(NEW)
    store.add_to_vault(NEW, first)
    assert store.vault_language(NEW) == "ja"


def test_a_vault_that_is_there_keeps_its_language(store: ClusterStore) -> None:
    to_the_notes(store, "s")
    store.set_vault_language(VAULT, "ja")
    store.set_vault_language(NEW, "en")
    store.redirect(NEW)
    assert store.vault_language(NEW) == "en"


def test_papers_noted_elsewhere_are_those_of_other_vaults_that_nobody_is_at(store: ClusterStore) -> None:
    crawled_but(store, Stage.GENERATE)
    assert store.noted_elsewhere(NEW, ["a", "s", "unknown"]) == {"a": VAULT, "s": VAULT}
    assert store.noted_elsewhere(VAULT, ["a", "s"]) == {}
    at_work = hand_over(store, "a", vault=NEW)
    assert store.noted_elsewhere(NEW, ["a", "s"]) == {"s": VAULT}, "its note will be asked for"
    store.add_to_vault(NEW, at_work)
    store.cancel_crawl(at_work)
    store.finish_crawl(at_work)
    assert store.noted_elsewhere(NEW, ["a", "s"]) == {"s": VAULT}
