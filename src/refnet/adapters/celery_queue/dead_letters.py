"""The dead letters' side of the broker: the queue `dlq`, and on Redis the list of what is no message at all."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery
from redis.exceptions import ResponseError

from refnet.adapters.celery_queue.job_messages import job_messages
from refnet.adapters.celery_queue.queues import depths
from refnet.adapters.celery_queue.resending import Resending, digest_of_item, digest_of_message, in_words, looked_at
from refnet.adapters.celery_queue.scripts import RECORDED, REMOVE_UNDECODABLE, UNRECORDED, run
from refnet.adapters.celery_queue.transport import Channel
from refnet.domain.dead_messages import MOST_KEPT, UNDECODABLE, JobMessage, RefusedMessage
from refnet.domain.workers import DEAD_LETTERS

_log = logging.getLogger(__name__)

#: Dead letters that the broker keeps, of each kind, and bytes of them on Redis; the oldest go. Their entries in the
#: database stay.
MOST, MOST_BYTES = 10_000, 64 * 1024**2
#: Undecodable items that one look makes entries of, and messages that one look takes off RabbitMQ.
AT_ONCE, TAKEN_AT_ONCE = 100, 500
#: Messages on RabbitMQ that are looked at to find some.
LOOKED_AT = MOST + TAKEN_AT_ONCE
#: What the digest of an undecodable item begins with; its SHA-1 follows.
_RAW = "raw:"


class DeadLetters:
    """What is done with dead letters at a broker. Every method raises BrokerUnavailable."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    @contextmanager
    def resending(self, digests: Collection[str]) -> Iterator[Resending]:
        """Send messages again, those with these digests, over one connection."""
        with self._connection() as connection:
            with in_words():
                sending = Resending(connection, digests, LOOKED_AT)
            try:
                yield sending
            finally:
                with in_words():
                    sending.close()

    def remove(self, digests: Collection[str]) -> int:
        """Take messages with these digests out of the dead letters; how many there were."""
        if not digests:
            return 0
        raw = [digest.removeprefix(_RAW) for digest in digests if digest.startswith(_RAW)]
        with self._channel() as channel:
            if not isinstance(channel, Channel):
                return _remove_from_rabbitmq(channel, digests)
            removed = 0
            with channel.conn_or_acquire() as client:
                if raw:
                    removed += int(run(client, REMOVE_UNDECODABLE, [channel.undecodable_key], *raw))
                if len(raw) < len(digests):
                    removed += _remove_from_redis(client, digests)
            return removed

    def job_messages(self) -> list[JobMessage]:
        """Messages among the dead letters that were about jobs."""
        with self._channel() as channel:
            return list(job_messages(channel, LOOKED_AT))

    def unrecorded(self) -> list[RefusedMessage]:
        """The oldest undecodable items that `recorded` was not told of yet; none on RabbitMQ, which has no such list."""
        with self._channel() as channel:
            if not isinstance(channel, Channel):
                return []
            with channel.conn_or_acquire() as client:
                found = run(client, UNRECORDED, [channel.undecodable_key], AT_ONCE, MOST_KEPT + 1)
        return [
            RefusedMessage.of(
                f"{_RAW}{sha1.decode()}",
                UNDECODABLE,
                f"An item of {length:,} bytes in a queue's list is no message: it has not the shape that kombu gives one.",
                message=beginning,
            )
            for sha1, length, beginning in found
        ]

    def recorded(self, found: Sequence[RefusedMessage]) -> None:
        """These of what `unrecorded` found, the oldest, are among the dead letters now."""
        with self._channel() as channel, channel.conn_or_acquire() as client:
            run(client, RECORDED, [channel.undecodable_key], *(letter.digest.removeprefix(_RAW) for letter in found))

    def trim(self) -> int:
        """Let the oldest dead letters go where there are too many for the broker; how many went."""
        with self._channel() as channel:
            if isinstance(channel, Channel):
                with channel.conn_or_acquire() as client:
                    gone = sum(_trim_on_redis(client, key) for key in (DEAD_LETTERS, channel.undecodable_key))
            else:
                gone = self._trim_on_rabbitmq(channel)
        if gone:
            _log.warning(
                "The broker held more than %d dead letters, or more than %d MB of them: the oldest %d were removed from "
                "it. Their entries stay in the database (refnet dead list).",
                MOST,
                MOST_BYTES // 1024**2,
                gone,
            )
        return gone

    @staticmethod
    def _trim_on_rabbitmq(channel: Any) -> int:
        surplus = depths(channel.connection.client, (DEAD_LETTERS,))[DEAD_LETTERS] - MOST
        for number in range(min(surplus, TAKEN_AT_ONCE)):
            if channel.basic_get(DEAD_LETTERS, no_ack=True) is None:
                return number
        return max(0, min(surplus, TAKEN_AT_ONCE))

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with in_words(), self._connection() as connection, connection.channel() as channel:
            yield channel

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with in_words(), self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0.2)
            yield connection


def _remove_from_redis(client: Any, digests: Collection[str]) -> int:
    removed = 0
    for item in client.lrange(DEAD_LETTERS, 0, -1):
        if digest_of_item(item) in digests:
            removed += int(client.lrem(DEAD_LETTERS, 1, item))
    return removed


def _remove_from_rabbitmq(channel: Any, digests: Collection[str]) -> int:
    removed = 0
    for message in looked_at(channel, LOOKED_AT):
        if digest_of_message(message) in digests:
            channel.basic_ack(message.delivery_tag)
            removed += 1
    return removed


def _trim_on_redis(client: Any, key: str) -> int:
    length = client.llen(key)
    most = MOST
    try:
        if length and (size := client.memory_usage(key, samples=0) or 0) > MOST_BYTES:
            most = min(most, length * MOST_BYTES // size)
    except ResponseError:
        pass  # a user who may not ask for it has the other bound
    if length <= most:
        return 0
    client.ltrim(key, 0, most - 1) if most else client.delete(key)
    return int(length - most)
