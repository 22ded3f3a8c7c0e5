"""Taking messages out of Redis: ask, and when there is nothing wait at the doorbells."""

from __future__ import annotations

from json import dumps as json_text
from queue import Empty
from time import monotonic
from typing import Any

from kombu.log import get_logger
from kombu.transport import redis as stock
from kombu.utils.json import loads
from redis.exceptions import NoScriptError

from refnet.adapters.celery_queue.scripts import FETCH, OWNERS, digest, run

_log = get_logger(__name__)

#: What Redis calls a message that somebody published to a channel, by its name or by a pattern.
_PUBLISHED = (b"message", b"pmessage")


class FetchingChannel(stock.Channel):
    """A channel that fetches and records in one step, in the order queue, priority, age.

    kombu takes a message by BRPOP and records it afterwards, so a worker killed in between loses it (kombu#305,
    kombu#1836, celery#4354, celery#7950, open); the lowest number is its most urgent, and all queues share one order
    of priorities (by design, not to be mended). This one asks by script and, when there was nothing, waits at the
    doorbells of its queues, which whoever publishes with our transport rings. What other clients push without ringing
    is found at the end of that wait, after `brpop_timeout`, 1 s.
    """

    queue_order: tuple[str, ...] = ()
    dead_letter_queue: str | None = "dlq"
    #: Whose the messages are that are taken here, for as long as that is heard of (see `owners`); nobody's if empty.
    owner: str = ""
    #: The tag of the message being delivered, which the fetch has recorded.
    recorded: str | None = None

    _found_nothing = False  # by the last fetch: the next thing is to wait
    _waiting = False  # for a doorbell; else for a fetch's answer, if for anything
    _asked: tuple[str, ...] = ()  # the queues of that fetch
    _script_known = True  # until the server says that it is not

    @property
    def undecodable_key(self) -> str:
        return f"{self.dead_letter_queue or 'dlq'}.raw"

    def bell_of(self, queue: str) -> str:
        """A sorted set of at most one member: ringing twice is ringing once, so it never grows."""
        return f"_refnet.bell.{queue}"

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **options: Any) -> Any:
        # A fetch always records; broadcasts are in no list.
        forgets = no_ack and queue not in self._fanout_queues

        def handle(message: Any) -> Any:
            message.queue = queue
            if forgets:
                self.qos.ack(message.delivery_tag)
            return callback(message)

        return super().basic_consume(queue, no_ack, handle, consumer_tag, **options)

    def basic_get(self, queue: str, no_ack: bool = False, **_options: Any) -> Any:
        """The next message of a queue, or None."""
        if (payload := self._take(queue)) is None:
            return None
        message = self.Message(payload, channel=self)
        message.queue = queue
        if no_ack:
            self.qos.ack(message.delivery_tag)
        else:
            self.qos.append(message, message.delivery_tag)
        return message

    def _get(self, queue: str) -> dict[str, Any]:
        if (payload := self._take(queue)) is None:
            raise Empty
        self.qos.ack(payload["properties"]["delivery_tag"])
        return payload

    def _take(self, queue: str) -> dict[str, Any] | None:
        with self.conn_or_acquire() as client:
            while (found := run(client, FETCH, *self._fetch_arguments([queue]))) is not None:
                if (payload := self._decoded(found[1], found[2])) is not None:
                    return payload
        return None

    def _ordered_queues(self) -> list[str]:
        active: list[str] = self.active_queues
        first = [queue for queue in self.queue_order if queue in active]
        return first + [queue for queue in active if queue not in first]

    def _fetch_arguments(self, queues: list[str]) -> list[Any]:
        """The keys, and then each argument, of the script FETCH."""
        keys = [self.unacked_key, self.unacked_index_key, self.undecodable_key, OWNERS]
        for queue in queues:
            keys += [self.bell_of(queue), queue]
        priorities = " ".join(map(str, sorted(self.priority_steps, reverse=True)))
        return [keys, self.sep, priorities, self.owner, *map(json_text, queues)]

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for a message, or wait for one at the doorbells. Named by kombu, whose poller calls it."""
        if not (queues := self._ordered_queues()):
            return
        self._waiting, self._asked = self._found_nothing, tuple(queues)
        command: list[Any]
        if self._waiting:
            command = ["BZPOPMIN", *map(self.bell_of, queues), timeout or self.brpop_timeout or 0]
        else:
            keys, *arguments = self._fetch_arguments(queues)
            name = ["EVALSHA", digest(FETCH)] if self._script_known else ["EVAL", FETCH]
            command = [*name, len(keys), *keys, *arguments]
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command(*command)

    def _brpop_read(self, **options: Any) -> bool:
        """Read the answer to what `_brpop_start` sent, and deliver it. Raises Empty when that is no message."""
        try:
            found = self.client.parse_response(
                self.client.connection, "BZPOPMIN" if self._waiting else "EVALSHA", **options
            )
        except NoScriptError:  # a new or restarted server
            self._script_known = False
            raise Empty from None
        except self.connection_errors:
            self.client.connection.disconnect()  # so that the next poll connects anew
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if self._waiting:
            self._found_nothing = False
            raise Empty
        self._script_known = True
        self._found_nothing = found is None
        if found is None or (payload := self._decoded(found[1], found[2])) is None:
            raise Empty
        self.connection._deliver(payload, self._asked[found[0] - 1])  # noqa: SLF001 - kombu's own way
        return True

    def _receive_one(self, client: Any) -> bool | None:
        """Read what came over a channel of Redis, and deliver it if it is a message. Named by kombu, as above.

        kombu's raises for what is none: inside the event loop, so that the worker ends (kombu 5.7.0, not reported
        upstream).
        """
        try:
            response = client.parse_response()
        except self.connection_errors:
            self._in_listen = None
            raise
        if not isinstance(response, list | tuple):
            return None
        told = self._handle_message(client, response)
        if told["type"] not in _PUBLISHED:
            return None
        try:
            message, queue = self._broadcast(told["channel"], told["data"])
        except Exception as error:  # noqa: BLE001 - anybody may publish anything
            _log.warning(
                "What is no message was dropped from the channel %.100r: %s", told["channel"], type(error).__name__
            )
            return None
        self.connection._deliver(message, queue)  # noqa: SLF001 - as above
        return True

    def _broadcast(self, channel: bytes, data: bytes) -> tuple[dict[str, Any], str]:
        """A message and its queue. Raises anything for what is none."""
        message: dict[str, Any] = loads(data.decode())
        message["properties"]["delivery_tag"].encode()
        (message["properties"].get("delivery_info") or {}).get("routing_key")
        (message.get("headers") or {}).get("clock")
        exchange = channel.decode().removeprefix(self.keyprefix_fanout).split("/", 1)[0]
        return message, self._fanout_to_queue[exchange]

    def _decoded(self, tag: bytes, item: bytes) -> dict[str, Any] | None:
        """The message under the tag of its record; None when Lua could read it and Python cannot."""
        self.recorded = tag.decode(errors="replace")
        try:
            payload: dict[str, Any] = loads(item.decode())
            payload["properties"]["delivery_tag"] = self.recorded
            payload["properties"]["delivery_info"].get("exchange")  # else it could not be buried, see `unacked`
        except Exception:  # noqa: BLE001 - kombu's decoder calls what the text names, with whatever is given there
            _log.warning("An item that is no message was set aside in %s", self.undecodable_key)
            self.qos.set_aside(self.recorded, item)
            return None
        return payload
