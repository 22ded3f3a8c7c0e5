"""`GET /metrics`: everything that is known, in Prometheus' text format."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from refnet.adapters.database.figures import Figures, read_figures
from refnet.domain.errors import RefnetError
from refnet.entrypoints import exposition
from refnet.pipeline.lease import LEASE

if TYPE_CHECKING:
    from refnet.bootstrap import Application

#: Seconds that a scrape waits for the database, and then for the broker; Prometheus gives up after ten by itself.
PATIENCE = 2.5
#: The names of sources, as the labels have them.
SOURCE = "semantic_scholar"

Found = TypeVar("Found")


class Asked(Generic[Found]):
    """Asks something that may hang, one at a time, and waits for it only so long.

    Whoever comes meanwhile waits for the same answer: a broker that is cut off holds one thread, not one a scrape.
    """

    def __init__(self, ask: Callable[[], Found], patience: float = PATIENCE) -> None:
        self._ask = ask
        self._patience = patience
        self._lock = threading.Lock()
        self._asking: _Asking[Found] | None = None

    def answer(self) -> Found | None:
        """What it says now; None where it does not answer in time, or with a RefnetError."""
        with self._lock:
            if self._asking is None or self._asking.over.is_set():
                self._asking = _Asking(self._ask)
            asking = self._asking
        return asking.found if asking.over.wait(self._patience) else None


class _Asking(Generic[Found]):
    def __init__(self, ask: Callable[[], Found]) -> None:
        self.found: Found | None = None
        self.over = threading.Event()
        threading.Thread(target=self._run, args=(ask,), name="asked", daemon=True).start()

    def _run(self, ask: Callable[[], Found]) -> None:
        try:
            with suppress(RefnetError):
                self.found = ask()
        finally:
            self.over.set()


class Watched:
    """What `/metrics` shows of an application. Nothing is asked before the first scrape."""

    def __init__(self, application: Application, patience: float = PATIENCE) -> None:
        self._application = application
        self._sources = {urlsplit(application.settings.source_url).netloc.rpartition("@")[2]: SOURCE}
        self._figures = Asked(self._read, patience)
        self._depths = Asked(self._count_messages, patience)

    def text(self) -> bytes:
        """The whole answer. What cannot be known at the moment is left out, and a gauge says so."""
        registry = CollectorRegistry()
        registry.register(exposition.Shown(self._families))
        return generate_latest(registry)

    def _families(self) -> Iterable[Metric]:
        figures = self._figures.answer()
        yield exposition.up("database", "database", value=figures is not None)
        if figures is not None:
            yield from exposition.ledger_families(figures)
            yield from exposition.source_families(figures, self._sources)
            yield from exposition.worker_families(figures.workers)
            yield from exposition.task_families(figures.tasks)
        if self._application.is_cluster:
            depths = self._depths.answer()
            yield exposition.up("broker", "broker", value=depths is not None)
            if depths is not None:
                yield from exposition.queue_families(depths)

    def _read(self) -> Figures:
        return read_figures(self._application.engine, LEASE)

    def _count_messages(self) -> dict[str, int]:
        # A connection of its own each time: what hung once is not asked again.
        with self._application.cluster() as cluster:
            return cluster.depths()


def router(application: Application) -> APIRouter:
    """The route. It declares no scope itself: whoever includes it asks for `read`."""
    routes = APIRouter(tags=["operation"])
    watched = Watched(application)

    @routes.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Ledger, queues, workers, sources and tasks, in Prometheus' text format; 200 also where a part of it is down."""
        return Response(watched.text(), media_type=CONTENT_TYPE_LATEST)

    return routes
