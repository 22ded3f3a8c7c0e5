"""Whether the process lives, and whether it can do its work; both for anybody who asks, so neither says how."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from refnet.bootstrap import Application
from refnet.domain.errors import RefnetError
from refnet.domain.workers import WORKERS
from refnet.entrypoints.web.models import Health, Part, Readiness
from refnet.entrypoints.web.problems import Problem
from refnet.entrypoints.web.routing import COMMON, Serving, anyone, application_of, offers

router = APIRouter(responses=COMMON, tags=["health"], dependencies=[anyone(), offers("application/json")])
#: Seconds for which an answer holds: looking costs the database, and the broker, too.
HOLDS = 2.0
#: Seconds that somebody waits for it.
PATIENCE = 30.0


# Not in a thread: it is to answer, too, where all threads wait for the database.
@router.get("/health", operation_id="get_health")
async def get_health() -> Health:
    """Whether the process answers at all."""
    return Health(status="ok")


# Not in a thread either: whoever asks meanwhile waits for the same look, of which there is one.
@router.get("/ready", operation_id="get_readiness")
async def get_readiness(request: Request) -> Readiness:
    """Whether it can do its work: 503 names the part that is down."""
    looked: Look = request.app.state.look
    parts = await looked(application_of(request), request.app.state.serving)
    down = [part.name for part in parts if not part.ok]
    if down:
        raise Problem(503, f"Down: {', '.join(down)}.", parts=[part.model_dump() for part in parts])
    return Readiness(status="ready", parts=parts)


@dataclass(slots=True)
class Look:
    """One look at all parts at a time, which takes one thread however many ask, and whose answer holds for a moment."""

    clock: Callable[[], float] = time.monotonic
    _parts: list[Part] = field(default_factory=list)
    _until: float = 0.0
    _looking: asyncio.Task[None] | None = None

    async def __call__(self, application: Application, serving: Serving) -> list[Part]:
        """Raises Problem where the look takes too long; it goes on, and the next who asks may have its answer."""
        if self.clock() >= self._until:
            looking = self._looking
            if looking is None or looking.done() or looking.get_loop() is not asyncio.get_running_loop():
                looking = self._looking = asyncio.create_task(self._look(application, serving))
            try:
                await asyncio.wait_for(asyncio.shield(looking), PATIENCE)
            except TimeoutError:
                raise Problem(503, "Whether its parts are up cannot be told in time.") from None
        return self._parts

    async def _look(self, application: Application, serving: Serving) -> None:
        def look() -> list[Part]:
            return [Part(name=name, ok=well()) for name, well in _parts(application, serving)]

        self._parts = await run_in_threadpool(look)
        self._until = self.clock() + HOLDS


def _parts(application: Application, serving: Serving) -> list[tuple[str, Callable[[], bool]]]:
    found: list[tuple[str, Callable[[], bool]]] = [("database", lambda: _answers(application.check_database))]
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
        cluster.look_at_broker()


def _look_at_workers(application: Application) -> None:
    """Raises RefnetError where a queue has no worker that takes its work."""
    workers = [worker for worker in application.workers() if worker.lives and worker.fault is None]
    if any(all(kind.queue not in worker.queues for worker in workers) for kind in WORKERS):
        raise RefnetError("There is a queue whose work nobody takes.")
