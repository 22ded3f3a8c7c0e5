"""On Redis: a worker tells that it lives, and puts back at once what others had taken by whom that is told no more."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery, bootsteps

from refnet.adapters.celery_queue.consumer import mark_as_failure
from refnet.adapters.celery_queue.envelopes import refused
from refnet.adapters.celery_queue.owners import BEAT_EVERY, beat, new_owner, put_back_lost
from refnet.adapters.celery_queue.resending import in_words
from refnet.adapters.celery_queue.signing import HINT
from refnet.adapters.celery_queue.transport import Transport
from refnet.domain.errors import BrokerUnavailable
from refnet.domain.jobs import MOST_LOSSES
from refnet.entrypoints.celery import process

logger = logging.getLogger(__name__)

#: Seconds until it is tried again to tell a Redis that did not answer.
TRY_AGAIN = 1.0
GIVEN_UP = f"The worker that had taken it was killed, or was cut off from Redis. That makes {MOST_LOSSES} times."


class Alive(bootsteps.StartStopStep):  # type: ignore[misc,unused-ignore]
    """A thread of the main process that ends with it, and not before: while a worker stops it still has messages.

    Of its own, for neither a busy loop nor a database that does not answer are a reason to give its work away.
    """

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        if not _on_redis(worker.app):
            return
        # Before the consumer connects, whose fetches write it into the records.
        worker.app.conf.broker_transport_options = {**worker.app.conf.broker_transport_options, "owner": new_owner()}
        threading.Thread(target=self._run, args=(worker.app,), name="alive", daemon=True).start()

    @staticmethod
    def _run(app: Celery) -> None:
        while True:
            try:
                with _connected(app) as connection:
                    channel = connection.channel()
                    while True:
                        beat(channel)
                        time.sleep(BEAT_EVERY)
            except BrokerUnavailable as error:
                logger.debug("%s", error)  # the canary's warning says so
            except Exception:
                # The edge of a thread that must outlive whatever it meets.
                logger.exception("A fault in refnet itself; the worker goes on")
            time.sleep(TRY_AGAIN)


class LostMessages:
    """Sees to what lost workers had. RabbitMQ does so by itself."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._is_needed = _on_redis(app)

    def look(self) -> None:
        """Raises what the store raises."""
        if not self._is_needed:
            return
        with suppress(BrokerUnavailable), _connected(self._app) as connection:
            put_back_lost(connection.channel(), self._give_up)

    def _give_up(self, message: Any) -> bool:
        """Make a dead letter of a message that was lost too often, unless the ledger or a result knows better.

        Raises StoreUnavailable.
        """
        headers = message.headers if isinstance(message.headers, dict) else {}
        if HINT in headers:
            return False
        task_id = headers.get("id") if isinstance(headers.get("task"), str) else None
        if not isinstance(task_id, str):
            task_id = None
        elif self._app.backend.has_ended(task_id):
            return False
        process.cluster().store.record_dead_message(refused(message, GIVEN_UP, failed=task_id is not None))
        if task_id is not None:
            mark_as_failure(self._app, message, task_id, WorkerLostError(GIVEN_UP))
        return True


def _on_redis(app: Celery) -> bool:
    return isinstance(app.connection_for_write().transport, Transport)


@contextmanager
def _connected(app: Celery) -> Iterator[Any]:
    """A connection of one's own. Raises BrokerUnavailable, within too."""
    with in_words(), app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0.2)
        yield connection
