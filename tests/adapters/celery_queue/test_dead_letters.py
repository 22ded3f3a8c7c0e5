"""What is done with dead letters at a broker: sent again, taken out, set aside and bounded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from refnet.adapters.celery_queue import dead_letters as module
from refnet.adapters.celery_queue import envelopes, transport
from refnet.adapters.celery_queue.dead_letters import DeadLetters
from refnet.adapters.celery_queue.queues import dead_letter_queue, task_queues
from refnet.adapters.celery_queue.signing import HINT
from refnet.domain.dead_messages import MOST_KEPT, UNDECODABLE, JobMessage, RefusedMessage
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.jobs import Stage
from tests.adapters.celery_queue.conftest import Connect, envelope, pushed
from tests.servers import free_port, ticks

BODY = b'[["\xc3\xa9 caf\xff"], {}, {}]'
HEADERS = {"task": "t", "id": "i", "retries": 0, "list": [1, {"a": None}], "refnet_signature": "ab" * 32}


@pytest.fixture
def letters(broker: Any, each_running_redis: Any) -> Iterator[DeadLetters]:
    """At a Redis that is empty."""
    transport.register()
    with closing(Celery("letters", broker=each_running_redis.url, set_as_current=False)) as app:
        yield DeadLetters(app)


@pytest.fixture
def on_rabbitmq(rabbitmq_url: str) -> Iterator[tuple[DeadLetters, Any]]:
    """At a RabbitMQ with refnet's queues; and a channel there."""
    app = Celery("letters", broker=rabbitmq_url, set_as_current=False)
    app.conf.broker_transport_options = {"confirm_publish": True, "read_timeout": 10}
    with closing(app), Connection(rabbitmq_url) as connection, connection.channel() as channel:
        for queue in (dead_letter_queue(), *task_queues()):
            queue(channel).declare()
        yield DeadLetters(app), channel


def received(channel: Any, queue: str = "crawler") -> Any:
    for _ in ticks(30):
        if (message := channel.basic_get(queue)) is not None:
            return channel.message_to_python(message) if hasattr(channel, "message_to_python") else message
    raise AssertionError(f"nothing came to {queue}")


def what_it_is(message: Any) -> tuple[Any, ...]:
    return message.headers, bytes(message.body), message.content_type, message.content_encoding


JSON = "application/json"
ADDRESSES = {"correlation_id": "c", "reply_to": "r"}


def published(
    channel: Any, encoding: str | None = "utf-8", addresses: dict[str, Any] | None = None, **headers: Any
) -> None:
    message = channel.prepare_message(
        BODY,
        priority=7,
        content_type="application/json",
        content_encoding=encoding,
        headers={**HEADERS, **headers},
        properties=dict(ADDRESSES if addresses is None else addresses),
    )
    channel.basic_publish(message, exchange="", routing_key="crawler")


# ---------------------------------------------------------------- messages as they were


def send(letters: DeadLetters, queue: str, kept: bytes, digest: str = "d") -> None:
    with letters.resending([digest]) as sending:
        sending.send(queue, kept, digest)


def test_a_message_is_sent_again_byte_for_byte_by_each_broker_and_to_the_other(
    letters: DeadLetters, connect: Connect, on_rabbitmq: tuple[DeadLetters, Any]
) -> None:
    on_redis, (rabbit_letters, rabbit) = connect().channel(), on_rabbitmq
    for source in (on_redis, rabbit):
        published(source)
        first = received(source)
        kept = envelopes.refused(first, "bad").message
        assert kept is not None
        first.ack()
        for sender, target in ((letters, on_redis), (rabbit_letters, rabbit)):
            send(sender, "crawler", kept)
            again = received(target)
            assert what_it_is(again) == what_it_is(first)
            addresses = [again.properties.get(name) for name in ("correlation_id", "reply_to", "priority")]
            assert addresses == ["c", "r", 7]
            # Whichever way it came, it is the same dead letter.
            assert envelopes.refused(again, "bad").digest == envelopes.refused(first, "bad").digest
            again.ack()


