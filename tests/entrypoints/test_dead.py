"""`refnet dead` with both kinds of dead letters: jobs, and messages that no worker could run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator

import pytest

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import database_url, open_engine
from refnet.bootstrap.cluster import Cluster
from refnet.domain.dead_messages import UNDECODABLE, RefusedMessage, storable
from refnet.domain.errors import InvalidIdentifier
from refnet.domain.jobs import Stage
from refnet.entrypoints.celery import dead_letters, process
from refnet.entrypoints.cli.main import run
from refnet.entrypoints.cli.start import opened
from tests.servers import free_port

Told = Callable[..., str]
HOSTILE = "\x1b]0;owned\x07"


@pytest.fixture
def letters() -> Iterator[ClusterStore]:
    """The store with three: a job, a forged message, and what is no message at all. Their ids are 1, 2 and 3."""
    engine = opened().engine
    store = ClusterStore(engine)
    store.bury_by_hand(Stage.SUMMARIZE, "a" * 40, "It is not collected.")
    envelope = {
        "headers": {"task": "crawler.tasks.x", "id": "17", "note": HOSTILE},
        "body": f'[["{HOSTILE}"], {{}}, {{}}]\nsecond line',
        "properties": {"delivery_info": {}, "body_encoding": "utf-8"},
    }
    forged = RefusedMessage.of(
        "d1",
        "crawler",
        "It carries no signature of refnet's.",
        task=f"crawler.tasks.{HOSTILE}",
        task_id="17",
        traceback="Traceback (most recent call last)\n  a line",
        message=json.dumps(envelope).encode(),
    )
    for _ in range(3):
        store.record_dead_message(forged)
    store.record_dead_message(RefusedMessage.of("raw:d2", UNDECODABLE, "It is no message.", message=b"\xff{garbage"))
    yield store
    engine.dispose()


@pytest.fixture
def told(letters: ClusterStore, capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs a command that is to end with `code`; what it says on both streams."""

    def tell(*words: str, code: int = 0) -> str:
        assert run(["dead", *words]) == code
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err
        assert "\x07" not in out + err
        return out + err

    return tell


def test_both_kinds_stand_in_one_table_of_columns(told: Told) -> None:
    lines = told("list").splitlines()
    assert len(lines) == 3
    assert {line.index(word) for line, word in zip(lines, ("aaaa", "crawler", "dlq.raw"), strict=True)} == {36}
    assert lines[0].startswith("1  20")
    assert lines[0].endswith("UTC  summarize  " + "a" * 40 + "  It is not collected.")
    assert "message    crawler.tasks.\\x1b]0;owned\\x07" in lines[1]
    assert lines[1].endswith("It carries no signature of refnet's. (3 times)")
    assert lines[2].endswith("message    dlq.raw" + 35 * " " + "It is no message.")


def test_the_document_has_null_for_what_a_message_has_not(told: Told) -> None:
    job, forged, raw = json.loads(told("list", "--json"))
    assert (job["task"], job["stage"], job["attempts"]) == ("summarizer.tasks.summarize_pdf", "summarize", 1)
    assert (forged["task"], forged["id"]) == ("crawler.tasks.\\x1b]0;owned\\x07", 2)
    assert (raw["task"], raw["reason"]) == (None, "It is no message.")
    for message in (forged, raw):
        assert (message["stage"], message["paper_id"], message["attempts"]) == (None, None, None)
        assert set(message) == set(job) == {"id", "task", "stage", "paper_id", "reason", "attempts", "at"}


def test_a_message_is_shown_with_its_headers_and_where_its_body_begins(told: Told) -> None:
    shown = told("show", "2")
    assert "in crawler, refused 20" in shown
    assert "(3 times):\nIt carries no signature of refnet's.\nTraceback (most recent call last)\n  a line\n" in shown
    assert 'task: "crawler.tasks.x"\nid: "17"\nnote: "\\u001b]0;owned\\u0007"\n' in shown
    assert 'Its body begins:\n[["\\x1b]0;owned\\x07"], {}, {}]\nsecond line\n' in shown
    assert "�{garbage" in told("show", "3")

    document = json.loads(told("show", "2", "--json"))
    assert (document["queue"], document["times"], document["headers"]["id"]) == ("crawler", 3, "17")
    assert document["body"].endswith("second line")


def test_a_message_is_not_sent_again_where_there_is_no_broker_and_nothing_is_changed(
    told: Told, letters: ClusterStore
) -> None:
    assert "CELERY_BROKER_URL is not set" in told("retry", "1", "2", code=2)
    assert "it is no message" in told("retry", "3", code=2)
    assert [job.id for job in letters.dead_letters()] == [1]
    assert [message.id for message in letters.dead_messages()] == [2, 3]


