"""S20: workers run what was signed with their keys, once, and nothing else. On both brokers, with whole workers."""

from __future__ import annotations

import base64
import json
import pickle
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.utils import uuid
from kombu import compression

from refnet.adapters.celery_queue.application import RESULTS_KEPT
from refnet.adapters.celery_queue.signing import HINT, NOT_SIGNED, SIGNATURE, SIGNED_AT, WRONGLY_SIGNED, Signer
from tests.cluster.lab import Lab, Worker, until
from tests.cluster.one_lab import OneLab
from tests.rabbitmq_server import fresh_vhost
from tests.servers import free_port

pytestmark = pytest.mark.slow

ACTING = "tests.cluster.acting_tasks"
NOTE = "acting.note"
#: Nobody consumes it, and what is there can be taken off and looked at.
ASIDE = "generator"
KEY, OLD, FOREIGN = ("signing-key-of-the-lab", "older-signing-key", "signing-key-of-a-stranger")

#: Where the broker makes no difference.
ON_REDIS = pytest.mark.parametrize("opened", ["redis"], indirect=True, scope="module")


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def opened(
    request: pytest.FixtureRequest, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OneLab]:
    with ExitStack() as stack:
        url = None
        if request.param == "rabbitmq":
            url = stack.enter_context(fresh_vhost(request.getfixturevalue("rabbitmq_server")))
        yield stack.enter_context(OneLab(postgres_url, tmp_path_factory.mktemp("signing"), broker_url=url))


@pytest.fixture
def one(opened: OneLab) -> OneLab:
    """One worker, which lives through all these tests."""
    if not opened.is_open:
        opened.lab(environment={"REFNET_SIGNING_KEYS": f"{KEY},{OLD}"}).worker("crawler", app=ACTING, name="steady")
    return opened


