"""Tasks counted by how they ended, and how long they took; requests counted by how they were answered."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from refnet.domain.workers import TASKS

#: Upper bounds, in seconds, of the durations that are counted together. Rows of the database carry them: whoever
#: changes them keeps what was counted before in the old ones.
BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, math.inf)
#: In place of a bound, for what ended before it had begun.
NOT_BEGUN = 0.0
#: The names that tasks are counted under. What else a worker runs, or refuses, is one of the others.
COUNTED = frozenset(
    {
        *TASKS.values(),
        "crawler.tasks.batch_process_papers",
        "health_check",
        "process_failed_tasks",
        "celery.backend_cleanup",
    }
)
OTHER = "other"
#: How requests are counted: the statuses that sources are known to give, and `none` where no answer came.
STATUSES = frozenset({"200", "400", "401", "403", "404", "413", "429", "500", "502", "503", "504"})
NO_ANSWER = "none"


class TaskState(StrEnum):
    """How a message of a task ended in a worker."""

    SUCCESS = "success"
    FAILURE = "failure"
    #: it comes again, later
    RETRY = "retry"
    REVOKED = "revoked"
    #: it could not be run: undecodable, forged, of an unknown task
    REJECTED = "rejected"
    #: it went back to its queue
    REQUEUED = "requeued"
    #: its task had ended before, and did not run again
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class TaskCount:
    """Messages of one task that ended in one way after at most `le` seconds, and more than the bound below; `seconds`
    is what they took together.
    """

    task: str
    state: str
    le: float
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestCount:
    """Requests to a source that were answered with a status; `waited` is the seconds that the rate limit took of them."""

    source: str
    status: str
    count: int
    waited: float


def counted_as(task: object) -> str:
    """The label of a task: strangers choose names, and every name would be kept for ever."""
    return task if isinstance(task, str) and task in COUNTED else OTHER


def status_of(status: int) -> str:
    return text if (text := str(status)) in STATUSES else OTHER


class Tally:
    """Counts of one process, and the part of them that is not kept elsewhere yet. Safe for threads.

    What is to be kept goes in numbered batches: `next_batch` gives the same one, whatever is counted meanwhile, until it was
    `kept`; so whoever keeps it and is not sure that it was may keep it again under its number.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: dict[tuple[str, str, float], tuple[int, float]] = {}
        self._new: dict[tuple[str, str, float], tuple[int, float]] = {}
        self._batch: list[TaskCount] = []
        self._number = 0

    def add(self, task: str, state: TaskState, seconds: float | None) -> None:
        """Count a message; `seconds` is None where its task had not begun."""
        le = NOT_BEGUN if seconds is None else next(bound for bound in BOUNDS if seconds <= bound)
        key = (counted_as(task), state.value, le)
        with self._lock:
            for counts in (self._all, self._new):
                count, sum_ = counts.get(key, (0, 0.0))
                counts[key] = (count + 1, sum_ + (seconds or 0.0))

    def all(self) -> list[TaskCount]:
        with self._lock:
            return _rows(self._all)

    def next_batch(self) -> tuple[int, list[TaskCount]]:
        """What is to be kept next, and its number; it is empty where there is nothing."""
        with self._lock:
            if not self._batch and self._new:
                self._number += 1
                self._batch, self._new = _rows(self._new), {}
            return self._number, self._batch

    def kept(self, number: int) -> None:
        """The batch of that number is where it should be."""
        with self._lock:
            if number == self._number:
                self._batch = []


def _rows(counts: dict[tuple[str, str, float], tuple[int, float]]) -> list[TaskCount]:
    return [TaskCount(*key, *value) for key, value in sorted(counts.items())]


def totals(counts: Iterable[TaskCount]) -> dict[tuple[str, str], int]:
    """Messages by task and state."""
    found: dict[tuple[str, str], int] = {}
    for one in counts:
        key = (one.task, one.state)
        found[key] = found.get(key, 0) + one.count
    return found
