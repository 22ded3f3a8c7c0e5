"""Our Redis transport, by kombu's own interface, on every Redis there is."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import kombu.transport
import pytest
from kombu import Connection, Exchange, Queue
from kombu.transport import redis as stock

from refnet.adapters.celery_queue import transport
from refnet.adapters.celery_queue.queues import depths
from refnet.adapters.celery_queue.transport import Transport
from tests.adapters.celery_queue.conftest import Connect, envelope, pushed
from tests.redis_server import RedisServer
from tests.servers import ticks

SEP = "\x06\x16"
QUEUES = ("crawler", "summarizer", "generator")
MOST = {"crawler": 10, "summarizer": 5, "generator": 3}


class Patient(Transport):
    """Waits at the doorbells for as long as a test lasts, so that only a ring explains that it found something."""

    brpop_timeout = 60


def publish(connection: Any, queue: str, body: object, priority: int = 0) -> None:
    with connection.Producer() as producer:
        producer.publish(body, exchange="", routing_key=queue, priority=priority)


class Consuming:
    """A consumer of queues on a channel of its own; what it has received and not acknowledged is in `held`."""

    def __init__(self, connection: Any, *queues: str, prefetch: int = 1, no_ack: bool = False) -> None:
        self.connection = connection
        self.channel = connection.channel()
        self.channel.basic_qos(0, prefetch)
        self.held: list[Any] = []
        for queue in queues:
            self.channel.basic_consume(queue, no_ack, self.held.append, f"consumer of {queue}")

    def receive(self, timeout: float = 10) -> Any:
        before = len(self.held)
        end = time.monotonic() + timeout
        while len(self.held) == before:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                self.connection.drain_events(timeout=left)
            except TimeoutError:
                continue
        return self.held[-1]

    def bodies(self, count: int) -> list[Any]:
        """Receive and acknowledge that many, one after the other."""
        found = []
        for _ in range(count):
            message = self.receive()
            found.append(message.decode())
            message.ack()
        return found

    def wait_at_the_doorbell(self, broker: Any, already: int = 0) -> None:
        for _ in ticks(10):
            try:
                self.connection.drain_events(timeout=0.05)
            except TimeoutError:
                if broker.info("clients")["blocked_clients"] > already:
                    return
        pytest.fail("it does not wait")


def record(broker: Any, tag: str) -> Any:
    found = broker.hget("unacked", tag)
    return None if found is None else json.loads(found)


# ---------------------------------------------------------------- order
def test_ten_comes_before_nine_and_equal_ones_in_the_order_they_came(connect: Connect) -> None:
    connection = connect()
    sent = [(priority, number) for number in range(3) for priority in range(11)]
    random.Random(7).shuffle(sent)
    for priority, number in sent:
        publish(connection, "crawler", [priority, number], priority)
    came = Consuming(connection, "crawler").bodies(33)
    assert [priority for priority, _ in came] == [priority for priority in range(10, -1, -1) for _ in range(3)]
    for priority in range(11):
        assert [n for p, n in came if p == priority] == [n for p, n in sent if p == priority]


def test_the_queue_counts_before_the_priority(connect: Connect) -> None:
    connection = connect(queue_order=QUEUES)
    others = ("later", "last")
    for queue in ("last", "generator", "later", "summarizer", "crawler"):
        for priority in (0, 10, 5):
            publish(connection, queue, [queue, priority], priority)
    consuming = Consuming(connection, "generator", "later", "crawler", "last", "summarizer")
    expected = [[queue, priority] for queue in (*QUEUES, *others) for priority in (10, 5, 0)]
    assert consuming.bodies(15) == expected


def test_without_an_order_queues_are_emptied_as_they_were_consumed(connect: Connect) -> None:
    connection = connect()
    for queue in ("first", "second"):
        publish(connection, queue, queue)
        publish(connection, queue, queue)
    assert Consuming(connection, "second", "first").bodies(4) == ["second", "second", "first", "first"]


def test_a_priority_above_the_queues_own_maximum_is_lowered_to_it(connect: Connect, broker: Any) -> None:
    connection = connect(queue_max_priority=MOST)
    for number, priority in enumerate((10, 3, 5, 4, 7)):
        publish(connection, "summarizer", number, priority)
    assert broker.llen(f"summarizer{SEP}5") == 3
    consuming = Consuming(connection, "summarizer")
    message = consuming.receive()
    assert message.properties["priority"] == 5
    message.ack()
    assert consuming.bodies(4) == [2, 4, 3, 1]


def test_a_batch_lowers_priorities_and_rings_too(connect: Connect, broker: Any) -> None:
    consuming = Consuming(connect(Patient, queue_max_priority=MOST), "generator")
    consuming.wait_at_the_doorbell(broker)
    publishing = connect(queue_max_priority=MOST)
    with publishing.Producer() as producer, producer.batch():
        for number, priority in enumerate((1, 10, 2, 3)):
            producer.publish(number, exchange="", routing_key="generator", priority=priority)
        assert broker.keys("generator*") == []
    assert broker.llen(f"generator{SEP}3") == 2
    assert consuming.bodies(4) == [1, 3, 2, 0]


def test_what_another_client_gave_too_high_a_priority_is_lowered_when_it_goes_back(
    connect: Connect, broker: Any
) -> None:
    message = envelope()
    message["properties"]["priority"] = 10
    broker.lpush("summarizer", pushed(message))
    Consuming(connect(queue_max_priority=MOST), "summarizer").receive().requeue()
    assert broker.llen(f"summarizer{SEP}5") == 1


def test_depth_and_purge_count_all_eleven_lists(connect: Connect) -> None:
    connection = connect()
    for priority in range(11):
        publish(connection, "crawler", {}, priority)
    channel = connection.channel()
    assert channel.queue_declare(queue="crawler", passive=True).message_count == 11
    assert channel.queue_purge("crawler") == 11


# ---------------------------------------------------------------- broadcasts
def test_what_is_no_message_is_dropped_from_a_channel_and_the_next_one_comes(connect: Connect, broker: Any) -> None:
    connection = connect()
    queue = Queue("listener", Exchange("everybody", type="fanout"), auto_delete=True)(connection.default_channel)
    queue.declare()
    consuming = Consuming(connection, "listener", no_ack=True)
    tables: list[Any] = [1, None, "x", [], [1], {}, {"properties": 1}, {"properties": {}}]
    odd = [
        envelope(properties={"delivery_tag": 1}),
        envelope(headers=["clock"]),
        envelope(properties={"delivery_tag": "t", "delivery_info": [1]}),
    ]
    bad = (b"\xff\xfe", b"garbage", b"", b"[" * 100_000, b'{"__type__": "x", "__value__": 1}')
    for _ in ticks(10):
        if broker.publish("/0.everybody", b"[1]"):
            break
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.05)
    for item in (*bad, *map(pushed, (*tables, *odd))):
        broker.publish("/0.everybody", item)
    broker.publish("/0.everybody", pushed(envelope(body='"good"')))
    assert consuming.receive().decode() == "good"
    assert len(consuming.held) == 1


# ---------------------------------------------------------------- fetching
def test_whoever_asks_often_how_deep_queues_are_keeps_to_one_connection(connect: Connect, broker: Any) -> None:
    connection = connect()
    for number, queue in enumerate(QUEUES):
        for priority in range(number):
            publish(connection, queue, priority, priority=priority)
    expected = {"crawler": 0, "summarizer": 1, "generator": 2, "nowhere": 0}
    assert depths(connection, (*QUEUES, "nowhere")) == expected
    opened = broker.info("stats")["total_connections_received"]
    for _ in range(5):
        assert depths(connection, (*QUEUES, "nowhere")) == expected
    assert broker.info("stats")["total_connections_received"] == opened


def test_a_fetched_message_is_recorded_byte_for_byte(connect: Connect, broker: Any) -> None:
    raw = json.dumps(
        envelope(
            headers={"empty": [], "none": {}, "long": 12345678901234567890, "odd": 0.1, "text": "é\u2028\U0001f600"}
        ),
        ensure_ascii=False,
    )
    broker.lpush(f"crawler{SEP}4", raw)
    message = Consuming(connect(), "crawler").receive()
    assert message.headers["long"] == 12345678901234567890
    assert broker.hget("unacked", "a-tag").decode() == f'[{raw}, "", "crawler"]'
    assert broker.zscore("unacked_index", "a-tag") == pytest.approx(time.time(), abs=5)
    message.ack()
    assert not broker.exists("unacked", "unacked_index")


def test_a_worker_killed_right_after_it_fetched_loses_nothing(
    connect: Connect, broker: Any, each_running_redis: RedisServer
) -> None:
    # kombu's own transport loses the message here: it is in no list, and not recorded yet.
    connection = connect(visibility_timeout=0)
    publish(connection, "crawler", "precious", 7)
    code = """
