"""S23: a real Prometheus with the configuration of `deploy/` watches a real cluster through `refnet serve`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from tests.cluster.lab import Lab, until
from tests.cluster.watching import metrics, watched

pytestmark = pytest.mark.slow

QUEUES = ("crawler", "summarizer", "generator")
#: Another paper of the bundled corpus.
OTHER = "arXiv:1706.03762"
#: In place of Grafana, which chooses it by the scrape interval.
RATE_INTERVAL = "2m"


def queries(root: Path) -> list[str]:
    """Every query of the dashboard."""
    board = json.loads((root / "deploy" / "grafana" / "dashboards" / "refnet.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_s23_prometheus_sees_a_crawl_to_its_end_quietly_and_a_stall_within_a_minute(
    lab: Lab, root: Path, tmp_path: Path
) -> None:
    for queue in QUEUES:
        lab.worker(queue)
    with watched(lab, root, tmp_path) as (prometheus, url, key):
        until(lambda: prometheus.query("refnet_jobs"), what="the first scrape")
        lab.refnet.map(SEED, "--depth", "2")

        # What it keeps is what the endpoint says, and that is what the ledger says.
        done = 'refnet_jobs{state="done"} > 0'
        ledger = {
            row.stage: row.number
            for row in lab.query("SELECT stage, count(*) AS number FROM jobs WHERE state = 'done' GROUP BY stage")
        }
        until(
            lambda: {one["metric"]["stage"]: int(one["value"][1]) for one in prometheus.query(done)} == ledger,
            what="the crawl to be seen",
        )
        assert metrics(url, key).value("refnet_jobs", stage="generate", state="done") == ledger["generate"]

        # Every query of the dashboard has an answer.
        def silent() -> list[str]:
            asked = [query.replace("$__rate_interval", RATE_INTERVAL) for query in queries(root)]
            return [query for query in asked if not prometheus.query(query)]

        until(lambda: not silent(), timeout=30, what="every query of the dashboard to have data")
        assert prometheus.fired() == set(), "a quiet run"

        # Nobody consumes any more, and there is work.
        for worker in lab.workers:
            worker.kill()
        lab.refnet.start("map", OTHER, "--depth", "1")
        until(lambda: lab.query("SELECT 1 FROM jobs WHERE state = 'queued'"), what="work to be due")
        began = time.monotonic()
        until(lambda: "RefnetStalled" in prometheus.alerts(), timeout=60, what="the stall to be told")
        took = time.monotonic() - began
        print(f"The stall was told after {took:.0f} s.")

        for queue in QUEUES:
            lab.worker(queue, name=f"another-{queue}")
        until(lambda: "RefnetStalled" not in prometheus.alerts(), what="the stall to be over")
