"""S11: how many messages wait, by command, and the keys of Redis that they stand in."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from celery import Celery

from refnet.domain.workers import BY_QUEUE
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import until
from tests.cluster.one_lab import FETCH, GENERATE, SUMMARIZE
from tests.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.slow

TASKS = {"crawler": FETCH, "summarizer": SUMMARIZE, "generator": GENERATE}


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def send_each_priority(app: Celery) -> None:
    """One message of each priority from 0 to 10 to the crawlers, two to the summarizers, three to the generators."""
    for priority in range(11):
        app.send_task(FETCH, (f"p{priority}",), priority=priority)
    for number, queue in ((2, "summarizer"), (3, "generator")):
        for priority in range(number):
            app.send_task(TASKS[queue], (f"p{priority}",), priority=priority)


def test_s11_depth_per_queue_is_the_sum_over_its_priorities_on_each_broker(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url)
    nothing = dict.fromkeys(("crawler", "summarizer", "generator", "dlq"), 0)
    assert lab.refnet.done("status", "--json").json["queues"] == nothing

    with lab.app() as app:
        send_each_priority(app)

    expected = {"crawler": 11, "summarizer": 2, "generator": 3, "dlq": 0}
    assert lab.refnet.done("status", "--json").json["queues"] == expected
    said = lab.refnet.done("status").out
    assert [line for line in said.splitlines() if line.startswith("Queue: ")] == [
        f"Queue: {queue} {number} waiting" for queue, number in expected.items()
    ]
    assert "waiting crawler 11, summarizer 2, generator 3, dlq 0" in lab.refnet("doctor").out


def test_s11_a_queue_is_the_list_of_its_name_and_one_for_each_other_priority(
    make_lab: MakeLab, redis: RedisServer
) -> None:
    lab = make_lab(redis.url)

    with lab.app() as app:
        send_each_priority(app)
        app.send_task(GENERATE, ("too urgent for its queue",), priority=10)

    with redis.client(decode_responses=True) as client:
        lists = {key: client.llen(key) for key in client.keys("*") if client.type(key) == "list"}
        assert lists == {
            "crawler": 1,
            **{f"crawler\x06\x16{priority}": 1 for priority in range(1, 11)},
            "summarizer": 1,
            "summarizer\x06\x161": 1,
            "generator": 1,
            "generator\x06\x161": 1,
            "generator\x06\x162": 1,
            f"generator\x06\x16{BY_QUEUE['generator'].priority}": 1,
        }
        bindings = {key: sorted(client.smembers(key)) for key in client.keys("_kombu.binding.*")}
        assert bindings["_kombu.binding.crawler"] == ["crawler\x06\x16\x06\x16crawler"]
        envelope = json.loads(client.lindex("crawler\x06\x1610", 0))
        assert envelope["headers"]["task"] == FETCH
        assert envelope["properties"]["priority"] == 10


def test_s11_what_is_at_work_stands_in_unacked_until_it_is_done(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url, latency=600.0, timeout=900.0)
    lab.worker("crawler", "-c1")
    with lab.app() as app:
        sent = app.send_task(FETCH, ("arXiv:2005.11401", 1))
    until(lambda: "received" in lab.workers[0].text, what="the task to begin")

    with redis.client(decode_responses=True) as client:
        records = until(lambda: client.hgetall("unacked"), what="the record")
        assert list(client.zrange("unacked_index", 0, -1)) == list(records)
        [[message, _, queue]] = [json.loads(record) for record in records.values()]
        assert (message["headers"]["id"], queue) == (sent.id, "crawler")
        assert not client.llen("crawler")

    lab.workers[0].kill()
    with redis.client(decode_responses=True) as client:
        assert client.hlen("unacked") == 1, "what a killed worker had is kept"


def test_s11_what_another_client_pushes_is_consumed(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url)
    with lab.app() as app, redis.client(decode_responses=True) as client:
        app.send_task(FETCH, ("arXiv:2005.11401", 1))
        envelope = client.rpop("crawler\x06\x1610")
        assert isinstance(envelope, str)
        client.flushall()
        lab.worker("crawler", "-c1")

        client.lpush("crawler", envelope)

        until(lambda: [row.status for row in lab.results(FETCH)] == ["SUCCESS"], 30.0, "the message to be consumed")


def test_s11_a_broker_that_is_away_is_told_in_words(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url)
    redis.stop()

    ended = lab.refnet.done("status")

    assert "The broker does not answer" in ended.out
    assert "Queue:" not in ended.out
    assert lab.refnet.done("status", "--json").json["queues"] == {}
