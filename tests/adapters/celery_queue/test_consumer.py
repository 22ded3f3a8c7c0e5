"""Messages that cannot run, in a real worker: each is kept, and the worker goes on."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from refnet.adapters.celery_queue.consumer import Consumer
from tests.adapters.celery_queue.conftest import CeleryWorker, Connect, envelope, lines, pushed
from tests.adapters.celery_queue.tiny import app

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
    "task of another type": {"headers": HEADERS | {"task": ["note"]}},
    "no id": {"headers": {"task": "note"}},
    "headers of another type": {"headers": ["task"]},
    "unknown compression": {"headers": HEADERS | {"compression": "no such"}},
}
RAW = (b"raw garbage", b'{"body": "without properties"}', b"[1]")


def message(tag: str, **changes: Any) -> str:
    return pushed(envelope(tag=tag, **({"body": BODY, "headers": HEADERS} | changes)))


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
