"""Messages that have left their queue but are not done: recorded in Redis until acknowledged, requeued or buried."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from kombu import message as plain
from kombu.log import get_logger
from kombu.transport import redis as stock
from kombu.transport import virtual
from kombu.utils.json import dumps, loads

from refnet.adapters.celery_queue.scripts import ACKNOWLEDGE, BEGIN, BEGUN, MOVE, OWNERS, SET_ASIDE, run
from refnet.domain.jobs import MOST_LOSSES

_log = get_logger(__name__)

#: The lists' end from which the next message is taken, and the other.
NEXT, LAST = "RPUSH", "LPUSH"
#: How often a message was lost with its owner after its task was begun, among what is of its deliveries.
LOSSES = "losses"

#: A message, the exchange and routing key by which it came, and whether its task was begun.
Record = tuple[dict[str, Any], str, str, bool]
#: Nothing, or a lost owner and its score: the message moves only if that has not been heard of since.
Fence = tuple[()] | tuple[bytes, bytes]


class Message(virtual.Message):
    """A message of any shape that has properties and a tag.

    What is wrong with it is kept in `errors`, which the consumer hands to `on_decode_error`.

    kombu's raises while it is being made, inside the event loop, and takes the worker with it (not reported upstream).
    `queue` is the one that it was consumed from; what the message says of that, its sender wrote.
    """

    queue: str | None = None

    def __init__(self, payload: dict[str, Any], channel: Any = None, **more: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **more)
        except Exception:  # noqa: BLE001 - anybody may push anything into a list, and kombu checks no types
            properties = payload["properties"]
            plain.Message.__init__(
                self,
                body=payload.get("body"),
                channel=channel,
                delivery_tag=properties["delivery_tag"],
                properties=properties,
                delivery_info=properties.get("delivery_info"),
            )
            self.errors.append(sys.exc_info())


class QoS(stock.QoS):
    """Acknowledging by tag, in any order, and from a channel whose connection is gone too.

    Differs from kombu's: the fetch has recorded a message already (kombu#305, kombu#1836, celery#4354, celery#7950);
    a rejected message goes to the queue of dead letters instead of nowhere; messages move by a script, where kombu's
    WATCH on one hash of all workers is tried again for each of their fetches; several go back in the order they came.
    """

    def append(self, message: Any, delivery_tag: str) -> None:
        if delivery_tag == self.channel.recorded:
            virtual.QoS.append(self, message, delivery_tag)
        else:  # broadcast: it was in no list
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        with self.channel.conn_or_acquire() as client:
            self._forget(client, delivery_tag)
        virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if requeue:
            self.restore_by_tag(delivery_tag, leftmost=True)
        else:
            self.bury(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)

    def begin(self, delivery_tag: str) -> None:
        """The message's task is begun: from now on its owner may be lost by it."""
        with self.channel.conn_or_acquire() as client:
            run(client, BEGIN, [self.unacked_key], delivery_tag)

    def bury(self, delivery_tag: str) -> None:
        """Move a message to the dead letters, with the header of RabbitMQ's that tells where it died.

        One that is rejected there is dropped, and so is every one where there are none.
        """
        with self.channel.conn_or_acquire() as client:
            if (found := self._recorded(client, delivery_tag)) is None:
                return
            payload, _, queue, _ = found
            dead = self.channel.dead_letter_queue
            if not dead or queue == dead:
                self._forget(client, delivery_tag)
            else:
                self._move(client, delivery_tag, [(dead, dead)], with_death(payload, queue), LAST)

    def set_aside(self, delivery_tag: str, raw: bytes, client: Any = None) -> None:
        """Move what a fetch took for a message, and is none, to the list for such."""
        with self.channel.conn_or_acquire(client) as connected:
            keys = [self.unacked_key, self.unacked_index_key, self.channel.undecodable_key]
            run(connected, SET_ASIDE, keys, delivery_tag, raw)

    def restore_by_tag(self, tag: str | bytes, client: Any = None, leftmost: bool = False) -> None:
        """Put a message back into the list of its priority: to be taken next, or last if `leftmost`."""
        with self.channel.conn_or_acquire(client) as connected:
            if (found := self._recorded(connected, tag)) is None:
                return
            self._put_back(connected, tag, found, LAST if leftmost else NEXT)

    def restore_lost(self, tag: bytes, client: Any, fence: Fence, give_up: Callable[[Message], bool]) -> None:
        """Put back a message whose owner is lost, to be taken next; one that has been lost too often is given up.

        What its owner had not begun with is not the reason, and does not count. `give_up` is asked then whether it shall
        be a dead letter, else it is forgotten. Raises what that raises.
        """
        if (found := self._recorded(client, tag)) is None:
            return
        payload, _, queue, begun = found
        came = payload["properties"]["delivery_info"]
        losses = came.get(LOSSES)
        came[LOSSES] = losses = (losses if isinstance(losses, int) else 0) + begun
        if not begun or losses < MOST_LOSSES:
            self._put_back(client, tag, found, NEXT, fence)
            return
        message = self.channel.Message(payload, channel=self.channel)
        message.queue = queue
        dead = self.channel.dead_letter_queue
        kept = bool(dead) and queue != dead and give_up(message)
        self._move(client, tag, [(dead, dead)] if kept else [], with_death(payload, queue), LAST, fence)

    def restore_visible(self, start: int = 0, num: int = 10, interval: int = 10) -> None:
        """As kombu's, by Redis' clock: a worker whose own is ahead would give away what others are at."""
        self._vrestore_count += 1
        if (self._vrestore_count - 1) % (interval or 1):
            return
        with self.channel.conn_or_acquire() as client:
            # The poller waits for this: as long as nothing is old enough, it is one trip to the server.
            with client.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.zrange(self.unacked_index_key, 0, 0, withscores=True)
                (seconds, microseconds), oldest = pipe.execute()
            last = seconds + microseconds / 1e6 - self.visibility_timeout
            if not oldest or oldest[0][1] > last:
                return
            with suppress(stock.MutexHeld), stock.Mutex(client, self.unacked_mutex_key, self.unacked_mutex_expire):
                index, part = self.unacked_index_key, {"offset": num and start, "num": num}
                for tag in client.zrange(index, last, 0, desc=True, byscore=True, **part):
                    self.restore_by_tag(tag, client)

    def restore_unacked(self, client: Any = None) -> None:
        with self.channel.conn_or_acquire(client) as connected:
            for tag in reversed(self._delivered):  # each comes before what was put back earlier
                self.restore_by_tag(tag, client=connected)
        self._delivered.clear()

    def restore_unacked_once(self, stderr: Any = None) -> None:
        try:
            super().restore_unacked_once(stderr)
        except self.channel.connection_errors as error:
            _log.warning("Unacknowledged messages come again later only: %s", error)

    def abandon(self) -> None:
        """The connection is lost: the messages stay recorded, for their tasks may be running; else restored at exit."""
        self._flush()
        if not self._delivered:
            self._on_collect.cancel()

    def _recorded(self, client: Any, tag: str | bytes) -> Record | None:
        """What a record says; None when it is gone, or was none and is set aside."""
        record = client.hget(self.unacked_key, tag)
        if record is None:
            self._forget(client, tag)
            return None
        try:
            payload, exchange, routing_key = loads(record.decode())
            payload["properties"]["delivery_info"].get("exchange")
        except Exception:  # noqa: BLE001 - as for `Message`; and one bad record must not keep others from restoring
            self.set_aside(tag.decode() if isinstance(tag, bytes) else tag, record, client)
            return None
        return payload, exchange or "", routing_key or "", record.endswith(BEGUN.encode())

    def _put_back(self, client: Any, tag: str | bytes, found: Record, end: str, fence: Fence = ()) -> None:
        payload, exchange, routing_key, _ = found
        if isinstance(payload.get("headers"), dict):
            payload["headers"]["redelivered"] = True
        payload["properties"]["delivery_info"]["redelivered"] = True
        # An exchange is only in records of other kombus, and may be bound no more: rather a queue than nowhere.
        queues = (self.channel.queues_of(exchange, routing_key) if exchange else None) or [routing_key]
        targets = [(self.channel.list_of(queue, payload), queue) for queue in queues]
        self._move(client, tag, targets, payload, end, fence)

    def _written(self, client: Any, tag: str | bytes, payload: Mapping[str, Any]) -> str | None:
        """The message as it goes into a list; None when it is nested too deep for that here, and its record is set aside."""
        try:
            return str(dumps(payload))
        except (TypeError, ValueError, RecursionError):
            if (record := client.hget(self.unacked_key, tag)) is not None:
                self.set_aside(tag.decode() if isinstance(tag, bytes) else tag, record, client)
            return None

    def _forget(self, client: Any, tag: str | bytes) -> None:
        run(client, ACKNOWLEDGE, [self.unacked_key, self.unacked_index_key], tag)

    def _move(
        self,
        client: Any,
        tag: str | bytes,
        targets: list[tuple[str, str]],
        payload: Mapping[str, Any],
        end: str,
        fence: Fence = (),
    ) -> None:
        keys = [self.unacked_key, self.unacked_index_key, OWNERS]
        for key, queue in targets:
            keys += [key, self.channel.bell_of(queue)]
        if (text := self._written(client, tag, payload)) is not None:
            run(client, MOVE, keys, tag, text, end, *fence)


def with_death(payload: Mapping[str, Any], queue: str) -> dict[str, Any]:
    """The message with the header `x-death`, as RabbitMQ writes it, save that `time` is in seconds since 1970 (UTC)."""
    headers = payload.get("headers") or {}
    if not isinstance(headers, dict):
        headers = {"x-not-headers": headers}
    came = payload["properties"]["delivery_info"]
    deaths = headers.get("x-death")
    earlier = [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []
    count = 1
    for death in earlier:
        if death.get("queue") == queue and death.get("reason") == "rejected" and isinstance(death.get("count"), int):
            count += death["count"]
            earlier.remove(death)
            break
    death = {
        "queue": queue,
        "reason": "rejected",
        "exchange": came.get("exchange") or "",
        "routing-keys": [came.get("routing_key") or queue],
        "count": count,
        "time": int(time.time()),
    }
    return {**payload, "headers": {**headers, "x-death": [death, *earlier]}}
