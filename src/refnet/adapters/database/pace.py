"""Spacing of request starts, kept in the database so that all processes share it and no restart forgets it."""

from __future__ import annotations

import hashlib
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Double, Engine, case, literal, select, update

from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.clock import Clock, database_time, moment
from refnet.adapters.database.engine import reading, unread, writing
from refnet.adapters.database.schema import pace
from refnet.domain.errors import KeyRefused, RateLimited, TransientError

#: Longest back-off that refnet chooses by itself, in intervals: 64 s at one request a second.
LONGEST = 64
#: Longest that a host is believed when it asks to be left alone, in seconds.
LONGEST_ASKED = 3_600.0
#: Share by which starts are spaced wider than asked. Hosts count requests by the second: of each second, or of each
#: interval where that is longer, a quarter of the share beyond it may be made good after a late start (`SLACK`), by as
#: much a start may come late (`LATE`), and the rest is for the network's whim.
MARGIN = 1.08
SLACK = LATE = (MARGIN - 1) / 4
#: Starts by which is judged what is usual: where a link has become slow, it is so before long.
USUAL = 3
#: Seconds after which a wait looks whether it is still worth while.
CHECK_EVERY = 1.0
#: Widest that the pace stretches by itself without a key.
WIDEST = 10.0


class DatabasePace:
    """The `Pace` port on a row of the table `pace`.

    `rate` is in request starts per second, over all processes. Without a key the source's limit is unknown and
    changes: `adaptive` then
    widens the interval after each 429 and narrows it slowly while all goes well. `waiting` is told the seconds before
    each wait. A start that would take more than `longest` seconds in all is refused: RateLimited. What was refused for
    its key concerns only those who have the same `key`. `check` is called every second of a wait; what it raises ends
    the wait.
    """

    def __init__(
        self,
        engine: Engine,
        host: str,
        rate: float,
        *,
        adaptive: bool = False,
        waiting: Callable[[float], None] | None = None,
        longest: float | None = None,
        key: str | None = None,
        check: Callable[[], None] | None = None,
        clock: Clock = database_time,
    ) -> None:
        self._engine = engine
        self._host = host
        self._key = _fingerprint(key)
        self._check = check
        self._interval = MARGIN / rate
        self._second = max(1.0, 1.0 / rate)
        self._adaptive = adaptive
        self._waiting = waiting
        self._longest = longest
        self._clock = clock
        self._jitter = random.Random()
        #: seconds that it took to take the last starts, from the look at the clock on
        self._took: deque[float] = deque(maxlen=USUAL)

    def start(self) -> None:
        # Another process may have been asked to leave the host alone while this one slept, so look again before
        # going.
        waited, late, mine = 0.0, LATE * self._second, math.nan
        while True:
            wait, mine, looked = self._take(mine)
            if wait > 0:
                waited += wait
                if self._longest is not None and waited > self._longest:
                    raise RateLimited(f"{self._host} is left alone for {wait:.0f} s more.", retry_after=wait)
                if self._waiting is not None:
                    self._waiting(wait)
                self._wait(wait)
            elif self._lateness(looked) <= late:
                return
            else:
                # The start was held up after it was taken, and would come close to the next: it is taken anew. Where
                # all is slow it has to go at last.
                late *= 2

    def _wait(self, seconds: float) -> None:
        # A second at a time only where somebody looks: a thread that sleeps on is late the least.
        piece = seconds if self._check is None else CHECK_EVERY
        while seconds > 0:
            # An event nobody sets: unlike time.sleep, its wait ends at an interrupt in every thread.
            threading.Event().wait(min(seconds, piece))
            seconds -= piece
            if seconds > 0 and self._check is not None:
                self._check()

    def _lateness(self, looked: float) -> float:
        """Seconds that a start is later than is usual here: what each takes to come from a far database does no harm."""
        self._took.append(time.monotonic() - looked)
        return self._took[-1] - min(self._took)

    def reserve(self) -> float:
        """0 when a request may start now, and the start is taken; else the seconds after which to ask again.

        A host never seen waits one interval first: what other processes did before the row was lost is not known.
        """
        return self._take(math.nan)[0]

    def _take(self, mine: float) -> tuple[float, float, float]:
        """As `reserve`, with what names the start: as `mine` it is taken anew, later, unless another came after it; and
        with the moment of this process's own clock at which it was taken.
        """
        with writing(self._engine) as connection:
            own = select(pace).where(pace.c.host == self._host)
            unread(connection, own.with_for_update())
            # Together with the time: from a far server each answer takes a while, and so does every start.
            at = moment(connection, self._clock)
            clock = literal(at, Double) if isinstance(at, float) else at
            row = connection.execute(own.add_columns(clock.label("now"))).one_or_none()
            looked = time.monotonic()
            now = self._clock(connection) if row is None else float(row.now)
            if row is None:
                upsert(
                    connection,
                    pace,
                    ("host", "next_at", "blocked_until", "failures", "successes", "stretch", "starts"),
                    [(self._host, now + self._interval, 0.0, 0, 0, 1.0, 0)],
                    "DO NOTHING",
                )
                return self._interval, mine, looked
            interval = self._interval * row.stretch
            next_at, blocked_until = float(row.next_at), self._blocked_until(row)
            again = next_at == mine
            set_back = next_at - now - self._interval * WIDEST
            if set_back > 0:
                # No start is ever put off so long: the clock was set back, and the times kept go back with it.
                next_at, blocked_until = now + interval, blocked_until - set_back
                refused = None if row.refused_until is None else row.refused_until - set_back
                self._update(
                    connection,
                    next_at=next_at,
                    blocked_until=row.blocked_until - set_back,
                    refused_until=refused,
                )
            elif again:
                next_at = now
            wait = max(next_at, blocked_until) - now
            if wait > 0:
                return wait, mine, looked
            after = max(next_at, now - SLACK * self._second) + interval
            self._update(connection, next_at=after, starts=pace.c.starts + (0 if again else 1))
            return 0.0, after, looked

    def succeeded(self) -> None:
        # What the host asked for earlier stands: another process may have been told to wait while this answer was on
        # its way.
        values: dict[str, Any] = {
            "failures": 0,
            "successes": pace.c.successes + 1,
            # What was refused to another key still is.
            "refused_until": case((pace.c.refused_key == self._key, None), else_=pace.c.refused_until),
        }
        if self._adaptive:
            narrower = pace.c.stretch - 0.05
            values["stretch"] = case((narrower > 1.0, narrower), else_=1.0)
        with writing(self._engine) as connection:
            self._update(connection, **values)

    def failed(self, error: TransientError) -> None:
        with writing(self._engine) as connection:
            row = connection.execute(select(pace).where(pace.c.host == self._host).with_for_update()).one_or_none()
            now = self._clock(connection)
            if row is None:
                return  # forgotten meanwhile: the next start begins slowly anyway
            doubled = 2.0 ** min(row.failures + 1, LONGEST)
            backoff = self._interval * min(doubled, LONGEST) * self._jitter.uniform(0.5, 1.5)
            delay = min(error.retry_after, LONGEST_ASKED) if error.retry_after is not None else backoff
            stretch = row.stretch
            if self._adaptive and isinstance(error, RateLimited):
                stretch = min(stretch * 1.5, WIDEST)
            until: dict[str, Any] = {"blocked_until": max(row.blocked_until, now + delay)}
            if isinstance(error, KeyRefused):
                until = {"refused_until": now + delay, "refused_key": self._key}
            self._update(connection, failures=row.failures + 1, stretch=stretch, **until)

    def _blocked_until(self, row: Any) -> float:
        """Until when this process leaves the host alone."""
        mine = row.refused_until is not None and row.refused_key == self._key
        return max(float(row.blocked_until), float(row.refused_until)) if mine else float(row.blocked_until)

    def paused(self) -> float:
        """Seconds until the next request may start."""
        with reading(self._engine) as connection:
            row = connection.execute(select(pace).where(pace.c.host == self._host)).one_or_none()
            if row is None:
                return self._interval
            until = max(float(row.next_at), self._blocked_until(row))
            return max(0.0, min(until - self._clock(connection), LONGEST_ASKED))

    def successes(self) -> int:
        """Requests to the host that have ever succeeded."""
        with reading(self._engine) as connection:
            return connection.execute(select(pace.c.successes).where(pace.c.host == self._host)).scalar() or 0

    def _update(self, connection: Connection, **values: Any) -> None:
        unread(connection, update(pace).where(pace.c.host == self._host).values(**values))


def _fingerprint(key: str | None) -> str:
    """Enough to tell one key from another, and far too little to find one."""
    return hashlib.sha256(f"refnet pace {key or ''}".encode(errors="replace")).hexdigest()[:8]
