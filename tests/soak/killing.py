"""Killing on a schedule, and a process that sleeps past its lease."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from refnet.pipeline.lease import LEASE
from tests.acceptance.command import Running
from tests.cluster.faults import Killer, holders, lives, pauses
from tests.soak.rig import Rig
from tests.soak.void import void

#: Seconds between two kills, and for which they go on.
EVERY, FOR = 2.0, 60.0
#: Seconds for which they go on at the most where too few have landed.
LONGEST = 180.0
#: Kills that have to land, and how many of them on processes that held jobs.
FEWEST, FEWEST_AT_WORK = 25, 15
#: Seconds for which one process is stopped: its lease is over by then.
ASLEEP = LEASE + 10.0


def have_landed(killer: Killer) -> None:
    """Void, unless as many kills landed as were planned."""
    if killer.kills < FEWEST or killer.at_work < FEWEST_AT_WORK:
        void(f"{killer.kills} kills, {killer.at_work} of them at work: {killer.told}")


def goes_on(killer: Killer, begun: float) -> bool:
    """Whether the kills that began then go on: a minute, and longer on a busy machine, on which some turns hit nothing."""
    since = time.monotonic() - begun
    return since < FOR or (killer.kills < FEWEST and since < LONGEST)


class Sleeper:
    """Stops one process that holds jobs until its lease is over, and lets it go on."""

    def __init__(self, rig: Rig, killer: Killer) -> None:
        self._rig = rig
        self._killer = killer
        self._since = 0.0
        self.overslept = False

    def look(self, _: float) -> None:
        if self.overslept:
            return
        if self._killer.spared is None:
            held = [pid for pid in holders(self._rig.lab) if lives(pid) and pid not in self._killer.died]
            if held:
                os.kill(held[0], signal.SIGSTOP)
                self._killer.spared, self._since = held[0], time.monotonic()
                self._killer.died[held[0]] = self._since
        elif time.monotonic() - self._since >= ASLEEP:
            self._wake()

    def wake_in_time(self) -> None:
        if self._killer.spared is not None and not self.overslept:
            pauses(self._since + ASLEEP - time.monotonic(), lambda: False)
            self._wake()

    def _wake(self) -> None:
        assert self._killer.spared is not None
        # Somebody else has its jobs by now, or nothing was shown.
        self.overslept = lives(self._killer.spared) and self._killer.spared not in holders(self._rig.lab)
        # From now on what it holds is its own again.
        del self._killer.died[self._killer.spared]
        os.kill(self._killer.spared, signal.SIGCONT)
        self._killer.spared = None


def killing(killer: Killer, mapping: Running, meanwhile: Callable[[float], None] = lambda _: None) -> None:
    """Kill something every two seconds for a minute or until enough have landed; a turn that hits nothing is tried again until the next.

    `meanwhile` is called between two kills with the seconds since the first.
    """
    turn = begun = time.monotonic()
    while goes_on(killer, begun) and not mapping.is_over:
        turn += EVERY
        pauses(turn - time.monotonic(), killer.kill)
        meanwhile(turn - begun)
        pauses(turn - time.monotonic(), lambda: mapping.is_over)