def test_all_are_retried_but_what_is_no_message(told: Told, letters: ClusterStore) -> None:
    letters.purge_dead([1])
    letters.purge_dead_messages([2])
    said = told("retry", "--all", code=1)
    assert "Dead letter 3 cannot be sent again and stays: it is no message" in said
    assert "0 queued again." in said
    assert [message.id for message in letters.dead_messages()] == [3]


def test_messages_that_cannot_be_sent_keep_no_job_from_being_queued(told: Told, letters: ClusterStore) -> None:
    letters.bury_by_hand(Stage.CRAWL, "b" * 40, "no")
    [job] = [letter.id for letter in letters.dead_letters() if letter.stage == Stage.CRAWL]
    said = told("retry", "--all", "--json", code=1)
    document = json.loads(said[: said.rindex("}") + 1])
    assert (document["queued_again"], [one["id"] for one in document["not_sent"]]) == ([job], [2, 3])
    assert "CELERY_BROKER_URL is not set" in document["not_sent"][0]["why"]
    assert "it is no message" in document["not_sent"][1]["why"]


def test_jobs_and_messages_are_purged_together(told: Told, letters: ClusterStore) -> None:
    assert "No dead letter has the id 9" in told("purge", "1", "2", "9", code=2)
    said = told("purge", "1", "2")
    assert "2 purged." in said
    assert "In the broker's queue dlq the messages stay" in said
    assert (letters.dead_letters(), [message.id for message in letters.dead_messages()]) == ([], [3])


def test_status_counts_both(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dead"] == 3
    assert run(["status"]) == 0
    assert "Messages that no worker could run: 2." in capsys.readouterr().out


@pytest.fixture
def cluster(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster of this process as of a worker's, whose broker is away."""
    monkeypatch.setenv("DATABASE_URL", postgres_database)
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
    assert run(["db", "upgrade"]) == 0
    process._cluster.cache_clear()
    try:
        yield process.cluster()
        process.cluster().engine.dispose()
    finally:
        process._cluster.cache_clear()


@pytest.mark.parametrize("paper", ["\ud800", "DOI:10.1/\ud800", "a\0"])
def test_a_task_that_failed_for_a_name_that_no_database_takes_is_recorded_all_the_same(
    cluster: Cluster, paper: str
) -> None:
    letter = RefusedMessage.of("d", "crawler", paper, task_id=paper, message=b"{}", failed=True)
    dead_letters._record(letter, Stage.CRAWL, paper)
    assert [message.digest for message in cluster.store.dead_messages()] == ["d"]
    # Where the ledger has it already, under the name that it was buried by, it is not there twice.
    cluster.store.bury_by_hand(Stage.CRAWL, storable(paper), "no")
    dead_letters._record(dataclasses.replace(letter, digest="e"), Stage.CRAWL, paper)
    assert [message.digest for message in cluster.store.dead_messages()] == ["d"]


@pytest.mark.parametrize("paper", ["\ud800", "a\0"])
def test_what_is_asked_for_by_a_name_that_no_database_takes_is_a_dead_letter(cluster: Cluster, paper: str) -> None:
    worker = cluster.worker((), lambda: False)
    with pytest.raises(InvalidIdentifier):
        worker.fetch(paper, 0)
    assert [letter.paper_id for letter in cluster.store.dead_letters()] == [storable(paper)]


def test_a_flood_of_messages_does_not_fill_the_database(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dead_letters, "MOST_LISTED", 3)
    for place in range(5):
        cluster.store.record_dead_message(RefusedMessage.of(str(place), "crawler", "forged"))
    dead_letters.DeadLetterSweep(cluster).look()
    assert [message.digest for message in cluster.store.dead_messages()] == ["2", "3", "4"]
    assert "the oldest 2 are forgotten" in caplog.text


def test_a_broker_that_is_away_changes_nothing(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_database)
    assert run(["db", "upgrade"]) == 0
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
    engine = open_engine(database_url(postgres_database))
    store = ClusterStore(engine)
    store.bury_by_hand(Stage.CRAWL, "a" * 40, "no")
    store.record_dead_message(
        RefusedMessage.of("d", "crawler", "bad", message=b'{"properties": {"delivery_info": {}}}')
    )
    assert run(["dead", "retry", "--all"]) == 3
    assert "The broker does not answer" in capsys.readouterr().err
    assert (len(store.dead_letters()), len(store.dead_messages())) == (1, 1)
    engine.dispose()
