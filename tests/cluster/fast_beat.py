"""refnet's own beat at sixty times its speed: `celery -A tests.cluster.fast_beat beat`."""

from __future__ import annotations

from refnet.celery import app

__all__ = ["app"]

#: Seconds between two health checks.
EVERY = 1.0

app.conf.beat_schedule["health-check"]["schedule"] = EVERY
