"""The application with workers that keep their counts at the end alone: `Lab.worker(…, app="tests.cluster.rarely_kept")`."""

from __future__ import annotations

from refnet.celery import app
from refnet.entrypoints.celery import metrics

__all__ = ["app"]

metrics.KEEP_EVERY = 3_600.0
