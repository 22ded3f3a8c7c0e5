"""Killing on a schedule, beside it faults of the broker, and a process that sleeps past its lease."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from refnet.pipeline.lease import LEASE
from tests.acceptance.command import Running
from tests.cluster.chaos import away, emptied, repeats
from tests.cluster.faults import Killer, holders, lives, pauses
from tests.cluster.lab import Lab
from tests.redis_server import RedisServer
from tests.soak.oracle import Oracle
from tests.soak.rig import Rig, Watch, finished
from tests.soak.void import void

#: Seconds between two kills, and for which they go on.
EVERY, FOR = 2.0, 60.0
#: Seconds for which they go on at the most where too few have landed.
LONGEST = 180.0
#: Kills that have to land, and how many of them on processes that held jobs.
FEWEST, FEWEST_AT_WORK = 25, 15
#: Seconds after the first kill at which Redis is emptied, and at which it is killed.
EMPTIED_AT, KILLED_AT = 14.0, 32.0
#: Seconds for which one process is stopped: its lease is over by then.
ASLEEP = LEASE + 10.0
#: Seconds between two looks at who holds what, at the most, on a busy machine.
SLACK = 1.5


def _goes_on(killer: Killer, begun: float, fewest_at_work: int) -> bool:
    """Whether the kills that began then go on: a minute, and longer where too few have hit something at work.

    On a busy machine some turns hit nothing. And a process that is stopped in the middle of a transaction keeps its locks
    until the server ends its session after 15 s: nobody is at work meanwhile.
    """
    since = time.monotonic() - begun
    short = killer.kills < FEWEST or killer.at_work < fewest_at_work
    return since < FOR or (short and since < LONGEST)


def _stands(lab: Lab) -> bool:
    """Whether a transaction has waited for its client for longer than anybody takes who is awake."""
    rows = lab.query(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'idle in transaction'"
        " AND state_change < now() - interval '5 seconds'"
    )
    return bool(rows[0].n)


def _lease_left(lab: Lab, pid: int) -> float | None:
    """Seconds for which the claims of a process still hold; None for one that holds nothing."""
    rows = lab.query(
        "SELECT max(lease_until) - extract(epoch FROM clock_timestamp()) AS n FROM jobs"
        " WHERE state = 'running' AND owner LIKE :owner",
        owner=f"%:{pid}",
    )
    return None if rows[0].n is None else float(rows[0].n)


class Sleeper:
    """Stops one process that holds jobs until its lease is over, and lets it go on. `asleep` is in seconds.

    One that turns out to hold its jobs no more before its lease is over shows nothing: what it had under way when it was
    stopped came to its end without it. It goes on at once, and another is stopped.
    """

    def __init__(self, lab: Lab, killer: Killer, watch: Watch, asleep: float = ASLEEP) -> None:
        self._lab = lab
        self._killer = killer
        self._watch = watch
        self._asleep = asleep
        self._since = 0.0
        #: seconds from the stop on for which it has to hold its jobs
        self._lease = 0.0
        self.overslept = False
        #: whether it was stopped in the middle of a transaction, so that others waited for its locks
        self.in_transaction = False
        #: of those that were stopped in vain, why
        self.told: list[str] = []

    def look(self, _: float = 0.0) -> None:
        if self.overslept:
            return
        pid = self._killer.spared
        if pid is None:
            self._stop_one()
            return
        self.in_transaction = self.in_transaction or _stands(self._lab)
        since = time.monotonic() - self._since
        left = _lease_left(self._lab, pid)
        if left is not None:
            self._lease = max(self._lease, since + left)
        elif since < self._lease:
            self._wake(f"held its jobs for less than {since:.1f} of {self._lease:.1f} s")
            return
        if since >= self._asleep:
            self._wake()

    def look_on(self, over: Callable[[], bool]) -> None:
        """Go on once nothing is killed any more, until one has overslept or it is over; leave nobody stopped."""
        while not self.overslept and not over():
            self.look()
            pauses(0.25, over)
        if self._killer.spared is not None:
            self._wake("was still asleep at the end")

    def _stop_one(self) -> None:
        held = [pid for pid in holders(self._lab) if lives(pid) and pid not in self._killer.died]
        if held:
            os.kill(held[0], signal.SIGSTOP)
            self._killer.spared, self._since = held[0], time.monotonic()
            self._killer.died[held[0]] = self._since
            left = _lease_left(self._lab, held[0])
            self._lease = left or 0.0
            if left is None:
                self._wake("held no job any more when it was stopped")

    def _wake(self, why: str = "") -> None:
        """Let it go on; `why` says why it slept in vain."""
        pid = self._killer.spared
        assert pid is not None
        held = self._watch.held(pid)
        if not lives(pid):
            why = "was killed"
        elif not why and pid in holders(self._lab):
            why = "still held its jobs when its lease was over"
        elif not why and held < self._lease - SLACK:
            why = f"held its jobs for {held:.1f} of {self._lease:.1f} s"
        self.overslept = not why
        if why:
            self.told.append(f"{pid} {why}")
        # From now on what it holds is its own again.
        del self._killer.died[pid]
        os.kill(pid, signal.SIGCONT)
        self._killer.spared = None


def killing(
    killer: Killer,
    over: Callable[[], bool],
    meanwhile: Callable[[float], None] = lambda _: None,
    fewest_at_work: int = FEWEST_AT_WORK,
) -> None:
    """Kill something every two seconds for a minute or until enough have landed, or it is over; a turn that hits nothing
    is tried again until the next.

    `meanwhile` is called between two kills with the seconds since the first.
    """
    turn = begun = time.monotonic()
    while _goes_on(killer, begun, fewest_at_work) and not over():
        turn += EVERY
        pauses(turn - time.monotonic(), killer.kill)
        meanwhile(turn - begun)
        pauses(turn - time.monotonic(), over)


class BrokerFaults:
    """Of a Redis, each once and in its time."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._outage: threading.Thread | None = None
        #: times that it was emptied of something, and killed
        self.flushed = 0
        self.killed = 0

    def look(self, since: float) -> None:
        if since >= EMPTIED_AT and not self.flushed:
            self.flushed += emptied(self._server)
        if since >= KILLED_AT and not self.killed:
            self.killed += 1
            # Beside the kills, which go on.
            self._outage = threading.Thread(target=away, args=(self._server,))
            self._outage.start()

    def back(self) -> None:
        if self._outage is not None:
            self._outage.join()


