"""T4 of reliability.md, in short: what a killed worker had of tasks by hand, of which only Redis knows."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from celery.result import AsyncResult
from redis import Redis

from refnet.adapters.celery_queue.scripts import BEGUN
from refnet.adapters.celery_queue.signing import HINT
from refnet.domain.jobs import MOST_LOSSES
from refnet.entrypoints.celery.alive import GIVEN_UP
from tests.cluster.lab import Lab, until
from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow

#: Seconds within which a message of a killed worker is run again. Source: T4.
RECOVERY = 30.0
WORDS = ("--include", "tests.cluster.probe_tasks", "-c2")
ACTING = "tests.cluster.acting_tasks"


def waiting(queue: str) -> str:
    """The list of its messages of priority 5."""
    return f"{queue}\x06\x165"


def lost_before(item: object) -> str:
    """A message as it is when it was lost as often as may be."""
    assert isinstance(item, bytes)
    message = json.loads(item)
    message["properties"]["delivery_info"]["losses"] = MOST_LOSSES - 1
    return json.dumps(message)


def had_by_the_killed(redis: Redis, queue: str) -> None:
    """Let the one worker that there was have begun with all of a queue, once more."""
    [owner] = redis.zrange("_refnet.owners", 0, -1)
    assert isinstance(owner, bytes)
    while (item := redis.rpop(waiting(queue))) is not None:
        text = lost_before(item)
        tag = f"{json.loads(text)['properties']['delivery_tag']}@{owner.decode()}"
        redis.hset("unacked", tag, f'[{text}, "", "{queue}"]{BEGUN}')
        redis.zadd("unacked_index", {tag: time.time()})


def test_t4_what_a_killed_worker_had_is_run_by_the_next_and_what_killed_three_is_given_up(
    lab: Lab, redis_server: RedisServer, tmp_path: Path
) -> None:
    with lab.app() as app, redis_server.client() as redis:
        flag = tmp_path / "go"
        held = app.send_task("probe.hold", (str(flag),), queue="crawler", priority=5)
        poison = app.send_task("acting.kill_worker", queue="crawler", priority=5)
        redis.lpush(waiting("crawler"), lost_before(redis.lpop(waiting("crawler"))))
        lab.worker("crawler", *WORDS, name="killed", app=ACTING, wait=False).process.wait(60)
        killed = time.monotonic()
        assert redis.hlen("unacked") == 2
        flag.touch()
        ended = app.send_task("acting.kill_worker", queue="aside", priority=5)
        app.backend.store_result(ended.id, None, "SUCCESS")
        app.send_task("acting.kill_worker", queue="aside", priority=5, headers={HINT: 1})
        had_by_the_killed(redis, "aside")
        assert redis.hlen("unacked") == 4

        following = lab.worker("crawler", *WORDS, name="following", app=ACTING)
        assert held.get(timeout=60) == "let go"
        took = time.monotonic() - killed
        until(lambda: redis.hlen("unacked") == redis.zcard("unacked_index") == 0, 10, "nothing to be left")

        assert redis.llen("dlq") == 1, "one that ended, and a hint, need not be dead letters"
        print(f"run again after {took:.1f} s")
        assert took <= RECOVERY
        assert not following.is_over
        with pytest.raises(Exception, match="was killed, or was cut off"):
            poison.get(timeout=10)
    [letter] = lab.store.dead_messages()
    assert (letter.task_id, letter.task, letter.queue, letter.reason) == (
        poison.id,
        "acting.kill_worker",
        "crawler",
        GIVEN_UP,
    )
    assert (letter.times, letter.failed, letter.is_kept) == (1, True, True)
    assert f"[{held.id}] received" in following.text
    assert f"[{poison.id}] received" not in following.text


def test_t4_what_a_killed_worker_had_not_begun_with_is_not_charged(
    lab: Lab, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Two wait: for their time, and, when that has come to one, for the process that is busy."""
    with lab.app() as app, redis_server.client() as redis:

        def recorded(*, begun: bool) -> set[str]:
            found = [item for item in redis.hvals("unacked") if item.endswith(BEGUN.encode()) is begun]
            return {json.loads(item)[0]["headers"]["id"] for item in found}

        def hold(flag: str, **options: float) -> AsyncResult:
            return app.send_task("probe.hold", (str(tmp_path / flag),), queue="crawler", priority=5, **options)

        worker = lab.worker("crawler", "--include", "tests.cluster.probe_tasks", "-c1", name="killed")
        due, later = hold("second", countdown=10), hold("second", countdown=600)
        until(lambda: recorded(begun=False) == {due.id, later.id}, what="them to be taken")
        held = hold("first")
        until(lambda: recorded(begun=True) == {held.id}, what="it to begin")
        came = time.monotonic() + 13
        until(lambda: time.monotonic() > came, what="the time of one to come")
        assert (recorded(begun=True), recorded(begun=False)) == ({held.id}, {due.id, later.id})
        (tmp_path / "first").touch()
        assert held.get(timeout=30) == "let go"
        until(lambda: recorded(begun=True) == {due.id}, what="it to begin")
        worker.kill()

        (tmp_path / "second").touch()
        lab.worker("crawler", "--include", "tests.cluster.probe_tasks", "-c1", name="following")
        assert due.get(timeout=60) == "let go"
        # The result is there a moment before its message is acknowledged.
        until(
            lambda: (recorded(begun=True), recorded(begun=False)) == (set(), {later.id}), what="the rest to come again"
        )
        (left,) = [json.loads(item)[0] for item in redis.hvals("unacked")]
        assert left["properties"]["delivery_info"]["losses"] == 0


def test_t4_a_worker_that_is_busy_and_alive_keeps_its_messages(
    lab: Lab, redis_server: RedisServer, tmp_path: Path
) -> None:
    flag = tmp_path / "go"
    lab.worker("crawler", *WORDS, name="one", app=ACTING)
    with lab.app() as app, redis_server.client() as redis:
        held = [app.send_task("probe.hold", (str(flag),), queue="crawler") for _ in range(2)]
        tags = until(lambda: len(found := redis.zrange("unacked_index", 0, -1)) == 2 and found, what="both to be taken")
        lab.worker("crawler", *WORDS, name="two", app=ACTING)
        began = time.monotonic()
        until(lambda: time.monotonic() - began > RECOVERY - 5, RECOVERY, "longer than a silent one would keep them")
        assert set(redis.zrange("unacked_index", 0, -1)) >= set(tags)
        assert redis.zcard("_refnet.owners") == 2
        flag.touch()
        assert [one.get(timeout=30) for one in held] == ["let go"] * 2


def test_what_waits_for_its_time_is_run_though_the_connection_was_lost_meanwhile(
    lab: Lab, redis_server: RedisServer, tmp_path: Path
) -> None:
    with lab.app() as app, redis_server.client() as redis:
        lab.worker("crawler", *WORDS, name="cut")
        flag = tmp_path / "go"
        flag.touch()
        later = app.send_task("probe.hold", (str(flag),), queue="crawler", priority=5, countdown=8)
        until(lambda: redis.hlen("unacked") == 1, what="the message to be taken")

        redis.client_kill_filter(_type="normal", skipme=True)

        assert later.get(timeout=RECOVERY) == "let go"
        until(lambda: redis.hlen("unacked") == 0, what="nothing to be left of it")
