"""What a fork takes along and must not: locks that another thread of the main process holds at that moment.

A process that was forked meanwhile would wait for such a lock for ever, and no time limit reaches it, for it never takes
a task.

kombu and Celery keep what they compute once behind one lock for all objects of a class (kombu.utils.objects of kombu
5.7.0, functools before Python 3.12), and hold it while they connect, as threads of the main process do.

The buffer of a log's file has a lock that Python renews in no fork (python/cpython#50970); who writes a line holds it.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Sequence
from functools import cached_property, partial
from threading import Lock, RLock
from typing import Any


def renew_locks() -> None:
    """Give processes forked from now on locks of their own, for all classes that are loaded by now."""
    # Not `isinstance`, for which Celery's proxies would load what they stand for.
    found = [one for one in gc.get_objects() if issubclass(type(one), cached_property) and hasattr(one, "lock")]
    os.register_at_fork(after_in_child=partial(_renew, found))


def _renew(found: Sequence[Any]) -> None:
    for one in found:
        one.lock = RLock()


def hold_logs() -> None:
    """Let nobody fork this process while a thread of it is in the middle of a line of the log."""
    held: list[logging.Handler] = []
    one = Lock()  # two threads may want to fork

    def hold() -> None:
        one.acquire()
        for reference in logging._handlerList:  # type: ignore[attr-defined]  # noqa: SLF001 - the public ways tell of some
            if (handler := reference()) is not None:
                handler.acquire()
                held.append(handler)

    def release() -> None:
        while held:
            held.pop().release()
        one.release()

    def forget() -> None:
        held.clear()  # logging itself gives the handlers of the new process new locks
        one.release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=forget)
