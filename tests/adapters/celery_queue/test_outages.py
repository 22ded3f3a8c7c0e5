"""Whole workers with our transport, while Redis or they themselves are killed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection

from refnet.adapters.celery_queue.transport import Transport
from tests.adapters.celery_queue.conftest import CeleryWorker, lines
from tests.adapters.celery_queue.tiny import app
from tests.redis_server import redis_program, running_redis
from tests.servers import missing

Start = Callable[..., CeleryWorker]


def send(url: str, *tasks: tuple[str, str, int]) -> None:
    """Publish tasks: name, argument, priority."""
    with Connection(url, transport=Transport) as connection, app.amqp.Producer(connection) as producer:
        for name, text, priority in tasks:
            app.send_task(name, args=[text], priority=priority, queue="crawler", producer=producer)


def nothing_left(broker: Any) -> bool:
    return not any(broker.keys(pattern) for pattern in ("crawler*", "unacked", "unacked_index"))


def test_a_worker_runs_tasks_by_priority_and_a_retried_one_keeps_its_own(
    redis_url: str, celery_worker: Start, tmp_path: Path
) -> None:
    order = [(priority, number) for number in range(3) for priority in range(11)]
    random.Random(11).shuffle(order)
    send(redis_url, *(("again" if task == (10, 0) else "note", str(task), task[0]) for task in order))
    worker = celery_worker(redis_url, "--concurrency=1")
    worker.wait_for("34 runs", lambda: len(lines(tmp_path / "done")) == 34)
    expected: list[str] = []
    for priority in range(10, -1, -1):
        expected += [str(task) for task in order if task[0] == priority]
    expected[expected.index("(10, 0)")] = "(10, 0), attempt 1"
    expected.insert(3, "(10, 0), attempt 2")  # last of its priority, before the next one
    assert lines(tmp_path / "done") == expected


@pytest.mark.slow
@pytest.mark.parametrize("busy", [1, 3, 4])
def test_a_worker_outlives_redis_and_its_running_tasks_are_acknowledged(
    busy: int, celery_worker: Start, tmp_path: Path
) -> None:
    # kombu's own transport ends the worker here when one to three of four slots are busy.
    if redis_program() is None:
        missing("no Redis on this machine and none among the test dependencies")
    texts = [f"held {number}" for number in range(busy)]
    with running_redis(persistent=True) as server:
        worker = celery_worker(server.url, "--concurrency=4")
        send(server.url, *(("hold", text, 5) for text in texts))
        worker.wait_for("they run", lambda: sorted(lines(tmp_path / "begun")) == texts)
        server.kill()
        worker.wait_for("it notices", lambda: "Connection to broker lost" in worker.log.read_text())
        server.start()
        worker.wait_for("it is back", lambda: "Connected to redis" in worker.log.read_text().partition("lost")[2])
        (tmp_path / "go").touch()
        worker.wait_for("they end", lambda: sorted(lines(tmp_path / "done")) == texts)
        send(server.url, ("note", "later", 5))
        worker.wait_for("it works on", lambda: "later" in lines(tmp_path / "done"))
        with server.client() as broker:
            worker.wait_for("all is acknowledged", lambda: nothing_left(broker))
        assert sorted(lines(tmp_path / "begun")) == texts, "none ran twice"
        assert worker.process.poll() is None


def test_a_worker_whose_connection_is_reset_does_not_give_away_what_it_is_doing(
    redis_url: str, celery_worker: Start, tmp_path: Path
) -> None:
    # Redis is there all the time, so kombu's own transport puts running tasks back, and another worker begins them.
    texts = ["held 0", "held 1"]
    worker = celery_worker(redis_url, "--concurrency=2")
    send(redis_url, *(("hold", text, 5) for text in texts))
    worker.wait_for("they run", lambda: sorted(lines(tmp_path / "begun")) == texts)
    with redis.Redis.from_url(redis_url) as broker:
        broker.client_kill_filter(_type="pubsub")
        worker.wait_for("it is back", lambda: "Connected to redis" in worker.log.read_text().partition("lost")[2])
        assert broker.hlen("unacked") == 2
        (tmp_path / "go").touch()
        worker.wait_for("all is acknowledged", lambda: nothing_left(broker))
    assert sorted(lines(tmp_path / "begun")) == sorted(lines(tmp_path / "done")) == texts


def test_what_a_killed_worker_had_is_done_by_the_next(redis_url: str, celery_worker: Start, tmp_path: Path) -> None:
    killed = celery_worker(redis_url, "--concurrency=2")
    send(redis_url, ("hold", "held 0", 5), ("hold", "held 1", 5), *(("note", f"note {n}", 0) for n in range(5)))
    killed.wait_for("they run", lambda: len(lines(tmp_path / "begun")) == 2)
    killed.kill()
    (tmp_path / "go").touch()
    worker = celery_worker(redis_url, "--concurrency=2", TINY_VISIBILITY_TIMEOUT="1")
    expected = ["held 0", "held 1", *(f"note {n}" for n in range(5))]
    worker.wait_for("all are done", lambda: sorted(set(lines(tmp_path / "done"))) == expected)
    with redis.Redis.from_url(redis_url) as broker:
        worker.wait_for("all is acknowledged", lambda: nothing_left(broker))
