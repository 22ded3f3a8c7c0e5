"""Signed messages: what the signature covers, and that both brokers carry it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.serialization import dumps as amqp_dumps
from amqp.serialization import loads as amqp_loads
from celery import Celery, chain
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads

from refnet.adapters.celery_queue import transport
from refnet.adapters.celery_queue.publishing import SigningAMQP
from refnet.adapters.celery_queue.signing import HINT, SIGNATURE, SIGNED_AT, SKEW, Signer
from refnet.domain.errors import ConfigurationError, Forged
from tests.servers import ticks

KEY, OLD, FOREIGN = b"k" * 32, b"o" * 32, b"f" * 32
WEEK = 7 * 86_400.0
NOW = 1_800_000_000.0
HEADERS: dict[str, Any] = {"task": "crawler.tasks.fetch_paper_metadata", "id": "an-id", "retries": 0, "eta": None}
BODY = b'[["paper"], {}, {}]'
PROPERTIES = {"correlation_id": "an-id", "reply_to": "somebody"}

signer = Signer((KEY,), WEEK, lambda: NOW)

letters = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(lambda name: name[:2] != "x-")
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | letters,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
header_tables = st.dictionaries(names, values, max_size=8).filter(lambda made: not made.get("compression"))


def message(
    headers: Any,
    body: bytes | str = BODY,
    content_type: str = "application/json",
    content_encoding: str = "utf-8",
    **properties: Any,
) -> Any:
    """What kombu makes of a message, as far as signatures go."""
    return SimpleNamespace(
        headers=headers,
        body=body,
        content_type=content_type,
        content_encoding=content_encoding,
        properties=PROPERTIES | properties,
    )


def signed(
    headers: dict[str, Any] = HEADERS,
    body: bytes = BODY,
    content_type: str = "application/json",
    by: Signer = signer,
) -> dict[str, Any]:
    return by.signed(headers, body, content_type, "utf-8", PROPERTIES)


def over_redis(headers: dict[str, Any]) -> Any:
    return loads(dumps(headers))


def over_rabbitmq(headers: dict[str, Any]) -> Any:
    return amqp_loads("F", amqp_dumps("F", [headers]), 0)[0][0]


# ---------------------------------------------------------------- what is covered


@given(header_tables, st.binary())
def test_a_signed_message_is_taken_however_it_came(headers: dict[str, Any], body: bytes) -> None:
    made = signed(headers, body)

    for came in (made, over_redis(made), over_rabbitmq(made), dict(reversed(made.items()))):
        signer.check(message(came, body))


@given(header_tables, st.data())
def test_a_message_with_any_header_changed_is_refused(headers: dict[str, Any], data: st.DataObject) -> None:
    made = signed(headers)
    name = data.draw(st.sampled_from(sorted(made.keys() - {SIGNATURE})))
    value = data.draw(values)
    assume(dumps(value, sort_keys=True) != dumps(made[name], sort_keys=True))

    with pytest.raises(Forged, match="signature does not fit"):
        signer.check(message({**made, name: value}))


@given(header_tables, st.data())
def test_a_message_with_a_header_less_or_more_is_refused(headers: dict[str, Any], data: st.DataObject) -> None:
    made = signed(headers)
    name = data.draw(st.sampled_from(sorted(made.keys() - {SIGNATURE})))
    more = data.draw(names.filter(lambda more: more not in {*made, "redelivered"}))

    for changed in ({key: value for key, value in made.items() if key != name}, {**made, more: data.draw(values)}):
        with pytest.raises(Forged):
            signer.check(message(changed))


@given(st.binary(), st.binary())
def test_a_message_with_another_body_is_refused(body: bytes, other: bytes) -> None:
    assume(body != other)

    with pytest.raises(Forged):
        signer.check(message(signed(body=body), other))


@pytest.mark.parametrize(
    "change",
    [
        {"content_type": "application/x-python-serialize"},
        {"content_encoding": "binary"},
        {"correlation_id": "another"},
        {"reply_to": "another"},
        {"reply_to": None},
    ],
    ids=str,
)
def test_a_message_with_another_property_is_refused(change: dict[str, Any]) -> None:
    made = signed()
    signer.check(message(made))

    with pytest.raises(Forged, match="signature does not fit"):
        signer.check(message(made, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"task": "generator.tasks.generate_markdown"},
        {"id": "another-id"},
        {"retries": -5},
        {"eta": "2027-01-01T00:00:00+00:00"},
        {"expires": None},
        {"refnet_scopes": ["admin"]},
        {HINT: True},
        {SIGNED_AT: int(NOW) + 1},
    ],
    ids=str,
)
def test_a_captured_message_cannot_be_made_another(change: dict[str, Any]) -> None:
    with pytest.raises(Forged, match="signature does not fit"):
        signer.check(message(signed() | change))


@given(st.dictionaries(st.text(max_size=20).map("x-{}".format), values, max_size=3), st.booleans())
def test_what_brokers_add_on_the_way_is_not_covered(added: dict[str, Any], redelivered: bool) -> None:
    signer.check(message({**signed(), **added, "redelivered": redelivered}))


def test_a_text_cannot_move_from_one_part_of_a_message_into_another() -> None:
    body = b'[["paper"], {}, {}]\nmore'
    made = signer.signed(HEADERS, body, "application/json", "utf-8", {"correlation_id": "a", "reply_to": "b"})

    for changed in (
        message(made, b"more", correlation_id="a", reply_to='b"]\n[["paper"], {}, {}]'),
        message(made, body, correlation_id="ab", reply_to=""),
        message(made, body, correlation_id="", reply_to="ab"),
        message(made, body, correlation_id='a","b', reply_to=""),
    ):
        with pytest.raises(Forged):
            signer.check(changed)


def test_the_signature_is_one_that_others_can_compute() -> None:
    """Written out, so that a change of the format is seen: workers of two releases may meet at one broker."""
    assert signed() == {
        **HEADERS,
        "refnet_signed_at": 1_800_000_000,
        "refnet_signature": "38710039c459c3e63f71ac0ce9df0cd00517a28eda39e64a3bde431ea05e110c",
    }


# ---------------------------------------------------------------- keys


def test_what_any_of_the_keys_signed_is_taken_and_the_first_signs() -> None:
    both = Signer((KEY, OLD), WEEK, lambda: NOW)

    for by in (Signer((OLD,), WEEK, lambda: NOW), Signer((KEY,), WEEK, lambda: NOW), both):
        both.check(message(signed(by=by)))
    assert signed(by=both) == signed()


def test_what_another_key_signed_is_refused_with_both_reasons_that_there_may_be() -> None:
    stranger = Signer((FOREIGN,), WEEK, lambda: NOW)

    with pytest.raises(Forged) as refused:
        signer.check(message(signed(by=stranger)))

    assert str(refused.value) == (
        "Its signature does not fit: either it was changed or forged, or its sender has another key, and "
        "REFNET_SIGNING_KEYS must be the same on all machines."
    )


def test_without_a_key_nothing_is_signed_or_taken() -> None:
    with pytest.raises(ConfigurationError, match="REFNET_SIGNING_KEYS"):
        Signer((), WEEK)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("headers", [{}, HEADERS, [], ["task"], "text", None, 7], ids=repr)
def test_a_message_without_a_signature_is_refused(headers: object) -> None:
    with pytest.raises(Forged, match="It carries no signature of refnet"):
        signer.check(message(headers))


@pytest.mark.parametrize(
    "found", [True, 7, b"bytes", ["list"], {}, "", "0" * 64, "é" * 64, "\0", "\ud800", 1e400], ids=repr
)
def test_what_is_no_signature_is_refused_whatever_it_is(found: object) -> None:
    with pytest.raises(Forged):
        signer.check(message({**signed(), SIGNATURE: found}))


def test_a_signature_in_capitals_or_with_more_at_its_end_is_refused() -> None:
    made = signed()
    for found in (made[SIGNATURE].upper(), made[SIGNATURE] + "0", made[SIGNATURE][:-1]):
        with pytest.raises(Forged):
            signer.check(message({**made, SIGNATURE: found}))


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {**signed(), b"\xff": 1}},
        {"headers": {**signed(), "extra": b"\xff"}},
        {"headers": {**signed(), "extra": datetime.fromtimestamp(NOW, UTC)}},
        {"body": None},
        {"body": ["list"]},
        {"properties": None},
        pytest.param({"properties": {"correlation_id": object()}}, id="an object"),
    ],
    ids=str,
)
def test_a_message_of_a_shape_that_nobody_signs_is_refused_and_no_more(change: dict[str, Any]) -> None:
    odd = message(signed())
    for name, value in change.items():
        setattr(odd, name, value)

    with pytest.raises(Forged, match="signature does not fit"):
        signer.check(odd)


def test_what_is_not_json_is_refused_though_it_is_signed() -> None:
    made = signed(content_type="application/x-python-serialize")

    with pytest.raises(Forged, match=r"It is not JSON but 'application/x-python-serialize'\."):
        signer.check(message(made, content_type="application/x-python-serialize"))


@pytest.mark.parametrize(
    "value",
    [
        datetime.fromtimestamp(NOW, UTC),
        b"bytes",
        {1: 2},
        {"deep": [{None: 1}]},
        {1, 2},
        pytest.param(object(), id="an object"),
        timedelta(1),
    ],
    ids=repr,
)
def test_a_header_that_brokers_would_change_is_not_sent(value: object) -> None:
    with pytest.raises(TypeError, match="header"):
        signed({**HEADERS, "mine": value})


@pytest.mark.parametrize("value", [math.inf, math.nan, [-math.inf]], ids=repr)
def test_a_number_that_rabbitmq_cannot_take_is_not_sent(value: object) -> None:
    with pytest.raises(ValueError, match="float"):
        signed({**HEADERS, "mine": value})


def test_a_compressed_message_is_not_sent() -> None:
    with pytest.raises(TypeError, match="compress"):
        signed({**HEADERS, "compression": "application/x-gzip"})


# ---------------------------------------------------------------- age


def at(moment: float) -> Signer:
    return Signer((KEY,), WEEK, lambda: moment)


def test_a_message_is_taken_while_results_are_kept_and_then_refused() -> None:
    made = message(signed())

    at(NOW + WEEK - SKEW - 1).check(made)
    with pytest.raises(Forged, match=r"days old, and results are kept for 7:"):
        at(NOW + WEEK - SKEW).check(made)


def test_a_message_of_a_clock_that_is_far_ahead_is_refused() -> None:
    at(NOW - SKEW + 1).check(message(signed()))
    with pytest.raises(Forged, match="It was signed in the future"):
        at(NOW - SKEW).check(message(signed()))


def test_the_age_of_a_message_with_an_eta_counts_from_there() -> None:
    due = NOW + 30 * 86_400
    made = message(signed({**HEADERS, "eta": datetime.fromtimestamp(due, UTC).isoformat()}))

    for moment in (NOW, due, due + WEEK - SKEW - 1):
        Signer((KEY,), WEEK, lambda moment=moment: moment).check(made)  # type: ignore[misc]
    with pytest.raises(Forged, match="days old"):
        at(due + WEEK).check(made)


def test_an_eta_that_is_no_time_is_left_to_celery() -> None:
    signer.check(message(signed({**HEADERS, "eta": "never"})))


def test_a_hint_has_no_age() -> None:
    at(NOW + 10 * WEEK).check(message(signed({**HEADERS, HINT: True})))


def test_a_message_sent_again_by_its_owner_is_signed_anew() -> None:
    later = at(NOW + 100)

    made = signed(signed(), by=later)

    assert made[SIGNED_AT] == NOW + 100
    later.check(message(made))


# ---------------------------------------------------------------- over brokers


@pytest.fixture(params=["redis_url", "rabbitmq_url"], ids=["redis", "rabbitmq"])
def sender(request: pytest.FixtureRequest) -> Iterator[Celery]:
    """An application that signs, on each broker."""
    transport.register()
    amqp = partial(SigningAMQP, keys=lambda: (KEY,), longest=WEEK)
    app = Celery("sender", broker=request.getfixturevalue(request.param), amqp=amqp, set_as_current=False)
    app.conf.update(task_default_queue="crawler", task_ignore_result=True)
    with closing(app):
        app.task(name="crawl")(nothing)
        yield app


def nothing() -> None:
    """The task."""


def received(app: Celery, number: int) -> list[Any]:
    found: list[Any] = []
    with app.connection_for_read() as connection:
        consumer = app.amqp.TaskConsumer(connection.default_channel, on_message=found.append, no_ack=True)
        with consumer:
            for _ in ticks(30.0):
                if len(found) >= number:
                    break
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    continue
    assert len(found) == number
    return found


ODD = {"": "", "ü\u2028\0\U0001f600": "ü\u2028\0\U0001f600", "long": "x" * 5_000, "7": 2**53 + 1}
EVERY_KIND: dict[str, dict[str, Any]] = {
    "plain": {},
    "arguments": {"args": ("ü\0\U0001f600", 1.5, None, True, [], {}), "kwargs": ODD},
    "later": {"countdown": 30.5, "expires": 1e6},
    "limits": {"time_limit": 60, "soft_time_limit": 30.25, "retries": 3, "priority": 7},
    "reply": {"reply_to": "somebody"},
    "headers": {
        "headers": {
            "refnet_scopes": ["write", "read"],
            "odd": ODD,
            "numbers": (0, -1, 2**62, -(2**63), 1e300, -0.0, 0.1, 1.0),
            "nothing": [None, [], {}, "", False],
        }
    },
    "stamps": {"stamped_headers": ["stamp"], "stamp": ["value", 1]},
    "no result": {"ignore_result": True, "shadow": "another name", "argsrepr": "…"},
}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_of_message_is_taken_from_either_broker(sender: Celery, kind: str) -> None:
    sender.send_task("crawl", **EVERY_KIND[kind])

    [came] = received(sender, 1)

    sender.amqp.signer.check(came)
    with pytest.raises(Forged):
        Signer((FOREIGN,), WEEK).check(came)


def one_by_one(app: Celery) -> None:
    app.send_task("crawl")
    app.tasks["crawl"].delay()
    app.tasks["crawl"].apply_async(link=app.signature("crawl"), link_error=app.signature("crawl"))


def by_a_connection_of_ones_own(app: Celery) -> None:
    with app.connection_for_write() as connection:
        for _ in range(3):
            app.send_task("crawl", connection=connection)


def in_a_batch(app: Celery) -> None:
    with app.producer_pool.acquire(block=True) as producer, producer.batch():
        for _ in range(3):
            app.send_task("crawl", producer=producer)


def in_a_chain(app: Celery) -> None:
    for _ in range(3):
        chain(app.signature("crawl"), app.signature("crawl"), app=app).apply_async()


def tried_again(app: Celery) -> None:
    for _ in range(3):
        app.send_task("crawl", retry=True, retry_policy={"max_retries": 3})


@pytest.mark.parametrize("way", [one_by_one, by_a_connection_of_ones_own, in_a_batch, in_a_chain, tried_again])
def test_whichever_way_a_task_is_sent_it_is_signed(sender: Celery, way: Callable[[Celery], None]) -> None:
    way(sender)

    for came in received(sender, 3):
        sender.amqp.signer.check(came)
        assert json.loads(came.body)[0] == []


def test_a_producer_of_another_application_does_not_sign_with_our_key(sender: Celery) -> None:
    other = Celery("other", broker=sender.conf.broker_url, set_as_current=False)
    other.conf.update(task_default_queue="crawler", task_ignore_result=True)
    with closing(other):
        sender.send_task("crawl", task_id="ours")
        other.send_task("crawl", task_id="theirs")

    came = {one.headers["id"]: one for one in received(sender, 2)}

    sender.amqp.signer.check(came["ours"])
    with pytest.raises(Forged, match="no signature"):
        sender.amqp.signer.check(came["theirs"])


@settings(max_examples=20)
@given(keys=st.lists(st.binary(min_size=16), min_size=1, max_size=3))
def test_any_keys_will_do(keys: list[bytes]) -> None:
    by = Signer(keys, WEEK, lambda: NOW)
    by.check(message(signed(by=by)))
