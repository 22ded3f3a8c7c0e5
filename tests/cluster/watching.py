"""Somebody who watches a cluster: `/metrics` over HTTP, and what it says."""

from __future__ import annotations

import os
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from refnet.bootstrap import build
from refnet.entrypoints.web.metrics import router
from refnet.settings import load_settings
from tests.cluster.lab import Lab, until
from tests.servers import free_port


@dataclass(frozen=True)
class Scrape:
    """One answer: values by name and labels."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def of(cls, text: str) -> Scrape:
        found = {
            (sample.name, frozenset(sample.labels.items())): float(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        return cls(found)

    def value(self, name: str, **labels: str) -> float | None:
        """None where there is no such series."""
        return self.samples.get((name, frozenset(labels.items())))

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """All values of a name that are not zero, by these labels, which are all that it has."""
        return {
            tuple(dict(found)[label] for label in labels): value
            for (one, found), value in self.samples.items()
            if one == name and value
        }


def scrape(url: str) -> Scrape:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:  # noqa: S310 - loopback
        return Scrape.of(answer.read().decode())


@contextmanager
def serving(lab: Lab) -> Iterator[str]:
    """`/metrics` of a lab on a port of loopback, as `refnet serve` has it; yields the address."""
    old = dict(os.environ)
    os.environ.update(lab.environment)
    try:
        application = build(load_settings())
    finally:
        os.environ.clear()
        os.environ.update(old)
    app = FastAPI()
    app.include_router(router(application))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, name="serving")
    thread.start()
    try:
        until(lambda: server.started, what="the server to listen")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
        application.engine.dispose()
