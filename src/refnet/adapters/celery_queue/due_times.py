"""When entries of Celery's schedule fall due, reckoned from times that are given and not from this machine's clock."""

from __future__ import annotations

import math
from copy import copy
from datetime import UTC, datetime
from typing import Any

from celery.schedules import schedule as interval

_HOUR = 3_600.0
#: How far back the last turn is looked for, one after another, in seconds: most are not far, and each step that a
#: crontab takes towards the present costs some time.
_BACK = (_HOUR, 24 * _HOUR, 35 * 24 * _HOUR, math.inf)


def next_due(schedule: Any, after: float) -> float:
    """The first turn after an instant, both in seconds since 1970.

    Those of an interval are its multiples, whenever somebody began to count.
    """
    if isinstance(schedule, interval):
        return _exact((math.floor(after / schedule.seconds) + 1) * schedule.seconds)
    at = datetime.fromtimestamp(after, UTC)
    asked = copy(schedule)
    asked.app, asked.nowfun = schedule.app, lambda: at
    return _exact(after + float(asked.remaining_estimate(at).total_seconds()))


def latest_due(schedule: Any, after: float, now: float) -> float | None:
    """The last turn after one instant and not after another; None where there was none."""
    if isinstance(schedule, interval):
        turn = _exact(math.floor(now / schedule.seconds) * schedule.seconds)
        return turn if turn > after else None
    for back in _BACK:
        start = max(after, now - back)
        found, turn = None, next_due(schedule, start)
        while start < turn <= now:
            found = start = turn
            turn = next_due(schedule, turn)
        if found is not None or start == after:
            return found
    return None


def _exact(turn: float) -> float:
    """To the millisecond, as turns are kept."""
    return round(turn, 3)
