"""The rig notices: three bugs, each planted in the workers, and each makes the oracle complain."""

from __future__ import annotations

import os
import signal
from random import Random

import pytest

from refnet.pipeline.lease import LEASE
from tests.cluster.faults import Killer, holders, lives, pauses
from tests.cluster.lab import until
from tests.soak.conftest import MakeRig
from tests.soak.history import forged, history
from tests.soak.rig import Laboratory, Rig
from tests.soak.void import void

pytestmark = pytest.mark.soak

#: Seconds after the last fault in which a crawl has to come further.
STUCK = LEASE + 20.0


def test_a_stale_owners_write_is_noticed(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    rig, expected = make_rig(), laboratory.undisturbed()
    with rig.supervised(app="tests.soak.planted.no_fence"):
        mapping = rig.start()
        assert mapping.until(lambda: rig.source.requests > 4 + seed), mapping.wait().err
        sleeper = next(pid for pid in until(lambda: holders(rig.lab), 60, "somebody at work") if lives(pid))
        os.kill(sleeper, signal.SIGSTOP)
        pauses(LEASE + 10, lambda: False)
        if sleeper in holders(rig.lab):
            void("nobody else has the jobs of the process that was stopped")
        os.kill(sleeper, signal.SIGCONT)
        pauses(30, lambda: bool(forged(history(rig.lab))))
        mapping.wait(600)

    complaints = rig.oracle(expected).complaints(rerun=False)
    figures["complaints"] = len(complaints)
    assert any(complaint.startswith("changed by who did not hold it") for complaint in complaints)


def test_a_lost_job_that_nobody_takes_back_is_noticed(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    rig, expected = make_rig(), laboratory.undisturbed()
    with rig.supervised(app="tests.soak.planted.no_lease") as supervisor:
        killer = Killer(rig.lab, supervisor, Random(seed))
        mapping = rig.start()
        assert mapping.until(lambda: rig.source.requests > 4), mapping.wait().err
        until(killer.kill_who_works, 60, "somebody at work to kill")
        figures["kills"] = killer.kills
        is_stuck(rig)
        mapping.kill()

    complaints = rig.oracle(expected).complaints(rerun=False)
    figures["complaints"] = len(complaints)
    assert any(complaint.startswith("not over") for complaint in complaints)
    assert any(complaint.startswith("no note of") for complaint in complaints)


def test_a_message_that_comes_before_its_job_is_noticed(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    rig, expected = make_rig(), laboratory.undisturbed()
    with rig.supervised(app="tests.soak.planted.publish_first"):
        mapping = rig.start()
        assert mapping.until(lambda: rig.source.requests > 1), mapping.wait().err
        # `refnet map` tells of what waits, too, and has no bug.
        mapping.kill()
        is_stuck(rig)

    complaints = rig.oracle(expected).complaints(rerun=False)
    figures["complaints"] = len(complaints)
    assert any(complaint.startswith("not over") for complaint in complaints)


def is_stuck(rig: Rig) -> None:
    """Wait until nothing has been done for longer than a lease lasts; void where all is done before."""
    before, done = -1, rig.done()
    while done != before:
        before = done
        pauses(STUCK, lambda: rig.stage() is None and bool(rig.done()))
        done = rig.done()
        if done and rig.stage() is None:
            void("the crawl came to its end")
