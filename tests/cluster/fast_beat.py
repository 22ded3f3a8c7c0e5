"""refnet's own beat, in a hurry: `celery -A tests.cluster.fast_beat beat`."""

from __future__ import annotations

from refnet.celery import app

__all__ = ["app"]

app.conf.beat_schedule["health-check"]["schedule"] = 0.5
