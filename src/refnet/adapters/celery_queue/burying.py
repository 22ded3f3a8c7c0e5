"""Messages that RabbitMQ cannot move to the dead letters by itself."""

from __future__ import annotations

from typing import Any

from refnet.adapters.celery_queue.envelopes import envelope_of, for_amqp, queue_of
from refnet.adapters.celery_queue.queues import DEAD_LETTER_EXCHANGE
from refnet.adapters.celery_queue.unacked import with_death
from refnet.domain.workers import DEAD_LETTERS

_DEATHS = "x-death"
_THE_SENDERS = ("user_id", "expiration")


def crashes_its_queue(message: Any) -> bool:
    """Whether RabbitMQ's queue would end with an error when the message is rejected.

    It adds to the list of earlier deaths, which anybody can send along, and takes for granted what stands in it: an
    entry that is no table, or a count that is no number, ends the queue's process. That begins anew with the message
    in it, and all who consume are sent away, without end (rabbitmq-server 3.10.8, not reported upstream).
    """
    deaths = message.headers.get(_DEATHS) if isinstance(message.headers, dict) else None
    return isinstance(deaths, list) and not all(isinstance(death, dict) and _is_count(death) for death in deaths)


def _is_count(death: dict[str, Any]) -> bool:
    count = death.get("count", 1)
    return isinstance(count, int | float) and not isinstance(count, bool)


def bury(message: Any) -> None:
    """Put the message into the dead letters as RabbitMQ would, without those deaths, and take it out of its queue.

    Raises what the transport raises when the broker is away; it then comes again.
    """
    body, options = for_amqp(with_death(envelope_of(message), queue_of(message)))
    # The sender's, which RabbitMQ would not take from this user; and what would have the dead letter vanish by itself.
    options["properties"] = {key: value for key, value in options["properties"].items() if key not in _THE_SENDERS}
    channel = message.channel
    # Without waiting for a confirmation, for which nothing else of the worker's would go on. The broker does both in this
    # order, and what it was is in the database.
    channel._basic_publish(  # noqa: SLF001 - the public name waits
        channel.prepare_message(body, **options), exchange=DEAD_LETTER_EXCHANGE, routing_key=DEAD_LETTERS
    )
    message.ack()
