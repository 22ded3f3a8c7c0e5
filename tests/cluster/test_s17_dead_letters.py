"""S17: dead letters: what cannot run, or failed for good, is in the database and in the queue `dlq`, and can be retried."""

from __future__ import annotations

import base64
import json
import pickle
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from kombu import Connection
from sqlalchemy import update

from refnet.adapters.database.engine import writing
from refnet.adapters.database.schema import dead_messages, papers
from refnet.bootstrap.cluster import Cluster
from refnet.demo.bundled import SEED
from refnet.domain.jobs import Stage
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.one_lab import BATCH, FETCH, GENERATE

pytestmark = pytest.mark.slow

JSON, PICKLE = "application/json", "application/x-python-serialize"
BODY = json.dumps([[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()
HOSTILE = "\x1b]0;owned\x07\x1b[2J"


@dataclass(frozen=True, slots=True)
class Bad:
    """A message that somebody with a key sends; `says` stands in the reason of its dead letter."""

    says: str
    headers: dict[str, Any] = field(default_factory=dict)
    body: bytes = BODY
    content_type: str = JSON
    encoding: str = "utf-8"


def headers(task: str = "health_check", **more: Any) -> dict[str, Any]:
    task_id = str(uuid.uuid4())
    return {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "retries": 0, **more}


def kinds() -> dict[str, Bad]:
    pickled = pickle.dumps([[], {}, {}])
    return {
        "unknown task": Bad("No task has the name 'nowhere.to_be_found'", headers("nowhere.to_be_found")),
        "body not JSON": Bad("DecodeError", headers(), b"{not JSON" + HOSTILE.encode()),
        "pickle": Bad("It is not JSON", headers(), pickled, PICKLE, "binary"),
        "unknown content type": Bad("It is not JSON", headers(), content_type="application/x-nothing"),
        "no task": Bad("it names none", {}, b"{}"),
        "no task, pickle": Bad("It is not JSON", {}, pickled, PICKLE, "binary"),
        "no table among its deaths": Bad("it names none", {"x-death": ["a"]}, b'{"a": 1}'),
        "deaths that cannot be counted": Bad(
            "it names none", {"x-death": [{"queue": "crawler", "reason": "rejected", "count": "often"}]}, b'{"a": 2}'
        ),
        "wrong shape": Bad("ValueError", headers(), b"[1]"),
        "bad ETA": Bad("invalid ETA", headers(eta="never")),
    }


#: What nobody signed: on Redis these two are no messages at all.
RAW = (b"raw garbage \xff" + HOSTILE.encode(), json.dumps({"body": "e30=", "content-type": JSON}).encode())


def put(cluster: Cluster, broker_url: str, bad: Bad) -> None:
    """Send a bad message, signed, as one who has a key can."""
    signed = cluster.celery.amqp.signer.signed(bad.headers, bad.body, bad.content_type, bad.encoding, {})
    put_as_it_is(broker_url, signed, bad)


def put_as_it_is(broker_url: str, head: dict[str, Any], bad: Bad) -> None:
    if broker_url.startswith("redis"):
        tag = str(uuid.uuid4())
        info = {"exchange": "", "routing_key": "crawler"}
        envelope = {
            "body": base64.b64encode(bad.body).decode(),
            "content-encoding": bad.encoding,
            "content-type": bad.content_type,
            "headers": head,
            "properties": {"body_encoding": "base64", "delivery_info": info, "delivery_tag": tag, "priority": 0},
        }
        put_raw(broker_url, json.dumps(envelope).encode())
        return
    with Connection(broker_url) as connection, connection.channel() as channel:
        message = channel.prepare_message(
            bad.body, content_type=bad.content_type, content_encoding=bad.encoding, headers=head
        )
        channel.basic_publish(message, exchange="", routing_key="crawler")


def put_raw(broker_url: str, item: bytes) -> None:
    if broker_url.startswith("redis"):
        with redis.Redis.from_url(broker_url) as client:
            client.lpush("crawler", item)
        return
    with Connection(broker_url) as connection, connection.channel() as channel:
        channel.basic_publish(channel.prepare_message(item), exchange="", routing_key="crawler")


def in_dlq(broker_url: str, cluster: Cluster) -> tuple[int, int]:
    """How many messages are in `dlq`, and how many items in `dlq.raw`."""
    raw = 0
    if broker_url.startswith("redis"):
        with redis.Redis.from_url(broker_url) as client:
            raw = int(client.llen("dlq.raw"))
    return cluster.depths()["dlq"], raw


def rows(lab: Lab) -> list[Any]:
    return lab.query("SELECT id, digest, queue, task, task_id, reason, times FROM dead_messages ORDER BY id")


def test_s17_each_kind_of_bad_message_is_one_dead_letter_and_the_worker_goes_on(
    make_lab: MakeLab, broker_url: str
) -> None:
    lab = make_lab(broker_url)
    is_redis = broker_url.startswith("redis")
    worker = lab.worker("crawler", "-c1")
    bad = kinds()
    with lab.cluster() as cluster:
        for each in bad.values():
            put(cluster, broker_url, each)
        for item in RAW:
            put_raw(broker_url, item)
        assert cluster.celery.send_task("health_check").get(timeout=60)["status"] == "healthy"

        until(lambda: len(rows(lab)) >= len(bad) + len(RAW), what="a dead letter for each")
        letters = lab.refnet.done("dead", "list", "--json").json
        assert len(letters) == len(bad) + len(RAW)
        for kind, each in bad.items():
            found = [letter for letter in letters if each.says in letter["reason"]]
            same = [one for one in bad.values() if one.says == each.says]
            assert len(found) == len(same), (kind, [letter["reason"] for letter in letters])
            assert {letter["task"] for letter in found} == {one.headers.get("task") for one in same}
        assert {(letter["stage"], letter["paper_id"], letter["attempts"]) for letter in letters} == {(None, None, None)}
        assert {row.times for row in rows(lab)} == {1}
        want = (len(bad), len(RAW)) if is_redis else (len(bad) + len(RAW), 0)
        until(lambda: in_dlq(broker_url, cluster) == want, what=f"{want} in dlq and dlq.raw")

        # No result is made up for a message that nobody is known to have sent.
        assert [(row.name, row.status) for row in lab.results() if row.status != "SUCCESS"] == [
            ("nowhere.to_be_found", "FAILURE")
        ]
        _shown_to_a_terminal_without_its_escapes(lab)
        _retried_one_comes_back_and_purged_ones_do_not(lab, cluster, broker_url, worker)


def _shown_to_a_terminal_without_its_escapes(lab: Lab) -> None:
    """Headers and the body's beginning are shown; what a terminal would obey is written out."""
    [row] = [row for row in rows(lab) if "DecodeError" in row.reason]
    shown = lab.refnet.done("dead", "show", str(row.id)).out
    assert "\x1b" not in shown
    assert row.reason in shown
    assert f'id: "{row.task_id}"' in shown
    assert "{not JSON\\x1b]0;owned" in shown
    raw = rows(lab)[-1]
    assert "\x1b" not in lab.refnet.done("dead", "show", str(raw.id)).out


def _retried_one_comes_back_and_purged_ones_do_not(lab: Lab, cluster: Cluster, broker_url: str, worker: Any) -> None:
    before = in_dlq(broker_url, cluster)
    [unknown] = [row for row in rows(lab) if row.task == "nowhere.to_be_found"]
    lab.refnet.done("dead", "retry", str(unknown.id))
    again = until(
        lambda: [row for row in rows(lab) if row.digest == unknown.digest and row.id != unknown.id],
        what="the retried message, which is as bad as it was",
    )
    assert again[0].times == 1
    until(lambda: in_dlq(broker_url, cluster) == before, what="one message for it in dlq")

    lab.refnet.done("dead", "purge", *[str(row.id) for row in rows(lab)])
    assert rows(lab) == []
    until(lambda: in_dlq(broker_url, cluster) == (0, 0), what="dlq to be empty")
    put_raw(broker_url, b"more garbage")  # and whoever makes a dead letter of it would make some of what is there, too
    [one] = until(lambda: rows(lab), what="a later dead letter")
    assert one.times == 1
    assert not worker.is_over


def test_s17_a_task_that_fails_outside_the_ledger_is_a_dead_letter_and_runs_when_it_is_retried(
    make_lab: MakeLab, broker_url: str
) -> None:
    lab = make_lab(broker_url)
    worker = lab.worker("crawler", "-c2", app="tests.cluster.acting_tasks")
    flag = lab.refnet.folder / "let-it-pass"
    with lab.cluster() as cluster:
        send = cluster.celery.send_task
        wrong = send(BATCH, ("not a list",))
        deep = send(FETCH, ("paper",), {"depth": -1})
        late = send("acting.cling", (60.0,), soft_time_limit=1, time_limit=2, queue="crawler")
        poison = send("acting.poison", (str(lab.refnet.folder / "poison"),), queue="crawler")
        picky = send("acting.fail_unless", (str(flag),), queue="crawler")
        for task in (wrong, deep, late, poison, picky):
            task.get(timeout=60, propagate=False)

        until(lambda: len(rows(lab)) >= 5, what="a dead letter each")
        found = {row.task_id: row for row in rows(lab)}
        assert set(found) == {wrong.id, deep.id, late.id, poison.id, picky.id}
        assert found[wrong.id].reason.startswith("paper_ids has to be a list")
        assert found[deep.id].reason.startswith("depth has to be a number")
        assert found[late.id].reason == "It took longer than 2 s (the hard time limit) and was killed."
        assert "signal 9" in found[poison.id].reason
        assert found[picky.id].reason == "FileNotFoundError: not yet"
        assert {row.times for row in found.values()} == {1}
        until(lambda: in_dlq(broker_url, cluster)[0] == 5, what="one message each in dlq")
        told = lab.refnet.done("dead", "show", str(found[picky.id].id)).out
        assert "Traceback (most recent call last)" in told

        flag.touch()
        lab.refnet.done("dead", "retry", str(found[picky.id].id))
        until(lambda: [row.status for row in lab.results("acting.fail_unless")] == ["SUCCESS"], what="the second try")
        assert {row.task_id for row in rows(lab)} == {wrong.id, deep.id, late.id, poison.id}
        until(lambda: in_dlq(broker_url, cluster)[0] == 4, what="its message to be gone from dlq")
        assert lab.refnet.done("status", "--json").json["dead"] == 4

        told = send("process_failed_tasks").get(timeout=60)
        assert (told["dead"], told["jobs"], told["messages"], told["requeued"], told["sent"]) == (4, 0, 4, 0, 0)
        assert sum(told["kinds"].values()) == 4
        lab.store.bury_by_hand(Stage.CRAWL, SEED, "no")
        told = send("process_failed_tasks", (), {"requeue": True}).get(timeout=60)
        assert (told["dead"], told["requeued"], told["sent"]) == (5, 1, 0)
        assert len(rows(lab)) == 4, "messages are sent again only when that is asked for"
        with writing(lab.store._engine) as connection:  # as of a longer message
            connection.execute(update(dead_messages).where(dead_messages.c.task_id == wrong.id).values(message=None))
        told = send("process_failed_tasks", (), {"messages": True}).get(timeout=60)
        assert (told["sent"], told["not_sent"]) == (3, 1)
    worker.until_logs("There are 4 dead letters")


@pytest.mark.parametrize("what", ["message", "raw"])
def test_s17_a_worker_that_dies_once_a_dead_letter_is_recorded_leaves_it_to_be_counted_twice_and_no_more(
    make_lab: MakeLab, broker_url: str, what: str
) -> None:
    """The broker gives it to another worker, for it was not told; `times` is how often a worker met it."""
    lab = make_lab(broker_url)
    dying = lab.worker("crawler", "-c1", app="tests.cluster.dying_keeper")
    with lab.cluster() as cluster:
        if what == "message":
            put(cluster, broker_url, kinds()["bad ETA"])
        else:
            put_raw(broker_url, RAW[0])
        until(lambda: dying.is_over, what="the worker's death")
        [first] = until(lambda: rows(lab), what="the dead letter")
        assert first.times == 1
        assert in_dlq(broker_url, cluster)[0] == 0

        lab.worker("crawler", "-c1", name="next")
        until(lambda: rows(lab)[0].times > 1, 90, what="the next worker to meet it")
        until(lambda: sum(in_dlq(broker_url, cluster)) == 1, what="one message in the broker's dead letters")
        assert cluster.celery.send_task("health_check").get(timeout=60)["status"] == "healthy"
        [again] = rows(lab)
    assert (again.id, again.digest, again.times) == (first.id, first.digest, 2)
    assert lab.refnet.done("status", "--json").json["dead"] == 1


def test_s17_the_messages_of_a_dead_job_leave_the_broker_when_it_is_retried_or_purged(
    make_lab: MakeLab, broker_url: str
) -> None:
    lab = make_lab(broker_url)
    lab.worker(name="all")
    unknown = "e" * 40
    with lab.cluster() as cluster:

        def held(number: int) -> None:
            until(lambda: in_dlq(broker_url, cluster)[0] == number, what=f"{number} in dlq")

        send = cluster.celery.send_task
        paper = send(FETCH, (SEED,)).get(timeout=60)["paper_id"]
        send(GENERATE, (paper,)).get(timeout=60)
        # One by hand, under another name than the ledger's, and one by a hint, of a paper that is spoilt.
        send(FETCH, (f"https://www.semanticscholar.org/paper/{unknown}",)).get(timeout=60, propagate=False)
        until(lambda: not lab.query("SELECT 1 FROM crawls WHERE state = 'running'"), what="rest")
        with writing(lab.engine) as connection:
            connection.execute(update(papers).where(papers.c.paper_id == paper).values(authors=[3]))
        lab.store.enqueue(Stage.GENERATE, [paper])
        by_hand, by_hint = until(lambda: both_dead(lab), what="both dead letters")
        assert by_hand.paper_id == unknown
        held(2)
        put(cluster, broker_url, kinds()["bad ETA"])
        held(3)

        [old] = hints(cluster)
        lab.refnet.done("dead", "retry", str(by_hint.id))
        until(lambda: hints(cluster) - {old}, what="the same failure again")
        assert old not in hints(cluster), "there is a new message in place of the old one"
        held(3)
        lab.refnet.done("dead", "purge", str(by_hand.id))
        held(2)
        lab.refnet.done("dead", "purge", str(by_hint.id))
        held(1)
        assert [row.reason for row in rows(lab) if "ETA" in row.reason]
        assert lab.refnet.done("status", "--json").json["dead"] == 1


def hints(cluster: Cluster) -> set[str]:
    return {each.digest for each in cluster.dead_letters.job_messages() if each.is_hint}


def both_dead(lab: Lab) -> Any:
    found = sorted(lab.store.dead_letters(), key=lambda letter: letter.stage)
    return found if len(found) == 2 else None
