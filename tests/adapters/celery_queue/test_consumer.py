"""Messages that cannot run, in a real worker: each is kept, and the worker goes on."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery.worker.state import reserved_requests

from refnet.adapters.celery_queue import unacked
from refnet.adapters.celery_queue.begun import Begun
from refnet.adapters.celery_queue.consumer import Consumer
from refnet.adapters.celery_queue.keeper import Keeper
from refnet.adapters.celery_queue.pending import Pending
from refnet.adapters.celery_queue.scripts import BEGUN
from refnet.domain.dead_messages import RefusedMessage
from refnet.domain.errors import StoreUnavailable
from tests.adapters.celery_queue.conftest import CeleryWorker, Connect, envelope, lines, pushed
from tests.adapters.celery_queue.tiny import app
from tests.servers import ticks

BODY = json.dumps([["good"], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
HEADERS: dict[str, Any] = {"lang": "py", "task": "note", "id": "an-id", "root_id": "an-id", "retries": 0, "origin": "x"}
PICKLED = base64.b64encode(pickle.dumps([["x"], {}, {}])).decode()

BAD: dict[str, dict[str, Any]] = {
    "unknown task": {"headers": HEADERS | {"task": "nowhere"}},
    "unknown task without an id": {"headers": {"task": "nowhere"}},
    "body that is no JSON": {"body": "{not JSON"},
    "pickle": {"body": PICKLED, "content-type": "application/x-python-serialize", "content-encoding": "binary"},
    "unknown content type": {"content-type": "application/x-nothing"},
    "no task": {"headers": {}, "body": "{}"},
    "no task, pickle": {"headers": {}, "body": PICKLED, "content-type": "application/x-python-serialize"},
    "no task, no JSON": {"headers": {}, "body": "{not JSON"},
    "body of another shape": {"body": "[1]"},
    "body that is a number": {"body": "1"},
    "ETA that is no time": {"headers": HEADERS | {"eta": "never"}},
    "expiry that is no time": {"headers": HEADERS | {"expires": "never"}},
    "time limits that are no pair": {"headers": HEADERS | {"timelimit": 5}},
    "time limits that are three": {"headers": HEADERS | {"timelimit": [1, 2, 3]}},
    "time limits that are no numbers": {"headers": HEADERS | {"timelimit": ["long", None]}},
    "time limits without an end": {"headers": HEADERS | {"timelimit": [10**30, -1]}},
    "task of another type": {"headers": HEADERS | {"task": ["note"]}},
    "no id": {"headers": {"task": "note"}},
    "headers of another type": {"headers": ["task"]},
    "unknown compression": {"headers": HEADERS | {"compression": "no such"}},
}
RAW = (b"raw garbage", b'{"body": "without properties"}', b"[1]")


def message(tag: str, **changes: Any) -> str:
    """Signed as far as that can be done: what a key's owner sends by mistake does no harm either."""
    made = envelope(tag=tag, **({"body": BODY, "headers": HEADERS} | changes))
    if isinstance(made["headers"], dict) and "compression" not in made["headers"]:
        about = made["content-type"], made["content-encoding"], made["properties"]
        made["headers"] = app.amqp.signer.signed(made["headers"], made["body"], *about)
    return pushed(made)


