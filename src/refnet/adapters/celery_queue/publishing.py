"""What every task message of an application passes on its way to the broker, and the key it is signed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Never

from celery import Celery
from celery.app import amqp as stock
from kombu import Producer, compression
from kombu.pools import ProducerPool

from refnet.adapters.celery_queue.permission import inherited
from refnet.adapters.celery_queue.signing import Signer
from refnet.domain.errors import Forged


class SigningProducer(Producer):
    """Signs each task as it is published: by `send_task`, `apply_async` and `delay`, by retries, beat, `celery call`
    and Flower, one by one or in a batch. Control commands and events, which are no tasks, pass as they are.
    """

    def __init__(
        self,
        *args: Any,
        signer: Callable[[], Signer],
        running: Callable[[], Mapping[str, Any]] = dict,
        **options: Any,
    ) -> None:
        """`running` gives the headers of the task that this process is at, if any; what it sends keeps its claim."""
        self._signer = signer
        self._running = running
        super().__init__(*args, **options)

    # kombu encodes before this and sends after it; tried again, it signs anew.
    def _publish(
        self,
        body: bytes | str,
        priority: int,
        content_type: str | None,
        content_encoding: str | None,
        headers: Mapping[str, Any],
        properties: Mapping[str, Any],
        *args: Any,
        **options: Any,
    ) -> Any:
        if "task" in headers:
            headers = inherited(headers, self._running())
            headers = self._signer().signed(headers, body, content_type, content_encoding, properties)
        return super()._publish(body, priority, content_type, content_encoding, headers, properties, *args, **options)


class SigningAMQP(stock.AMQP):
    """Celery's `app.amqp` whose producers sign, for the argument `amqp` of an application.

    `keys` is called when the first message is signed or checked, and may raise; `longest` is the signer's.
    """

    def __init__(self, app: Celery, *, keys: Callable[[], Sequence[bytes]], longest: float) -> None:
        super().__init__(app)
        self._keys = keys
        self._producer_pool: Any = None
        self._longest = longest
        self.Producer = partial(SigningProducer, signer=lambda: self.signer, running=self._running)

    def _running(self) -> Mapping[str, Any]:
        task = self.app.current_worker_task
        return {} if task is None else task.request.headers or {}

    @cached_property
    def signer(self) -> Signer:
        return Signer(self._keys(), self._longest)

    @property
    def producer_pool(self) -> Any:
        # Not kombu's, which is shared by all applications with the same broker.
        if self._producer_pool is None:
            pool = self.app.pool
            self._producer_pool = ProducerPool(pool, limit=pool.limit, Producer=self.Producer)
        return self._producer_pool

    publisher_pool = producer_pool


def refuse_compression() -> None:
    """Let no message be decompressed in this process: kombu does so before anybody can look at its signature."""

    def refuse(_body: bytes) -> Never:
        raise Forged("It is compressed, and no worker takes compressed messages.")

    for content_type in compression.encoders():
        compression.register(compression.get_encoder(content_type)[0], refuse, content_type)
