"""How much one caller may ask: buckets that fill up again with time."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

#: Callers remembered; of more, those heard of longest ago are forgotten.
MOST_CALLERS = 10_000


class Buckets:
    """One bucket for each caller, which holds `most` and gains `rate` a second."""

    def __init__(self, rate: float, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = most
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str) -> int:
        """0 where the caller may go on; else the whole seconds after which to try again."""
        with self._lock:
            left = self._now(caller)
            if left >= 1:
                self._put(caller, left - 1)
                return 0
            self._put(caller, left)
            return max(1, math.ceil((1 - left) / self._rate))

    def is_empty(self, caller: str) -> bool:
        """Whether the caller would have to wait."""
        with self._lock:
            return self._now(caller) < 1

    def _now(self, caller: str) -> float:
        left, at = self._left.get(caller, (self._most, self._clock()))
        return min(self._most, left + (self._clock() - at) * self._rate)

    def _put(self, caller: str, left: float) -> None:
        self._left[caller] = (left, self._clock())
        self._left.move_to_end(caller)
        while len(self._left) > MOST_CALLERS:
            self._left.popitem(last=False)
