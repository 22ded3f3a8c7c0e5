"""What a worker's main process sees to while its children work: the sweep, and whether the worker consumes."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from amqp.exceptions import AMQPError
from celery import Celery, bootsteps, signals
from celery.worker import state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from refnet.adapters.celery_queue.publishing import refuse_compression
from refnet.adapters.celery_queue.queues import canary_queue, dead_letter_queue, depths
from refnet.adapters.memory import resident_kilobytes
from refnet.domain.errors import BrokerUnavailable, Busy, ConfigurationError, RefnetError, StoreUnavailable
from refnet.domain.workers import BY_QUEUE, MEMORY_FAULT, VAULT_FAULT, WorkerReport, growth, idle_reason
from refnet.entrypoints.celery import child, flower, metrics, process
from refnet.entrypoints.celery.alive import Alive, LostMessages
from refnet.entrypoints.celery.dead_letters import REQUEST, DeadLetterSweep, Keeping
from refnet.entrypoints.celery.draining import Draining, end_beat_once
from refnet.entrypoints.celery.stalled import Stalled
from refnet.entrypoints.logs import configure_celery

if TYPE_CHECKING:
    from refnet.pipeline.sweep import Contact

logger = logging.getLogger(__name__)

#: Seconds between two sweeps, and between two canaries.
SWEEP_EVERY, CANARY_EVERY = 5.0, 5.0
#: Seconds until it is looked again whether a process that was killed is gone.
STILL_DYING = 0.1
#: Seconds that the main thread has for telling how a process ended that is gone; one of another worker nobody explains.
EXPLAINED_WITHIN = 2.0
#: Seconds after which results that have expired are removed.
CLEAN_EVERY = 3_600.0
#: The name of the message by which a worker tries its own queue; no task has it, and no child sees it.
CANARY = "refnet.canary"


class Pulse:
    """When the worker last received something, and since when its canary has been on its way."""

    def __init__(self) -> None:
        self._received = time.monotonic()
        self._sent: float | None = None

    def received(self, *_: object, **__: object) -> None:
        self._received = time.monotonic()

    def canary_sent(self) -> None:
        if self._sent is None:
            self._sent = time.monotonic()

    def canary_received(self) -> None:
        self._sent = None
        self.received()

    @property
    def quiet_for(self) -> float:
        return time.monotonic() - self._received

    @property
    def canary_for(self) -> float | None:
        return None if self._sent is None else time.monotonic() - self._sent


pulse = Pulse()


class Canary(bootsteps.StartStopStep):  # type: ignore[misc,unused-ignore]
    """Lets the worker consume a queue of its own; what comes there never reaches a child."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        dead_letter_queue()(consumer.connection.default_channel).declare()
        consumer.strategies[CANARY] = self._on_canary
        # Not `consume` yet: RabbitMQ would send at once what waits, and nobody is there to take it before Celery's
        # loop, which begins to consume all queues together.
        consumer.task_consumer.add_queue(canary_queue(consumer.hostname))

    @staticmethod
    def _on_canary(_message: Any, _payload: Any, ack: Any, _reject: Any, _callbacks: Any, **_: Any) -> None:
        pulse.canary_received()
        ack(logger, ())


