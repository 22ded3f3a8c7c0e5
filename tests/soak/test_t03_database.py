"""T3 of reliability.md: the database is cut off three times and then away for a while; everybody waits, nothing is lost."""

from __future__ import annotations

import time
from random import Random

import pytest

from tests.cluster.faults import lives, pauses
from tests.cluster.lab import until
from tests.soak.conftest import MakeRig
from tests.soak.rig import Laboratory, Rig, finished

pytestmark = pytest.mark.soak

RESTARTS = 3
#: Seconds between two restarts, that the database is away for, and within which work goes on once it is back.
BETWEEN, AWAY, RECOVERY = 6.0, 20.0, 10.0
#: Processes that may each have a request under way.
CHILDREN = 4


def test_a_restarted_database_loses_nothing_and_ends_no_process(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    rig, expected, random = make_rig(), laboratory.undisturbed(), Random(seed)
    with rig.supervised() as supervisor:
        mapping = rig.start()
        assert mapping.until(lambda: rig.source.requests > 4), mapping.wait().err
        workers = list(supervisor.workers)
        before = {pid for worker in workers for pid in worker.children()}
        waits = []
        for _ in range(RESTARTS):
            pauses(BETWEEN * random.uniform(0.5, 1.5), lambda: False)
            assert not mapping.is_over, "void: the crawl was over before the faults"
            rig.postgres.restart_at_once()
            waits.append(until_working(rig))
        assert rig.stage() == "crawl", "void: no requests were left to be made"
        down = time.monotonic()
        rig.postgres.stop_at_once()
        pauses(AWAY, lambda: False)
        up = time.monotonic()
        rig.postgres.start()
        waits.append(until_working(rig))
        survivors = {pid for pid in before if lives(pid)}
        ended = finished(mapping)
        exits = list(supervisor.exits)

    log, oracle = rig.source.log, rig.oracle(expected)
    during = [entry for entry in log if down < entry.arrived < up]
    figures |= {
        "restarts": RESTARTS + 1,
        "work went on after (s)": max(waits),
        "requests during the outage": len(during),
        "processes that ended": len(exits) + len(before - survivors),
        "within a second": oracle.most,
        "papers lost": oracle.lost(),
        "notes doubled": oracle.doubled(),
        "crawl (s)": ended.seconds,
    }
    assert oracle.complaints() == []
    assert exits == []
    assert survivors == before
    assert len(during) <= CHILDREN
    assert max(waits) <= RECOVERY


def until_working(rig: Rig) -> float:
    """Seconds until another request has come."""
    began, asked = time.monotonic(), rig.source.requests
    until(lambda: rig.source.requests > asked, 120, "another request")
    return time.monotonic() - began
