"""T1 of reliability.md: nothing is lost though processes are killed every two seconds, and one sleeps past its lease."""

from __future__ import annotations

from random import Random

import pytest

from refnet.pipeline.lease import LEASE
from tests.cluster.chaos import repeats
from tests.cluster.faults import Killer
from tests.soak.conftest import MakeRig
from tests.soak.killing import Sleeper, have_landed, killing
from tests.soak.rig import Laboratory, Watch, finished
from tests.soak.void import void

pytestmark = pytest.mark.soak


def test_nothing_is_lost_though_processes_are_killed_every_two_seconds(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    rig, expected = make_rig(), laboratory.undisturbed()
    with rig.supervised() as supervisor:
        killer = Killer(rig.lab, supervisor, Random(seed))
        with Watch(rig.lab, killer.died) as watch:
            mapping = rig.start()
            assert mapping.until(lambda: rig.source.requests > 4), mapping.wait().err
            sleeper = Sleeper(rig, killer)
            killing(killer, mapping, sleeper.look)
            sleeper.wake_in_time()
            ended = finished(mapping)
        exits = set(supervisor.exits)

    log, oracle = rig.source.log, rig.oracle(expected)
    figures |= {
        "kills": killer.kills,
        "of them at work": killer.at_work,
        "jobs waited for a new owner at most (s)": watch.longest,
        "requests repeated": repeats(log),
        "within a second": oracle.most,
        "papers lost": oracle.lost(),
        "notes doubled": oracle.doubled(),
        "crawl (s)": ended.seconds,
    }
    have_landed(killer)
    if not sleeper.overslept:
        void("no process was stopped past its lease while it held jobs")
    assert oracle.complaints() == []
    assert exits == {-9}, "a worker ended although nobody killed it"
    assert repeats(log) <= 2 * killer.kills
    assert watch.longest <= LEASE + 15
