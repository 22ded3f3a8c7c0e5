"""Control commands and events that are none: whoever can write to the broker may broadcast them, and no worker minds."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from celery import Celery
from kombu import Connection

from tests.adapters.celery_queue.conftest import envelope
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, Worker, until

pytestmark = pytest.mark.slow

CONTROL, EVENTS, ANSWERS = "celery.pidbox", "celeryev", "reply.celery.pidbox"
HEARTBEAT = "worker.heartbeat"
DEEP = b"[" * 100_000
#: An integer that JSON can hold, and its successor not.
HUGE = 10**4300 - 1
JSON = "application/json"

#: JSON that is no table, or a table of nothing.
SHAPES: list[Any] = [[], [1], {}, None, 0, 1, 1.5, "text", True, [[]], [{}], {"": {}}]
BODIES: list[bytes | str] = [
    b"",
    b"garbage",
    b"\xff\xfe",
    b"NaN",
    DEEP,
    b'{"__type__": "x", "__value__": 1}',
    *map(json.dumps, SHAPES),
]
#: What may stand where something else was expected.
WRONG: list[Any] = [None, "text", "", -1, 10**400, 1e308, float("inf"), float("nan"), [], [1], {}, {"a": 1}, True]


def heartbeat(**changes: Any) -> dict[str, Any]:
    """An event as another worker would send it."""
    now = {"timestamp": time.time(), "clock": 1, "utcoffset": 0, "freq": 1.0, "pid": 1, "local_received": 0}
    about = {"active": 0, "processed": 0, "loadavg": [0, 0, 0], "sw_ident": "py-celery", "sw_ver": "5", "sw_sys": "x"}
    return {"type": "worker-heartbeat", "hostname": "other@host", **now, **about, **changes}


def command(method: Any = "ping", **changes: Any) -> dict[str, Any]:
    return {"method": method, "arguments": {}, "destination": None, "pattern": None, "matcher": None, **changes}


def events() -> list[Any]:
    changed = [heartbeat(**{name: wrong}) for name in heartbeat() for wrong in WRONG]
    odd = [heartbeat(type=f"worker-{kind}") for kind in ("offline", "online", "elect", "elect-ack", "\n", "")]
    attributes = [heartbeat(**{name: 1}) for name in ("heartbeats", "event", "alive", "id", "__class__", "__dict__")]
    return [*changed, *odd, *attributes, heartbeat(clock=HUGE), heartbeat(hostname="x\nforged line")]


def commands() -> list[Any]:
    """None of them is one that would be obeyed."""
    unknown = command("no-such-command")
    names = ("method", "arguments", "destination", "pattern", "matcher", "ticket", "reply_to", "self")
    changed = [{**unknown, name: wrong} for name in names for wrong in WRONG]
    wanted = {"exchange": ANSWERS, "routing_key": "nobody"}
    answers: list[Any] = [
        {**wanted, "exchange": "crawler"},  # which is there, and of another kind
        {**wanted, "exchange": "amq.direct"},
        {**wanted, "exchange": "x" * 300},
        {**wanted, "routing_key": "x" * 300},
        {**wanted, "routing_key": {}},
        wanted,
    ]
    asked = [command("no-such-command", reply_to=reply_to, ticket="t") for reply_to in answers]
    return [*changed, *asked, command("ping", arguments={"state": 1}), command(pattern="(", matcher="pcre")]


class Broadcaster:
    """Says what nobody of ours would say, where everybody listens."""

    def __init__(self, url: str) -> None:
        self._url = url

    def say(self, exchange: str, key: str, *bodies: bytes | str, headers: dict[str, Any] | None = None) -> None:
        """Messages with these bodies."""
        if self._url.startswith("redis"):
            told = envelope(
                headers=headers or {}, properties={"delivery_tag": "t", "delivery_info": {"routing_key": key}}
            )
            for body in bodies:
                text = body.decode(errors="replace") if isinstance(body, bytes) else body
                self.publish(exchange, key, json.dumps({**told, "body": text}).encode())
            return
        with Connection(self._url) as connection, connection.channel() as channel:
            for body in bodies:
                message = channel.prepare_message(
                    body, content_type=JSON, content_encoding="utf-8", headers=dict(headers or {})
                )
                channel.basic_publish(message, exchange=exchange, routing_key=key)

    def publish(self, exchange: str, key: str, *items: bytes) -> None:
        """To a channel of Redis, without an envelope."""
        with redis.Redis.from_url(self._url) as client:
            database = urlsplit(self._url).path.strip("/") or "0"
            channel = f"/{database}.{exchange}/{key}" if key else f"/{database}.{exchange}"
            for item in items:
                until(
                    partial(client.publish, channel, item), 30, "somebody to listen"
                )  # it does soon after it is ready


def envelopes() -> list[bytes]:
    """What is no message in kombu's envelope, or one of odd shape."""
    odd: list[Any] = []
    for name in ("body", "content-encoding", "content-type", "headers", "properties"):
        odd += [envelope(**{name: wrong}) for wrong in WRONG]
        odd.append({key: value for key, value in envelope().items() if key != name})
    for name in ("body_encoding", "delivery_info", "delivery_tag", "priority"):
        properties = envelope()["properties"]
        odd += [envelope(properties={**properties, name: wrong}) for wrong in WRONG]
        odd.append(envelope(properties={key: value for key, value in properties.items() if key != name}))
    odd.append(envelope(headers={"compression": "application/x-none"}))
    return [body if isinstance(body, bytes) else body.encode() for body in [*BODIES, *map(json.dumps, odd)]]


