"""T9 of reliability.md: asked for a thousand times at once, delivered twice and out of order, and done once."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from tests.cluster.beside import Beside
from tests.cluster.lab import until
from tests.redis_server import RedisServer
from tests.soak.conftest import MakeRig
from tests.soak.graph import paper_id
from tests.soak.void import void

pytestmark = pytest.mark.soak

THREADS, TIMES, PAPERS = 50, 20, 500
BATCH = "crawler.tasks.batch_process_papers"


class Doubler(Beside):
    """Puts a copy of every message that waits in the crawler's queue back into it, at a place of its own choosing."""

    every = 0.02

    def __init__(self, redis: Any, random: Random) -> None:
        self._redis = redis
        self._random = random
        self._seen: set[str] = set()
        self.doubled = 0

    def turn(self) -> None:
        redis = self._redis
        for key in redis.keys("crawler*"):
            if redis.type(key) != b"list":
                continue
            for item in redis.lrange(key, 0, -1):
                task_id = json.loads(item)["headers"]["id"]
                if task_id not in self._seen:
                    self._seen.add(task_id)
                    push = self._random.choice((redis.lpush, redis.rpush))
                    push(key, item)
                    self.doubled += 1


def test_what_is_asked_a_thousand_times_and_delivered_twice_is_done_once(
    seed: int, figures: dict[str, object], make_rig: MakeRig
) -> None:
    rig = make_rig({"SEMANTIC_SCHOLAR_RPS": "20"})
    papers = [paper_id(number) for number in range(PAPERS)]
    asks = THREADS * TIMES
    with rig.redis.client() as redis, Doubler(redis, Random(seed)) as doubler, rig.lab.app() as app:

        def ask(thread: int) -> None:
            random = Random(f"{seed} {thread}")
            for _ in range(TIMES):
                app.send_task(BATCH, (random.sample(papers, PAPERS),))

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(ask, range(THREADS)))
        until(lambda: doubler.doubled >= asks, 120, "every message to be doubled")
        with rig.supervised() as supervisor:
            until(
                lambda: len(rig.lab.results(BATCH)) >= asks and not waiting(rig.redis),
                1_800,
                "all messages to be taken",
            )
            until(lambda: rig.done() >= PAPERS and not open_jobs(rig.lab), 300, "all papers")
            exits = list(supervisor.exits)
            told = "".join(worker.text for worker in supervisor.workers)

    rows = rig.lab.query("SELECT paper_id, state FROM jobs WHERE stage = 'crawl'")
    fetched = Counter(paper for entry in rig.source.log if entry.answered for paper in entry.asked)
    failed = [row for row in rig.lab.results() if row.status == "FAILURE"]
    errors = sum(told.count(word) for word in ("IntegrityError", "UniqueViolation", "DeadlockDetected"))
    figures |= {
        "asked": asks,
        "doubled": doubler.doubled,
        "rows": len(rows),
        "papers fetched": len(fetched),
        "fetched twice": sum(times > 1 for times in fetched.values()),
        "tasks failed": len(failed),
        "integrity errors": errors,
    }
    if doubler.doubled < asks:
        void(f"{doubler.doubled} of {asks} messages were doubled")
    assert {row.state for row in rows} == {"done"}
    assert sorted(row.paper_id for row in rows) == sorted(papers)
    assert fetched == dict.fromkeys(papers, 1)
    assert failed == []
    assert errors == 0
    assert exits == []


def waiting(server: RedisServer) -> bool:
    """Whether messages are left, in the queue or with a worker."""
    with server.client() as redis:
        keys = redis.keys("crawler*")
        assert isinstance(keys, list)
        return bool(redis.hlen("unacked")) or any(redis.type(key) == b"list" for key in keys)


def open_jobs(lab: Any) -> bool:
    return bool(lab.query("SELECT id FROM jobs WHERE state IN ('queued', 'running') LIMIT 1"))
