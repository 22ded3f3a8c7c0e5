"""What a worker's main loop does later: once a thread has done something, or after a while."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from celery.utils.log import get_logger

_log = get_logger(__name__)

#: Seconds between two looks.
LOOK_EVERY = 0.05

Act = Callable[[], object]


class Pending:
    """Done by a timer of the worker's. Celery clears all of them where a connection is lost: `start` sets them anew."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, Act]] = []
        self._timer: Any = None

    def start(self, timer: Any) -> None:
        """Do what waits, and what will, by this timer."""
        self._timer = timer
        for entry in self._waiting:
            self._set(entry)

    def once(self, future: Future[Any], act: Act) -> None:
        """Do something when the future is done; at once, if it is."""
        if future.done():
            act()
        else:
            self.after(LOOK_EVERY, lambda: self.once(future, act))

    def after(self, seconds: float, act: Act) -> None:
        """Do something after so long."""
        entry = (seconds, act)
        self._waiting.append(entry)
        self._set(entry)

    def _set(self, entry: tuple[float, Act]) -> None:
        if self._timer is not None:
            self._timer.call_after(entry[0], self._do, (entry,))

    def _do(self, entry: tuple[float, Act]) -> None:
        if entry not in self._waiting:  # it was set anew although its timer was not cleared
            return
        self._waiting.remove(entry)
        try:
            entry[1]()
        except Exception:  # noqa: BLE001 - see below
            # The edge of the main loop: one that fails must not take the others along.
            _log.exception("A fault in refnet itself; the worker goes on")
