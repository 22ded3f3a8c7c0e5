"""T4 of reliability.md: a worker is killed at the moment a message has left Redis and nobody else knows of it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from random import Random
from uuid import UUID

import pytest
from redis import Redis

from refnet.pipeline.announce import announce
from tests.cluster.faults import Supervisor
from tests.cluster.lab import Lab, Worker, until
from tests.soak.conftest import MakeRig
from tests.soak.graph import paper_id
from tests.soak.rig import Rig
from tests.soak.tap import Tap, Trap, Way
from tests.soak.void import void

pytestmark = pytest.mark.soak

ROUNDS = 20
#: Seconds within which the work of a message that died with its worker is done.
RECOVERY = 30.0
FETCH = "crawler.tasks.fetch_paper_metadata"


def test_what_a_message_stood_for_is_done_though_its_worker_died_as_it_left_redis(
    seed: int, figures: dict[str, object], make_rig: MakeRig
) -> None:
    rig, trap = make_rig({"SEMANTIC_SCHOLAR_RPS": "50"}), Trap()
    papers = [paper_id(number) for number in Random(seed).sample(range(2_000), ROUNDS)]
    waits: list[float] = []
    with ExitStack() as stack:
        supervisor = stack.enter_context(
            Supervisor([partial(tapped, stack, rig, trap, name) for name in ("one", "two")])
        )
        cluster = stack.enter_context(rig.lab.cluster())
        redis = stack.enter_context(rig.redis.client())
        for number, paper in enumerate(papers):
            # What the last one left behind is put back meanwhile, and would be met in place of the new message.
            idle = partial(waits_for_work, supervisor, rig, redis)
            until(idle, 60, "both workers to wait for work")
            trap.set_for(FETCH.encode(), way(number))
            cluster.store.add_by_hand([paper], None, 1, str(rig.lab.vault))
            announce(cluster.store, cluster.announcer)
            began = until(lambda: trap.struck_at, 60, "the message")
            assert not done(rig.lab, paper)
            until(partial(done, rig.lab, paper), 120, f"{paper} to be fetched all the same")
            waits.append(time.monotonic() - began)
        exits = list(supervisor.exits)

    figures |= {
        "kills": trap.struck,
        "recovered": len(waits),
        "after at most (s)": max(waits),
        "after on average (s)": sum(waits) / len(waits),
    }
    if trap.struck < ROUNDS:
        void(f"{trap.struck} of {ROUNDS} messages were met")
    assert set(exits) == {-9}
    assert len(waits) == ROUNDS
    assert max(waits) <= RECOVERY


def test_a_message_by_hand_is_recorded_before_it_leaves_redis_and_run_though_its_worker_died(
    seed: int, figures: dict[str, object], make_rig: MakeRig
) -> None:
    """Nothing but Redis knows of it. The only worker is the one that is killed, and is started again."""
    rig, trap = make_rig({"SEMANTIC_SCHOLAR_RPS": "50"}), Trap()
    random = Random(seed)
    papers = [paper_id(number) for number in random.sample(range(2_000), ROUNDS)]
    kept = 0
    waits: list[float] = []
    with ExitStack() as stack:
        supervisor = stack.enter_context(Supervisor([partial(tapped, stack, rig, trap, "one")]))
        app = stack.enter_context(rig.lab.app())
        redis = stack.enter_context(rig.redis.client())
        for number, paper in enumerate(papers):
            until(lambda: ready(supervisor), 60, "the worker to wait for work")
            task_id = str(UUID(int=random.getrandbits(128), version=4))
            trap.set_for(task_id.encode(), way(number))
            result = app.send_task(FETCH, (paper,), {"depth": 1}, task_id=task_id)
            began = until(lambda: trap.struck_at, 60, "the message")
            records = redis.hvals("unacked")
            assert isinstance(records, list)
            waiting = [item for key in redis.keys("crawler*") for item in redis.lrange(key, 0, -1)]
            kept += any(task_id.encode() in one for one in (*records, *waiting))
            assert not done(rig.lab, paper)
            assert result.get(timeout=120)["status"] == "success"
            waits.append(time.monotonic() - began)
            assert done(rig.lab, paper)
        until(lambda: not redis.hlen("unacked"), 60, "nothing to be left as taken")

    figures |= {
        "kills": trap.struck,
        "messages still in Redis": kept,
        "run again": len(waits),
        "after at most (s)": max(waits),
        "after on average (s)": sum(waits) / len(waits),
    }
    if trap.struck < ROUNDS:
        void(f"{trap.struck} of {ROUNDS} messages were met")
    assert kept == len(waits) == ROUNDS
    assert max(waits) <= RECOVERY


def tapped(stack: ExitStack, rig: Rig, trap: Trap, name: str) -> Worker:
    """A worker with a tap of its own on its line to Redis."""
    tap = stack.enter_context(Tap(rig.redis.port, trap))
    through = rig.redis.url.replace(str(rig.redis.port), str(tap.port))
    tap.worker = rig.lab.with_(CELERY_BROKER_URL=through).worker(name=name, wait=False)
    return tap.worker


def way(number: int) -> Way:
    return "forwarded" if number % 2 else "withheld"


def ready(supervisor: Supervisor) -> bool:
    return all("ready." in worker.text and not worker.is_over for worker in supervisor.workers)


def waits_for_work(supervisor: Supervisor, rig: Rig, redis: Redis) -> bool:
    return ready(supervisor) and not queued(rig) and not held(redis)


def held(redis: Redis) -> int:
    """Messages for crawlers that wait or were taken, at one moment: what is put back goes from there to there and back
    within a few milliseconds, and a worker with an old message would do the new one's work.
    """
    with redis.pipeline(transaction=True) as at_once:
        at_once.hlen("unacked")
        at_once.llen("crawler")
        for priority in range(1, 11):
            at_once.llen(f"crawler\x06\x16{priority}")
        return sum(at_once.execute())


def queued(rig: Rig) -> bool:
    rows = rig.lab.query("SELECT count(*) AS n FROM jobs WHERE state IN ('queued', 'running')")
    return bool(rows[0].n)


def done(lab: Lab, paper: str) -> bool:
    rows = lab.query("SELECT state FROM jobs WHERE stage = 'crawl' AND paper_id = :paper", paper=paper)
    return bool(rows) and rows[0].state == "done"