@pytest.fixture(autouse=True)
def the_worker_lives(one: OneLab) -> Iterator[None]:
    yield
    worker = one.lab().workers[0]
    assert not worker.is_over, worker.text[-3000:]
    assert one.ask("health_check").status == "SUCCESS"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where the task writes a line whenever it runs."""
    return tmp_path / "notes"


def runs(notes: Path) -> list[str]:
    return [line.split()[0] for line in notes.read_text().splitlines()] if notes.exists() else []


def captured(one: OneLab, *args: Any, **options: Any) -> Any:
    """A task message as it is on the way, taken off the broker."""
    app = one.cluster.celery
    app.send_task(NOTE, args, queue=ASIDE, **options)
    with app.connection_for_read() as connection:
        queue = app.amqp.queues[ASIDE](connection.default_channel)
        return until(lambda: queue.get(no_ack=True), what="the message")


def body_of(message: Any) -> bytes:
    return message.body.encode() if isinstance(message.body, str) else bytes(message.body)


def put(one: OneLab, message: Any, queue: str = "crawler", **changes: Any) -> None:
    """Send a message as anybody can who reaches the broker. `changes` replace what it has."""
    made = {
        "body": body_of(message),
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "headers": message.headers,
        "correlation_id": message.properties.get("correlation_id"),
        "reply_to": message.properties.get("reply_to"),
        **changes,
    }
    with one.cluster.celery.connection_for_write() as connection, connection.Producer() as producer:
        producer.publish(made.pop("body"), routing_key=queue, exchange="", **made)


def with_headers(message: Any, **changed: Any) -> dict[str, Any]:
    return {"headers": {key: value for key, value in (message.headers | changed).items() if value is not ...}}


def refusals(one: OneLab) -> list[str]:
    """Why messages were refused so far, one reason for each time."""
    found = one.lab().query("SELECT reason, times FROM dead_messages ORDER BY id")
    return [letter.reason for letter in found for _ in range(letter.times)]


def refused(one: OneLab, number: int, before: int) -> list[str]:
    """Why so many more messages than `before` were refused, in alphabetical order; each is in `dlq`, too."""
    until(lambda: len(refusals(one)) >= before + number, what="the dead letters")
    until(lambda: one.cluster.depths()["dlq"] >= before + number, what="the dead letters at the broker")
    found = refusals(one)
    assert len(found) == before + number == one.cluster.depths()["dlq"]
    return sorted(found[before:])


# ---------------------------------------------------------------- what is refused


def test_s20_what_nobody_with_a_key_sent_is_a_dead_letter_with_the_reason(one: OneLab, notes: Path) -> None:
    before = len(refusals(one))
    stranger = Celery("stranger", broker=one.lab().environment["CELERY_BROKER_URL"], set_as_current=False)
    with closing(stranger):
        stranger.send_task(NOTE, (str(notes), "unsigned"), queue=one.cluster.celery.amqp.queues["crawler"])
    with one.lab().with_(REFNET_SIGNING_KEYS=FOREIGN).app() as another:
        another.send_task(NOTE, (str(notes), "foreign"))

    assert refused(one, 2, before) == [NOT_SIGNED, WRONGLY_SIGNED]
    assert runs(notes) == []


@ON_REDIS
def test_s20_the_doctor_names_refused_messages_and_the_cure(one: OneLab) -> None:
    before = len(refusals(one))
    put(one, captured(one, "a", "b"), headers={"task": NOTE, "id": uuid()})
    refused(one, 1, before)

    found = {check["name"]: check for check in one.lab().refnet("doctor", "--json").json["checks"]}["signatures"]

    assert not found["ok"]
    assert "REFNET_SIGNING_KEYS" in found["found"]


def test_s20_a_captured_message_cannot_be_made_another(one: OneLab, notes: Path) -> None:
    before = len(refusals(one))
    message = captured(one, str(notes), "captured", countdown=1, expires=600)
    forged: list[dict[str, Any]] = [
        with_headers(message, task="process_failed_tasks"),
        with_headers(message, id=uuid()),
        with_headers(message, eta=None),
        with_headers(message, expires=None),
        with_headers(message, retries=-100),
        with_headers(message, timelimit=[None, 1]),
        with_headers(message, **{HINT: True}),
        with_headers(message, refnet_scopes=["admin"]),
        with_headers(message, **{SIGNED_AT: int(time.time()) + 60}),
        with_headers(message, **{SIGNATURE: ...}),
        with_headers(message, **{SIGNATURE: "0" * 64}),
        {"body": body_of(message).replace(b"captured", b"replaced")},
        {"content_encoding": "us-ascii"},
        {"correlation_id": uuid()},
        {"reply_to": "somebody"},
    ]
    for changes in forged:
        put(one, message, **changes)

    assert refused(one, len(forged), before) == sorted([NOT_SIGNED, *[WRONGLY_SIGNED] * (len(forged) - 1)])
    assert runs(notes) == []


class Touching:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def test_s20_no_message_is_unpickled_whoever_signed_it(one: OneLab, tmp_path: Path) -> None:
    before = len(refusals(one))
    mark = tmp_path / "touched"
    message = captured(one, "a", "b")
    body, kind = pickle.dumps([[Touching(mark)], {}, {}]), "application/x-python-serialize"
    by_us = Signer([KEY.encode()], RESULTS_KEPT).signed(message.headers, body, kind, "binary", message.properties)
    for headers in ({}, {"task": NOTE, "id": uuid()}, message.headers, by_us):
        put(one, message, body=body, content_type=kind, content_encoding="binary", headers=headers)

    reasons = refused(one, 4, before)

    not_json = "It is not JSON but 'application/x-python-serialize'."
    assert reasons == sorted([NOT_SIGNED, NOT_SIGNED, WRONGLY_SIGNED, not_json])
    assert not mark.exists()


def test_s20_what_is_compressed_is_refused_unopened(one: OneLab) -> None:
    before = len(refusals(one))
    message = captured(one, "a", "b")
    body, method = compression.compress(body_of(message), "gzip")

    put(one, message, body=body, headers=message.headers | {"compression": method})

    assert refused(one, 1, before) == ["It is compressed, and no worker takes compressed messages."]


def test_s20_a_message_older_than_results_are_kept_is_refused_save_a_hint(one: OneLab, notes: Path) -> None:
    before = len(refusals(one))
    long_ago = Signer([KEY.encode()], RESULTS_KEPT, lambda: time.time() - RESULTS_KEPT)
    message = captured(one, str(notes), "old")
    about = (message.body, message.content_type, message.content_encoding, message.properties)

    put(one, message, headers=long_ago.signed(message.headers, *about))
    put(one, message, headers=long_ago.signed(message.headers | {HINT: True}, *about))

    [reason] = refused(one, 1, before)
    assert "days old, and results are kept for 7: " in reason
    until(lambda: runs(notes) == ["old"], what="the hint")


# ---------------------------------------------------------------- what is sent again


def test_s20_a_captured_message_sent_again_does_nothing_twice(one: OneLab, notes: Path) -> None:
    before = len(refusals(one))
    message = captured(one, str(notes), "once")
    put(one, message)
    first = one.told(message.headers["id"])

    for _ in range(3):
        put(one, message)
    one.lab().workers[0].until_logs(f"{NOTE}[{message.headers['id']}] has ended before")

    assert one.ask("health_check").status == "SUCCESS"  # which came after them
    assert runs(notes) == ["once"]
    assert one.told(message.headers["id"]) == first
    assert len(refusals(one)) == before


def test_s20_a_task_that_failed_does_not_run_again_either(one: OneLab, notes: Path) -> None:
    message = captured(one, str(notes.parent / "no such folder" / "notes"), "once")
    put(one, message)
    assert one.told(message.headers["id"]).status == "FAILURE"
    (notes.parent / "no such folder").mkdir()

    put(one, message)
    one.lab().workers[0].until_logs(f"{NOTE}[{message.headers['id']}] has ended before")

    assert not (notes.parent / "no such folder" / "notes").exists()


def test_s20_a_periodic_task_s_turn_sent_twice_runs_once(one: OneLab) -> None:
    turn = uuid()
    first = one.ask("health_check", task_id=turn)

    one.send("health_check", task_id=turn)
    one.lab().workers[0].until_logs(f"health_check[{turn}] has ended before")

    assert one.told(turn) == first


def test_s20_a_message_put_into_another_queue_is_the_same_message(one: OneLab, notes: Path) -> None:
    message = captured(one, str(notes), "elsewhere", priority=1)
    put(one, message, priority=9)

    assert one.told(message.headers["id"]).status == "SUCCESS"
    assert runs(notes) == ["elsewhere"]


# ---------------------------------------------------------------- what goes on as ever


def test_s20_retries_from_a_child_run(one: OneLab, notes: Path) -> None:
    told = one.ask(NOTE, str(notes), "again", 0.0, 3)

    assert told.status == "SUCCESS"
    assert runs(notes) == ["again"] * 4


def test_s20_what_celery_calls_runs(one: OneLab, notes: Path) -> None:
    args = json.dumps([str(notes), "called"])

    called = one.lab().celery("call", NOTE, f"--args={args}")

    assert called.code == 0, called.err
    assert one.told(called.out.strip()).status == "SUCCESS"
    assert runs(notes) == ["called"]


@ON_REDIS
def test_s20_what_beat_sends_runs(one: OneLab) -> None:
    before = len(one.lab().results("health_check"))
    words = ["-m", "celery", "-A", "tests.cluster.fast_beat", "beat", "--loglevel", "info", "--pidfile="]
    beat = one.lab()._start(words, "beat", wait=False)
    try:
        until(lambda: len(one.lab().results("health_check")) > before, what="beat's health check")
    finally:
        beat.kill()


def test_s20_control_commands_pass_unsigned(one: OneLab) -> None:
    app = one.cluster.celery
    name = until(one.lab().store.workers, what="the worker's report")[0].name

    assert until(lambda: app.control.ping([name], timeout=2)) == [{name: {"ok": "pong"}}]
    assert until(lambda: app.control.inspect([name], timeout=2).registered())[name]


@ON_REDIS
def test_s20_what_flower_sends_runs(one: OneLab, notes: Path) -> None:
    port = free_port()
    basic = base64.b64encode(b"you:secret-of-the-test").decode()
    words = ["-m", "celery", "-A", ACTING, "flower", "--address=127.0.0.1", f"--port={port}"]
    flower = one.lab()._start([*words, "--basic_auth=you:secret-of-the-test"], "flower", wait=False)
    try:
        flower.until_logs("Visit me at")
        for way in ("async-apply", "send-task"):
            body = json.dumps({"args": [str(notes), way]})
            with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                connection.request("POST", f"/api/task/{way}/{NOTE}", body, {"Authorization": f"Basic {basic}"})
                answer = connection.getresponse()
                told = one.told(json.loads(answer.read())["task-id"])
            assert told.status == "SUCCESS"
    finally:
        flower.kill()
    assert runs(notes) == ["async-apply", "send-task"]


# ---------------------------------------------------------------- keys


@ON_REDIS
def test_s20_while_keys_are_changed_workers_of_both_orders_take_what_either_signed(one: OneLab, notes: Path) -> None:
    lab, ids = one.lab(), []
    file = notes.parent / "keys"
    file.write_text(f"{OLD},{KEY}\n")
    old_first = _without(lab, "REFNET_SIGNING_KEYS").with_(REFNET_SIGNING_KEYS_FILE=str(file))
    worker: Worker = old_first.worker("summarizer", app=ACTING, name="old-first")
    try:
        for keys in (KEY, OLD, f"{OLD},{KEY}"):
            with lab.with_(REFNET_SIGNING_KEYS=keys).app() as app:
                # Each comes again once, signed by the worker's own first key.
                ids += [app.send_task(NOTE, (str(notes), queue, 0.0, 1), queue=queue).id for queue in QUEUES]
        assert {one.told(task_id).status for task_id in ids} == {"SUCCESS"}
    finally:
        worker.stop()
    assert sorted(runs(notes)) == sorted(QUEUES * 6)


QUEUES = ["crawler", "summarizer"]


def _without(lab: Lab, *names: str) -> Lab:
    return Lab(lab.refnet.without(*names), lab.stand_in, lab.engine, lab.workers)
