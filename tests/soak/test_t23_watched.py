"""T23 of reliability.md: who watches sees the truth, is told of a stall within a minute, and of nothing in a quiet run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cluster.faults import pauses
from tests.cluster.lab import until
from tests.cluster.watching import watched
from tests.prometheus_server import Prometheus
from tests.soak.conftest import MakeRig
from tests.soak.graph import paper_id
from tests.soak.killing import killed, killing
from tests.soak.rig import Laboratory, Rig, finished

pytestmark = pytest.mark.soak

#: Seconds for which nothing happens after the quiet run, longer than the longest `for` of an alert but the outage's.
AT_REST = 130.0
#: Somebody else's seed, one of the same literature.
ANOTHER = paper_id(1)
#: Seconds within which a stall has to be told.
TOLD = 60.0


def seen(prometheus: Prometheus) -> dict[tuple[str, str], int]:
    """Jobs by stage and state, as Prometheus has them."""
    return {
        (one["metric"]["stage"], one["metric"]["state"]): int(one["value"][1])
        for one in prometheus.query("refnet_jobs > 0")
    }


def ledger(rig: Rig) -> dict[tuple[str, str], int]:
    rows = rig.lab.query("SELECT stage, state, count(*) AS number FROM jobs GROUP BY stage, state")
    return {(row.stage, row.state): row.number for row in rows}


def test_a_quiet_run_is_quiet_and_a_stall_is_told_within_a_minute(
    figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory, root: Path, tmp_path: Path
) -> None:
    rig, expected = make_rig(), laboratory.undisturbed()
    with watched(rig.lab, root, tmp_path) as (prometheus, _, _):
        with rig.supervised() as supervisor:
            until(lambda: prometheus.query("refnet_workers{state='consuming'} > 0"), what="the workers to be seen")
            figures["crawl (s)"] = finished(rig.start()).seconds
            pauses(AT_REST, lambda: False)
            assert rig.oracle(expected).complaints(rerun=False) == []
            until(lambda: seen(prometheus) == ledger(rig), what="Prometheus to have what the ledger has")
            figures["alerts in the quiet run"] = len(prometheus.fired())
            assert prometheus.fired() == set()

        for worker in supervisor.workers:
            worker.kill()
        rig.lab.refnet.start("map", ANOTHER, "--depth", "2", "--no-summaries")
        until(lambda: rig.lab.query("SELECT 1 FROM jobs WHERE state = 'queued'"), what="work to be due")
        began = time.monotonic()
        until(lambda: "RefnetStalled" in prometheus.alerts(), TOLD, "the stall to be told")
        figures["stall told after (s)"] = time.monotonic() - began


def test_what_is_shown_is_true_though_processes_are_killed(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory, root: Path, tmp_path: Path
) -> None:
    rig, expected = make_rig(), laboratory.undisturbed()
    with watched(rig.lab, root, tmp_path) as (prometheus, _, _):
        with killed(rig, seed) as run:
            killing(run.killer, lambda: run.mapping.is_over)
        oracle = rig.oracle(expected)
        figures |= run.figures(oracle) | {"alerts": ", ".join(sorted(prometheus.fired()))}
        run.lost_nothing(oracle)
        until(lambda: seen(prometheus) == ledger(rig), what="Prometheus to have what the ledger has")
        assert "RefnetStalled" not in prometheus.fired(), "the others went on"
