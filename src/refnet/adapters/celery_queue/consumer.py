"""A Celery worker's consumer that survives every message and keeps the bad ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from traceback import format_tb
from typing import Any

from celery import signals
from celery.exceptions import NotRegistered, WorkerShutdown
from celery.utils.log import get_logger
from celery.utils.objects import Bunch
from celery.worker import consumer as stock
from celery.worker.state import maybe_shutdown, scheduled_requests

from refnet.adapters.celery_queue.begun import Begun
from refnet.adapters.celery_queue.broadcasts import MOST, not_of_messages
from refnet.adapters.celery_queue.burying import bury, crashes_its_queue
from refnet.adapters.celery_queue.envelopes import refused, said, trace_of
from refnet.adapters.celery_queue.keeper import FIRST_PAUSE, LONGEST_PAUSE, Keeper
from refnet.adapters.celery_queue.pending import Pending
from refnet.adapters.celery_queue.refusals import FIRST_REFUSAL, LONGEST_REFUSAL, made_otherwise
from refnet.adapters.celery_queue.transport import Channel
from refnet.domain.dead_messages import RefusedMessage, shown
from refnet.domain.errors import PermanentError, RefnetError

_log = get_logger(__name__)

#: What is logged of an error: characters of its words, and calls of its traceback.
_WORDS, _FRAMES = 500, 20

#: Steps of Celery's consumer, and those that stand in their place.
_STEPS = {
    "celery.worker.consumer.control:Control": "refnet.adapters.celery_queue.broadcasts:Commands",
    "celery.worker.consumer.gossip:Gossip": "refnet.adapters.celery_queue.broadcasts:Gossip",
}


class Consumer(stock.Consumer):
    """Rejects, without requeueing, each message that cannot run, so that the broker moves it to the dead letters.

    Celery acknowledges what it cannot decode, and is ended by what its handlers did not expect, such as a body `[1]`,
    only to be sent it again (celery 5.7.0, not reported upstream). `task_rejected` is sent for both. For the setting
    `worker_consumer`.

    A `keeper`, where there is one, records a message before it is rejected. While the database is away the message is
    left unacknowledged: should the worker end, it comes again.
    """

    class Blueprint(stock.Consumer.Blueprint):
        """Celery's, with steps that no control command and no event ends."""

        default_steps = tuple(_STEPS.get(step, step) for step in stock.Consumer.Blueprint.default_steps)

    keeper: Keeper | None = None
    #: what is to be done once the keeper has; whoever gives the keeper gives this
    pending: Pending
    #: what Celery gives a task to that is to run
    on_task_request: Callable[[Any], object]
    #: times in a row that the broker refused a queue
    _refused = 0
    #: tags of messages that waited for their time when a connection was lost
    _forgotten: list[str]

    def __init__(self, *args: Any, **options: Any) -> None:
        self._forgotten = []
        super().__init__(*args, **options)
        self._hand_over, self.on_task_request = self.on_task_request, self._to_pool

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **options)
        check = self.app.amqp.signer.check  # before anything of the message is decoded
        lost = not_of_messages(self.connection_errors)

        def handle_any(message: Any) -> None:
            try:
                check(message)
                _check_limits(message.headers.get("timelimit"))
                handle(message)
            except lost:
                raise  # no fault of the message, which comes again
            except Exception as error:  # noqa: BLE001 - whatever a message does, the worker goes on
                self._refuse(message, error)

        return handle_any

    def _to_pool(self, request: Any) -> None:
        if isinstance(request, Begun):
            request.handed_over(self.pool)
        self._hand_over(request)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """RabbitMQ refuses a queue that a lost connection still holds, and Celery would ask again every 20 ms; one that was
        made with other arguments it refuses for ever.

        Raises WorkerShutdown.
        """
        if (why := made_otherwise(exc)) is not None:
            _log.critical("%s", why)
            raise WorkerShutdown(2) from exc
        super().on_connection_error_after_connected(exc)
        if not isinstance(exc, self.channel_errors):
            self._refused = 0
            return
        pause = min(LONGEST_REFUSAL, FIRST_REFUSAL * 2.0**self._refused)
        self._refused += 1
        until = time.monotonic() + pause
        while time.monotonic() < until:
            maybe_shutdown()
            time.sleep(0.1)

    def on_close(self) -> None:
        """Celery forgets what waits for its time, as a broker sends that again; on Redis it stays recorded as taken."""
        self._forgotten += [request.message.delivery_tag for request in tuple(scheduled_requests)]
        super().on_close()

    def give_back_forgotten(self) -> None:
        """Put back, once there is a connection again, what waited for its time when the last one was lost."""
        channel = self.task_consumer.channel
        while self._forgotten:
            if isinstance(channel, Channel):
                channel.qos.restore_by_tag(self._forgotten[-1])
            self._forgotten.pop()

    def on_ready(self) -> None:
        self._refused = 0
        super().on_ready()

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._refuse(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        del body
        self._refuse(message, PermanentError("It is no task of Celery's: it names none."))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        del body
        self._refuse(message, exc)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        del body, exc
        name, task_id = message.headers.get("task"), message.headers.get("id")
        error = PermanentError(
            f"No task has the name {name!r} here. Is this worker of another version than the sender?"
        )
        if self.keeper is None or not isinstance(task_id, str):
            self._refuse(message, error)
            return
        self._refuse(message, error, failed=True)
        self.keeper.soon(lambda: mark_as_failure(self.app, message, task_id, NotRegistered(str(name))))
        if self.event_dispatcher:
            self.event_dispatcher.send("task-failed", uuid=task_id, exception=f"NotRegistered({name!r})")

    def _refuse(self, message: Any, error: Exception, *, failed: bool = False) -> None:
        try:
            self._tell(message, error, failed=failed)
        except Exception as fault:  # noqa: BLE001 - what cannot even be told of, such as what is nested too deep
            _log.error("A message that cannot run could not be told of: %s", type(fault).__name__)
            self._reject(message)

    def _tell(self, message: Any, error: Exception, *, failed: bool) -> None:
        # Not the body: it may be long, and comes from anybody, as much of the rest does.
        where = "".join(format_tb(error.__traceback__, limit=-_FRAMES)).rstrip()
        words = shown(f"{type(error).__name__}: {error}"[:_WORDS])
        _log.error("Message %.80r cannot run: %s\n%s", message.delivery_tag, words, where)
        signals.task_rejected.send(sender=self, message=message, exc=error)
        if self.keeper is None:
            self._reject(message)
        elif not message.acknowledged:
            letter = refused(message, said(error), trace=trace_of(error), failed=failed)
            self._keep(self.keeper, message, letter, FIRST_PAUSE)

    def _keep(self, keeper: Keeper, message: Any, letter: RefusedMessage, pause: float) -> None:
        kept = keeper.keep(letter)
        self.pending.once(kept, lambda: self._reject_kept(keeper, message, letter, pause, kept))

    def _reject_kept(
        self, keeper: Keeper, message: Any, letter: RefusedMessage, pause: float, kept: Future[object]
    ) -> None:
        error = kept.exception()
        if isinstance(error, RefnetError):
            _log.warning("A message that cannot run waits for the database: %s", error)
            longer = min(LONGEST_PAUSE, 2 * pause)
            self.pending.after(pause, lambda: self._keep(keeper, message, letter, longer))
            return
        if error is not None:
            # Waiting would not mend this, and would hold a slot for ever. The broker keeps the message.
            _log.error("A message that cannot run could not be recorded", exc_info=error)
        self._reject(message)

    def _reject(self, message: Any) -> None:
        if message.acknowledged:
            return
        if isinstance(message.channel, Channel) or not crashes_its_queue(message):
            message.reject_log_error(_log, self.connection_errors)
            return
        try:
            bury(message)
        except (*self.connection_errors, *self.channel_errors) as error:
            _log.critical("Couldn't bury %.80r, reason: %r", message.delivery_tag, error)


def _check_limits(limits: object) -> None:
    """Raises PermanentError for time limits that are none.

    Celery finds out when a task is handed to the pool: then a place in it is lost, or the worker ends (celery 5.7.0, not
    reported upstream).
    """
    pair = limits or (None, None)
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(_is_limit, pair)):
        raise PermanentError(f"Its time limits are {limits!r:.80}, and have to be two numbers of seconds, or none.")


def _is_limit(limit: object) -> bool:
    return limit is None or (isinstance(limit, int | float) and 0 <= limit < MOST)


def mark_as_failure(app: Any, message: Any, task_id: str, error: Exception) -> None:
    """Let the sender of a message that will not run, who waits for a result, know. Raises what the backend raises."""
    properties = message.properties
    request = Bunch(
        task=str(message.headers.get("task")),  # stock Celery says `name`, which no backend reads
        chord=None,
        root_id=message.headers.get("root_id"),
        correlation_id=properties.get("correlation_id"),
        reply_to=properties.get("reply_to"),
        errbacks=None,
    )
    app.backend.mark_as_failure(task_id, error, request=request)
