"""T1 of reliability.md: nothing is lost though processes are killed every two seconds, and one sleeps past its lease."""

from __future__ import annotations

import pytest

from tests.soak.conftest import MakeRig
from tests.soak.killing import Sleeper, killed, killing
from tests.soak.rig import Laboratory
from tests.soak.void import void

pytestmark = pytest.mark.soak


def test_nothing_is_lost_though_processes_are_killed_every_two_seconds(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    rig, expected = make_rig(), laboratory.undisturbed()
    with killed(rig, seed) as run:
        sleeper = Sleeper(rig.lab, run.killer, run.watch)
        killing(run.killer, lambda: run.mapping.is_over, sleeper.look)
        sleeper.look_on(lambda: run.mapping.is_over)

    oracle = rig.oracle(expected)
    figures |= run.figures(oracle) | {"stopped in a transaction": sleeper.in_transaction}
    if not sleeper.overslept:
        void(f"no process was stopped past its lease while it held jobs: {sleeper.told}")
    run.lost_nothing(oracle)
