"""T8 of reliability.md: one limit for all processes, though all restart every five seconds and Redis is emptied."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from tests.cluster.chaos import emptied, most_within
from tests.cluster.faults import pauses
from tests.cluster.lab import until
from tests.soak.conftest import MakeRig
from tests.soak.oracle import SECOND
from tests.soak.rig import WORDS
from tests.soak.void import void

pytestmark = pytest.mark.soak

RPS = 5
SETTINGS = {"REFNET_BATCH_IDS": "2", "SEMANTIC_SCHOLAR_RPS": str(RPS)}
#: Seconds between two restarts of all processes, between two times that Redis is emptied, and of the whole.
RESTART_EVERY, EMPTY_EVERY, FOR = 5.0, 10.0, 90.0
#: Restarts, times emptied and requests without which nothing is shown.
FEWEST_RESTARTS, FEWEST_EMPTIED, FEWEST_REQUESTS = 8, 5, 60
#: Seconds that the source asks to be left alone for.
LEFT_ALONE = 2.0


def test_the_limit_holds_though_all_processes_restart_and_redis_is_emptied(
    seed: int, figures: dict[str, object], make_rig: MakeRig
) -> None:
    rig = make_rig(SETTINGS, faults=0.05, kinds="429-retry-after", retry_after=LEFT_ALONE, seed=seed)
    restarts = flushed = 0
    with rig.supervised() as supervisor:
        mapping = rig.start()
        assert mapping.until(lambda: rig.source.requests > 4), mapping.wait().err
        begun = time.monotonic()
        emptied_at = begun
        while time.monotonic() - begun < FOR and not mapping.is_over:
            until(lambda: all("ready." in worker.text for worker in supervisor.workers), 60, "both workers")
            pauses(RESTART_EVERY, lambda: mapping.is_over)
            for worker in list(supervisor.workers):
                worker.kill()
            restarts += 1
            if time.monotonic() - emptied_at >= EMPTY_EVERY:
                flushed += emptied(rig.redis)
                emptied_at = time.monotonic()
        mapping.kill()

    log = rig.source.log
    gaps = [after.arrived - before.arrived for before, after in pairwise(log) if before.fault]
    figures |= {
        "kills": 2 * restarts,
        "Redis emptied": flushed,
        "requests": len(log),
        "within a second": most_within(log, SECOND),
        "limit": RPS,
        "refused": len(gaps),
        "shortest wait after Retry-After 2 s": min(gaps, default=0.0),
    }
    if restarts < FEWEST_RESTARTS or flushed < FEWEST_EMPTIED or len(log) < FEWEST_REQUESTS or not gaps:
        void(f"{restarts} restarts, emptied {flushed} times, {len(log)} requests, {len(gaps)} refused")
    assert most_within(log, SECOND) <= RPS
    assert min(gaps) >= LEFT_ALONE


def test_without_faults_nine_tenths_of_the_limit_are_used(figures: dict[str, object], make_rig: MakeRig) -> None:
    rig = make_rig(SETTINGS, words=WORDS)
    with rig.supervised():
        mapping = rig.start()
        assert mapping.until(lambda: rig.source.requests > 20), mapping.wait().err
        before = rig.source.requests
        pauses(40, lambda: mapping.is_over)
        mapping.kill()
    log = rig.source.log[before:]
    used = (len(log) - 1) / (log[-1].arrived - log[0].arrived) / RPS
    figures |= {"requests": len(log), "of the limit": used, "within a second": most_within(log, SECOND)}
    assert most_within(log, SECOND) <= RPS
    assert used >= 0.9