def test_a_message_of_a_shape_that_only_redis_takes_is_refused_in_words_by_rabbitmq(
    on_rabbitmq: tuple[DeadLetters, Any],
) -> None:
    sender, _ = on_rabbitmq
    odd = json.dumps(envelope(headers=["task"])).encode()
    with pytest.raises(ConfigurationError, match="headers of this message"):
        send(sender, "crawler", odd)
    with pytest.raises(ConfigurationError, match="no queue nowhere"):
        send(sender, "nowhere", json.dumps(envelope()).encode())
    with pytest.raises(ConfigurationError, match="cannot be read"):
        send(sender, "crawler", b"{")


def test_a_broker_that_is_away_is_told_in_words() -> None:
    with closing(Celery("letters", broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False)) as app:
        for act in (
            lambda: send(DeadLetters(app), "crawler", json.dumps(envelope()).encode()),
            lambda: DeadLetters(app).remove(["x"]),
            lambda: DeadLetters(app).unrecorded(),
            lambda: DeadLetters(app).trim(),
        ):
            with pytest.raises(BrokerUnavailable, match="does not answer"):
                act()


def test_the_digest_tells_messages_apart_and_not_what_brokers_add() -> None:
    one: dict[str, Any] = {"headers": HEADERS, "body": "e30=", "content-type": "application/json"}
    delivered = {"redelivered": True, "x-death": [{"count": 2}], "x-first-death-queue": "q"}
    for same in (
        {**one, "headers": {**HEADERS, **delivered}},
        {**one, "content-encoding": None, "properties": {"delivery_tag": "t", "priority": 3}},
        {**one, "properties": {"correlation_id": None, "reply_to": ""}},
        {**one, "properties": "none at all"},
    ):
        assert envelopes.digest_of("crawler", one) == envelopes.digest_of("crawler", same)
    others = [
        {**one, "body": "e31="},
        {**one, "headers": {**HEADERS, "id": "j"}},
        {**one, "content-type": "text/plain"},
        {**one, "headers": None},
        {**one, "content-encoding": "utf-8"},
        {**one, "properties": {"correlation_id": "c"}},
        {**one, "properties": {"reply_to": "c"}},
    ]
    digests = {envelopes.digest_of("crawler", other) for other in (one, *others)}
    assert len(digests | {envelopes.digest_of("generator", one)}) == 9


@pytest.mark.parametrize("encoding", ["utf-8", "binary", None])
@pytest.mark.parametrize(
    "addresses",
    [ADDRESSES, {}, {"correlation_id": "é" * 100}, {"reply_to": ""}, {"correlation_id": None, "reply_to": None}],
    ids=["both", "none", "one", "empty", "said to be none"],
)
def test_a_message_has_one_digest_from_either_broker_and_out_of_the_queue_of_dead_letters(
    letters: DeadLetters,
    connect: Connect,
    on_rabbitmq: tuple[DeadLetters, Any],
    encoding: str | None,
    addresses: dict[str, Any],
) -> None:
    rabbit_letters, rabbit = on_rabbitmq
    found = []
    for sender, channel in ((letters, connect().channel()), (rabbit_letters, rabbit)):
        published(channel, encoding, addresses)
        message = received(channel)
        found.append(envelopes.refused(message, "bad").digest)
        message.reject()
        for _ in ticks(30):
            if channel.queue_declare("dlq", passive=True).message_count == 1:
                break
        assert sender.remove(found) == 1, "it is found there by what it was in its queue"
    assert found[0] == found[1]


