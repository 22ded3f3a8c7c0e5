"""Hints on their way to workers: many at once, and never longer than a few seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.utils import uuid

from refnet.adapters.celery_queue.permission import CLAIM
from refnet.adapters.celery_queue.queues import AWAY, QUEUES, depths, probe_queue, task_queues
from refnet.adapters.celery_queue.refusals import made_otherwise
from refnet.adapters.celery_queue.signing import HINT, JOB
from refnet.adapters.celery_queue.transport import Channel
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.jobs import DueJob, Stage
from refnet.domain.workers import BY_STAGE, TASKS


class CeleryAnnouncer:
    """Implements the `Announcer` port over an application's producer pool, which signs the hints."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def waiting(self, stage: Stage) -> int:
        queue = BY_STAGE[stage].queue
        return self.depths((queue,))[queue]

    def depths(self, queues: tuple[str, ...] = QUEUES) -> dict[str, int]:
        """Messages that wait in each queue, summed over priorities. Raises BrokerUnavailable."""
        with self._producer() as producer:
            return depths(producer.channel.connection.client, queues)

    def look(self) -> None:
        """Find out whether the broker answers, and a Redis takes messages: often, as `probe` costs more.

        A RabbitMQ that takes none lets whoever tries wait; only `probe` does. Raises BrokerUnavailable.
        """
        with self._producer() as producer:
            connection = producer.channel.connection.client
            if isinstance(channel := connection.default_channel, Channel):
                channel.write()
            else:
                depths(connection, QUEUES[:1])

    def probe(self) -> None:
        """Find out whether the broker takes messages: one that is full answers, and takes none.

        Raises BrokerUnavailable, and ConfigurationError for a queue that was made otherwise.
        """
        with self._producer() as producer:
            probe = probe_queue(uuid())
            producer.publish("", declare=[probe], exchange="", routing_key=probe.name, serializer="json", retry=False)
            probe(producer.channel).delete()
            for queue in task_queues():
                queue(producer.channel).declare()

    def send(self, stage: Stage, due: Sequence[DueJob]) -> None:
        """One round trip for all, where the broker's transport can; see celery.md for the figures."""
        task, most = TASKS[stage], BY_STAGE[stage].priority
        with self._producer() as producer, producer.batch():
            for job in due:
                self._publish(producer, task, job, most)

    def _publish(self, producer: Any, task: str, job: DueJob, most: int) -> None:
        self._app.send_task(
            task,
            (job.paper_id,),
            headers=_headers(job),
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
                except AWAY:
                    # What is left of the connection would fail the next time, too.
                    connection.collect()
                    raise
        except AWAY as error:
            if (why := made_otherwise(error)) is not None:
                raise ConfigurationError(why) from error
            said = str(error).strip().partition("\n")[0]
            raise BrokerUnavailable(f"The broker does not answer ({said or type(error).__name__}).") from error


def _headers(job: DueJob) -> dict[str, Any]:
    about = {JOB: job.id or None, CLAIM: job.claim}
    return {HINT: True, **{name: value for name, value in about.items() if value is not None}}
