"""What goes into the database from a worker's main process, which must never wait for it long."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Event, Lock, Thread

from celery.utils.log import get_logger

from refnet.domain.dead_messages import RefusedMessage
from refnet.domain.errors import RefnetError

_log = get_logger(__name__)

#: Seconds that the main process waits for the database. It usually answers in some thousandths of that.
PATIENCE = 0.2
#: Seconds between two tries while the database is away: doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0

Act = Callable[[], object]


class Keeper:
    """A thread that records dead letters by `record`, and does what else is asked of it, in the order in which it came."""

    def __init__(self, record: Callable[[RefusedMessage], object]) -> None:
        self.record = record
        #: what was asked for last
        self.latest: Future[object] = Future()
        self.latest.set_result(None)
        # Not an executor, for whose threads Python waits before it ends.
        self._todo: SimpleQueue[tuple[Act, Future[object]]] = SimpleQueue()
        self._starting = Lock()
        self._thread: Thread | None = None

    def keep(self, letter: RefusedMessage) -> Future[object]:
        """Begin to record it, and wait a moment for that."""
        return self.soon(lambda: self.record(letter))

    def start(self) -> None:
        """Have the thread, if there is none yet: later on the system may let nobody start one."""
        with self._starting:
            if self._thread is None:
                thread = Thread(target=self._run, name="dead-letters", daemon=True)
                thread.start()
                self._thread = thread

    def soon(self, act: Act, patience: float = PATIENCE) -> Future[object]:
        """Do something in the thread, and wait a moment for that."""
        future: Future[object] = Future()
        self.latest = future
        self._todo.put((act, future))
        self.start()
        wait([future], patience)
        return future

    def insist(self, act: Act) -> Future[object]:
        """Do something as soon as the database answers, unless the process ends before, and wait a moment for that.

        Holds up what is kept after it.
        """
        return self.soon(lambda: _insist(act))

    def _run(self) -> None:
        while True:
            act, future = self._todo.get()
            try:
                future.set_result(act())
            except Exception as error:  # noqa: BLE001 - for whoever asks the future
                future.set_exception(error)


def _insist(act: Act) -> None:
    pause, never = FIRST_PAUSE, Event()
    while True:
        try:
            act()
        except RefnetError as error:
            _log.warning("A dead letter waits for the database: %s", error)
            never.wait(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
        except Exception:
            _log.exception("A dead letter could not be recorded")
            raise
        else:
            return
