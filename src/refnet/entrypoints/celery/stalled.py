"""A worker frees what others hold locks on who were stopped, wherever they run."""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import bootsteps

from refnet.domain.errors import RefnetError
from refnet.entrypoints.celery import process

logger = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK_EVERY = 5.0


class Stalled(bootsteps.StartStopStep):  # type: ignore[misc,unused-ignore]
    """A thread of the main process. Of its own, for the one that sweeps may be waiting for just such a lock."""

    # Which ends the worker where the cluster is not set up.
    requires = ("refnet.entrypoints.celery.watch:Watch",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._ended = threading.Event()

    def start(self, worker: Any) -> None:
        del worker
        threading.Thread(target=self._run, name="stalled", daemon=True).start()

    def stop(self, worker: Any) -> None:
        del worker
        self._ended.set()

    terminate = stop

    def _run(self) -> None:
        sessions = process.cluster().store.stalled_sessions()
        while not self._ended.wait(LOOK_EVERY):
            try:
                if ended := sessions.look():
                    logger.warning(
                        "Connections to the database ended for processes that stood still while they held locks: %d.",
                        ended,
                    )
            except RefnetError as error:
                logger.debug("%s", error)  # the sweep's warning says so
            except Exception:
                # The edge of a thread that must outlive whatever it meets.
                logger.exception("A fault in refnet itself; the worker goes on")
