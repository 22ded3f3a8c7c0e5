"""S06: `summarize_pdf` by hand, and three retries after 60, 120 and 180 s."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Connection

from refnet.adapters.database.cluster import ClusterStore
from refnet.demo.bundled import SEED, bundled_corpus
from refnet.domain.errors import SourceUnavailable
from refnet.domain.jobs import JobState, Stage, Wave
from refnet.pipeline.lease import Lease
from refnet.pipeline.offline import OfflineRunner
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.live_events import live_events

FETCH, SUMMARIZE = "crawler.tasks.fetch_paper_metadata", "summarizer.tasks.summarize_pdf"
ACTING = "tests.cluster.acting_tasks"
PAPER = "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"


@pytest.mark.slow
def test_s06_a_collected_paper_is_summarised_by_hand_and_again(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, environment={"MAX_DEPTH": "0"})
    lab.worker("crawler,summarizer")
    corpus = bundled_corpus()
    index = corpus.resolve(SEED)
    assert index is not None
    paper = corpus.row(index)
    told = (paper.get("tldr") or {}).get("text")

    with lab.app() as app:
        app.send_task(FETCH, [SEED]).get(timeout=90)
        for _ in range(2):
            before = lab.query("SELECT made_at FROM summaries")
            # Under another of its names.
            result = app.send_task(SUMMARIZE, [SEED]).get(timeout=90)
            assert result == {"status": "success", "paper_id": PAPER}
            assert lab.query("SELECT made_at FROM summaries") > before

    [row] = lab.query("SELECT paper_id, basis, text FROM summaries")
    assert row == (PAPER, "tldr", told) if told else (PAPER, "abstract")
    assert row.text in (told or paper["abstract"])
    [letters] = [lab.refnet.done("dead", "list", "--json").json]
    assert letters == []


@pytest.mark.slow
def test_s06_a_paper_that_is_not_collected_ends_as_failure_with_the_reason_and_a_dead_letter(lab: Lab) -> None:
    lab.worker("summarizer")

    with lab.app() as app, live_events(app) as events:
        result = app.send_task(SUMMARIZE, [PAPER])
        with pytest.raises(Exception, match=f"{PAPER} is not collected yet"):
            result.get(timeout=90)
        events.until("task-failed", result.id)
        assert "retried" not in events.kinds(result.id)

    [row] = [row for row in lab.results(SUMMARIZE) if row.task_id == result.id]
    assert row.status == "FAILURE"
    assert "fetch it first" in json.loads(row.result)["exc_message"][0]
    [letter] = lab.refnet.done("dead", "list", "--json").json
    assert (letter["stage"], letter["paper_id"]) == ("summarize", PAPER)
    assert "is not collected yet" in letter["reason"]
    assert not lab.stand_in.log


@pytest.mark.slow
def test_s06_a_publisher_that_does_not_answer_shows_as_retry_after_one_two_and_three_minutes(
    make_lab: MakeLab, redis_url: str
) -> None:
    lab = make_lab(redis_url, environment={"MAX_DEPTH": "0"})
    lab.worker("crawler", "-c1")
    with lab.app() as app:
        app.send_task(FETCH, [SEED]).get(timeout=90)
        lab.worker("summarizer", "-c1", app=ACTING)
        until(lambda: lab.query("SELECT state FROM jobs WHERE stage = 'summarize'") == [("done",)])
        app.send_task("acting.lose_publisher", queue="summarizer").get(timeout=60)

        with live_events(app) as events:
            for number in (1, 2, 3):
                task_id = app.send_task(SUMMARIZE, [PAPER]).id
                [(least, most)] = until(lambda one=task_id: events.waits(one), 60)  # type: ignore[misc]
                assert least <= 60.0 * number * 1.1
                assert most >= 60.0 * number - 1.0  # the ledger's clock started a moment before
                assert app.AsyncResult(task_id).state == "RETRY"
                assert lab.query("SELECT state, attempts FROM jobs WHERE stage = 'summarize'") == [("queued", number)]
                assert not lab.refnet.done("dead", "list", "--json").json
                with lab.engine.begin() as connection:  # time passes
                    connection.exec_driver_sql("UPDATE jobs SET due_at = 0")
            with pytest.raises(Exception, match="The publisher does not answer"):
                app.send_task(SUMMARIZE, [PAPER]).get(timeout=60)

    [letter] = lab.refnet.done("dead", "list", "--json").json
    assert (letter["stage"], letter["paper_id"], letter["attempts"]) == ("summarize", PAPER, 4)
    assert letter["reason"] == "The publisher does not answer."


class Clock:
    """A clock that stands still until it is moved."""

    now = 1_750_000_000.0

    def __call__(self, connection: Connection) -> float:
        return self.now


@pytest.mark.parametrize("stage", [Stage.SUMMARIZE, Stage.GENERATE])
def test_s06_three_retries_come_after_one_two_and_three_minutes_and_then_it_is_given_up(lab: Lab, stage: Stage) -> None:
    clock = Clock()
    store = ClusterStore(lab.engine, clock=clock)
    tried: list[str] = []

    def work(wave: Wave, lease: Lease) -> None:
        tried.extend(wave.paper_ids)
        raise SourceUnavailable("The publisher does not answer.")

    runner = OfflineRunner(store, stage, work, owner="here:1", most=10)
    store.enqueue(stage, [PAPER])
    waits = []
    while (fate := runner.step()) is not None and not fate.buried:
        assert fate.charged
        waits.append(fate.due_in)
        clock.now += fate.due_in - 0.1
        assert runner.step() is None, "it was tried before its time"
        clock.now += 0.1

    assert waits == [60.0, 120.0, 180.0]
    assert tried == [PAPER] * 4
    found = store.fate(stage, PAPER)
    assert found is not None
    assert (found.state, found.reason) == (JobState.DEAD, "The publisher does not answer.")
    [letter] = store.dead_letters()
    assert (letter.paper_id, letter.attempts) == (PAPER, 4)


def test_s06_the_task_allows_three_retries() -> None:
    from refnet.entrypoints.celery.tasks import CrawlerTask, GeneratorTask, SummarizerTask

    assert SummarizerTask.max_retries == GeneratorTask.max_retries == 3
    assert CrawlerTask.max_retries == 10
