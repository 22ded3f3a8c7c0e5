"""What lost owners had taken comes again once, and nobody else's does; on every Redis there is."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any

import pytest

from refnet.adapters.celery_queue import owners
from refnet.adapters.celery_queue.envelopes import digest_of, envelope_of
from refnet.adapters.celery_queue.owners import BREAK, GRACE, LOST_AFTER, SINCE, beat, new_owner, put_back_lost
from refnet.adapters.celery_queue.scripts import BEGUN, OWNERS
from refnet.domain.errors import StoreUnavailable
from refnet.domain.jobs import MOST_LOSSES
from tests.adapters.celery_queue.conftest import Connect, envelope, pushed
from tests.adapters.celery_queue.test_transport import SEP, Consuming, dead, publish
from tests.servers import ticks


def silent(broker: Any, owner: str, seconds: float = LOST_AFTER + 1) -> None:
    """Nothing was heard of it for so long."""
    broker.zadd(OWNERS, {owner: now(broker) - seconds}, xx=True)


def heard(broker: Any, seconds: float = GRACE + 1) -> None:
    """Owners were heard without a break for so long."""
    broker.set(SINCE, now(broker) - seconds)


def now(broker: Any) -> float:
    seconds, microseconds = broker.time()
    return float(seconds + microseconds / 1e6)


def never(message: Any) -> bool:
    pytest.fail(f"{message!r} is not lost that often")


def look(connect: Connect, give_up: Any = never) -> int:
    return put_back_lost(connect(owner="looker").channel(), give_up)


def lost_twice(broker: Any) -> None:
    """Let all that is taken be begun, and have been lost twice before, so that it is asked what is to become of it."""
    for tag, text in broker.hgetall("unacked").items():
        record = json.loads(text)
        record[0]["properties"]["delivery_info"]["losses"] = MOST_LOSSES - 1
        broker.hset("unacked", tag, json.dumps(record) + BEGUN)


def taken(connect: Connect, owner: str, *bodies: object, priority: int = 0) -> Consuming:
    """Publish messages, and let an owner take them."""
    connection = connect(owner=owner)
    for body in bodies:
        publish(connection, "crawler", body, priority)
    consuming = Consuming(connection, "crawler", prefetch=len(bodies))
    for _ in bodies:
        consuming.receive()
    return consuming


def test_a_record_says_who_took_the_message_and_that_owner_is_known_from_then_on(connect: Connect, broker: Any) -> None:
    owner = new_owner()
    (message,) = taken(connect, owner, "mine").held

    (tag,) = broker.hkeys("unacked")
    assert tag.decode() == message.delivery_tag
    assert tag.endswith(b"@" + owner.encode())
    assert broker.zscore(OWNERS, owner) == pytest.approx(now(broker), abs=5)
    message.ack()
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0


def test_what_lost_owners_had_comes_first_again_in_its_order_and_priority(connect: Connect, broker: Any) -> None:
    taken(connect, "gone", 0, 1, priority=3)
    taken(connect, "gone too", 2, priority=3)
    publish(connect(), "crawler", 3, 3)
    for owner in ("gone", "gone too"):
        silent(broker, owner)
    heard(broker)

    assert look(connect) == 3

    assert broker.llen(f"crawler{SEP}3") == 4
    consuming = Consuming(connect(), "crawler")
    first = consuming.receive()
    assert first.headers["redelivered"] is True
    first.ack()
    assert [first.decode(), *consuming.bodies(3)] == [0, 1, 2, 3]
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0
    assert set(broker.zrange(OWNERS, 0, -1)) <= {b"looker"}, "they are forgotten"


def test_nothing_is_put_back_while_its_owner_lives(connect: Connect, broker: Any) -> None:
    living = taken(connect, "living", "mine")
    silent(broker, "living", LOST_AFTER - 1)
    heard(broker)
    assert look(connect) == 0

    silent(broker, "living")
    beat(living.channel)
    assert look(connect) == 0
    assert broker.hlen("unacked") == 1
    assert broker.zscore(OWNERS, "living") == pytest.approx(now(broker), abs=5)


def test_records_of_others_are_left_to_the_visibility_timeout(connect: Connect, broker: Any) -> None:
    publish(connect(), "crawler", "nobody's")
    Consuming(connect(), "crawler").receive()
    taken(connect, "living", "another's")
    taken(connect, "gone", "lost")
    silent(broker, "gone")
    heard(broker)

    assert look(connect) == 1
    assert broker.hlen("unacked") == 2
    assert Consuming(connect(), "crawler").bodies(1) == ["lost"]


def test_an_owner_heard_again_while_its_messages_are_put_back_keeps_the_rest(connect: Connect, broker: Any) -> None:
    back = taken(connect, "back", "first", "second", "third")
    lost_twice(broker)
    silent(broker, "back")
    heard(broker)
    asked: list[Any] = []

    def give_up(message: Any) -> bool:
        asked.append(message)
        beat(back.channel)
        return True

    look(connect, give_up)
    assert len(asked) == 3
    assert broker.hlen("unacked") == 3
    assert dead(broker) == []
    assert broker.zscore(OWNERS, "back") == pytest.approx(now(broker), abs=5), "and it is not forgotten"


def test_several_that_look_at_once_put_each_message_back_once(connect: Connect, broker: Any) -> None:
    taken(connect, "gone", *range(300))
    heard(broker)
    together = threading.Barrier(4)
    lookers = [connect(owner=f"looker {number}").channel() for number in range(4)]

    def run(channel: Any) -> None:
        together.wait()
        for _ in range(3):
            silent(broker, "gone")  # so that it is nobody's to see to
            put_back_lost(channel, never)

    threads = [threading.Thread(target=run, args=(channel,)) for channel in lookers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard(broker)
    silent(broker, "gone")
    look(connect)

    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0
    bodies = Consuming(connect(), "crawler").bodies(300)
    assert Counter(bodies) == Counter(range(300))
    assert broker.llen("crawler") == 0


def test_lost_messages_are_for_a_while_those_of_whoever_found_them(connect: Connect, broker: Any) -> None:
    taken(connect, "gone", *range(3))
    silent(broker, "gone")
    heard(broker)

    def unreachable(_: Any) -> bool:
        raise StoreUnavailable("The database does not answer.")

    lost_twice(broker)
    with pytest.raises(StoreUnavailable):
        look(connect, unreachable)
    assert broker.hlen("unacked") == 3, "they wait for the database"
    assert look(connect) == 0, "and nobody else asks for them at once"
    silent(broker, "gone")
    assert look(connect, lambda _: True) == 3
    assert len(dead(broker)) == 3


def test_who_acknowledges_late_does_not_forget_the_second_delivery(connect: Connect, broker: Any) -> None:
    late = taken(connect, "late", "slow")
    silent(broker, "late")
    heard(broker)
    assert look(connect) == 1
    second = Consuming(late.connection, "crawler")  # even of the same owner
    message = second.receive()
    assert message.delivery_tag != late.held[0].delivery_tag

    late.held[0].ack()
    assert [tag.decode() for tag in broker.hkeys("unacked")] == [message.delivery_tag]
    message.ack()
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == broker.llen("crawler") == 0


@pytest.mark.parametrize("act", ["reject", "requeue"])
def test_who_rejects_late_changes_nothing(connect: Connect, broker: Any, act: str) -> None:
    late = taken(connect, "late", "slow")
    silent(broker, "late")
    heard(broker)
    assert look(connect) == 1

    getattr(late.held[0], act)()
    assert broker.llen("crawler") == 1
    assert dead(broker) == []


def test_one_that_is_acknowledged_while_it_is_put_back_is_not_put_back(connect: Connect, broker: Any) -> None:
    late = taken(connect, "late", "slow")
    lost_twice(broker)
    silent(broker, "late")
    heard(broker)

    def give_up(_: Any) -> bool:
        late.held[0].ack()
        return True

    look(connect, give_up)
    assert dead(broker) == []
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0


def test_after_a_break_all_owners_have_time_to_be_heard(connect: Connect, broker: Any) -> None:
    """Redis was away, or is a new one with old data; its clock jumped; or no worker was there."""
    owner = taken(connect, "seems gone", "mine")
    silent(broker, "seems gone", 3600)
    assert look(connect) == 0, "nobody has told anything yet"
    beat(connect(owner="looker").channel())
    assert look(connect) == 0, "somebody has, just now"
    heard(broker, GRACE - 1)
    assert look(connect) == 0
    heard(broker)
    broker.pexpire(SINCE, 1)
    for _ in ticks(5):
        if not broker.exists(SINCE):
            break
    beat(connect(owner="looker").channel())
    assert look(connect) == 0, "there was a break"
    assert broker.hlen("unacked") == 1

    heard(broker)
    assert look(connect) == 1
    owner.held[0].ack()
    assert Consuming(connect(), "crawler").bodies(1) == ["mine"]


def test_beats_last_from_one_to_the_next_and_keep_since_when_they_come(connect: Connect, broker: Any) -> None:
    channel = connect(owner="one").channel()
    beat(channel)
    first = broker.get(SINCE)
    assert 0 < broker.pttl(SINCE) <= BREAK * 1000
    beat(channel)
    assert broker.get(SINCE) == first
    broker.set(SINCE, now(broker) + 3600)  # its clock was set back
    beat(channel)
    assert float(broker.get(SINCE)) == pytest.approx(now(broker), abs=5)


def test_a_full_server_takes_nobody_for_lost_and_gives_back_what_is(connect: Connect, broker: Any) -> None:
    living = taken(connect, "living", "mine")
    taken(connect, "gone", "lost")
    for owner in ("living", "gone"):
        silent(broker, owner)
    heard(broker)
    broker.config_set("maxmemory", 1)
    try:
        beat(living.channel)
        assert look(connect) == 1
        assert broker.hlen("unacked") == 1
    finally:
        broker.config_set("maxmemory", 0)


@pytest.mark.slow
def test_ten_thousand_records_are_put_back_piece_by_piece_and_hold_nobody_up(
    connect: Connect, broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 10_000
    monkeypatch.setattr(owners, "AT_ONCE", 0.5)
    with broker.pipeline() as pipe:
        for number in range(many):
            for owner in ("gone", "living"):
                tag = f"{number}@{owner}"
                pipe.hset("unacked", tag, f'[{pushed(envelope(str(number), tag=str(number)))}, "", "crawler"]')
                pipe.zadd("unacked_index", {tag: number + 1})
        pipe.zadd(OWNERS, {"gone": 1, "living": now(broker)})
        pipe.execute()
    began, looks = time.monotonic(), 0
    while broker.llen("crawler") < many:
        heard(broker)
        silent(broker, "gone")
        broker.zadd(OWNERS, {"living": now(broker)})  # however long this takes
        assert look(connect) > 0
        looks += 1
    print(f"{many:,} records in {looks} looks, {time.monotonic() - began:.1f} s")

    assert looks > 1
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == many
    order = [int(json.loads(item)["body"]) for item in reversed(broker.lrange("crawler", 0, -1))]
    assert order == list(range(many))
    # What takes longer than a hundredth of a second is in this log.
    assert [entry for entry in broker.slowlog_get(100) if entry["duration"] > 200_000] == []


# ---------------------------------------------------------------- what is lost again and again
def lost_times(connect: Connect, broker: Any, times: int, give_up: Any = never) -> None:
    for number in range(times):
        owner = f"lost {number}"
        begun(Consuming(connect(owner=owner), "crawler").receive())
        silent(broker, owner)
        heard(broker)
        assert look(connect, give_up if number == MOST_LOSSES - 1 else never) == 1


def begun(message: Any) -> None:
    message.channel.qos.begin(message.delivery_tag)


def test_a_message_that_was_never_begun_is_lost_as_often_as_may_be(connect: Connect, broker: Any) -> None:
    broker.lpush("crawler", pushed(envelope()))
    lost_times(connect, broker, MOST_LOSSES - 1)
    for number in range(MOST_LOSSES):
        owner = f"waiting {number}"
        Consuming(connect(owner=owner), "crawler").receive()
        silent(broker, owner)
        heard(broker)
        assert look(connect) == 1
    message = json.loads(broker.lindex("crawler", 0))
    assert message["properties"]["delivery_info"]["losses"] == MOST_LOSSES - 1


def test_that_a_message_is_begun_is_no_part_of_it_and_goes_with_its_record(connect: Connect, broker: Any) -> None:
    original = envelope(headers={"id": "an-id"})
    broker.lpush("crawler", pushed(original))
    message = Consuming(connect(owner="me"), "crawler").receive()
    begun(message)
    begun(message)
    (record,) = broker.hvals("unacked")
    assert (record[-1:], json.loads(record)[2]) == (b" ", "crawler")
    message.requeue()
    assert json.loads(broker.lindex("crawler", 0))["body"] == original["body"]
    again = Consuming(connect(owner="me"), "crawler").receive()
    (record,) = broker.hvals("unacked")
    assert record[-1:] == b"]"
    again.ack()
    begun(again)
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == 0


def test_a_message_lost_for_the_third_time_is_a_dead_letter(connect: Connect, broker: Any) -> None:
    original = envelope(headers={"id": "an-id"})
    broker.lpush("crawler", pushed(original))
    given_up: list[Any] = []

    def give_up(message: Any) -> bool:
        given_up.append(message)
        return True

    lost_times(connect, broker, 3, give_up)

    (message,) = given_up
    assert message.queue == "crawler"
    assert digest_of("crawler", envelope_of(message)) == digest_of("crawler", original)
    assert "losses" not in json.dumps(envelope_of(message)), "sent again it begins anew"
    (letter,) = dead(broker)
    assert letter["headers"]["x-death"][0]["queue"] == "crawler"
    assert letter["body"] == original["body"]
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == broker.llen("crawler") == 0


def test_one_that_need_not_be_a_dead_letter_is_forgotten_then(connect: Connect, broker: Any) -> None:
    broker.lpush("crawler", pushed(envelope()))
    lost_times(connect, broker, 3, lambda _: False)
    assert dead(broker) == []
    assert broker.hlen("unacked") == broker.zcard("unacked_index") == broker.llen("crawler") == 0


@pytest.mark.parametrize("losses", ["many", None, [1], 1.5, {}])
def test_what_a_sender_wrote_in_place_of_the_number_counts_for_nothing(
    connect: Connect, broker: Any, losses: object
) -> None:
    message = envelope()
    message["properties"]["delivery_info"]["losses"] = losses
    broker.lpush("crawler", pushed(message))
    lost_times(connect, broker, 2)
    assert broker.llen("crawler") == 1


def test_a_message_given_back_in_order_is_not_lost(connect: Connect, broker: Any) -> None:
    broker.lpush("crawler", pushed(envelope()))
    for _ in range(5):
        Consuming(connect(owner="orderly"), "crawler").receive().requeue()
    assert "losses" not in json.loads(broker.lindex("crawler", 0))["properties"]["delivery_info"]
