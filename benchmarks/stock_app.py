"""Celery as it comes, with a task that does nothing."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("stock", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(
    task_default_queue="stock",
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task(name="nothing")
def nothing() -> None:
    """The task."""