def alive(app: Celery, worker: Worker) -> None:
    """It answers, takes work, and has been there all the time."""
    until(lambda: worker.is_over or app.control.inspect(timeout=2).ping(), what="an answer")
    assert not worker.is_over, worker.text[-3000:]
    assert app.send_task("health_check").get(timeout=60)["status"] == "healthy"
    for words in ("Unrecoverable", "Trying to re-establish", "Connection to broker lost", "forged line\n"):
        assert words not in worker.text


def until_gossip_goes_on(broadcaster: Broadcaster, worker: Worker) -> None:
    broadcaster.say(EVENTS, HEARTBEAT, json.dumps(heartbeat(hostname="late@host")))
    worker.until_logs("missed heartbeat from late@host")


@pytest.fixture
def lab(make_lab: MakeLab, broker_url: str) -> Lab:
    """On each broker."""
    return make_lab(broker_url)


def test_no_event_ends_a_worker(lab: Lab, broker_url: str) -> None:
    worker = lab.refnet_worker("crawler")
    broadcaster = Broadcaster(broker_url)
    broadcaster.say(EVENTS, HEARTBEAT, *BODIES, *map(json.dumps, events()))
    for key in ("worker.elect", "worker.elect.ack", "worker.", "worker.x.y"):
        broadcaster.say(EVENTS, key, *BODIES, json.dumps(heartbeat(id="x", topic="task", action={}, cver=1)))
    broadcaster.say(EVENTS, HEARTBEAT, b"{}", headers={"hostname": "other@host", "compression": "x"})
    if broker_url.startswith("redis"):
        broadcaster.publish(EVENTS, HEARTBEAT, *envelopes())
    until_gossip_goes_on(broadcaster, worker)

    with lab.app() as app:
        alive(app, worker)
        [clock] = until(lambda: app.control.inspect(timeout=2).clock(), what="its clock").values()
    assert clock["clock"] < 10**6
    assert "Error in timer" not in worker.text
    assert not lab.query("SELECT 1 FROM dead_messages")


def test_no_control_message_ends_a_worker_or_becomes_a_dead_letter(lab: Lab, broker_url: str) -> None:
    worker = lab.refnet_worker("crawler")
    broadcaster = Broadcaster(broker_url)
    broadcaster.say(CONTROL, "", *BODIES, *map(json.dumps, commands()))
    broadcaster.say(CONTROL, "", json.dumps(command("no-such-command")), headers={"compression": "x"})
    for clock in (10**15 * 10, 2**62, "text", [1], -1):
        broadcaster.say(CONTROL, "", json.dumps(command("no-such-command")), headers={"clock": clock})
    if broker_url.startswith("redis"):
        broadcaster.publish(CONTROL, "", *envelopes())

    with lab.cluster() as cluster:
        alive(cluster.celery, worker)
        assert cluster.depths()["dlq"] == 0
    assert "unknown delivery tag" not in worker.text
    assert not lab.query("SELECT 1 FROM dead_messages")


def test_nobody_makes_a_worker_send_a_task_by_having_it_elected(lab: Lab, broker_url: str) -> None:
    workers = [lab.refnet_worker("crawler"), lab.refnet_worker("generator")]
    with lab.app() as app:
        # Redis keeps no broadcast for whoever listens later, as a worker does a moment after it is ready.
        until(lambda: len(app.control.ping(timeout=1)) == len(workers), what="both to listen")
        before = len(lab.results())
        for _ in range(2):  # of one request alone Celery makes an error
            task = {"task": "health_check", "args": [], "options": {"task_id": "of-nobody"}}
            app.control.broadcast("election", arguments={"id": "x", "topic": "task", "action": task})
        for worker in workers:
            worker.until_logs("hold no elections")
        until_gossip_goes_on(Broadcaster(broker_url), workers[0])
        assert app.send_task("health_check").get(timeout=60)["status"] == "healthy"
    assert len(lab.results()) == before + 1


def test_a_worker_starts_whatever_it_is_answered(lab: Lab) -> None:
    """Who listens knows where it wants its answers."""
    first = lab.refnet_worker("crawler")
    with lab.app() as app:
        for body in (
            "garbage",
            "[1]",
            '{"other@host": 1, "x\\nforged line": {}}',
            '{"a": {"clock": "x", "revoked": 1}}',
        ):
            with app.connection_for_read() as connection, connection.channel() as channel:
                asked = listening(app, connection, channel)
                worker = lab.refnet_worker("generator", wait=False)
                until(partial(heard, connection, asked), what="it to ask")
                reply(channel, asked[0], body)
            worker.until_logs("ready.")
            assert worker.stop() == 0
            assert "forged line\n" not in worker.text
        alive(app, first)


def listening(app: Celery, connection: Any, channel: Any) -> list[Any]:
    """The commands that workers send each other at their start, from now on."""
    asked: list[Any] = []

    def hear(told: Any, _message: Any) -> None:
        if told["method"] == "hello":
            asked.append(told)

    queue = app.control.mailbox(connection).get_queue("listener@host")(channel)
    queue.declare()
    connection.Consumer([queue], channel=channel, callbacks=[hear], no_ack=True).consume()
    heard(
        connection, asked
    )  # only with this does kombu subscribe at Redis, which keeps nothing for whoever comes later
    return asked


def heard(connection: Any, asked: list[Any]) -> bool:
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.05)
    return bool(asked)


def reply(channel: Any, told: dict[str, Any], body: str) -> None:
    message = channel.prepare_message(
        body, content_type=JSON, content_encoding="utf-8", headers={"ticket": told["ticket"], "clock": 1}
    )
    channel.basic_publish(message, exchange=ANSWERS, routing_key=told["reply_to"]["routing_key"])
