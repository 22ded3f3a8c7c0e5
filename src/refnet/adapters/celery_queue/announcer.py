"""Hints on their way to workers: many at once, and never longer than a few seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from amqp.exceptions import AMQPError
from celery import Celery
from celery.utils import uuid
from kombu.exceptions import BatchPublishError, OperationalError
from redis.exceptions import RedisError

from refnet.adapters.celery_queue import hint_mark
from refnet.adapters.celery_queue.queues import QUEUES, depths, probe_queue
from refnet.domain.errors import BrokerUnavailable
from refnet.domain.jobs import DueJob, Stage
from refnet.domain.workers import BY_STAGE

#: The task that a stage's hints are for.
TASKS = {
    Stage.CRAWL: "crawler.tasks.fetch_paper_metadata",
    Stage.SUMMARIZE: "summarizer.tasks.summarize_pdf",
    Stage.GENERATE: "generator.tasks.generate_markdown",
}

#: What is raised when the broker does not answer. The first comes at the end of a batch, the second when RabbitMQ ends
#: a connection in the middle of a call; neither is an OperationalError.
_AWAY = (BatchPublishError, AMQPError, OperationalError, RedisError, OSError)


class CeleryAnnouncer:
    """Implements the `Announcer` port over an application's producer pool.

    `keys` sign the hints, the first of them; see `hint_mark`.
    """

    def __init__(self, app: Celery, keys: Sequence[bytes]) -> None:
        self._app = app
        self._keys = keys

    def waiting(self, stage: Stage) -> int:
        queue = BY_STAGE[stage].queue
        return self.depths((queue,))[queue]

    def depths(self, queues: tuple[str, ...] = QUEUES) -> dict[str, int]:
        """Messages that wait in each queue, summed over priorities. Raises BrokerUnavailable."""
        with self._producer() as producer:
            return depths(producer.channel.connection.client, queues)

    def probe(self) -> None:
        """Find out whether the broker takes messages: one that is full answers, and takes none. Raises BrokerUnavailable."""
        with self._producer() as producer:
            probe = probe_queue(uuid())
            producer.publish("", declare=[probe], exchange="", routing_key=probe.name, serializer="json", retry=False)
            probe(producer.channel).delete()

    def send(self, stage: Stage, due: Sequence[DueJob]) -> None:
        """One round trip for all, where the broker's transport can; see celery.md for the figures."""
        task, most = TASKS[stage], BY_STAGE[stage].priority
        with self._producer() as producer, producer.batch():
            for job in due:
                self._publish(producer, task, job, most)

    def _publish(self, producer: Any, task: str, job: DueJob, most: int) -> None:
        task_id = uuid()
        self._app.send_task(
            task,
            (job.paper_id,),
            task_id=task_id,
            headers={hint_mark.HEADER: hint_mark.mark(self._keys[0], task, task_id, job.paper_id)},
            priority=min(job.priority, most),
            producer=producer,
            retry=False,
            add_to_parent=False,
        )

    @contextmanager
    def _producer(self) -> Iterator[Any]:
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                connection = producer.connection or producer.channel.connection.client
                try:
                    connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0.2)
                    yield producer
                except _AWAY:
                    # What is left of the connection would fail the next time, too.
                    connection.collect()
                    raise
        except _AWAY as error:
            said = str(error).strip().partition("\n")[0]
            raise BrokerUnavailable(f"The broker does not answer ({said or type(error).__name__}).") from error
