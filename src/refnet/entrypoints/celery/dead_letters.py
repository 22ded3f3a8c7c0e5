"""What a worker does so that nothing fails unseen: messages that it refuses, and tasks that fail outside the ledger."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import bootsteps
from celery.concurrency.prefork import TaskPool

from refnet.adapters.celery_queue.begun import Begun
from refnet.adapters.celery_queue.envelopes import refused, said
from refnet.adapters.celery_queue.job_messages import paper_of
from refnet.adapters.celery_queue.keeper import Keeper
from refnet.adapters.celery_queue.pending import Pending
from refnet.adapters.celery_queue.signing import HINT, JOB
from refnet.domain.dead_messages import RefusedMessage
from refnet.domain.errors import BrokerUnavailable, NotPermitted, RefnetError
from refnet.domain.jobs import JobState, Stage
from refnet.domain.workers import STAGES
from refnet.entrypoints.celery import child, metrics, process
from refnet.pipeline.dead_letters import ledger_names

if TYPE_CHECKING:
    from refnet.adapters.database.cluster import ClusterStore
    from refnet.bootstrap.cluster import Cluster

_log = logging.getLogger(__name__)

#: What each task is in a worker's main process, by the name that Celery takes for it.
REQUEST = f"{__name__}:Request"
#: Seconds between two looks whether there are more dead letters than the broker should hold.
TRIM_EVERY = 60.0
#: Dead messages that the database keeps, and bytes of them; of what was refused, and again of what failed.
MOST_LISTED, MOST_LISTED_BYTES = 10_000, 256 * 1024**2


def _keep(letter: RefusedMessage) -> int:
    return process.cluster().store.record_dead_message(letter)


#: The one of this process.
keeper = Keeper(_keep)
#: What this process's main loop does when the keeper has done its part.
pending = Pending()


class Keeping(bootsteps.StartStopStep):  # type: ignore[misc,unused-ignore]
    """Lets the worker's consumer record what it refuses, and its main thread wait for no result to be stored."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        keeper.start()
        consumer.keeper, consumer.pending = keeper, pending
        pending.start(consumer.timer)
        consumer.give_back_forgotten()
        if isinstance(consumer.pool, TaskPool):  # elsewhere tasks may run in the main thread
            consumer.app.backend.keep_aside(keeper)


class Request(Begun, metrics.Counted):
    """A task in the main process, where its message is: the one of a task that failed is kept and goes to `dlq`.

    Not that of a task whose job the ledger knows better: there the job is the dead letter, or comes again. Celery
    acknowledges a task that came to its hard time limit, so that RabbitMQ would forget it; here it is rejected.

    While the database is away the message is held unacknowledged: should the worker end before it is recorded what
    became of the task, the task comes again.
    """

    acknowledged: bool
    _reason: str | None = None
    _trace: str | None = None
    _timed_out = False
    _refused = False

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if not soft:
            self._over(timeout)
        super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, TimeLimitExceeded):
            self._over(float(error.args[0]))
        elif isinstance(error, WorkerLostError):
            self._reason = f"Its process {child.how_it_ended(str(error))}."
        else:
            self._reason = said(error)
            self._refused = isinstance(error, NotPermitted)
            self._trace = None if isinstance(error, RefnetError) else str(exc_info.traceback)
        return super().on_failure(exc_info, *args, **options)

    def acknowledge(self) -> None:
        if self._timed_out:
            self.reject(requeue=False)
        else:
            super().acknowledge()

    def reject(self, requeue: bool = False) -> None:
        if not requeue and not self.acknowledged and self._reason is not None:
            kept = self._keep(self._reason)
            if kept is not None and not kept.done():
                self.acknowledged = True  # for Celery, which asks again
                # In a moment: Celery has the result stored meanwhile, which is after the dead letter.
                pending.after(0.0, lambda: pending.once(keeper.latest, self._reject_kept))
                return
        super().reject(requeue)

    def _reject_kept(self) -> None:
        self.acknowledged = False
        super().reject(requeue=False)

    def _over(self, timeout: float) -> None:
        self._timed_out = True
        self._reason = f"It took longer than {timeout:g} s (the hard time limit) and was killed."

    def _keep(self, reason: str) -> Future[object] | None:
        headers = self.message.headers or {}
        # One that is refused and about no job, but about a vault or a crawl, leaves no other dead letter.
        if HINT in headers and not (self._refused and JOB not in headers):
            return None
        letter = refused(self.message, reason, trace=self._trace, failed=True)
        # One that was refused has nothing to do with how it stands with the job.
        stage = None if self._refused else STAGES.get(self.name)
        text = None if stage is None else paper_of(self.args, self.kwargs)
        return keeper.insist(lambda: _record(letter, stage, text))


def _record(letter: RefusedMessage, stage: Stage | None, text: str | None) -> None:
    """Raises what the store raises."""
    store = process.cluster().store
    if stage is not None and text is not None:
        fates = [store.fate(stage, paper_id) for paper_id in sorted(ledger_names(store, [text])[text])]
        if any(fate is not None and fate.state is not JobState.DONE for fate in fates):
            return
    store.record_dead_message(letter)


class DeadLetterSweep:
    """Sees to the dead letters that the broker holds, one process at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._next_trim = 0.0

    def look(self) -> None:
        """Make entries of what was set aside undecoded, and let go what is too much. Raises what the store raises."""
        store, letters = self._cluster.store, self._cluster.dead_letters
        with store.sweeping() as mine, suppress(BrokerUnavailable):
            if not mine:
                return
            if due := time.monotonic() >= self._next_trim:
                self._next_trim = time.monotonic() + TRIM_EVERY
                _trim(store)
            found = letters.unrecorded()
            for letter in found:
                store.record_dead_message(letter)
            if found:
                letters.recorded(found)
            if due:
                letters.trim()


def _trim(store: ClusterStore) -> None:
    if gone := store.trim_dead_messages(MOST_LISTED, MOST_LISTED_BYTES):
        _log.warning(
            "The database held more than %d dead messages, or more than %d MB of them: the oldest %d are forgotten.",
            MOST_LISTED,
            MOST_LISTED_BYTES // 1024**2,
            gone,
        )