def test_every_message_that_cannot_run_is_a_dead_letter_and_the_worker_goes_on(
    redis_url: str, celery_worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    with redis.Redis.from_url(redis_url) as broker:
        broker.lpush("crawler", *RAW, *(message(kind, **changes) for kind, changes in BAD.items()), message("good"))
        worker = celery_worker(redis_url, "--concurrency=1", "--queues=crawler")
        worker.wait_for("the good one", lambda: lines(tmp_path / "done") == ["good"])
        worker.wait_for("nothing is left", lambda: broker.hlen("unacked") == broker.zcard("unacked_index") == 0)
        letters = [json.loads(item) for item in broker.lrange("dlq", 0, -1)]
        assert sorted(letter["properties"]["delivery_tag"] for letter in letters) == sorted(BAD)
        assert sorted(broker.lrange("dlq.raw", 0, -1)) == sorted(RAW)
    log = worker.log.read_text()
    assert "Unrecoverable" not in log
    assert "Trying to re-establish" not in log


def test_a_lost_connection_is_no_fault_of_the_message(connect: Connect, broker: Any) -> None:
    def handler(*_arguments: Any) -> None:
        raise fault

    pool, controller = SimpleNamespace(num_processes=1, is_green=False), SimpleNamespace(use_eventloop=False)
    consumer = Consumer(print, app=app, pool=pool, controller=controller, hostname="tiny")
    consumer.strategies["note"] = handler
    broker.lpush("crawler", message("one"))
    received = connect().channel().basic_get("crawler")
    handle = consumer.create_task_handler()
    fault: Exception = redis.ConnectionError("lost")
    with pytest.raises(redis.ConnectionError):
        handle(received)
    assert broker.hlen("unacked") == 1
    fault = KeyError("which kombu takes for a lost connection")
    handle(received)
    assert broker.hlen("unacked") == 0
    assert broker.llen("dlq") == 1


class Timer:
    """A worker's timer whose time comes when the test says."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def call_after(self, seconds: float, act: Callable[..., None], arguments: tuple[Any, ...] = ()) -> None:
        self.due.append((seconds, act, arguments))

    def let_it_come(self) -> float:
        seconds, act, arguments = self.due.pop(0)
        act(*arguments)
        return seconds


class Database:
    """Takes dead letters, or is away."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.letters: list[RefusedMessage] = []
        self.slow = Event()
        self.slow.set()

    def record(self, letter: RefusedMessage) -> None:
        self.slow.wait(60)
        if self.fault is not None:
            raise self.fault
        self.letters.append(letter)


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def consumer(database: Database) -> Consumer:
    pool, controller = SimpleNamespace(num_processes=1, is_green=False), SimpleNamespace(use_eventloop=False)
    made = Consumer(print, app=app, pool=pool, controller=controller, hostname="tiny", timer=Timer())
    made.keeper, made.pending = Keeper(database.record), Pending()
    made.pending.start(made.timer)
    return made


def refuse(consumer: Consumer, connect: Connect, broker: Any, item: str) -> None:
    broker.lpush("crawler", item)
    consumer.create_task_handler()(connect().channel().basic_get("crawler"))


class Task(Begun):
    """What a worker's main process has of a task, as far as it matters here."""

    def __init__(self, message: Any) -> None:
        self.message = message


@pytest.mark.parametrize(("before", "is_begun"), [(0, True), (1, False)])
def test_a_task_is_begun_before_the_pool_has_it_where_a_process_is_free(
    connect: Connect, broker: Any, consumer: Consumer, before: int, is_begun: bool
) -> None:
    """It may kill the worker before that hears of its beginning."""
    broker.lpush("crawler", message("one"))
    task = Task(connect().channel().basic_get("crawler"))
    others = [Task(None) for _ in range(before)]  # which the pool has
    seen: list[bool] = []
    consumer._hand_over = lambda _: seen.append(broker.hvals("unacked")[0].endswith(BEGUN.encode()))
    reserved_requests.update([task, *others])

    consumer.on_task_request(task)

    reserved_requests.difference_update([task, *others])
    assert seen == [is_begun]


def test_a_message_is_recorded_before_it_is_rejected(
    connect: Connect, broker: Any, consumer: Consumer, database: Database
) -> None:
    refuse(consumer, connect, broker, message("one", headers={}, body="{}"))
    [letter] = database.letters
    assert (letter.queue, letter.task, letter.reason) == ("crawler", None, "It is no task of Celery's: it names none.")
    assert (broker.hlen("unacked"), broker.llen("dlq"), consumer.timer.due) == (0, 1, [])


def test_while_the_database_is_away_a_message_waits_unacknowledged_and_is_tried_again(
    connect: Connect, broker: Any, consumer: Consumer, database: Database
) -> None:
    database.fault = StoreUnavailable("away")
    refuse(consumer, connect, broker, message("one", headers={}, body="{}"))
    pauses = [consumer.timer.let_it_come() for _ in range(7)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    # A worker that ended now would leave it to the next one.
    assert (broker.hlen("unacked"), broker.llen("dlq"), database.letters) == (1, 0, [])

    database.fault = None
    consumer.timer.let_it_come()
    assert (broker.hlen("unacked"), broker.llen("dlq"), len(database.letters)) == (0, 1, 1)
    assert consumer.timer.due == []


def test_a_database_that_does_not_answer_holds_up_the_worker_for_a_moment_only(
    connect: Connect, broker: Any, consumer: Consumer, database: Database
) -> None:
    database.slow.clear()
    refuse(consumer, connect, broker, message("one", headers={}, body="{}"))
    for _ in range(3):
        consumer.timer.let_it_come()
    assert (broker.hlen("unacked"), broker.llen("dlq")) == (1, 0)
    database.slow.set()
    for _ in ticks(30):
        consumer.timer.let_it_come()
        if not consumer.timer.due:
            break
    assert (broker.hlen("unacked"), broker.llen("dlq"), len(database.letters)) == (0, 1, 1)


def test_a_message_that_the_database_will_never_take_holds_no_slot_for_ever(
    connect: Connect, broker: Any, consumer: Consumer, database: Database
) -> None:
    database.fault = ZeroDivisionError("a bug")
    refuse(consumer, connect, broker, message("one", headers={}, body="{}"))
    assert (broker.hlen("unacked"), broker.llen("dlq"), consumer.timer.due) == (0, 1, [])


def deeper(levels: int, act: Callable[[], object]) -> None:
    """Do something so many calls further down, as Celery's loop handles what it has read."""
    if levels:
        deeper(levels - 1, act)
    else:
        act()


def test_a_message_nested_so_deep_that_it_can_be_read_but_not_written_is_set_aside(
    connect: Connect, broker: Any, consumer: Consumer, database: Database
) -> None:
    """Reading and writing may go so many calls deep together with their callers, of which the writer has more."""
    channel, handle = connect().channel(), consumer.create_task_handler()
    depths, handled = range(850, 1000), 0
    for depth in depths:
        # Written by hand, since Python's own writer would not.
        deep = pushed(envelope(headers={"a": "DEEP"}, tag=f"deep-{depth}"))
        broker.lpush("crawler", deep.replace('"DEEP"', '{"a":' * depth + "1" + "}" * depth))
        if (received := channel.basic_get("crawler")) is not None:
            deeper(40, partial(handle, received))
            handled += 1
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == broker.llen("crawler") == 0
    assert broker.llen("dlq") + broker.llen("dlq.raw") == len(depths)
    assert broker.llen("dlq") > 0
    assert broker.llen("dlq.raw") > 0
    assert len(database.letters) == handled


def test_a_message_that_cannot_be_written_again_is_set_aside(
    connect: Connect, broker: Any, consumer: Consumer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dumps(_value: object) -> str:
        raise RecursionError

    monkeypatch.setattr(unacked, "dumps", dumps)
    refuse(consumer, connect, broker, message("one", headers={}, body="{}"))
    assert (broker.hlen("unacked"), broker.llen("dlq"), broker.llen("dlq.raw")) == (0, 0, 1)
    assert len(database.letters) == 1

    broker.lpush("crawler", message("two"))
    connect().channel().basic_get("crawler").requeue()
    assert (broker.hlen("unacked"), broker.llen("crawler"), broker.llen("dlq.raw")) == (0, 0, 2)


def test_whatever_goes_wrong_in_telling_of_a_message_it_is_rejected(
    connect: Connect, broker: Any, consumer: Consumer, database: Database
) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError("while it is told")

    def handler(*_arguments: Any) -> None:
        raise Unspeakable

    consumer.strategies["note"] = handler
    refuse(consumer, connect, broker, message("one"))
    assert (broker.hlen("unacked"), broker.llen("dlq"), database.letters) == (0, 1, [])


def test_no_sender_writes_into_the_log(
    connect: Connect, broker: Any, consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = "\x1b[2Jone\nforged line " + "x" * 1000

    def handler(*_arguments: Any) -> None:
        raise ValueError(hostile)

    consumer.strategies["note"] = handler
    refuse(consumer, connect, broker, message(hostile))
    text = caplog.text
    assert "cannot run" in text
    assert "ValueError" in text
    assert "\x1b" not in text
    assert "\nforged" not in text