#: Messages as anybody may push them into a list of Redis: with no headers, or with some that are none.
ODD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "headers null": {"headers": None},
    "headers empty": {"headers": {}},
    "headers an empty list": {"headers": []},
    "headers an empty text": {"headers": ""},
    "headers zero": {"headers": 0},
    "headers false": {"headers": False},
    "headers a list": {"headers": ["task"]},
    "headers a number": {"headers": 1.5},
    "headers that say they are none": {"headers": {"x-not-headers": None, "a": 1}},
    "headers that say they are a list": {"headers": {"x-not-headers": ["a"], "x-death": 1}},
    "headers that say they are a table": {"headers": {"x-not-headers": {"x-death": 1, "a": 1}}},
    "headers with another death": {"headers": {"x-death": "often"}},
    "headers with no deaths": {"headers": {"x-death": []}},
    "headers with the same death": {
        "headers": {"x-death": [{"queue": "crawler", "reason": "rejected", "count": 1e300}, 1, {"queue": None}]}
    },
    "headers given back": {"headers": {"redelivered": "perhaps"}},
    "a body of another shape": {"body": [{"a": 1e300}]},
    "types of another shape": {"content-type": [], "content-encoding": {"a": "\u00e9"}},
    "one of each": {"content-type": 0, "content-encoding": False, "body": None, "more": ["x"]},
}


def test_a_message_of_odd_shape_is_found_among_the_dead_letters_by_what_it_was_and_retried_in_its_place(
    letters: DeadLetters, broker: Any, connect: Connect
) -> None:
    properties = {"delivery_info": {}, "delivery_tag": "t"}
    channel = connect().channel()

    def refused() -> RefusedMessage:
        message = received(channel)
        letter = envelopes.refused(message, "bad")
        message.reject()
        return letter

    for kind, odd in ODD.items():
        broker.lpush("crawler", json.dumps({**odd, "properties": properties}))
        first = refused()
        assert broker.llen("dlq") == 1, kind
        for _ in range(2):
            assert first.message is not None, kind
            send(letters, "crawler", first.message, first.digest)
            assert (broker.llen("dlq"), broker.llen("crawler")) == (0, 1), kind
            assert refused().digest == first.digest, kind
            assert broker.llen("dlq") == 1, kind
        assert letters.remove([first.digest]) == 1, kind
        assert broker.llen("dlq") == 0, kind


def test_a_message_that_could_not_be_buried_is_set_aside_at_once_and_is_one_dead_letter(
    letters: DeadLetters, broker: Any, connect: Connect
) -> None:
    wrong: list[Any] = [None, [], "", 1]
    for came in wrong:
        set_aside(broker, connect, pushed(envelope(properties={"delivery_info": came, "delivery_tag": "t"})).encode())
        [letter] = letters.unrecorded()
        assert letters.remove([letter.digest]) == 1
        assert (broker.llen("dlq"), broker.llen("dlq.raw"), broker.hlen("unacked")) == (0, 0, 0)


# ---------------------------------------------------------------- out of the queue of dead letters


def buried(channel: Any, number: int) -> list[RefusedMessage]:
    """So many messages that are rejected."""
    found = []
    for place in range(number):
        published(channel, id=str(place))
        message = received(channel)
        found.append(envelopes.refused(message, "bad"))
        message.reject()
    return found


def test_a_message_is_taken_out_of_the_dead_letters_and_the_others_stay_in_their_order(
    letters: DeadLetters, connect: Connect, on_rabbitmq: tuple[DeadLetters, Any]
) -> None:
    rabbit_letters, rabbit = on_rabbitmq
    for sender, channel in ((letters, connect().channel()), (rabbit_letters, rabbit)):
        found = buried(channel, 4)
        for _ in ticks(30):  # RabbitMQ moves what was rejected a moment later
            if channel.queue_declare("dlq", passive=True).message_count == 4:
                break
        assert sender.remove([found[1].digest, found[2].digest, "unknown"]) == 2
        assert sender.remove([found[1].digest]) == 0
        left = [received(channel, "dlq").headers["id"] for _ in range(2)]
        assert left == ["0", "3"]


