"""kombu's Redis transport, mended: eleven priorities, nothing lost between queue and worker, dead letters.

Keys and envelopes are kombu's, so its tools, Flower and other clients work on them; new are `_refnet.bell.QUEUE`, the
set of owners, the queue of dead letters, and the list of what cannot be decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from queue import Empty
from types import MappingProxyType
from typing import Any

import kombu.transport
import redis
from kombu.log import get_logger
from kombu.transport import redis as stock

from refnet.adapters.celery_queue.fetching import FetchingChannel
from refnet.adapters.celery_queue.scripts import BELL_EXPIRES
from refnet.adapters.celery_queue.unacked import Message, QoS

#: The highest priority, the most urgent.
HIGHEST = 10
#: What is written to see whether Redis takes anything; gone at once.
PROBE = "_refnet.probe"
_log = get_logger(__name__)


class Channel(FetchingChannel):
    """A channel with eleven priorities, of which 10 is the most urgent, and whose messages outlive their connection.

    kombu treats 10 as 9 (by design, not to be mended). Transport options beside kombu's: `queue_order`, names of the
    queues to empty first; `queue_max_priority`, highest priority by queue; `dead_letter_queue`, None for none; `owner`,
    a name that somebody keeps alive (see `owners`), so that what was taken under it comes again when it is lost. Without
    effect: `queue_order_strategy`, `ack_emulation`.
    """

    Message = Message
    QoS = QoS
    closed = False
    max_priority = HIGHEST
    priority_steps: Sequence[int] = tuple(range(HIGHEST + 1))
    queue_max_priority: Mapping[str, int] = MappingProxyType({})
    from_transport_options = (
        *(option for option in stock.Channel.from_transport_options if option != "ack_emulation"),
        *("queue_order", "queue_max_priority", "dead_letter_queue", "owner"),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        self._cached_client: Any = None
        super().__init__(*args, **options)
        self._way_back = self._connparams()  # while there is a connection to ask
        if self.global_keyprefix:
            self.close()
            raise ValueError("global_keyprefix is not supported; give refnet a Redis database of its own")

    def list_of(self, queue: str, payload: Mapping[str, Any]) -> str:
        """The key of the list where that message belongs."""
        priority = self._get_message_priority(payload)
        return str(self._q_for_pri(queue, min(priority, self.queue_max_priority.get(queue, HIGHEST))))

    def _get_message_priority(self, message: Mapping[str, Any], reverse: bool = False) -> int:
        try:
            return int(super()._get_message_priority(message, reverse))
        except OverflowError:  # infinity, of which kombu does not think
            return int(super()._get_message_priority({}, reverse))

    def queues_of(self, exchange: str, routing_key: str) -> list[str]:
        """Queues bound to an exchange; none for a channel whose connection is gone."""
        return [] if self.connection is None else list(self._lookup(exchange, routing_key))

    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """Messages that wait in each queue, summed over priorities, in one round trip."""
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for queue in queues:
                for priority in self.priority_steps:
                    pipe.llen(self._q_for_pri(queue, priority))
            lengths = iter(pipe.execute())
        return {queue: sum(islice(lengths, len(self.priority_steps))) for queue in queues}

    def write(self) -> None:
        """Write something that nobody reads: Redis answers questions also where it refuses all messages."""
        with self.conn_or_acquire() as client:
            client.set(PROBE, "", px=1)

    # ------------------------------------------------------------ publishing
    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:
        highest = self.queue_max_priority.get(queue, HIGHEST)
        if self._get_message_priority(message) > highest:  # a copy: other queues may get the same message
            message = {**message, "properties": {**message["properties"], "priority": highest}}
        bell = self.bell_of(queue)
        if (batch := options.pop("_publish_batch", None)) is not None:
            super()._put(queue, message, _publish_batch=batch, **options)
            batch.add("zadd", bell, {"rung": 0})
            batch.add("expire", bell, BELL_EXPIRES)
            return
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            super()._put(queue, message, _publish_batch=_Collector(pipe), **options)
            pipe.zadd(bell, {"rung": 0})
            pipe.expire(bell, BELL_EXPIRES)
            pipe.execute()

    def send_again(self, queue: str, envelope: Mapping[str, Any]) -> None:
        """Put a message into a queue as it is, under a tag of its own."""
        properties = {**envelope["properties"], "delivery_tag": self._next_delivery_tag()}
        self._put(queue, {**envelope, "properties": properties})

    def _delete(self, queue: str, *args: Any, **options: Any) -> None:
        super()._delete(queue, *args, **options)
        with self.conn_or_acquire(options.get("client")) as client:
            client.delete(self.bell_of(queue))

    # ------------------------------------------------------------ connections
    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """A client for one purpose. Tasks may outlive their channel: they are acknowledged over a connection anew."""
        if client is not None:
            yield client
        elif self.closed or self.connection is None or self.connection.client is None:
            pool = redis.ConnectionPool(**self._way_back)
            try:
                yield self.Client(connection_pool=pool)
            finally:
                pool.disconnect()
        else:
            if self._cached_client is None or self._cached_client.connection_pool is not self.pool:
                self._cached_client = self._create_client()
            yield self._cached_client

    def close(self) -> None:
        """Close, with what was received and not acknowledged put back."""
        if self._in_poll:
            self._closing = True
            try:
                if self._waiting:
                    self.client.connection.disconnect()  # a ring lost with it costs others a second at most
                    self._in_poll = None
                else:
                    self._brpop_read()
            except Empty:
                pass
            except self.connection_errors:
                _log.debug("A fetch was not answered; if it took a message, that is recorded", exc_info=True)
        super().close()

    def abandon(self) -> None:
        """Close without a word to Redis, which is out of reach, and leave what was received recorded there."""
        if self.closed:
            return
        self._closing = self.closed = True
        if self._qos is not None:
            self._qos.abandon()
        self._in_poll = self._in_listen = None
        self._disconnect_pools()
        self._close_clients()
        self.connection.cycle.discard(self)
        self.connection.close_channel(self)


class Transport(stock.Transport):
    """Makes our channels, and lets go of a lost connection.

    kombu has no way to, so a Celery worker that loses Redis with a message unacknowledged and a slot free closes the
    connection twice, restores on the second through a transport that is gone, and exits: "Unrecoverable error:
    AttributeError 'NoneType' object has no attribute 'hostname'"; one that loses the connection alone, with no slot
    free, gives away what it is doing (kombu 5.7.0, not found upstream).
    """

    Channel = Channel

    def _collect(self, _connection: Any) -> None:
        # What kombu.Connection.collect() calls where it is there, instead of closing.
        for channel in {*self.channels, *self._avail_channels}:
            channel.abandon()
        self._avail_channels.clear()
        self.cycle.close()


class _Collector:
    """Looks to kombu like a batch, and puts the commands of one message into a pipeline."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def add(self, name: str, *arguments: Any) -> None:
        getattr(self._pipe, name)(*arguments)


def register() -> None:
    """Make `redis://` and `rediss://` mean this transport, in this process. May be called again."""
    for alias in ("redis", "rediss"):
        kombu.transport.TRANSPORT_ALIASES[alias] = f"{__name__}:Transport"
        kombu.transport._transport_cache.pop(alias, None)  # noqa: SLF001 - a connection may have been made before