@dataclass
class Killed:
    """A crawl whose processes are killed; `mapping` follows it."""

    rig: Rig
    killer: Killer
    watch: Watch
    mapping: Running
    seconds: float = 0.0
    exits: set[int] = field(default_factory=set)

    def figures(self, oracle: Oracle) -> dict[str, object]:
        return {
            "kills": self.killer.kills,
            "of them at work": self.killer.at_work,
            "jobs waited for a new owner at most (s)": self.watch.longest,
            "requests repeated": repeats(self.rig.source.log),
            "within a second": oracle.most,
            "papers lost": oracle.lost(),
            "notes doubled": oracle.doubled(),
            "crawl (s)": self.seconds,
        }

    def lost_nothing(self, oracle: Oracle) -> None:
        """Fails unless all was made up for; void unless as many kills landed as were planned."""
        if self.killer.kills < FEWEST or self.killer.at_work < FEWEST_AT_WORK:
            void(f"{self.killer.kills} kills, {self.killer.at_work} of them at work: {self.killer.told}")
        complaints = oracle.complaints()
        assert complaints == [], complaints
        assert self.exits == {-9}, "a worker ended although nobody killed it"
        assert repeats(self.rig.source.log) <= 2 * self.killer.kills
        assert self.watch.longest <= LEASE + 15


@contextmanager
def killed(rig: Rig, seed: int) -> Iterator[Killed]:
    """A crawl that has begun; at the end it is waited for, and has to end well."""
    with rig.supervised() as supervisor:
        killer = Killer(rig.lab, supervisor, Random(seed))
        with Watch(rig.lab, killer.died) as watch:
            made = Killed(rig, killer, watch, rig.start())
            assert made.mapping.until(lambda: rig.source.requests > 4), made.mapping.wait().err
            yield made
            made.seconds = finished(made.mapping).seconds
        made.exits = set(supervisor.exits)
