"""T2 of reliability.md: the same kills, and the broker emptied, killed, and emptied again: it holds nothing that counts."""

from __future__ import annotations

import threading
from random import Random

import pytest

from refnet.pipeline.lease import LEASE
from tests.cluster.chaos import away, emptied, repeats
from tests.cluster.faults import Killer
from tests.cluster.lab import until
from tests.soak.conftest import MakeRig
from tests.soak.killing import have_landed, killing
from tests.soak.rig import Laboratory, Rig, Watch, finished
from tests.soak.void import void

pytestmark = pytest.mark.soak

#: Seconds after the first kill at which Redis is emptied, and at which it is killed.
EMPTIED_AT, KILLED_AT = 14.0, 32.0


class Broker:
    """Its faults, each once and in its time."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._outage: threading.Thread | None = None
        #: times that it was emptied of something, and killed
        self.flushed = 0
        self.killed = 0

    def look(self, since: float) -> None:
        if since >= EMPTIED_AT and not self.flushed:
            self.flushed += emptied(self._rig.redis)
        if since >= KILLED_AT and not self.killed:
            self.killed += 1
            # Beside the kills, which go on.
            self._outage = threading.Thread(target=away, args=(self._rig.redis,))
            self._outage.start()

    def back(self) -> None:
        if self._outage is not None:
            self._outage.join()


def test_the_broker_is_disposable(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    faultless = laboratory.faultless()
    rig, expected = make_rig(), laboratory.undisturbed()
    with rig.supervised() as supervisor:
        killer, broker = Killer(rig.lab, supervisor, Random(seed)), Broker(rig)
        with Watch(rig.lab, killer.died) as watch:
            mapping = rig.start()
            assert mapping.until(lambda: rig.source.requests > 4), mapping.wait().err
            killing(killer, mapping, broker.look)
            broker.back()
            # Once more as it drains: nothing is left but what is on its way.
            until(lambda: mapping.is_over or (rig.is_draining and emptied(rig.redis)), 300, "the end of the crawl")
            drained = not mapping.is_over
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
        "without faults (s)": faultless,
    }
    have_landed(killer)
    if not (broker.flushed and broker.killed and drained):
        void(f"Redis was emptied {broker.flushed} times of something, killed {broker.killed} times; {drained=}")
    assert oracle.complaints() == []
    assert exits == {-9}, "a worker ended although nobody killed it"
    assert repeats(log) <= 2 * killer.kills
    assert watch.longest <= LEASE + 15
    assert ended.seconds <= 2 * faultless
