"""Tasks counted where their messages are: in the worker's main process, which outlives those that do the work."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionWithTraceback
from celery import bootsteps, signals
from celery.exceptions import Ignore, Retry

from refnet.domain.counts import OTHER, Tally, TaskState
from refnet.domain.errors import RefnetError
from refnet.entrypoints.celery import child, process

if TYPE_CHECKING:
    from refnet.adapters.database.counts import TaskCounts

logger = logging.getLogger(__name__)

#: Seconds between two times that what was counted is added to the database.
KEEP_EVERY = 2.0
#: Seconds that the database has for it at the end.
AT_THE_END = 3.0

#: What the tasks of this process came to.
tally = Tally()


class Counted(child.Request):
    """A task in the main process, counted once its message is settled, and never twice.

    Its state is known from the exception that it ended with; `on_success` of a class like this is not called, for
    Celery makes one of its own for each task (celery 5.7.0, worker/request.py). Messages of tasks that acknowledge
    early are settled before they begin and are not counted; refnet has none.
    """

    _outcome = TaskState.SUCCESS
    #: on the monotonic clock, which processes of a machine share
    _begun: float | None = None
    _is_counted = False

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        self._begun = time_accepted
        super().on_accepted(pid, time_accepted)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if not soft:
            self._outcome = TaskState.FAILURE
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        self._outcome = _outcome(error)
        return super().on_failure(exc_info, *args, **options)

    def acknowledge(self) -> None:
        super().acknowledge()
        self._count(self._outcome)

    def reject(self, requeue: bool = False) -> None:
        super().reject(requeue)
        self._count(TaskState.REQUEUED if requeue else TaskState.FAILURE)

    # Celery's own; each settles the message before it returns.

    def _announce_revoked(self, *args: Any, **options: Any) -> Any:
        self._outcome = TaskState.REVOKED
        return super()._announce_revoked(*args, **options)

    def _retry_worker_lost(self, *args: Any) -> Any:
        self._outcome = TaskState.RETRY
        if not (done := super()._retry_worker_lost(*args)):
            self._outcome = TaskState.FAILURE
        return done

    def _success_was_stored(self) -> Any:
        if found := super()._success_was_stored():
            self._outcome = TaskState.SUCCESS
        return found

    def _count(self, outcome: TaskState) -> None:
        if self._is_counted or not self.task.acks_late:
            return
        self._is_counted = True
        seconds = None if self._begun is None else max(0.0, time.monotonic() - self._begun)
        tally.add(self.task.name, outcome, seconds)


def _outcome(error: BaseException) -> TaskState:
    if isinstance(error, Retry):
        return TaskState.RETRY
    return TaskState.IGNORED if isinstance(error, Ignore) else TaskState.FAILURE


class Counting(bootsteps.StartStopStep):  # type: ignore[misc,unused-ignore]
    """Adds to the database what is counted, every few seconds and at the end; on REFNET_METRICS_PORT shows it here.

    What a main process that is killed had counted in its last seconds is lost.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._writer = f"{worker.hostname}:{secrets.token_hex(8)}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="counts", daemon=True)

    def start(self, worker: Any) -> None:
        from refnet.settings import load_settings

        del worker
        self._thread.start()
        # The very last: tasks of a worker that is asked to end are settled until then.
        signals.worker_shutdown.connect(self._end, weak=False)
        if (port := load_settings().metrics_port) is not None:
            _show(port)

    def _run(self) -> None:
        from refnet.adapters.database.counts import TaskCounts

        counts = TaskCounts(process.cluster().engine, self._writer)
        while not self._ended.wait(KEEP_EVERY):
            _keep(counts)
        _keep(counts)  # what was sent before, if its answer is still missing
        _keep(counts)

    def _end(self, **_: object) -> None:
        self._ended.set()
        self._thread.join(AT_THE_END)


def _keep(counts: TaskCounts) -> None:
    number, batch = tally.next_batch()
    if not batch:
        return
    try:
        counts.add(number, batch)
    except RefnetError as error:
        logger.info("%s What was counted is added later.", error)
    except Exception:
        # The edge of a thread that must outlive whatever it meets.
        logger.exception("A fault in refnet itself; the worker goes on")
    else:
        tally.kept(number)


def _show(port: int) -> None:
    """On loopback alone, for it asks nobody who they are."""
    from prometheus_client import CollectorRegistry, start_http_server

    from refnet.entrypoints.exposition import Shown, task_families

    registry = CollectorRegistry()
    registry.register(Shown(lambda: task_families(tally.all())))
    try:
        start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        logger.warning(
            "REFNET_METRICS_PORT %d cannot be used (%s); the worker goes on without. Each worker of a machine needs its "
            "own.",
            port,
            error.strerror or error,
        )


def count_rejected(**_: object) -> None:
    """A message that could not be run. For the signal `task_rejected`."""
    tally.add(OTHER, TaskState.REJECTED, None)


def install(app: Any) -> None:
    """Let an application's workers count."""
    app.steps["worker"].add(Counting)
    signals.task_rejected.connect(count_rejected, weak=False)
