"""A Celery application small enough for tests: `celery -A tests.adapters.celery_queue.tiny worker`.

Its tasks write what they do into files of TINY_FOLDER, so that a test sees it whatever becomes of the broker.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery

from refnet.adapters.celery_queue import transport
from refnet.adapters.celery_queue.publishing import SigningAMQP
from tests.servers import ticks

FOLDER = Path(os.environ.get("TINY_FOLDER", "."))
QUEUES = ("crawler", "summarizer", "generator")

transport.register()
app = Celery(
    "tiny",
    broker=os.environ.get("TINY_BROKER", "redis://127.0.0.1:9/0"),
    amqp=partial(SigningAMQP, keys=lambda: (b"the key of tests, which is no secret",), longest=7 * 86_400.0),
    set_as_current=False,
)
app.conf.update(
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "queue_order": QUEUES,
        "visibility_timeout": float(os.environ.get("TINY_VISIBILITY_TIMEOUT", "60")),
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
    },
    task_acks_late=True,
    task_acks_on_failure=False,
    task_default_queue="crawler",
    task_ignore_result=True,
    task_reject_on_worker_lost=True,
    worker_consumer="refnet.adapters.celery_queue.consumer:Consumer",
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)


def write(name: str, line: str) -> None:
    """Append a line to a file, from any process at any time."""
    file = os.open(FOLDER / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


@app.task(name="note")  # type: ignore[untyped-decorator]
def note(text: str) -> None:
    write("done", text)


@app.task(name="hold")  # type: ignore[untyped-decorator]
def hold(text: str) -> None:
    """Begin, and be done only when the test writes the file `go`."""
    write("begun", text)
    for _ in ticks(60):
        if (FOLDER / "go").exists():
            write("done", text)
            return


@app.task(name="again", bind=True)  # type: ignore[untyped-decorator]
def again(self: Any, text: str) -> None:
    """Retried once, at once."""
    write("done", f"{text}, attempt {self.request.retries + 1}")
    if self.request.retries == 0:
        raise self.retry(countdown=0)
