"""refnet's application, where each task of the summarizer does one job, to see what a task of its own costs."""

from __future__ import annotations

import refnet.bootstrap.cluster as composition
from refnet.celery import app

__all__ = ["app"]

composition.MOST_SUMMARIES = 1
