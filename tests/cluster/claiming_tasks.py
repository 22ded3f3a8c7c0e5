"""The application with tasks that tell for whom they are done: `Lab.worker(…, app="tests.cluster.claiming_tasks")`."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from refnet.adapters.celery_queue.permission import CLAIM
from refnet.celery import app
from refnet.domain.errors import SourceUnavailable
from refnet.domain.permissions import Scope
from refnet.entrypoints.celery.tasks import CrawlerTask

__all__ = ["app"]


def tell(task: Any, path: str) -> int:
    """Append the claim to a file; how many lines there are now."""
    with Path(path).open("a+") as file:
        file.write(f"{(task.request.headers or {}).get(CLAIM)}\n")
        file.seek(0)
        return len(file.readlines())


@app.task(bind=True, name="claiming.tell", needs=Scope.READ)  # type: ignore[untyped-decorator]
def tell_claim(self: Any, path: str) -> None:
    tell(self, path)


@app.task(bind=True, name="claiming.retry", needs=Scope.READ)  # type: ignore[untyped-decorator]
def retry(self: Any, path: str) -> None:
    """Come again once, by Celery's own means."""
    if tell(self, path) == 1:
        raise self.retry(countdown=0)


@app.task(bind=True, base=CrawlerTask, name="claiming.back_off", needs=Scope.READ)  # type: ignore[untyped-decorator]
def back_off(self: CrawlerTask, path: str) -> None:
    """Come again once, as refnet's tasks do after a fault that passes."""
    if tell(self, path) == 1:
        raise self.again(SourceUnavailable("It rests."), 0.5, counted=False)


@app.task(bind=True, name="claiming.die", needs=Scope.READ, default_retry_delay=0)  # type: ignore[untyped-decorator]
def die(self: Any, path: str) -> None:
    """Come again once, sent by the main process, for this one is gone."""
    if tell(self, path) == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(bind=True, name="claiming.send", needs=Scope.READ)  # type: ignore[untyped-decorator]
def send(self: Any, path: str, claim: str | None = None) -> None:
    """Send children in each way there is, which say that they are for whom `claim` says."""
    tell(self, path)
    headers = {} if claim is None else {CLAIM: claim}
    app.send_task("claiming.tell", (path,), headers=headers)
    tell_claim.apply_async((path,), headers=headers)
    tell_claim.delay(path)
    (tell_claim.si(path).set(headers=headers) | tell_claim.si(path)).apply_async()