import os, signal, sys
from kombu import Connection
from refnet.adapters.celery_queue import transport
transport.register()
with Connection(sys.argv[1]) as connection:
    channel = connection.channel()
    channel._script_known = False  # the whole script at once: there is no second question
    channel.basic_consume("crawler", False, print, "")
    channel.client.connection = channel.client.connection_pool.get_connection()
    channel._brpop_start()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code, each_running_redis.url], check=False)
    assert killed.returncode == -signal.SIGKILL
    for _ in ticks(10):
        if broker.hlen("unacked"):
            break
    assert broker.llen(f"crawler{SEP}7") == 0
    channel = connection.channel()
    channel.qos.restore_visible(num=None, interval=1)
    assert broker.llen(f"crawler{SEP}7") == 1, "it goes back into the list of its own priority"
    message = Consuming(connection, "crawler").receive()
    assert message.decode() == "precious"
    assert message.headers["redelivered"] is True


def test_restored_messages_come_first_again_and_in_their_order(connect: Connect, broker: Any) -> None:
    connection = connect(visibility_timeout=0)
    lost = connect()
    for number in range(4):
        publish(connection, "crawler", number)
    dead = Consuming(lost, "crawler", prefetch=3)
    for _ in range(3):
        dead.receive()
    lost.collect()  # as when the connection broke: nothing is given back
    assert broker.hlen("unacked") == 3
    connection.channel().qos.restore_visible(num=None, interval=1)
    assert Consuming(connection, "crawler").bodies(4) == [0, 1, 2, 3]


