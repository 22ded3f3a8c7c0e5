"""Which papers are read, in which order, and how what came of it is kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, update

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.schema import summaries
from refnet.adapters.database.summaries import LOOK_AGAIN
from refnet.domain.crawl import Ask
from refnet.domain.crawls import CrawlSeed, CrawlStage, crawl_key
from refnet.domain.documents import NoFullText
from refnet.domain.jobs import JobState, Stage, Wave
from refnet.domain.papers import Answer, Direction, Stub
from refnet.domain.summaries import FULL_TEXT, NOTHING, Finding, Provenance, Summary
from refnet.pipeline.lease import LEASE
from tests.contract.conftest import Clock
from tests.contract.making import LIMITS, answer, rows, work_off

#: Admitted in this order: the seed; then what it cites, by citation count.
ORDER = ["s", "c", "b", "a"]
CITED = {"a": 1, "b": 5, "c": 9}
SOURCE: dict[str, Answer | None] = {
    "s": answer("s", [Stub(one, one, 2000, cited) for one, cited in CITED.items()], abstract="An abstract."),
    "a": answer("a", [], citations_of=1, abstract="An abstract."),
    "b": answer("b", [], citations_of=5, tldr="Short."),
    "c": answer("c", [], citations_of=9),
}
READ = Summary(
    "It counts stars.",
    FULL_TEXT,
    findings=(Finding("There are 9.", "We count 9 stars.", 4), Finding("星は多い。", "星は多い。", 5)),
    keywords=("stars", "星"),
    lang="ja",
    provenance=Provenance("https://arxiv.org/pdf/1", "ab" * 32, 12, 10, "gpt", "1", "why", 2, 312),
)


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def crawl_of(store: ClusterStore, full_texts: int | None, limit: int = 4) -> int:
    key = crawl_key(["s"], Direction.REFERENCES)
    seeds = [CrawlSeed("s", "s", "")]
    crawl_id = store.open_crawl(key, Direction.REFERENCES, 1, limit, seeds, full_texts=full_texts)
    work_off(store, crawl_id, SOURCE)
    return crawl_id


def given_to_workers(store: ClusterStore, full_texts: int | None, vault: str | None = None) -> int:
    """A crawl whose papers are to be summarised by workers."""
    crawl_id = hand_over(store, full_texts, vault)
    work_off(store, crawl_id, SOURCE)
    assert store.go_on(LIMITS) == [CrawlStage.SUMMARIZE]
    return crawl_id


def hand_over(store: ClusterStore, full_texts: int | None, vault: str | None = None) -> int:
    seeds = [CrawlSeed("s", "s", "")]
    about = (crawl_key(["s"], Direction.REFERENCES), Direction.REFERENCES, 1, 4, seeds, None)
    return store.hand_over(*about, vault=vault, lang="ja", limits=LIMITS, full_texts=full_texts)


def read_by_workers(store: ClusterStore, crawl_id: int) -> list[str]:
    """The papers whose PDF the workers are to read, once a crawl is collected."""
    work_off(store, crawl_id, SOURCE)
    assert store.go_on(LIMITS) == [CrawlStage.SUMMARIZE]
    waves = iter(lambda: store.claim_some(Stage.SUMMARIZE, "me", 100, lease=LEASE), None)
    return sorted(paper for wave in waves if wave.ask == Ask.FULL_TEXT for paper in wave.paper_ids)


def claim(store: ClusterStore, lead: str | None = None) -> Wave:
    wave = store.claim_some(Stage.SUMMARIZE, "me", 100, lead=lead, lease=LEASE)
    assert wave is not None
    return wave


def test_a_summary_is_kept_with_all_that_it_says(store: ClusterStore) -> None:
    store.save_summaries({"p": READ, "q": Summary("Short.", "tldr")})
    assert store.stored_summaries(["p", "q", "r"]) == {"p": READ, "q": Summary("Short.", "tldr")}
    store.save_summaries({"p": Summary("Again.", "abstract", why=NoFullText.DAMAGED)})
    assert store.stored_summaries(["p"]) == {"p": Summary("Again.", "abstract", why="damaged")}


def test_the_best_papers_of_a_crawl_are_read_the_best_first(store: ClusterStore) -> None:
    crawl_id = crawl_of(store, 3)
    assert store.full_texts_due(crawl_id, 3) == ORDER[:3]


def test_all_papers_are_read_where_all_are_wanted_and_none_where_none_are(store: ClusterStore) -> None:
    crawl_id = crawl_of(store, None)
    assert store.full_texts_due(crawl_id, None) == ORDER
    assert store.full_texts_due(crawl_id, 0) == []


def test_what_was_read_or_just_tried_is_not_read_again_and_its_place_goes_to_nobody_else(
    store: ClusterStore, clock: Clock
) -> None:
    crawl_id = crawl_of(store, 3)
    clock.now += 1
    store.save_summaries(
        {"s": READ, "c": Summary("", NOTHING, why=NoFullText.NOT_OPEN), "b": Summary("Short.", "tldr")}
    )
    assert store.full_texts_due(crawl_id, 3) == ["b"]
    clock.now += LOOK_AGAIN + 1
    assert store.full_texts_due(crawl_id, 3) == ["c", "b"]


@pytest.mark.parametrize(
    ("first", "then", "read"),
    [(2, 3, 3), (3, 2, 3), (3, 0, 3), (None, 2, 4), (2, None, 4), (0, 2, 2), (None, 0, 4), (0, 0, 0)],
)
def test_a_crawl_at_work_that_is_asked_for_again_reads_the_larger_number_of_papers(
    store: ClusterStore, first: int | None, then: int | None, read: int
) -> None:
    hand_over(store, first)
    crawl_id = hand_over(store, then)
    assert read_by_workers(store, crawl_id) == sorted(ORDER[:read])


def test_of_a_crawl_that_was_cancelled_while_it_collected_no_paper_is_read(store: ClusterStore) -> None:
    crawl_id = hand_over(store, None)
    work_off(store, crawl_id, SOURCE)

    assert store.cancel_crawl(crawl_id)

    assert read_by_workers(store, crawl_id) == []


@pytest.mark.parametrize(("first", "then", "left"), [(3, 1, 3), (None, 1, None), (1, None, None), (3, 0, 0)])
def test_of_a_crawl_that_is_over_a_smaller_number_takes_nothing_away_and_none_at_all_is_a_wish(
    store: ClusterStore, first: int | None, then: int, left: int | None
) -> None:
    store.finish_crawl(crawl_of(store, first))
    store.ask_again(crawl_of(store, then))
    asked = store.next_request()
    assert asked is not None
    assert asked.wish.full_texts == left


def test_a_paper_read_in_full_is_not_summarised_from_less_when_it_is_fetched_anew(
    store: ClusterStore, clock: Clock
) -> None:
    crawl_id = crawl_of(store, 1)
    store.save_summaries({"s": READ, "a": Summary("An abstract.", "abstract"), "b": Summary("Short.", "tldr")})
    assert store.unsummarized(crawl_id) == []
    clock.now += 10
    store.open_crawl(
        crawl_key(["s"], Direction.REFERENCES), Direction.REFERENCES, 1, 4, [CrawlSeed("s", "s", "")], refresh_days=0
    )
    work_off(store, crawl_id, SOURCE)
    assert store.unsummarized(crawl_id) == ["a", "b"]


def fetch_again(store: ClusterStore, clock: Clock, crawl_id: int, source: dict[str, Answer | None]) -> None:
    clock.now += 10
    key = crawl_key(["s"], Direction.REFERENCES)
    store.open_crawl(key, Direction.REFERENCES, 1, 4, [CrawlSeed("s", "s", "")], refresh_days=0)
    work_off(store, crawl_id, source)


def test_why_a_paper_was_not_read_outlives_its_record_but_does_not_keep_it_from_being_tried_again(
    store: ClusterStore, clock: Clock
) -> None:
    crawl_id = crawl_of(store, 3)
    clock.now += 1
    store.save_summaries({"s": READ, "b": Summary("Short.", "tldr", why=NoFullText.NOT_OPEN)})
    fetch_again(store, clock, crawl_id, SOURCE)
    clock.now += 1
    store.save_summaries({"b": Summary("New.", "tldr"), "a": Summary("An abstract.", "abstract")})
    assert store.stored_summaries(["b"]) == {"b": Summary("New.", "tldr", why="not open")}
    assert "b" not in store.unsummarized(crawl_id)
    assert store.full_texts_due(crawl_id, 3) == ["c", "b"]
    store.save_summaries({"b": Summary("New.", "tldr", why=NoFullText.DAMAGED)})
    assert store.stored_summaries(["b"])["b"].why == "damaged"
    assert store.full_texts_due(crawl_id, 3) == ["c"]
    store.save_summaries({"b": READ})
    assert store.stored_summaries(["b"]) == {"b": READ}


@pytest.mark.parametrize(
    ("had", "has", "left"),
    [
        ({}, {"pdf_url": "https://lab.example/b.pdf"}, None),
        ({}, {"external_ids": {"ArXiv": "2005.11401"}}, None),
        ({"external_ids": {"ArXiv": "2005.11401"}}, {"external_ids": {"ArXiv": "2005.11401", "DOI": "10.1/b"}}, None),
        ({"pdf_url": "https://lab.example/b.pdf"}, {"pdf_url": "https://lab.example/b.pdf"}, "not open"),
        ({"external_ids": {"DOI": "10.1/B"}}, {"external_ids": {"DOI": "10.1/b", "MAG": "7"}}, "not open"),
        ({"pdf_url": "https://lab.example/b.pdf"}, {}, "not open"),
    ],
)
def test_why_a_paper_was_not_read_is_forgotten_once_its_record_names_another_place(
    store: ClusterStore, clock: Clock, had: dict[str, Any], has: dict[str, Any], left: str | None
) -> None:
    crawl_id = crawl_of(store, 3)
    fetch_again(store, clock, crawl_id, SOURCE | {one: answer(one, [], tldr="Short.", **had) for one in ("b", "c")})
    clock.now += 1
    untold = Summary("", NOTHING, why=NoFullText.NOT_OPEN)
    store.save_summaries({"b": Summary("Short.", "tldr", why=NoFullText.NOT_OPEN), "c": untold})
    fetch_again(store, clock, crawl_id, SOURCE | {one: answer(one, [], tldr="Short.", **has) for one in ("b", "c")})
    assert store.stored_summaries(["b"]) == {"b": Summary("Short.", "tldr", why=left)}
    # Of one that had nothing to go by, nothing is left.
    assert store.stored_summaries(["c"]) == ({"c": untold} if left else {})


def test_papers_that_could_not_be_read_are_counted_by_the_reason(store: ClusterStore) -> None:
    crawl_id = crawl_of(store, None)
    open_nowhere = Summary("Short.", "tldr", why=NoFullText.NOT_OPEN)
    store.save_summaries(
        {"s": READ, "a": open_nowhere, "b": open_nowhere, "c": Summary("", NOTHING, why=NoFullText.NO_TEXT)}
    )
    assert store.full_texts_missed(crawl_id) == {"not open": 2, "no text": 1}
    assert (store.summary_count(crawl_id), store.full_text_count(crawl_id)) == (3, 1)


def test_a_summary_kept_before_pages_were_told_apart_is_still_read(store: ClusterStore, engine: Engine) -> None:
    crawl_of(store, 1)
    store.save_summaries({"s": READ})
    old = {"pdf_url": "https://arxiv.org/pdf/1", "pdf_sha256": "ab" * 32, "pages": 12, "pages_read": 10}
    with engine.begin() as connection:
        connection.execute(update(summaries).where(summaries.c.paper_id == "s").values(provenance=old))
    assert store.stored_summaries(["s"])["s"].provenance == Provenance("https://arxiv.org/pdf/1", "ab" * 32, 12, 10)


def test_workers_read_the_best_papers_one_at_a_time_and_the_others_together(store: ClusterStore) -> None:
    given_to_workers(store, 2)
    together = claim(store)
    assert (sorted(together.paper_ids), together.ask) == (["a", "b"], Ask.NOTHING)
    alone = [claim(store), claim(store)]
    assert sorted(paper for wave in alone for paper in wave.paper_ids) == ["c", "s"]
    assert {wave.ask for wave in alone} == {Ask.FULL_TEXT}
    assert store.claim_some(Stage.SUMMARIZE, "me", 100, lease=LEASE) is None


def test_what_somebody_wants_read_while_it_is_summarised_from_less_is_read_next(
    store: ClusterStore, engine: Engine
) -> None:
    given_to_workers(store, 0)
    wave = claim(store, "a")
    assert "a" in wave.paper_ids
    store.enqueue(Stage.SUMMARIZE, ["a"], Ask.DETAILS | Ask.FULL_TEXT)
    store.record_summaries(wave, {"a": Summary("An abstract.", "abstract")})
    assert rows(engine, Stage.SUMMARIZE)["a"].state == JobState.QUEUED
    again = claim(store)
    assert (again.paper_ids, again.ask) == (["a"], Ask.FULL_TEXT)
    store.record_summaries(again, {"a": READ})
    assert rows(engine, Stage.SUMMARIZE)["a"].state == JobState.DONE
    assert store.stored_summaries(["a"]) == {"a": READ}


def test_the_language_of_a_summary_is_that_of_the_vault_of_the_newest_crawl_with_the_paper(
    store: ClusterStore, clock: Clock
) -> None:
    given_to_workers(store, 0, "/in Japanese")
    assert store.summary_lang("a") == "ja"
    clock.now += 1
    about = (crawl_key(["a"], Direction.BOTH), Direction.BOTH, 0, 4, [CrawlSeed("a", "a", "")], None)
    store.hand_over(*about, vault="/in English", lang="en", limits=LIMITS)
    assert (store.summary_lang("a"), store.summary_lang("b"), store.summary_lang("unknown")) == ("en", "ja", "en")
