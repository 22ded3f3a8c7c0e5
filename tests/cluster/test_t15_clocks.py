"""T15 of reliability.md, its short form: workers whose clocks are a day off. The time that counts is the servers'."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from refnet.adapters.celery_queue.beat import turn_id
from refnet.demo.bundled import SEED, bundled_corpus
from tests.cluster.faults import pauses
from tests.cluster.lab import Lab, Worker, until
from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow

DAY = 86_400.0


def wrong_worker(lab: Lab, by: float, queues: str, *words: str, name: str, wait: bool = True) -> Worker:
    """A worker whose clock is wrong by so many seconds."""
    wrong = lab.with_(WRONG_BY=str(by))
    return wrong.worker(queues, *words, name=name, wait=wait, app="tests.cluster.wrong_clock")


def wrong_beat(lab: Lab, by: float) -> Worker:
    """A beat whose clock is as wrong, with a health check each second."""
    wrong = lab.with_(WRONG_BY=str(by), BEAT_EVERY="1")
    return wrong._start(["-m", "celery", "-A", "tests.cluster.wrong_clock", "beat", "--pidfile="], "beat", wait=False)


def test_t15_workers_and_a_beat_a_day_off_give_nothing_away_keep_nothing_back_and_do_the_crawl(
    lab: Lab, redis_server: RedisServer, tmp_path: Path
) -> None:
    probes = ("--include", "tests.cluster.probe_tasks", "-c1")
    slow = wrong_worker(lab, -DAY, "hold", *probes, name="slow", wait=False)
    fast = wrong_worker(lab, DAY, "crawler,summarizer,generator", name="fast")
    slow.until_logs("ready.")
    with lab.app() as app, redis_server.client() as redis:
        held = app.send_task("probe.hold", (str(tmp_path / "go"),), queue="hold")
        until(lambda: held.id in slow.text, what="the task to be begun")
        began = time.monotonic()
        # By the clock of whoever fetched it, it would have been there for a day already, longer than messages may.
        # Beside it may be a worker's own sign of life, until that is acknowledged.
        [tag] = [tag for tag, record in redis.hgetall("unacked").items() if held.id.encode() in record]
        score = redis.zscore("unacked_index", tag)
        assert score is not None
        assert abs(score - redis.time()[0]) < 60
        beat = wrong_beat(lab, -DAY)

        document = lab.refnet.map(SEED)

        # Long enough for the fast one to have looked twice for messages that others keep too long.
        left = began + 12.0 - time.monotonic()
        assert not pauses(left, lambda: redis.zscore("unacked_index", tag) is None)
        (tmp_path / "go").touch()
        assert held.get(timeout=60) == "let go"
        until(lambda: len(lab.results("health_check")) >= 3, what="turns of the beat")
    assert slow.text.count(f"Task probe.hold[{held.id}] received") == 1

    assert document["papers"] == 1 + len(bundled_corpus().breadth_first(SEED, 1)[1])
    assert (document["dead"], document["notes"]) == (0, document["papers"])
    assert lab.query("SELECT count(*) FROM jobs WHERE state <> 'done'") == [(0,)]
    off = "SELECT count(*) FROM celery_taskmeta WHERE abs(extract(epoch FROM date_done - timezone('UTC', now()))) > 600"
    assert lab.query(off) == [(0,)], "when tasks ended is told by the database's clock"

    ran = {row.task_id for row in lab.results("health_check")}  # before it is asked what time it is: more come
    now = int(lab.query("SELECT extract(epoch FROM clock_timestamp())")[0][0])
    turns = {turn_id("health-check", float(turn)) for turn in range(now - 600, now + 2)}
    assert ran <= turns
    assert {row.status for row in lab.results()} == {"SUCCESS"}
    assert (slow.is_over, fast.is_over, beat.is_over) == (False, False, False)
