"""refnet's application where the clock is wrong by WRONG_BY seconds: `Lab.worker(…, app="tests.cluster.wrong_clock")`.

Only what Python programs ask for the time of day here is wrong, not the clocks that measure how long something takes.
The soak of T15 has the operating system's clock wrong, which needs a library of its own.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timedelta
from importlib import import_module

__all__ = ["app"]

_right = time.time
_by = float(os.environ.get("WRONG_BY", "0"))


def _wrong_time() -> float:
    return _right() + _by


# Whoever took the function by name has the right one still; who is imported from now on takes the wrong one.
for module in [module for name, module in sys.modules.items() if name != __name__]:
    for name in [name for name, value in vars(module).items() if value is _right]:
        setattr(module, name, _wrong_time)
time.time = _wrong_time

app = import_module("refnet.celery").app
_now = app.now


def _wrong_now() -> datetime:
    now: datetime = _now()
    return now + timedelta(seconds=_by)


app.now = _wrong_now
if "BEAT_EVERY" in os.environ:
    app.conf.beat_schedule["health-check"]["schedule"] = float(os.environ["BEAT_EVERY"])