def test_closing_gives_back_what_was_not_acknowledged_in_its_order(connect: Connect, broker: Any) -> None:
    connection = connect()
    for number in range(4):
        publish(connection, "crawler", number)
    closing = Consuming(connect(), "crawler", prefetch=3)
    for _ in range(3):
        closing.receive()
    closing.connection.close()
    assert broker.hlen("unacked") == 0
    assert Consuming(connection, "crawler").bodies(4) == [0, 1, 2, 3]


def test_requeueing_puts_a_message_last(connect: Connect) -> None:
    connection = connect()
    publish(connection, "crawler", "first")
    publish(connection, "crawler", "second")
    consuming = Consuming(connection, "crawler")
    consuming.receive().requeue()
    assert consuming.bodies(2) == ["second", "first"]


def test_two_copies_of_one_message_have_a_record_each(connect: Connect, broker: Any) -> None:
    broker.lpush("crawler", *[pushed(envelope())] * 2)
    consuming = Consuming(connect(), "crawler", prefetch=2)
    first, second = consuming.receive(), consuming.receive()
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 2
    first.ack()
    assert [tag.decode() for tag in broker.hkeys("unacked")] == [second.delivery_tag]
    second.ack()
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0


def test_who_does_not_acknowledge_leaves_no_record(connect: Connect, broker: Any) -> None:
    connection = connect()
    for _ in range(3):
        publish(connection, "crawler", "gone")
    Consuming(connection, "crawler", no_ack=True).receive()
    assert connection.channel().basic_get("crawler", no_ack=True).decode() == "gone"
    left = connection.channel().basic_get("crawler")
    assert broker.hlen("unacked") == 1
    left.ack()
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0
    assert connection.channel().basic_get("crawler") is None


def test_a_server_that_forgot_its_scripts_is_taught_again(connect: Connect, broker: Any) -> None:
    connection = connect()
    consuming = Consuming(connection, "crawler")
    for body in ("before", "after"):
        broker.script_flush()
        publish(connection, "crawler", body)
        assert consuming.bodies(1) == [body]


