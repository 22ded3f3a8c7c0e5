"""refnet's application for programs to which libfaketime tells the time, with a health check every second.

The library (0.9.10) refuses the call by which Python from 3.11 on sleeps, with EINVAL; other waits it leaves alone.
"""

from __future__ import annotations

import threading
import time
from typing import SupportsIndex

from tests.cluster.fast_beat import app

__all__ = ["app"]


def _sleep(seconds: float | SupportsIndex, /) -> None:
    threading.Event().wait(float(seconds))


time.sleep = _sleep
