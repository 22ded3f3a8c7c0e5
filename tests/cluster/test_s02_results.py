"""S02: a task goes to the broker, runs on a worker, and its result stands in PostgreSQL; events tell how it goes."""

from __future__ import annotations

import json

import pytest

from refnet.demo.bundled import SEED
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab
from tests.cluster.live_events import live_events
from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow

FETCH = "crawler.tasks.fetch_paper_metadata"
#: The Semantic Scholar id of the seed.
PAPER = "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"


def test_s02_the_result_of_a_paper_fetched_by_hand_comes_from_postgresql(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url)
    lab.worker("crawler")

    with lab.app() as app:
        task_id = app.send_task(FETCH, [SEED]).id
        result = app.AsyncResult(task_id)
        assert result.get(timeout=90) == {"status": "success", "paper_id": PAPER}
        assert result.state == "SUCCESS"

    [row] = lab.query("SELECT status, result, name, worker FROM celery_taskmeta WHERE task_id = :id", id=task_id)
    assert row.status == "SUCCESS"
    assert json.loads(bytes(row.result)) == {"status": "success", "paper_id": PAPER}
    assert row.name == FETCH
    assert row.worker.startswith("crawler@")
    assert lab.query("SELECT title FROM papers WHERE paper_id = :id AND fetched_at IS NOT NULL", id=PAPER)


def test_s02_the_result_is_not_in_redis(lab: Lab, redis_server: RedisServer) -> None:
    lab.worker("crawler")

    with lab.app() as app:
        app.send_task("health_check").get(timeout=90)

    with redis_server.client(decode_responses=True) as redis:
        keys: list[str] = redis.keys()
    assert keys
    assert not [key for key in keys if "task-meta" in key]


def test_s02_events_show_live_how_a_task_goes(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url)
    lab.worker("crawler")

    with lab.app() as app, live_events(app) as events:
        with lab.stand_in._lock:  # so that the source does not answer meanwhile, however long that is
            task_id = app.send_task(FETCH, [SEED]).id
            # Live: while the task is at work. "Sent" comes from another process, so before or after others.
            for kind in ("task-sent", "task-received", "task-started"):
                events.until(kind, task_id)
            assert sorted(events.kinds(task_id)) == ["received", "sent", "started"]
            assert not lab.results(FETCH)
        succeeded = events.until("task-succeeded", task_id)

    assert [kind for kind in events.kinds(task_id) if kind != "sent"] == ["received", "started", "succeeded"]
    assert succeeded["hostname"].startswith("crawler@")
    assert PAPER in succeeded["result"]
