"""How a worker ends: it takes nothing more, lets its tasks go on for some seconds, and gives back what is left."""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import suppress
from typing import Any

from celery import bootsteps, platforms, signals
from celery.concurrency.prefork import TaskPool
from celery.worker import state

from refnet.adapters.processes import process_lives, this_machine
from refnet.domain.errors import RefnetError
from refnet.entrypoints.celery import child, process
from refnet.entrypoints.celery.dead_letters import keeper

logger = logging.getLogger(__name__)

#: Seconds that a task's process has for giving back its jobs, until it is killed.
UNWINDING = 2.0
#: Seconds that the database has for an answer at the end.
ANSWERING = 2.0
#: Seconds from the first signal after which the process ends in any case.
AT_LAST = 25.0
#: Seconds that writing into the log may take then, and storing what became of tasks.
TELLING = 1.0
#: Not a hangup that was ignored when this process began (`nohup`). Celery takes it in any case, and begins anew, which
#: fails where it was started as a module; this is read with the application, before that.
_IGNORED = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", *(() if _IGNORED else ("SIGHUP",)))


class Beside:
    """A thread for what may hang, so that nobody has to wait for that longer than some seconds."""

    def __init__(self) -> None:
        self._todo: queue.SimpleQueue[tuple[Callable[[], object], threading.Event]] = queue.SimpleQueue()

    def start(self) -> None:
        threading.Thread(target=self._run, name="beside", daemon=True).start()

    def within(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something, and wait so long for it at most."""
        done = threading.Event()
        self._todo.put((act, done))
        done.wait(seconds)

    def _run(self) -> None:
        while True:
            act, done = self._todo.get()
            try:
                act()
            except RefnetError as error:
                logger.warning("%s Leases bring the work back.", error)
            except Exception:
                # The edge of a thread that must outlive whatever it meets.
                logger.exception("A fault in refnet itself; the worker ends all the same")
            finally:
                done.set()


class Draining(bootsteps.StartStopStep):  # type: ignore[misc,unused-ignore]
    """Ends a worker in one way, whatever signals come and how often.

    SIGTERM, SIGHUP and the first SIGINT let tasks go on for `worker_soft_shutdown_timeout` seconds; SIGQUIT, or a second
    SIGINT, cuts that short. Then each task's process is stopped once, gives back its jobs itself, and is killed if it
    does not; messages go back to their queues, and the exit code is 0.

    Celery waits for tasks without end at SIGTERM, and stops their processes at each further signal anew, which kills
    them in the middle of giving back (celery 5.7.0, by design; its REMAP_SIGTERM mends only the first). Pools without
    processes are left to Celery.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._worker = worker
        self._main = os.getpid()
        # To put into this kind of queue is safe in a signal handler, even within itself; to set an event is not.
        self._came: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._database, self._log = Beside(), Beside()
        self._children: set[int] = set()
        #: of these, those that were lost before any was stopped by us: they are charged for that
        self._lost: set[int] | None = None

    def start(self, worker: Any) -> None:
        if not isinstance(worker.pool, TaskPool):
            return
        # All threads that the end takes, now: the system may let nobody start any more when it comes to that.
        self._database.start()
        self._log.start()
        for act, name in ((self._run, "draining"), (self._run_out, "at-last")):
            threading.Thread(target=act, name=name, daemon=True).start()
        signals.worker_shutdown.connect(self._give_back_the_rest, weak=False)
        platforms.signals.update(dict.fromkeys(_SIGNALS, self._asked))
        if _IGNORED:
            platforms.signals.ignore("SIGHUP")

    def _asked(self, number: int, _frame: object) -> None:
        if os.getpid() == self._main:  # and no process that was only just forked from it
            # The loop sees it within a second, and waits for what the pool is at.
            state.should_stop = platforms.EX_OK
            self._came.put(number)

    def _run(self) -> None:
        first = self._came.get()
        asked = time.monotonic()
        self._ending.set()
        self._children = self._processes()
        seconds = float(self._worker.app.conf.worker_soft_shutdown_timeout)
        logger.warning("Asked to end: tasks have %g s, and what is left then is given back.", seconds)
        if first != signal.SIGQUIT:
            self._wait(asked + seconds)
        self._stop_tasks()

    def _run_out(self) -> None:
        """By itself, so that it comes whatever happens to the rest, which asks the database, the broker and the pool."""
        self._ending.wait()
        time.sleep(AT_LAST)
        self._end_at_last()

    def _end_at_last(self) -> None:
        def tell() -> None:
            logger.critical("The worker did not come to its end, and is ended. Its messages come again later.")

        try:
            self._kill(self._processes())
            self._log.within(TELLING, tell)  # whoever should read the log may not
        finally:
            os._exit(platforms.EX_FAILURE)

    def _wait(self, until: float) -> None:
        """Wait until then, or until somebody is in a hurry."""
        while (left := until - time.monotonic()) > 0:
            with suppress(queue.Empty):
                # At the end of a terminal two hangups come: of its shell, and of the system.
                if self._came.get(timeout=left) not in (signal.SIGTERM, signal.SIGHUP):
                    return

    def _stop_tasks(self) -> None:
        self._lost = set(child.ends.known())
        requests = _active_requests()
        busy = {request.worker_pid for request in requests if request.worker_pid}
        for request in requests:
            try:
                self._cancel(request)
            except Exception:
                # Whatever it is, the others are to be stopped, too; and none of them twice.
                logger.exception("A task could not be cancelled in order; its process is ended.")
        over = time.monotonic() + UNWINDING
        while (left := {pid for pid in busy if process_lives(pid)}) and time.monotonic() < over:
            time.sleep(0.05)
        if left:
            # Before they are killed, so that others, who look for the dead, do not take their work for lost.
            self._give_back(left)
        self._kill(busy)

    def _cancel(self, request: Any) -> None:
        """Stop its process, as Celery does at the end of a soft shutdown, and tell of it."""
        late = request.task.acks_late
        if late and (request.acknowledged or request.id in state.successful_requests):
            return  # it is done
        request.cancel(self._worker.pool, emit_retry=not late)

    def _processes(self) -> set[int]:
        try:
            return set(self._worker.pool.info["processes"])
        except AttributeError:  # the pool is over
            return set()

    @staticmethod
    def _kill(pids: set[int]) -> None:
        for pid in pids:
            child.kill_group(pid)  # all that it started, even when it has ended itself
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # it may not lead its group yet

    def _give_back_the_rest(self, **_: object) -> None:
        """What was claimed by a process that was stopped between the claim and the work; and results go before us."""
        wait([keeper.latest], TELLING)
        if not keeper.latest.done():
            logger.error("The database does not answer: it stays untold what became of the last tasks.")
        if self._children:
            gone = {pid for pid in self._children if not process_lives(pid)}
            lost = set(child.ends.known()) if self._lost is None else self._lost
            self._give_back(gone - lost)
            for pid in gone:
                child.kill_group(pid)
        # The interpreter, while it ends, would let one more of them kill the process.
        platforms.signals.ignore(*_SIGNALS)

    def _give_back(self, pids: set[int]) -> None:
        owners = [f"{this_machine()}:{pid}" for pid in sorted(pids)]
        self._database.within(ANSWERING, lambda: process.cluster().store.give_back(owners))


def _active_requests() -> tuple[Any, ...]:
    for _ in range(100):
        with suppress(RuntimeError):  # the main thread changed the set meanwhile
            return tuple(state.active_requests)
        time.sleep(0.01)
    return ()


def end_beat_once(**_: object) -> None:
    """Let beat end in order at the first signal, SIGQUIT too, and take no notice of more. For the signal `beat_init`."""
    in_order = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: Any) -> None:
        platforms.signals.ignore(*_SIGNALS)
        if callable(in_order):
            in_order(number, frame)

    platforms.signals.update(dict.fromkeys(_SIGNALS, end))
