"""Beats at sixty times their speed, and which turns of the health check they sent and workers ran."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from refnet.adapters.celery_queue.beat import turn_id
from tests.cluster.lab import Lab, Worker

_SENT = re.compile(r"Sending health-check \(health_check\), due at ([\d.]+), as (\S+)")
_RAN = re.compile(r"Task health_check\[(\S+)\] succeeded")


def fast_beat(lab: Lab, number: int, app: str = "tests.cluster.fast_beat") -> Worker:
    """Start a beat with a health check every second."""
    schedule = lab.refnet.folder / f"fast-{number}"
    words = ["-m", "celery", "-A", app, "beat", "--schedule", str(schedule), "--pidfile="]
    return lab._start(words, f"beat-{number}", wait=False)


def sent_by(beat: Worker) -> list[float]:
    """The turns that a beat published, in its own order; one whose commit failed stands there, too."""
    return [float(turn) for turn, _ in _SENT.findall(beat.text)]


@dataclass(frozen=True, slots=True)
class Turns:
    """What became of the turns of the health check: by turn, how often workers ran it, and whether a result stands."""

    runs: Counter[float]
    results: frozenset[float]
    #: ids of health checks that belong to no turn
    strangers: frozenset[str]

    @property
    def first(self) -> float:
        return min(self.results)

    @property
    def last(self) -> float:
        return max(self.results)

    def skipped(self) -> list[float]:
        """Turns between the first and the last that nobody sent."""
        return [float(turn) for turn in range(int(self.first), int(self.last) + 1) if turn not in self.results]


def turns(lab: Lab, workers: list[Worker]) -> Turns:
    """As the table of results and the logs of the workers have them."""
    now = int(lab.query("SELECT extract(epoch FROM clock_timestamp())")[0][0])
    turn_of = {turn_id("health-check", float(turn)): float(turn) for turn in range(now - 3_600, now + 60)}
    ran = [task_id for worker in workers for task_id in _RAN.findall(worker.text)]
    kept = [row.task_id for row in lab.results("health_check") if row.status == "SUCCESS"]
    return Turns(
        Counter(turn_of[task_id] for task_id in ran if task_id in turn_of),
        frozenset(turn_of[task_id] for task_id in kept if task_id in turn_of),
        frozenset({*ran, *kept} - turn_of.keys()),
    )
