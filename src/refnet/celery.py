"""`celery -A refnet …`: the application with its tasks."""

from __future__ import annotations

from refnet.entrypoints.celery.tasks import app

__all__ = ["app"]