class Watch(bootsteps.StartStopStep):  # type: ignore[misc,unused-ignore]
    """A thread of the main process that lives as long as the worker, with or without a broker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, worker: Any) -> None:
        from refnet.adapters.database.migrate import open_at_head

        try:
            cluster = process.cluster()
            cluster.celery.amqp.signer  # noqa: B018 - not at the first message
            open_at_head(cluster.engine)
        except ConfigurationError as error:
            logger.critical("%s", error)
            raise SystemExit(2) from error
        except RefnetError as error:
            logger.warning("%s The worker goes on, and tries again.", error)
        self._thread = threading.Thread(target=self._run, args=(worker,), name="watch", daemon=True)
        self._thread.start()

    def stop(self, worker: Any) -> None:
        del worker
        self._ended.set()
        child.ends.wake()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    terminate = stop

    def _run(self, worker: Any) -> None:
        from refnet.pipeline.sweep import Contact

        store, contact = process.cluster().store, Contact()
        while not self._ended.is_set():
            try:
                with store.among_workers() as still_among:
                    watching = Watching(worker, contact)
                    while not self._ended.is_set():
                        still_among()
                        watching.look()
                        self._see_to_the_lost(watching, time.monotonic() + SWEEP_EVERY)
                    store.forget_worker(worker.hostname)
            except Busy as error:
                logger.critical("%s", error)
            except StoreUnavailable as error:
                logger.warning("%s", error)
                contact = Contact()
            except RefnetError as error:
                logger.warning("%s", error)
            except Exception:
                # The edge of a thread that must outlive whatever it meets.
                logger.exception("A fault in refnet itself; the worker goes on")
            contact.asks()  # what failed may have taken long, and the database was not what it waited for
            self._ended.wait(SWEEP_EVERY)

    def _see_to_the_lost(self, watching: Watching, until: float) -> None:
        """Until then, give away at once what lost processes of the pool held."""
        pending = True
        while not self._ended.is_set() and (left := until - time.monotonic()) > 0:
            if child.ends.wait(min(left, STILL_DYING) if pending else left) or pending:
                pending = watching.free_lost()


class Watching:
    """One look after another at the ledger and at the worker itself."""

    def __init__(self, worker: Any, contact: Contact) -> None:
        self._worker = worker
        self._cluster = process.cluster()
        self._contact = contact
        self._queues = tuple(sorted(worker.app.amqp.queues.consume_from))
        self._stages = [BY_QUEUE[queue].stage for queue in self._queues if queue in BY_QUEUE]
        output = str(self._cluster.own_output_dir()) if "generator" in self._queues else None
        self._report = WorkerReport(worker.hostname, os.getpid(), self._queues, output, 0, 0)
        self._dead_letters = DeadLetterSweep(self._cluster)
        self._lost_messages = LostMessages(worker.app)
        #: processes that are gone and hold jobs, and since when that is known
        self._gone: dict[int, float] = {}
        self._next_canary = 0.0
        self._next_cleanup = time.monotonic() + CLEAN_EVERY

    def look(self) -> None:
        """To be called when the database has just answered. Raises what the store raises."""
        from refnet.pipeline.sweep import sweep

        cluster, contact = self._cluster, self._contact
        contact.answered()
        if time.monotonic() >= self._next_canary:
            self._next_canary = time.monotonic() + CANARY_EVERY
            self._send_canary()
        self.free_lost()
        child.ends.forget()
        heard_for = self._tell()
        if (
            sweep(cluster.store, cluster.announcer, cluster.limits, heard_for=heard_for)
            and time.monotonic() >= self._next_cleanup
        ):
            # Beat does so too, once a night; but beat may be away.
            self._next_cleanup = time.monotonic() + CLEAN_EVERY
            self._worker.app.backend.cleanup()
        self._lost_messages.look()
        self._dead_letters.look()
        contact.asks()

    def free_lost(self) -> bool:
        """Take back what lost processes held, and tell workers of it; whether one of them is not quite gone yet, or it
        is not known how it ended.

        Raises what the store raises.
        """
        from refnet.adapters.processes import process_lives, this_machine
        from refnet.pipeline.announce import announce
        from refnet.pipeline.sweep import free_dead

        cluster, known = self._cluster, child.ends.known()
        unexplained: set[int] = set()

        def lives(pid: int) -> bool:
            if process_lives(pid):
                return True
            if pid in known or time.monotonic() - self._gone.setdefault(pid, time.monotonic()) >= EXPLAINED_WITHIN:
                return False
            unexplained.add(pid)
            return True

        freed = free_dead(cluster.store, this_machine(), lives, known)
        self._gone = {pid: since for pid, since in self._gone.items() if pid in unexplained}
        if freed:
            with suppress(BrokerUnavailable):
                for _half in range(2):  # to each of them one may go
                    announce(cluster.store, cluster.announcer)
        return bool(unexplained) or any(process_lives(pid) for pid in known)

    def _tell(self) -> float:
        """Returns for how long the database has been heard from."""
        report = self._report
        due = self._cluster.store.oldest_due()
        slots = getattr(self._worker.pool, "num_processes", None) or self._worker.concurrency
        running = len(state.active_requests)
        found = idle_reason(
            running=running,
            slots=slots,
            quiet_for=pulse.quiet_for,
            canary_for=pulse.canary_for,
            due_for=max((due[stage] for stage in self._stages if stage in due), default=None),
        )
        reason, idle_for = found or (None, 0.0)
        if reason is not None:
            logger.error("This worker does not consume: %s for %.0f s.", reason, idle_for)
        elif report.output_dir is not None and (fault := self._cluster.vault_fault()) is not None:
            reason = f"{VAULT_FAULT}{fault}"
            logger.error("%s", fault)
        elif (grown := self._growth()) is not None:
            reason = f"{MEMORY_FAULT}{grown}"
            logger.error("This worker grows: %s", grown)
        # Whatever was looked at above may have taken long, such as a disk that hangs: that is no break.
        self._contact.asks()
        self._cluster.store.report(
            WorkerReport(report.name, report.pid, report.queues, report.output_dir, slots, running, idle_for, reason)
        )
        return self._contact.answered()

    def _growth(self) -> str | None:
        # A pool without processes has none of its own.
        pool = getattr(getattr(self._worker.pool, "_pool", None), "_pool", None) or ()
        largest = max((resident_kilobytes(each.pid) for each in list(pool)), default=0)
        return growth(resident_kilobytes(os.getpid()), largest)

    def _send_canary(self) -> None:
        queue = canary_queue(self._worker.hostname)
        pulse.canary_sent()
        try:
            with self._worker.app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0.2)
                if depths(connection, (queue.name,))[queue.name]:
                    return  # the last one is still there
                self._worker.app.amqp.Producer(connection).publish(
                    [[], {}, {}],
                    headers={"task": CANARY, "id": CANARY},
                    exchange="",
                    routing_key=queue.name,
                    serializer="json",
                    retry=False,
                )
        except (AMQPError, OperationalError, RedisError, OSError) as error:
            logger.warning("The broker does not answer (%s).", type(error).__name__)


def install(app: Celery) -> None:
    """Add to an application what its workers need."""
    app.steps["worker"] |= {Alive, Watch, Stalled, Draining}
    app.steps["consumer"] |= {Canary, Keeping}
    app.Task.Request = REQUEST
    metrics.install(app)
    signals.setup_logging.connect(configure_celery, weak=False)
    signals.import_modules.connect(flower.check, sender=app, weak=False)
    signals.task_received.connect(pulse.received, weak=False)
    signals.beat_init.connect(end_beat_once, weak=False)
    signals.worker_init.connect(_load_before_fork, weak=False)
    signals.worker_init.connect(_refuse_compression, weak=False)
    signals.worker_init.connect(child.remember_main, weak=False)
    signals.worker_init.connect(child.tell_whether_confined, weak=False)
    signals.worker_process_init.connect(child.confine, weak=False)
    signals.worker_before_create_process.connect(_freeze, weak=False)


def _load_before_fork(**_: object) -> None:
    """What every child needs is loaded once, and shared."""
    import psycopg  # noqa: F401

    import refnet.adapters.semantic_scholar
    import refnet.bootstrap.cluster  # noqa: F401


def _refuse_compression(**_: object) -> None:
    refuse_compression()


def _freeze(**_: object) -> None:
    """Objects made so far are left alone by the children's collector, so that their pages stay shared."""
    gc.collect()
    gc.freeze()
