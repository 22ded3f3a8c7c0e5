"""What a fork takes along and must not: locks that another thread of the main process holds at that moment.

kombu and Celery keep what they compute once behind one lock for all objects of a class (kombu.utils.objects of kombu
5.7.0, functools before Python 3.12), and hold it while they connect. The main process has threads that talk to the
broker; a process that was forked meanwhile would wait for such a lock for ever, with a task in its hands that no time
limit reaches.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from functools import cached_property, partial
from threading import RLock
from typing import Any


def renew_locks() -> None:
    """Give processes forked from now on locks of their own, for all classes that are loaded by now."""
    # Not `isinstance`, for which Celery's proxies would load what they stand for.
    found = [one for one in gc.get_objects() if issubclass(type(one), cached_property) and hasattr(one, "lock")]
    os.register_at_fork(after_in_child=partial(_renew, found))


def _renew(found: Sequence[Any]) -> None:
    for one in found:
        one.lock = RLock()
