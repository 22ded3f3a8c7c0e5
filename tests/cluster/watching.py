"""Somebody who watches a cluster: `/metrics` over HTTP, and what it says."""

from __future__ import annotations

import os
import shutil
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import yaml
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from refnet.bootstrap import build
from refnet.entrypoints.web.metrics import router
from refnet.settings import load_settings
from tests.cluster.lab import Lab, until
from tests.prometheus_server import Prometheus, running_prometheus
from tests.servers import free_port, ticks

#: Series of one answer, at the most.
MOST_SERIES = 500


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


def untrue(lab: Lab, found: Scrape) -> list[str]:
    """What a lab at rest shows and is not so; each complaint is a sentence."""
    rows = lab.query("SELECT stage, state, count(*) AS number FROM jobs GROUP BY stage, state")
    jobs: dict[tuple[str, ...], float] = {(row.stage, row.state): row.number for row in rows}
    dead = {"job": sum(number for (_, state), number in jobs.items() if state == "dead")}
    dead["message"] = lab.query("SELECT count(*) AS number FROM dead_messages")[0].number
    told = lab.query(
        "SELECT task, state, CAST(sum(count) AS bigint) AS number FROM task_counts GROUP BY task, state"
        " HAVING sum(count) > 0"
    )
    due = lab.query("SELECT count(*) AS number FROM jobs WHERE state IN ('queued', 'running')")[0].number
    truth: dict[str, dict[tuple[str, ...], float]] = {
        "refnet_jobs stage state": jobs,
        "refnet_crawls state": {
            (state,): number
            for state, number in Counter(view.state.value for view in lab.store.crawl_views(None, 10_000)).items()
        },
        "refnet_dead_letters kind": {(kind,): number for kind, number in dead.items() if number},
        "celery_tasks_total task state": {(row.task, row.state): row.number for row in told},
        "refnet_requests_total source status": {
            (row.source, row.status): row.number
            for row in lab.query(
                "SELECT source, status, CAST(sum(count) AS bigint) AS number FROM request_counts GROUP BY source, status"
            )
        },
    }
    if not due:
        truth["refnet_oldest_due_seconds stage"] = {}
    complaints = []
    for name, expected in truth.items():
        series, *labels = name.split()
        if (shown := found.by(series, *labels)) != expected:
            complaints.append(f"{series} is {shown}, and should be {expected}")
    parts = [part for part in ("database", "broker") if found.value(f"refnet_{part}_up") != 1]
    complaints += [f"the {part} is not up" for part in parts]
    if len(found.samples) > MOST_SERIES:
        complaints.append(f"there are {len(found.samples)} series")
    return complaints


def at_rest(lab: Lab, seconds: float = 15.0) -> list[str]:
    """The same of a lab whose `/metrics` are asked now, and again until workers have added what they counted last."""
    found: list[str] = []
    with serving(lab) as url:
        for _ in ticks(seconds):
            if not (found := untrue(lab, scrape(url))):
                break
        return found


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


@contextmanager
def watched(lab: Lab, root: Path, folder: Path) -> Iterator[tuple[Prometheus, str, str]]:
    """Serve the lab, and let Prometheus watch it as `deploy/` says; yields it, the server's address, and a key."""
    key = lab.refnet.done("keys", "create", "--scope", "read", "--json").json["key"]
    port = free_port()
    lab.refnet.start("serve", "--port", str(port))
    address = f"127.0.0.1:{port}"
    shutil.copytree(root / "deploy" / "prometheus", folder / "prometheus")
    file = folder / "prometheus" / "prometheus.yml"
    config = yaml.safe_load(file.read_text())
    (job,) = config["scrape_configs"]
    (folder / "key").write_text(key)
    job["authorization"]["credentials_file"] = str(folder / "key")
    job["static_configs"] = [{"targets": [address]}]
    file.write_text(yaml.safe_dump(config))
    until(lambda: serves(address, key), what="the server to answer")
    with running_prometheus(folder, file) as prometheus:
        yield prometheus, f"http://{address}", key


def serves(address: str, key: str) -> bool:
    try:
        return bool(metrics(f"http://{address}", key).samples)
    except OSError:
        return False


def metrics(url: str, key: str) -> Scrape:
    request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return Scrape.of(answer.read().decode())
