"""The counts of a crawl, each counted for one at a time: those of a large one take the database seconds."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from refnet.domain.crawls import Crawl
from refnet.domain.requests import CrawlView

#: How much longer counts hold than they took, so that counting never takes more than a twentieth of the time.
HOLDS = 20.0
#: Crawls whose counts are remembered.
MOST = 100


class CountingStore(Protocol):
    def crawl(self, crawl_id: int) -> Crawl: ...


@dataclass(slots=True)
class _Counted:
    lock: threading.Lock = field(default_factory=threading.Lock)
    crawl: Crawl | None = None
    changed: float = 0.0
    until: float = 0.0


class Figures:
    """What was counted of each crawl lately. Once a crawl is over, its counts are of after its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._of: OrderedDict[int, _Counted] = OrderedDict()

    def __call__(self, store: CountingStore, view: CrawlView) -> Crawl | None:
        """None where it is no crawl yet."""
        if view.crawl_id is None:
            return None
        with self._lock:
            known = self._of.setdefault(view.crawl_id, _Counted())
            self._of.move_to_end(view.crawl_id)
            while len(self._of) > MOST:
                self._of.popitem(last=False)
        if (crawl := self._held(known, view)) is not None:
            return crawl
        if not known.lock.acquire(blocking=view.is_over or known.crawl is None):
            return known.crawl  # somebody counts anew
        try:
            if (crawl := self._held(known, view)) is None:
                begun = self._clock()
                known.crawl = crawl = store.crawl(view.crawl_id)
                now = self._clock()
                known.changed, known.until = view.changed_at, now + HOLDS * (now - begun)
            return crawl
        finally:
            known.lock.release()

    def _held(self, known: _Counted, view: CrawlView) -> Crawl | None:
        if self._clock() >= known.until or (view.is_over and known.changed != view.changed_at):
            return None
        return known.crawl
