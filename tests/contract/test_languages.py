"""The language of a vault, and what crawls wish for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select, update

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import crawls, jobs
from refnet.domain.crawls import CrawlSeed, CrawlStage, CrawlState, crawl_key
from refnet.domain.jobs import JobState
from refnet.domain.papers import Direction
from refnet.domain.requests import Found, Wish
from refnet.domain.workers import WorkerReport
from tests.cluster.lab import until
from tests.contract.conftest import Clock
from tests.contract.making import LIMITS
from tests.contract.test_ledger import waiting_for_locks

Begin = Callable[..., int]
VAULT, OTHER = "/home/ada/vault", "/home/ada/other"
GENERATOR = WorkerReport("generator@host", 17, ("generator",), VAULT, 1, 0)
CRAWLER = WorkerReport("crawler@host", 18, ("crawler",), None, 1, 0)


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def opened(store: ClusterStore, seed: str, lang: str | None, vault: str | None = VAULT) -> int:
    """One process is at it."""
    seeds = [CrawlSeed(seed, seed, "")]
    return store.open_crawl(crawl_key([seed], Direction.BOTH), Direction.BOTH, 0, 1, seeds, vault=vault, lang=lang)


def handed_over(store: ClusterStore, seed: str, lang: str | None, vault: str | None = VAULT) -> int:
    """Workers are at it."""
    about = (crawl_key([seed], Direction.BOTH), Direction.BOTH, 0, 1, [CrawlSeed(seed, seed, "")], None)
    return store.hand_over(*about, vault=vault, lang=lang, limits=LIMITS)


def vault_in(store: ClusterStore, lang: str, vault: str = VAULT) -> int:
    """A crawl whose notes stand in a vault of this language."""
    crawl_id = opened(store, f"first of {vault}", lang, vault)
    store.add_to_vault(vault, crawl_id)
    store.finish_crawl(crawl_id)
    return crawl_id


@pytest.mark.parametrize("begin", [opened, handed_over])
def test_who_asks_for_a_crawl_in_a_language_gives_it_to_the_vault_and_who_says_none_leaves_it(
    store: ClusterStore, begin: Begin
) -> None:
    vault_in(store, "en")
    begin(store, "s", "ja")
    assert store.vault_language(VAULT) == "ja"
    begin(store, "t", None)
    assert store.vault_language(VAULT) == "ja"
    assert store.vault_language(OTHER) == "en"

    begin(store, "t", "en")
    begin(store, "s", None)
    assert store.vault_language(VAULT) == "en", "the first crawl's wish is done"


def test_a_crawl_that_is_counted_among_those_of_a_vault_leaves_its_language(store: ClusterStore) -> None:
    vault_in(store, "ja")
    store.add_to_vault(VAULT, opened(store, "s", None))
    store.add_to_vault(OTHER, opened(store, "s", None))

    assert (store.vault_language(VAULT), store.vault_language(OTHER)) == ("ja", "en")


def test_what_is_wished_for_where_workers_write_is_for_the_vault_that_they_name_first(store: ClusterStore) -> None:
    handed_over(store, "s", "ja", None)
    store.report(CRAWLER)
    assert (store.vault_language(""), store.summary_lang("s")) == ("ja", "ja")

    store.report(GENERATOR)
    store.report(replace(GENERATOR, output_dir=OTHER))

    assert (store.vault_language(VAULT), store.vault_language(OTHER)) == ("ja", "en")
    assert store.summary_lang("s") == "en", "they moved, and so do the notes of a crawl that is nowhere yet"


def test_an_older_wish_for_a_vault_without_a_name_does_not_undo_a_newer_one(store: ClusterStore) -> None:
    handed_over(store, "s", "ja", None)
    handed_over(store, "t", "en", VAULT)

    store.report(GENERATOR)

    assert store.vault_language(VAULT) == "en"


def test_what_is_wished_for_while_no_generator_lives_holds_for_summaries_at_once(store: ClusterStore) -> None:
    vault_in(store, "en")
    store.report(GENERATOR)
    handed_over(store, "s", "ja", None)

    assert store.summary_lang("s") == "ja"


def test_a_request_gives_its_language_to_the_vault_once(store: ClusterStore) -> None:
    identity = store.add_request(Wish([], vault=VAULT, lang="ja"))
    for _ in range(2):
        store.next_request()
        store.begin_request(identity, "key", [CrawlSeed("s", "s", "")], [])
        assert store.vault_language(VAULT) == "ja"
    store.set_vault_language(VAULT, "en")

    assert store.next_request() is not None, "after an interrupt it is gone on with"
    store.begin_request(identity, "key", [CrawlSeed("s", "s", "")], [])
    assert store.vault_language(VAULT) == "en"


def test_a_vault_is_given_a_language_once(store: ClusterStore) -> None:
    vault_in(store, "en")

    assert [store.set_vault_language(VAULT, lang) for lang in ("en", "ja", "ja")] == [False, True, False]
    assert not store.set_vault_language("/new", "ja"), "there is nothing in another language"
    assert store.vault_language(VAULT) == "ja"


def test_workers_write_a_vault_in_another_language_by_going_over_a_crawl_that_is_finished(store: ClusterStore) -> None:
    first, stopped = vault_in(store, "en"), opened(store, "s", None)
    store.add_to_vault(VAULT, stopped)

    assert [store.translate(VAULT, lang) for lang in ("en", "ja", "ja")] == [False, True, False]

    assert (store.stage(first), store.crawl(first).state) == (CrawlStage.SUMMARIZE, CrawlState.RUNNING)
    assert store.stage(stopped) is None, "an interrupted crawl is not taken up for that"
    assert store.go_on(LIMITS) == [CrawlStage.NAME]


def test_where_only_a_cancelled_crawl_is_in_the_vault_its_notes_are_written_anew(
    store: ClusterStore, engine: Engine
) -> None:
    only = vault_in(store, "en")
    with writing(engine) as connection:
        connection.execute(update(crawls).values(state=CrawlState.CANCELLED, cancelled=True))

    assert store.translate(VAULT, "ja")

    assert store.stage(only) is CrawlStage.SUMMARIZE


@pytest.mark.parametrize(
    ("stage", "again"),
    [(CrawlStage.CRAWL, None), (CrawlStage.SUMMARIZE, None), (CrawlStage.NAME, True), (CrawlStage.WRITE, True)],
)
def test_where_all_crawls_are_at_work_one_writes_all_notes_at_its_end_or_else_goes_round_once_more(
    store: ClusterStore, engine: Engine, stage: CrawlStage, again: bool | None
) -> None:
    crawl_id = handed_over(store, "s", None)
    store.add_to_vault(VAULT, crawl_id)
    with writing(engine) as connection:
        connection.execute(update(crawls).where(crawls.c.id == crawl_id).values(stage=stage))

    assert store.translate(VAULT, "ja")

    with reading(engine) as connection:
        row = connection.execute(select(crawls).where(crawls.c.id == crawl_id)).one()
    assert (row.stage, row.again) == (stage, again)


def test_a_crawl_goes_round_once_for_another_language_and_then_is_over(store: ClusterStore, engine: Engine) -> None:
    crawl_id = handed_over(store, "s", None)
    store.add_to_vault(VAULT, crawl_id)
    with writing(engine) as connection:
        connection.execute(update(crawls).values(stage=CrawlStage.WRITE))
        connection.execute(update(jobs).values(state=JobState.DONE))
    store.translate(VAULT, "ja")

    store.end_writing(VAULT, store.written_revision(VAULT))
    assert store.stage(crawl_id) is CrawlStage.SUMMARIZE, "nothing is collected anew"
    assert store.go_on(LIMITS) == [CrawlStage.NAME]
    store.begin_writing([crawl_id], VAULT, [], "as it is", [])
    store.end_writing(VAULT, store.written_revision(VAULT))
    assert store.crawl(crawl_id).state is CrawlState.FINISHED


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # SQLite has one writer
def test_who_gives_a_vault_a_language_and_who_begins_to_write_it_do_not_wait_for_each_other(
    store: ClusterStore, engine: Engine
) -> None:
    crawl_id = handed_over(store, "s", None)
    store.add_to_vault(VAULT, crawl_id)
    with writing(engine) as connection:
        connection.execute(update(crawls).values(stage=CrawlStage.NAME))
    with ThreadPoolExecutor(2) as pool, engine.connect() as other, other.begin():
        other.execute(select(crawls).with_for_update())
        begun = pool.submit(store.begin_writing, [crawl_id], VAULT, ["s"], "as it is", [])
        until(lambda: waiting_for_locks(engine) == 1, 20, "the one to have begun")
        changed = pool.submit(store.translate, VAULT, "ja")
        until(lambda: waiting_for_locks(engine) == 2, 20, "the other to have begun")
        other.rollback()

    begun.result()
    assert changed.result()


def test_a_crawl_that_workers_began_and_that_is_asked_for_again_gives_the_vault_no_language(
    store: ClusterStore,
) -> None:
    identity = store.add_request(Wish([], vault=VAULT, lang="ja"))
    request = store.take_request(60.0)
    assert request is not None
    found = replace(request, found=Found(1, (CrawlSeed("s", "s", ""),)))
    crawl_id = store.start_request(found, crawl_key(["s"], Direction.BOTH), LIMITS)
    assert store.vault_language(VAULT) == "ja"

    store.ask_again(crawl_id)

    again = store.request(identity)
    assert again is not None
    assert (again.wish.vault, again.wish.lang) == (VAULT, None)


@pytest.mark.parametrize(
    ("wished", "vault", "got"),
    [("en", VAULT, "en"), (None, VAULT, "ja"), (None, OTHER, "en"), ("ja", OTHER, "ja"), (None, None, "ja")],
)
def test_a_model_writes_as_is_wished_for_else_as_the_vault_where_the_note_goes(
    store: ClusterStore, wished: str | None, vault: str | None, got: str
) -> None:
    vault_in(store, "ja")
    store.report(CRAWLER)
    store.report(GENERATOR)
    handed_over(store, "s", wished, vault)

    assert store.summary_lang("s") == got


def test_a_model_writes_in_english_where_nobody_says_anything(store: ClusterStore) -> None:
    assert store.summary_lang("unknown") == "en"
