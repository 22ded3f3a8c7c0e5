"""`GET /metrics`: everything that is known, in Prometheus' text format."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from refnet.adapters.database.figures import Figures, read_figures
from refnet.domain.errors import BrokerUnavailable, RefnetError
from refnet.entrypoints import exposition
from refnet.pipeline.lease import LEASE

if TYPE_CHECKING:
    from refnet.bootstrap import Application

#: Seconds that a scrape waits for the database and the broker together. With what it waits to be let in that is well below
#: the five after which Prometheus gives up, as deploy/ sets it up.
PATIENCE = 2.5
#: The names of sources, as the labels have them.
SOURCE = "semantic_scholar"

Found = TypeVar("Found")


class Asked(Generic[Found]):
    """Asks something that may hang, one at a time, and waits for it only so long.

    Whoever comes meanwhile waits for the same answer: a broker that is cut off holds one thread, not one a scrape.
    """

    def __init__(self, ask: Callable[[], Found]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asking: Asking[Found] | None = None

    def start(self) -> Asking[Found]:
        """Ask, or join who asks already."""
        with self._lock:
            if self._asking is None or self._asking.over.is_set():
                self._asking = Asking(self._ask)
            return self._asking


class Asking(Generic[Found]):
    """One question under way."""

    def __init__(self, ask: Callable[[], Found]) -> None:
        self.found: Found | None = None
        self.over = threading.Event()
        threading.Thread(target=self._run, args=(ask,), name="asked", daemon=True).start()

    def answer(self, until: float) -> Found | None:
        """What it says; None where it does not by that time of the monotonic clock, or with a RefnetError."""
        return self.found if self.over.wait(max(0.0, until - time.monotonic())) else None

    def _run(self, ask: Callable[[], Found]) -> None:
        try:
            with suppress(RefnetError):
                self.found = ask()
        finally:
            self.over.set()


class Watched:
    """What `/metrics` shows of an application. Nothing is asked before the first scrape."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._sources = {urlsplit(application.settings.source_url).netloc.rpartition("@")[2]: SOURCE}
        self._figures = Asked(self._read)
        self._broker = Asked(self._look_at_broker)

    def text(self) -> bytes:
        """The whole answer. What cannot be known at the moment is left out, and a gauge says so."""
        registry = CollectorRegistry()
        registry.register(exposition.Shown(self._families))
        return generate_latest(registry)

    def _families(self) -> Iterable[Metric]:
        until = time.monotonic() + PATIENCE
        # Both before either is waited for.
        asked_figures = self._figures.start()
        asked_broker = self._broker.start() if self._application.is_cluster else None
        figures = asked_figures.answer(until)
        yield exposition.up("database", "database", value=figures is not None)
        if figures is not None:
            yield from exposition.ledger_families(figures)
            yield from exposition.source_families(figures, self._sources)
            yield from exposition.model_families(figures, self._application.settings.spend_cap)
            yield from exposition.task_families(figures.tasks)
        if asked_broker is not None:
            if figures is not None:
                yield from exposition.worker_families(figures.workers)
            depths, takes_messages = asked_broker.answer(until) or (None, False)
            yield exposition.up("broker", "broker", value=takes_messages)
            if depths is not None:
                yield from exposition.queue_families(depths)

    def _read(self) -> Figures:
        return read_figures(self._application.engine, LEASE)

    def _look_at_broker(self) -> tuple[dict[str, int], bool]:
        """How many messages wait, which a full broker still tells; and whether it takes more."""
        # A connection of its own each time: what hung once is not asked again.
        with self._application.cluster() as cluster:
            depths = cluster.depths()
            try:
                cluster.look_at_broker()
            except BrokerUnavailable:
                return depths, False
            return depths, True


def router(application: Application) -> APIRouter:
    """The route. It declares no scope itself: whoever includes it asks for `read`."""
    routes = APIRouter(tags=["operation"])
    watched = Watched(application)

    @routes.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Ledger, queues, workers, sources and tasks, in Prometheus' text format; 200 also where a part of it is down."""
        # Not in a thread of those for requests, which may all wait for the database.
        return Response(await asyncio.to_thread(watched.text), media_type=CONTENT_TYPE_LATEST)

    return routes
