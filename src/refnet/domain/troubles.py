"""What may be the matter with a cluster's work, in words with the cure. Seed: the design document, section 13.1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from refnet.domain.jobs import Stage
from refnet.domain.workers import BY_STAGE, WorkerReport

#: Seconds for which work may be due before it counts as held up. With a rate limit a crawl is due for as long as it
#: lasts, so there it counts only if none of it was done in that time either.
HELD_UP_AFTER = 600.0
#: Messages in a queue that are a backlog: refnet's own hints are bounded far below, so somebody else sent these.
MOST_MESSAGES = 5_000
#: Seconds without a turn of beat, whose health checks are a minute apart, after which it counts as gone; and after which
#: as not wanted any more.
BEAT_GONE_AFTER, BEAT_FORGOTTEN_AFTER = 300.0, 86_400.0


class Kind(Enum):
    """Why a job had to be stopped, or stopped its process. The values are what such a job's reason says."""

    TIMEOUT = ("took longer than",)
    MEMORY = ("MemoryError", "took more memory than", "as the system does where memory runs out")
    CRASH = ("Its process ",)


_WHAT = {
    Kind.TIMEOUT: "took longer than a worker allows",
    Kind.MEMORY: "took more memory than there is",
    Kind.CRASH: "ended the process that ran them",
}
_CURE = {
    Kind.TIMEOUT: (
        "Where it is always the same papers, forget them: refnet dead purge. Where it is many, the machine is too busy "
        "for its workers: run fewer of them, or raise --time-limit of celery -A refnet worker."
    ),
    Kind.MEMORY: (
        "Give the machine or the container more memory, or run fewer workers on it; to see where a task's memory goes, "
        "run it under memray (reference/celery-settings.md)."
    ),
    Kind.CRASH: "Where it is always the same papers, forget them: refnet dead purge. Where it is any, look into the worker's log.",
}


@dataclass(frozen=True, slots=True)
class Spoiled:
    """Jobs that one kind of trouble has met: how many, how many of them are dead, and one of them."""

    number: int
    dead: int
    stage: str
    paper_id: str


def of_spoiled(kind: Kind, found: Spoiled) -> str:
    said = f"{found.number:,} jobs {_WHAT[kind]}, such as {found.stage} of {found.paper_id}. "
    if found.dead:
        said += f"{found.dead:,} of them are given up; see refnet dead list, and try them again: refnet dead retry. "
    else:
        said += "They are tried again by themselves. "
    return said + _CURE[kind]


@dataclass(frozen=True, slots=True)
class Due:
    """Work of a stage that waits: how many jobs, for how many seconds the oldest, and how many were done lately."""

    stage: Stage
    number: int
    oldest: float
    done: int


def of_due(due: Due, workers: list[WorkerReport]) -> str | None:
    """In words, that work is held up; None where it is not."""
    if due.oldest <= HELD_UP_AFTER or (due.stage is Stage.CRAWL and due.done):
        return None
    queue = BY_STAGE[due.stage].queue
    mine = [worker for worker in workers if worker.lives and queue in worker.queues]
    slots, running = sum(worker.slots for worker in mine), sum(worker.running for worker in mine)
    said = (
        f"{due.number:,} jobs of {due.stage.value} are due, the oldest for {due.oldest / 60:.0f} min; "
        f"{due.done:,} were done in the last {HELD_UP_AFTER / 60:.0f} min, {running} of {slots} slots are at work. "
    )
    if not mine:
        return f"{said}Start a worker: refnet worker {queue}"
    if running >= slots:
        return f"{said}Start more workers: refnet worker {queue} --name second"
    return f"{said}There is room for them: see what is wrong with the workers, the broker or the source, and restart the workers."


def of_messages(waiting: dict[str, int]) -> str | None:
    """In words, that a queue grows; None where none does. `waiting` is by queue, that of dead letters left out."""
    long = [f"{queue} ({number:,})" for queue, number in waiting.items() if number > MOST_MESSAGES]
    if not long:
        return None
    return (
        f"More messages wait than workers take: {', '.join(long)}. Somebody sends one task for each paper; start more "
        "workers of the queue, or send crawler.tasks.batch_process_papers instead. What is not wanted goes by: "
        "celery -A refnet purge -Q QUEUE (no work of a crawl is lost with it)."
    )


def of_beat(seconds: float | None, *, wanted: bool = False) -> str | None:
    """In words, that beat has gone; None where it has not, or where none was run lately. `seconds` is since its last
    turn. Where one is `wanted` it is missed for ever, and from the beginning.
    """
    if seconds is None:
        return "Beat has never sent a health check. Start it: celery -A refnet beat." if wanted else None
    if seconds <= BEAT_GONE_AFTER or (seconds > BEAT_FORGOTTEN_AFTER and not wanted):
        return None
    return (
        f"Beat has sent no health check for {seconds / 60:.0f} min. Start it again: celery -A refnet beat. "
        "(No crawl needs it. After a day it counts as given up.)"
    )