def test_a_full_server_can_still_be_emptied(connect: Connect, broker: Any) -> None:
    connection = connect()
    publish(connection, "crawler", "relief")
    consuming = Consuming(connection, "crawler")
    broker.config_set("maxmemory", 1)
    try:
        assert consuming.bodies(1) == ["relief"]
        assert broker.hlen("unacked") == 0
    finally:
        broker.config_set("maxmemory", 0)


# ---------------------------------------------------------------- waiting
def test_a_ring_ends_the_wait(connect: Connect, broker: Any) -> None:
    consuming = Consuming(connect(Patient), "crawler")
    consuming.wait_at_the_doorbell(broker)
    publish(connect(), "crawler", "hello", 3)
    assert consuming.bodies(1) == ["hello"]


def test_what_others_push_without_ringing_is_found_within_seconds(connect: Connect, broker: Any) -> None:
    consuming = Consuming(connect(), "crawler")
    consuming.wait_at_the_doorbell(broker)
    broker.lpush(f"crawler{SEP}9", pushed(envelope("9")))
    began = time.monotonic()
    assert consuming.bodies(1) == [9]
    assert time.monotonic() - began < 3


def test_one_ring_wakes_as_many_workers_as_there_are_messages(connect: Connect, broker: Any) -> None:
    first, second = Consuming(connect(Patient), "crawler"), Consuming(connect(Patient), "crawler")
    first.wait_at_the_doorbell(broker)
    second.wait_at_the_doorbell(broker, already=1)
    with broker.pipeline() as pipe:
        pipe.lpush("crawler", pushed(envelope(tag="one")))
        pipe.lpush(f"crawler{SEP}3", pushed(envelope(tag="two")))
        pipe.zadd("_refnet.bell.crawler", {"rung": 0})
        pipe.execute()
    assert {consuming.receive().delivery_tag for consuming in (first, second)} == {"one", "two"}


def test_a_worker_of_other_queues_takes_nobodys_ring(connect: Connect, broker: Any) -> None:
    mine, other = Consuming(connect(Patient), "summarizer"), Consuming(connect(Patient), "crawler")
    mine.wait_at_the_doorbell(broker)
    other.wait_at_the_doorbell(broker, already=1)
    publish(connect(), "summarizer", "mine")
    assert mine.bodies(1) == ["mine"]


def test_doorbells_do_not_grow_and_go_by_themselves(connect: Connect, broker: Any) -> None:
    connection = connect()
    for _ in range(50):
        publish(connection, "crawler", {})
    assert broker.zcard("_refnet.bell.crawler") == 1
    assert 0 < broker.ttl("_refnet.bell.crawler") <= 60


def test_a_deleted_queue_has_no_doorbell(connect: Connect, broker: Any) -> None:
    connection = connect()
    channel = connection.channel()
    channel.queue_declare(queue="brief")
    channel.exchange_declare("brief")
    channel.queue_bind("brief", "brief", "brief")
    publish(connection, "brief", {})
    channel.queue_delete("brief")
    assert broker.keys("*brief*") == []


def test_a_socket_timeout_shorter_than_the_wait_breaks_no_connection(connect: Connect, broker: Any) -> None:
    consuming = Consuming(connect(socket_timeout=0.2), "crawler")
    consuming.wait_at_the_doorbell(broker)
    before = broker.info("stats")["total_connections_received"]
    with pytest.raises(TimeoutError):
        consuming.receive(timeout=1.5)
    broker.lpush("crawler", pushed(envelope("1")))
    assert consuming.bodies(1) == [1]
    # One more for acknowledging.
    assert broker.info("stats")["total_connections_received"] <= before + 1


