"""A Celery worker's consumer that survives every message and keeps the bad ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import signals
from celery.utils.log import get_logger
from celery.worker import consumer as stock

_log = get_logger(__name__)


class Consumer(stock.Consumer):
    """Rejects, without requeueing, each message that cannot run, so that the broker moves it to the dead letters.

    Celery acknowledges what it cannot decode, and is ended by what its handlers did not expect, such as a body `[1]`,
    only to be sent it again (celery 5.7.0, not reported upstream). `task_rejected` is sent for both. For the setting
    `worker_consumer`.
    """

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **options)
        # kombu counts KeyError among the connection errors of Redis (kombu#2582), but a message can cause one.
        lost = tuple(error for error in self.connection_errors if not issubclass(KeyError, error))

        def handle_any(message: Any) -> None:
            try:
                handle(message)
            except lost:
                raise  # no fault of the message, which comes again
            except Exception as error:  # noqa: BLE001 - whatever a message does, the worker goes on
                self._refuse(message, error)

        return handle_any

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._refuse(message, exc)

    def _refuse(self, message: Any, error: Exception) -> None:
        if not message.acknowledged:
            message.reject_log_error(_log, self.connection_errors)
        # Not the body: it may be long, and comes from anybody.
        _log.error("Message %s cannot run: %s", message.delivery_tag, type(error).__name__, exc_info=error)
        signals.task_rejected.send(sender=self, message=message, exc=error)
