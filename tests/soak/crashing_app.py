"""`celery -A tests.soak.crashing_app …`: the application, whose code reaches its crash points."""

from __future__ import annotations

from tests.soak.crashing import install

install("main")

from refnet.celery import app  # noqa: E402 - after the points are installed

__all__ = ["app"]
