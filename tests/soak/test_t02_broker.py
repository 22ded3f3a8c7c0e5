"""T2 of reliability.md: the same kills, and the broker emptied, killed, and emptied again: it holds nothing that counts."""

from __future__ import annotations

import pytest

from tests.cluster.chaos import emptied
from tests.cluster.lab import until
from tests.soak.conftest import MakeRig
from tests.soak.killing import BrokerFaults, killed, killing
from tests.soak.rig import Laboratory
from tests.soak.void import void

pytestmark = pytest.mark.soak


def test_the_broker_is_disposable(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    faultless = laboratory.faultless()
    rig, expected = make_rig(), laboratory.undisturbed()
    with killed(rig, seed) as run:
        mapping, broker = run.mapping, BrokerFaults(rig.redis)
        killing(run.killer, lambda: mapping.is_over, broker.look)
        broker.back()
        # Once more as it drains: nothing is left but what is on its way.
        until(lambda: mapping.is_over or (rig.is_draining and emptied(rig.redis)), 300, "the end of the crawl")
        drained = not mapping.is_over

    oracle = rig.oracle(expected)
    figures |= {**run.figures(oracle), "without faults (s)": faultless}
    if not (broker.flushed and broker.killed and drained):
        void(f"Redis was emptied {broker.flushed} times of something, killed {broker.killed} times; {drained=}")
    run.lost_nothing(oracle)
    assert run.seconds <= 2 * faultless