def test_a_message_that_cannot_be_sent_stays_in_the_queue_of_dead_letters_and_the_next_one_goes(
    letters: DeadLetters, connect: Connect, on_rabbitmq: tuple[DeadLetters, Any]
) -> None:
    rabbit_letters, rabbit = on_rabbitmq
    deep = b"[" * 60_000
    for sender, channel in ((letters, connect().channel()), (rabbit_letters, rabbit)):
        found = buried(channel, 4)
        for _ in ticks(30):
            if channel.queue_declare("dlq", passive=True).message_count == 4:
                break
        first, second, third, fourth = found
        assert fourth.message is not None
        with sender.resending([each.digest for each in found]) as sending:
            with pytest.raises(ConfigurationError, match="too deeply"):
                sending.send("crawler", deep, first.digest)
            with pytest.raises(ConfigurationError, match="cannot be read"):
                sending.send("crawler", b"{", second.digest)
            if channel is rabbit:
                with pytest.raises(ConfigurationError, match="no queue nowhere"):
                    sending.send("nowhere", fourth.message, third.digest)
            sending.send("crawler", fourth.message, fourth.digest)
        assert received(channel).headers["id"] == "3"
        assert [received(channel, "dlq").headers["id"] for _ in range(3)] == ["0", "1", "2"]
        assert channel.basic_get("dlq") is None


def test_messages_about_jobs_are_found_among_the_dead_letters_with_the_papers_they_name(
    letters: DeadLetters, connect: Connect, on_rabbitmq: tuple[DeadLetters, Any]
) -> None:
    rabbit_letters, rabbit = on_rabbitmq
    hint, by_hand = [["paper"], {}, {}], [[], {"paper_id": "doi:10.1/x", "depth": 1}, {}]
    wrong: list[Any] = [[], {}, 1, [[], {}, {}], [{}, [], 1], "no"]
    bodies: list[tuple[str, Any]] = [
        ("summarizer.tasks.summarize_pdf", hint),
        ("crawler.tasks.fetch_paper_metadata", by_hand),
        ("crawler.tasks.batch_process_papers", hint),
        *(("summarizer.tasks.summarize_pdf", each) for each in wrong),
    ]
    for sender, channel in ((letters, connect().channel()), (rabbit_letters, rabbit)):
        assert sender.job_messages() == []
        digests = []
        for number, (task, body) in enumerate(bodies):
            more = {HINT: True} if body is hint else {}
            told = {"task": task, "id": str(number), **more}
            text = json.dumps(body)
            prepared = channel.prepare_message(text, content_type=JSON, content_encoding="utf-8", headers=told)
            channel.basic_publish(prepared, exchange="", routing_key="crawler")
            message = received(channel)
            digests.append(envelopes.refused(message, "bad").digest)
            message.reject()
        for _ in ticks(30):
            if channel.queue_declare("dlq", passive=True).message_count == len(bodies):
                break
        if channel is not rabbit:
            with channel.conn_or_acquire() as client:
                client.lpush("dlq", b"no message", b"{}")
        found = sorted(sender.job_messages(), key=lambda each: digests.index(each.digest))
        assert found == [
            JobMessage(digests[0], Stage.SUMMARIZE, "paper", is_hint=True),
            JobMessage(digests[1], Stage.CRAWL, "doi:10.1/x", is_hint=False),
        ]
        assert sender.remove([each.digest for each in found]) == 2


