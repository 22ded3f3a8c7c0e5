"""Whether the process lives, and whether it can do its work; both for anybody who asks, so neither says how."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import APIRouter, Request

from refnet.bootstrap import Application
from refnet.domain.errors import RefnetError
from refnet.domain.workers import WORKERS
from refnet.entrypoints.web.models import Health, Part, Readiness
from refnet.entrypoints.web.problems import Problem
from refnet.entrypoints.web.routing import COMMON, Serving, anyone, application_of, offers

router = APIRouter(responses=COMMON, tags=["health"], dependencies=[anyone(), offers("application/json")])
#: Seconds for which an answer holds: looking costs the database, and the broker, too.
HOLDS = 2.0


# Not in a thread: it is to answer, too, where all threads wait for the database.
@router.get("/health", operation_id="get_health")
async def get_health() -> Health:
    """Whether the process answers at all."""
    return Health(status="ok")


@router.get("/ready", operation_id="get_readiness")
def get_readiness(request: Request) -> Readiness:
    """Whether it can do its work: 503 names the part that is down."""
    looked: Look = request.app.state.look
    parts = looked(application_of(request), request.app.state.serving)
    down = [part.name for part in parts if not part.ok]
    if down:
        raise Problem(503, f"Down: {', '.join(down)}.", parts=[part.model_dump() for part in parts])
    return Readiness(status="ready", parts=parts)


@dataclass(slots=True)
class Look:
    """One look at all parts at a time, whose answer holds for a moment."""

    clock: Callable[[], float] = time.monotonic
    _parts: list[Part] = field(default_factory=list)
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, application: Application, serving: Serving) -> list[Part]:
        with self._lock:
            if self.clock() >= self._until:
                self._parts = [Part(name=name, ok=well()) for name, well in _parts(application, serving)]
                self._until = self.clock() + HOLDS
            return self._parts


def _parts(application: Application, serving: Serving) -> list[tuple[str, Callable[[], bool]]]:
    found: list[tuple[str, Callable[[], bool]]] = [("database", lambda: _answers(application.check_schema))]
    if application.is_cluster:
        return [
            *found,
            ("broker", lambda: _answers(lambda: _probe(application))),
            ("workers", lambda: _answers(lambda: _look_at_workers(application))),
        ]
    return [*found, ("crawler", lambda: serving.crawler is None)]


def _answers(look: Callable[[], None]) -> bool:
    try:
        look()
    except RefnetError:
        return False
    return True


def _probe(application: Application) -> None:
    with application.cluster() as cluster:
        cluster.depths()


def _look_at_workers(application: Application) -> None:
    """Raises RefnetError where a queue has no worker that takes its work."""
    workers = [worker for worker in application.workers() if worker.lives and worker.fault is None]
    if any(all(kind.queue not in worker.queues for worker in workers) for kind in WORKERS):
        raise RefnetError("There is a queue whose work nobody takes.")