# ---------------------------------------------------------------- what is no message
GARBAGE: dict[str, bytes] = {
    "not JSON": b"raw garbage",
    "nothing": b"",
    "a list": b"[1]",
    "a string": b'"text"',
    "a number": b"1",
    "null": b"null",
    "no properties": b'{"body": "e30=", "headers": {}}',
    "properties of another type": json.dumps(envelope(properties=[1])).encode(),
    "no tag": b'{"properties": {"delivery_info": {}}}',
    "a tag of another type": b'{"properties": {"delivery_info": {}, "delivery_tag": {}}}',
    "an empty tag": b'{"properties": {"delivery_info": {}, "delivery_tag": ""}}',
    "no delivery_info": b'{"properties": {"delivery_tag": "t"}}',
    "cut off": json.dumps(envelope()).encode()[:-10],
    "not UTF-8": json.dumps(envelope("BODY")).encode().replace(b"BODY", b"\xff\xfe"),
    "a number that only Lua reads": json.dumps(envelope("BODY")).encode().replace(b'"BODY"', b"0x10"),
    "a number too long for Python": json.dumps(envelope("BODY")).encode().replace(b'"BODY"', b"9" * 5000),
    "a type that cannot be made": json.dumps(envelope(headers={"__type__": "datetime", "__value__": 5})).encode(),
    "deeper than Python goes": json.dumps(envelope("BODY")).encode().replace(b'"BODY"', b"[" * 990 + b"]" * 990),
    "deeper than Lua goes": json.dumps(envelope("BODY")).encode().replace(b'"BODY"', b"[" * 5000 + b"]" * 5000),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_what_is_no_message_is_set_aside(connect: Connect, broker: Any, kind: str) -> None:
    broker.lpush("crawler", GARBAGE[kind], pushed(envelope('"good"', tag="good")))
    broker.rpush(f"crawler{SEP}3", GARBAGE[kind])
    assert Consuming(connect(), "crawler").bodies(1) == ["good"]
    # Garbage that Lua reads is seen when it is fetched, so ask until nothing is left.
    channel = connect().channel()
    assert channel.basic_get("crawler") is None
    assert broker.lrange("dlq.raw", 0, -1) == [GARBAGE[kind]] * 2
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == broker.exists("crawler") == 0


def test_much_garbage_is_set_aside_in_portions(connect: Connect, broker: Any) -> None:
    broker.lpush("crawler", *[b"garbage"] * 350, pushed(envelope("1")))
    assert Consuming(connect(Patient), "crawler").bodies(1) == [1]
    assert broker.llen("dlq.raw") == 350


def test_a_bad_record_keeps_no_other_from_being_restored(connect: Connect, broker: Any) -> None:
    for tag, text in (("bad", b"[0x10"), ("worse", b"[1, 2, 3]"), ("good", f'[{pushed(envelope())}, "", "crawler"]')):
        broker.hset("unacked", tag, text)
        broker.zadd("unacked_index", {tag: 1})
    broker.zadd("unacked_index", {"gone": 1})
    connect().channel().qos.restore_visible(num=None, interval=1)
    assert broker.llen("crawler") == 1
    assert sorted(broker.lrange("dlq.raw", 0, -1)) == [b"[0x10", b"[1, 2, 3]"]
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0


@pytest.mark.parametrize(
    "changes",
    [{"headers": ["list"]}, {"body": "&", "properties": None}, {"headers": {"compression": "no such"}}],
    ids=["headers of another type", "body not in its encoding", "unknown compression"],
)
def test_a_message_that_cannot_be_read_is_delivered_with_its_errors(
    connect: Connect, broker: Any, changes: dict[str, Any]
) -> None:
    message = envelope()
    message |= {key: value for key, value in changes.items() if value is not None}
    if "properties" in changes:
        message["properties"]["body_encoding"] = "no such"
    broker.lpush("crawler", pushed(message))
    received = Consuming(connect(), "crawler").receive()
    assert received.errors
    received.reject()
    assert broker.llen("dlq") == 1


# ---------------------------------------------------------------- dead letters
def dead(broker: Any) -> list[dict[str, Any]]:
    return [json.loads(item) for item in broker.lrange("dlq", 0, -1)]


def test_a_rejected_message_becomes_a_dead_letter_that_tells_where_it_died(connect: Connect, broker: Any) -> None:
    connection = connect()
    publish(connection, "summarizer", "doomed", 4)
    (sent,) = broker.lrange(f"summarizer{SEP}4", 0, -1)
    Consuming(connection, "summarizer").receive().reject()
    (letter,) = dead(broker)
    (death,) = letter["headers"].pop("x-death")
    assert letter == json.loads(sent)
    assert death.pop("time") == pytest.approx(time.time(), abs=5)
    assert death == {
        "queue": "summarizer",
        "reason": "rejected",
        "exchange": "",
        "routing-keys": ["summarizer"],
        "count": 1,
    }
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0


def test_deaths_in_one_queue_are_counted(connect: Connect, broker: Any) -> None:
    consuming = Consuming(connect(), "crawler", "other")
    broker.lpush("crawler", pushed(envelope()))
    for queue in ("crawler", "other", "crawler"):
        consuming.receive().reject()
        broker.lmove("dlq", {"crawler": "other", "other": "crawler"}[queue], "RIGHT", "LEFT")
    deaths = json.loads(broker.lindex("other", 0))["headers"]["x-death"]
    assert [(death["queue"], death["count"]) for death in deaths] == [("crawler", 2), ("other", 1)]


def test_a_dead_letter_that_is_rejected_is_dropped(connect: Connect, broker: Any) -> None:
    broker.lpush("dlq", pushed(envelope()))
    Consuming(connect(), "dlq").receive().reject()
    assert broker.keys("*") in ([], [b"_refnet.bell.dlq"])


def test_dead_letters_go_where_they_are_told_to(connect: Connect, broker: Any) -> None:
    broker.lpush("crawler", pushed(envelope()), b"garbage")
    Consuming(connect(dead_letter_queue="morgue"), "crawler").receive().reject()
    assert connect(dead_letter_queue="morgue").channel().basic_get("crawler") is None
    assert broker.llen("morgue") == broker.llen("morgue.raw") == 1


# ---------------------------------------------------------------- connections
def test_a_task_that_outlives_its_connection_acknowledges_over_a_new_one(connect: Connect, broker: Any) -> None:
    connection = connect()
    publish(connection, "crawler", "kept")
    publish(connection, "crawler", "refused")
    consuming = Consuming(connection, "crawler", prefetch=2)
    kept, refused = consuming.receive(), consuming.receive()
    connection.collect()
    connection.close()
    assert broker.hlen("unacked") == 2
    clients = len(broker.client_list())
    kept.ack()
    refused.reject()
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0
    assert broker.llen("dlq") == 1
    for _ in ticks(5):  # the server notices a closed connection a moment later
        if len(broker.client_list()) == clients:
            break
    assert len(broker.client_list()) == clients


def test_a_connection_that_the_server_closes_is_made_anew(connect: Connect, broker: Any) -> None:
    connection = connect()
    consuming = Consuming(connection, "crawler")
    consuming.wait_at_the_doorbell(broker)
    broker.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(connection.connection_errors):
        consuming.receive(timeout=5)
    publish(connection, "crawler", "back")
    assert consuming.bodies(1) == ["back"]


def test_a_key_prefix_is_refused(connect: Connect) -> None:
    with pytest.raises(ValueError, match="global_keyprefix"):
        connect(global_keyprefix="x").connect()


@pytest.fixture
def aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    """kombu's own, whatever was registered before; which is again afterwards."""
    for alias in ("redis", "rediss"):
        monkeypatch.setitem(kombu.transport.TRANSPORT_ALIASES, alias, "kombu.transport.redis:Transport")
    monkeypatch.setattr(kombu.transport, "_transport_cache", {})


def test_once_registered_it_is_what_redis_means(broker: Any, aliases: None, each_running_redis: RedisServer) -> None:
    with Connection(each_running_redis.url) as before:
        assert type(before.transport) is stock.Transport
    transport.register()
    with Connection(each_running_redis.url) as connection:
        assert type(connection.transport) is Transport
        assert connection.transport.driver_type == connection.transport.driver_name == "redis"
        assert connection.as_uri().startswith("redis://")
    with Connection("rediss://127.0.0.1:1/0?ssl_cert_reqs=CERT_REQUIRED") as secure:
        assert type(secure.transport) is Transport


def test_tls_is_spoken_where_the_url_says_so(broker: Any, aliases: None) -> None:
    transport.register()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        code = """
import sys
from kombu import Connection
from refnet.adapters.celery_queue import transport
transport.register()
Connection(sys.argv[1], transport_options={"socket_timeout": 5}).connect()
"""
        url = f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=CERT_NONE"
        client = subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.DEVNULL)
        try:
            peer, _ = server.accept()
            with peer:
                peer.settimeout(10)
                assert peer.recv(3)[:2] == b"\x16\x03", "a TLS handshake"
        finally:
            client.kill()
            client.wait()
