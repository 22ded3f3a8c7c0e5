"""Dead messages on their way back to their queues, and found among the dead letters of a broker by what they say."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from amqp.exceptions import FrameSyntaxError
from kombu.utils.json import loads

from refnet.adapters.celery_queue import envelopes
from refnet.adapters.celery_queue.queues import AWAY
from refnet.adapters.celery_queue.transport import Channel
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.workers import DEAD_LETTERS

#: What AMQP's encoder raises for values that it has no form for; a client of Redis may have sent them.
_UNWRITABLE = (FrameSyntaxError, struct.error, TypeError, ValueError)


@contextmanager
def in_words() -> Iterator[None]:
    """A broker that does not answer is BrokerUnavailable."""
    try:
        yield
    except AWAY as error:
        first = str(error).strip().partition("\n")[0]
        raise BrokerUnavailable(f"The broker does not answer ({first or type(error).__name__}).") from error


class Resending:
    """Sends over one connection. `most` is how many messages of `dlq` are looked at on RabbitMQ."""

    def __init__(self, connection: Any, digests: Collection[str], most: int) -> None:
        self._connection = connection
        self._open = ExitStack()
        self._channel: Any = None
        self._removals = self._found(digests, most)

    def close(self) -> None:
        """On RabbitMQ, what was looked at and not removed goes back to its place."""
        self._open.close()

    def send(self, queue: str, message: bytes, digest: str) -> None:
        """Take a message out of `dlq`, and put it into its queue as it was.

        Raises ConfigurationError where it cannot be put there, and BrokerUnavailable.
        """
        with in_words():
            try:
                envelope = envelopes.opened(message)
            except RecursionError as error:
                raise ConfigurationError("It is nested too deeply to be read, so it cannot be sent again.") from error
            channel = self._sender()
            if isinstance(channel, Channel):
                self._remove(digest)
                channel.send_again(queue, envelope)
            else:
                self._publish(channel, queue, envelope, digest)

    def _publish(self, channel: Any, queue: str, envelope: dict[str, Any], digest: str) -> None:
        body, options = envelopes.for_amqp(envelope)
        try:
            channel.queue_declare(queue=queue, passive=True)
        except self._connection.channel_errors as error:
            # RabbitMQ has closed the channel, and amqp opened it again.
            raise ConfigurationError(
                f"RabbitMQ has no queue {queue}, from which the message came. Start a worker, which makes it."
            ) from error
        prepared = channel.prepare_message(body, **options)
        # Not afterwards: one that is refused again at once is there for a second time.
        self._remove(digest)
        try:
            channel.basic_publish(prepared, exchange="", routing_key=queue)
        except _UNWRITABLE as error:
            raise ConfigurationError(f"RabbitMQ has no form for it ({type(error).__name__}).") from error

    def _sender(self) -> Any:
        if self._channel is None:
            self._channel = self._open.enter_context(self._connection.channel())
        return self._channel

    def _remove(self, digest: str) -> None:
        for remove in self._removals.pop(digest, ()):
            remove()

    def _found(self, digests: Collection[str], most: int) -> dict[str, list[Callable[[], Any]]]:
        """How to remove each. Looked for once: there may be thousands."""
        found: dict[str, list[Callable[[], Any]]] = defaultdict(list)
        channel = self._open.enter_context(self._connection.channel())
        if isinstance(channel, Channel):
            with channel.conn_or_acquire() as client:
                for item in client.lrange(DEAD_LETTERS, 0, -1):
                    if (digest := digest_of_item(item)) in digests and digest is not None:
                        found[digest].append(partial(_remove_from_redis, client, item))
            return found
        for message in looked_at(channel, most):
            if (digest := digest_of_message(message)) in digests and digest is not None:
                found[digest].append(partial(channel.basic_ack, message.delivery_tag))
        return found


def _remove_from_redis(client: Any, item: bytes) -> None:
    client.lrem(DEAD_LETTERS, 1, item)


def looked_at(channel: Any, most: int) -> Iterator[Any]:
    """The messages in RabbitMQ's `dlq`. Those that are not acknowledged go back to their places with the channel."""
    for _ in range(most):
        try:
            message = channel.basic_get(DEAD_LETTERS)
        except channel.connection.client.channel_errors:
            return  # there is no such queue
        if message is None:
            return
        yield channel.message_to_python(message)


def digest_of_item(item: bytes) -> str | None:
    """The digest of what stands in Redis' `dlq`; None for what is no dead message."""
    try:
        envelope = loads(item)
        return _digest(envelope.get("headers"), envelope)
    except Exception:  # noqa: BLE001 - anybody may push anything into a list
        return None


def digest_of_message(message: Any) -> str | None:
    """The same of one that RabbitMQ gave."""
    try:
        return _digest(message.headers, envelopes.envelope_of(message))
    except Exception:  # noqa: BLE001 - as above
        return None


def _digest(headers: Any, envelope: dict[str, Any]) -> str:
    """The digest that the message had in the queue where it died."""
    death = headers["x-death"][0]
    queue = death.get("queue") or ""
    return envelopes.digest_of(queue, envelope)
