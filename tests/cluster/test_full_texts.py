"""Papers read by workers: the same notes as one process writes, whoever is killed while it reads or pays."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnet.demo.bundled import demo_corpus, invented_papers
from tests.acceptance.command import tree
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import until
from tests.model_server import ModelServer

FETCH = "crawler.tasks.fetch_paper_metadata"
SUMMARIZE = "summarizer.tasks.summarize_pdf"
PREPRINT = "93b04e6d275d1f212068f0ece499f28b4824359d"
CLOSED = "5ef56432e386b9c5c13709ed387d4c93d53c8aa8"
MAP = ("map", *invented_papers(), "--depth", "0", "--summaries", "all", "--json")


def notes(vault: Path) -> dict[str, bytes]:
    return {name: text for name, text in tree(vault).items() if name.startswith("papers/")}


@pytest.mark.slow
def test_workers_read_papers_and_write_the_notes_that_one_process_writes(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url, demo_corpus())
    lab.worker()

    report = lab.refnet.done(*MAP).json

    assert (report["full_texts"], report["not_read"], report["dead"]) == (6, {"not open": 1}, 0)
    alone = lab.refnet.without("CELERY_BROKER_URL", "DATABASE_URL").with_(
        OUTPUT_DIR=str(lab.refnet.folder / "alone"), REFNET_DATA_DIR=str(lab.refnet.folder / "own")
    )
    assert alone.done(*MAP).json["full_texts"] == 6
    assert notes(lab.vault) == notes(lab.refnet.folder / "alone")


@pytest.mark.slow
def test_papers_whose_worker_is_killed_while_the_model_writes_are_read_and_paid_for_within_the_cap(
    make_lab: MakeLab, redis_url: str
) -> None:
    with ModelServer(["hang", "hang", "good"]) as server:
        settings = {"OPENAI_BASE_URL": server.url, "REFNET_LLM_MODEL": "small-model"}
        lab = make_lab(redis_url, demo_corpus(), environment=settings)
        worker = lab.worker()
        crawl = lab.refnet.start(*MAP)
        until(lambda: len(server.asked) >= 1, 90, "the model to be asked")
        worker.kill()
        lab.worker()
        ended = crawl.wait()

    assert ended.code == 0, ended.err
    assert ended.json["full_texts"] == 6
    with lab.engine.begin() as connection:
        answers = connection.exec_driver_sql("SELECT count(*), count(DISTINCT key) FROM model_answers").one()
    assert answers == (6, 6)


@pytest.mark.slow
def test_a_paper_that_is_asked_for_by_hand_is_read_though_its_crawl_read_none(
    make_lab: MakeLab, redis_url: str
) -> None:
    lab = make_lab(redis_url, demo_corpus())
    lab.worker()
    words = ("map", *invented_papers(), "--depth", "0", "--json")
    assert lab.refnet.done(*words, "--no-summaries").json["full_texts"] == 0

    with lab.app() as app:
        for paper in (PREPRINT, CLOSED):
            assert app.send_task(SUMMARIZE, [paper]).get(timeout=90) == {"status": "success", "paper_id": paper}

    assert dict(lab.query("SELECT paper_id, basis FROM summaries"))[PREPRINT] == "full text"
    assert dict(lab.query("SELECT paper_id, why FROM summaries"))[CLOSED] == "not open"
    until(lambda: any(b"From the full text" in text for text in notes(lab.vault).values()), 60, "its note")


@pytest.mark.slow
def test_summaries_made_again_by_command_reach_the_notes_of_the_workers(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, demo_corpus())
    lab.worker()
    lab.refnet.done(*MAP)
    with ModelServer(["good"]) as server:
        model = lab.refnet.with_(OPENAI_BASE_URL=server.url)
        model.done("summarize", PREPRINT, "--model", "small-model")

    until(
        lambda: any(b"By the language model small-model" in text for text in notes(lab.vault).values()), 60, "its note"
    )


@pytest.mark.slow
def test_the_workers_keep_the_language_of_the_vault_until_it_is_given_another(
    make_lab: MakeLab, redis_url: str
) -> None:
    lab = make_lab(redis_url, demo_corpus())
    lab.worker()
    first, second, third, *_ = invented_papers()
    alone = ("--depth", "0", "--no-summaries")

    def written(*headings: bytes) -> bool:
        texts = notes(lab.vault).values()
        return len(texts) == len(headings) and all(one in text for one, text in zip(headings, texts, strict=True))

    lab.refnet.done("map", first, *alone, "--lang", "ja")
    lab.refnet.done("map", second, *alone)
    assert written(*["## リンク".encode()] * 2)
    with lab.app() as app:
        # At a depth at which nothing is expanded.
        app.send_task(FETCH, [third, 10]).get(timeout=90)
    until(lambda: written(*["## リンク".encode()] * 3), 60, "the note of a paper by hand")

    told = lab.refnet.done("summarize", first, "--lang", "en").out
    assert "The headings of all notes are in English from now on." in told
    until(lambda: written(*[b"## Links"] * 3), 60, "all notes in English")
