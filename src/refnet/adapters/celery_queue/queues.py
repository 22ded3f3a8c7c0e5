"""Queues, routes and priorities as Celery and the brokers take them, and how deep the queues are."""

from __future__ import annotations

from typing import Any

from amqp.exceptions import AMQPError
from kombu import Exchange, Queue
from kombu.exceptions import BatchPublishError, OperationalError
from redis.exceptions import RedisError

from refnet.adapters.celery_queue.transport import Channel
from refnet.domain.workers import BY_QUEUE, DEAD_LETTERS, WORKERS

#: What is raised when the broker does not answer. The first comes at the end of a batch, the second when RabbitMQ ends
#: a connection in the middle of a call; neither is an OperationalError.
AWAY = (BatchPublishError, AMQPError, OperationalError, RedisError, OSError)
#: The exchange through which RabbitMQ moves rejected messages.
DEAD_LETTER_EXCHANGE = "dlx"
#: The direct queue of one worker, to which its own main process sends canaries.
CANARY_QUEUE = "refnet.canary.{}"

#: All queues whose depth is of interest.
QUEUES = (*BY_QUEUE, DEAD_LETTERS)
#: What says no priority of its own (`celery call` cannot) is somebody's who waits for it. Without one it would stand
#: behind the hints of a crawl, which are replaced as fast as they are worked off, until that has ended.
ROUTES: dict[str, dict[str, Any]] = {
    f"{kind.queue}.tasks.*": {"queue": kind.queue, "priority": kind.priority} for kind in WORKERS
} | {
    name: {"queue": WORKERS[0].queue, "priority": WORKERS[0].priority}
    for name in ("health_check", "process_failed_tasks")
}


def task_queues() -> tuple[Queue, ...]:
    """The three queues. A message that a worker rejects goes on to `dlq`."""
    return tuple(
        Queue(
            kind.queue,
            Exchange(kind.queue),
            routing_key=kind.queue,
            queue_arguments={
                "x-max-priority": kind.priority,
                "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
                "x-dead-letter-routing-key": DEAD_LETTERS,
            },
        )
        for kind in WORKERS
    )


def dead_letter_queue() -> Queue:
    """Not among the task queues: a worker without -Q would consume it."""
    return Queue(DEAD_LETTERS, Exchange(DEAD_LETTER_EXCHANGE), routing_key=DEAD_LETTERS)


def canary_queue(worker: str) -> Queue:
    """Gone with its worker."""
    name = CANARY_QUEUE.format(worker)
    return Queue(name, Exchange(""), routing_key=name, durable=False, auto_delete=True, max_length=10)


def probe_queue(name: str) -> Queue:
    """For one message that nobody reads."""
    return Queue(
        f"refnet.probe.{name}", Exchange(""), routing_key=f"refnet.probe.{name}", durable=False, exclusive=True
    )


def depths(connection: Any, names: tuple[str, ...] = QUEUES) -> dict[str, int]:
    """Messages waiting in each queue, summed over priorities; 0 for a queue that does not exist yet.

    `connection` is kombu's. Raises what its transport raises when the broker is away.
    """
    if isinstance(channel := connection.default_channel, Channel):
        return channel.depths(names)
    found: dict[str, int] = {}
    for name in names:
        channel = connection.channel()  # one for each: asking for a queue that is not there closes it
        try:
            found[name] = channel.queue_declare(queue=name, passive=True).message_count
        except connection.channel_errors:
            found[name] = 0
        finally:
            _close(channel, connection)
    return found


def _close(channel: Any, connection: Any) -> None:
    try:
        channel.close()
    except (OperationalError, *connection.connection_errors, *connection.channel_errors):
        return