def test_the_oldest_dead_letters_go_when_there_are_too_many(
    letters: DeadLetters,
    broker: Any,
    connect: Connect,
    on_rabbitmq: tuple[DeadLetters, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    rabbit_letters, rabbit = on_rabbitmq
    for sender, channel in ((letters, connect().channel()), (rabbit_letters, rabbit)):
        caplog.clear()
        assert sender.trim() == 0
        buried(channel, 5)
        for _ in ticks(30):
            if channel.queue_declare("dlq", passive=True).message_count == 5:
                break
        assert sender.trim() == 2
        assert "the oldest 2 were removed" in caplog.text
        assert [received(channel, "dlq").headers["id"] for _ in range(3)] == ["2", "3", "4"]
    broker.lpush("dlq.raw", *(b"x" * 1_000_000 for _ in range(4)))
    monkeypatch.setattr(module, "MOST_BYTES", 2_500_000)
    monkeypatch.setattr(module, "MOST", 1_000)
    assert letters.trim() == 2
    assert broker.llen("dlq.raw") == 2


# ---------------------------------------------------------------- what is no message at all


def set_aside(broker: Any, connect: Connect, *items: bytes) -> None:
    broker.lpush("crawler", *items)
    assert connect().channel().basic_get("crawler") is None


def test_what_was_set_aside_is_found_once_the_oldest_first_and_stays_where_it_is(
    letters: DeadLetters, broker: Any, connect: Connect
) -> None:
    set_aside(broker, connect, b"one", b"\xff" * (MOST_KEPT + 10), b"one")
    found = letters.unrecorded()
    assert [(letter.queue, letter.message) for letter in found] == [
        (UNDECODABLE, b"one"),
        (UNDECODABLE, None),
        (UNDECODABLE, b"one"),
    ]
    assert found[0].digest == found[2].digest != found[1].digest
    assert "65,546 bytes" in found[1].reason
    assert letters.unrecorded() == found, "a worker that ends before it has recorded them loses nothing"
    letters.recorded(found[:2])
    assert letters.unrecorded() == found[2:]
    set_aside(broker, connect, b"two")
    letters.recorded(letters.unrecorded()[:1])
    assert [letter.message for letter in letters.unrecorded()] == [b"two"]
    assert broker.llen("dlq.raw") == 4


def test_what_python_alone_cannot_read_is_found_too(letters: DeadLetters, broker: Any, connect: Connect) -> None:
    item = pushed(envelope(headers={"x": {"__type__": "nothing", "__value__": 1}})).encode()
    set_aside(broker, connect, item)
    assert [letter.message for letter in letters.unrecorded()] == [item]


def test_a_purged_item_does_not_come_back_and_another_of_its_kind_does(
    letters: DeadLetters, broker: Any, connect: Connect
) -> None:
    set_aside(broker, connect, b"one", b"two", b"one", b"three")
    found = letters.unrecorded()
    letters.recorded(found[:2])  # the first of "one", and "two"
    assert letters.remove([found[0].digest]) == 2
    assert broker.lrange("dlq.raw", 0, -1) == [b"three", b"two"]
    assert [letter.message for letter in letters.unrecorded()] == [b"three"]
    letters.recorded(letters.unrecorded()[:1])
    assert letters.unrecorded() == []
    set_aside(broker, connect, b"one")
    assert [letter.message for letter in letters.unrecorded()] == [b"one"]


def test_what_is_purged_while_it_is_recorded_hides_no_item_that_comes_meanwhile(
    letters: DeadLetters, broker: Any, connect: Connect
) -> None:
    set_aside(broker, connect, b"one", b"two")
    found = letters.unrecorded()
    letters.remove([found[0].digest])
    set_aside(broker, connect, b"three")
    letters.recorded(found)
    assert [letter.message for letter in letters.unrecorded()] == [b"three"]
    letters.remove([letter.digest for letter in [*found, *letters.unrecorded()]])
    letters.recorded(found)
    set_aside(broker, connect, b"four")
    assert [letter.message for letter in letters.unrecorded()] == [b"four"]


def test_a_list_that_somebody_emptied_by_hand_does_no_harm(letters: DeadLetters, broker: Any, connect: Connect) -> None:
    set_aside(broker, connect, b"one", b"two")
    broker.delete("dlq.raw")
    assert letters.unrecorded() == []
    set_aside(broker, connect, b"three")
    assert [letter.message for letter in letters.unrecorded()] == [b"three"]
    letters.recorded(letters.unrecorded()[:1])
    assert letters.unrecorded() == []


def test_what_is_kept_of_a_message_can_be_looked_at() -> None:
    kept = json.dumps(envelope(base64.b64encode(BODY).decode(), headers=HEADERS)).encode()
    kept = kept.replace(b'"body_encoding": "utf-8"', b'"body_encoding": "base64"')
    headers, body = envelopes.beginning(kept)
    assert headers == HEADERS
    assert body == BODY.decode(errors="replace")
    assert envelopes.beginning(b"\xffraw") == ({}, "�raw")
