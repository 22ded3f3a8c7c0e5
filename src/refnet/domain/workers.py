"""The worker table: what kinds of workers there are, and what each may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refnet.domain.jobs import Stage

#: Resident kilobytes after which a worker's child is replaced, measured after each task.
MOST_KILOBYTES = 200_000
#: Bytes of data that one process of a worker may have; what asks for more gets a MemoryError, and the machine stays up.
#: Measured: some 100 MB at rest. Counted is what it may write to, not what it reserves, nor libraries.
MOST_DATA = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """One row of the table. Limits are in seconds: at the soft one a task is stopped and retried, at the hard one its
    process is killed.

    `priority` is the highest that a message in the queue can have; the queue with the highest comes first.
    Source: the design document, sections 3.2, 5.2 and 7.2.
    """

    queue: str
    stage: Stage
    concurrency: int
    max_tasks_per_child: int
    soft_time_limit: int
    time_limit: int
    autoscale: tuple[int, int]
    priority: int


#: In the order in which a worker of several queues takes them.
WORKERS: tuple[WorkerKind, ...] = (
    WorkerKind("crawler", Stage.CRAWL, 4, 1000, 300, 600, (4, 2), 10),
    WorkerKind("summarizer", Stage.SUMMARIZE, 2, 100, 600, 900, (2, 1), 5),
    WorkerKind("generator", Stage.GENERATE, 4, 1000, 120, 180, (4, 2), 3),
)
BY_QUEUE = {kind.queue: kind for kind in WORKERS}
BY_STAGE = {kind.stage: kind for kind in WORKERS}
#: The Celery task that does the jobs of a stage.
TASKS = {
    Stage.CRAWL: "crawler.tasks.fetch_paper_metadata",
    Stage.SUMMARIZE: "summarizer.tasks.summarize_pdf",
    Stage.GENERATE: "generator.tasks.generate_markdown",
}
#: The stage whose jobs each of them does.
STAGES = {task: stage for stage, task in TASKS.items()}
#: Where messages go that cannot be worked on.
DEAD_LETTERS = "dlq"
#: How many processes a worker of all queues has.
ALL_CONCURRENCY = 4

#: Seconds for which one may not be heard of.
UNHEALTHY_AFTER = 40.0
#: Seconds for which a worker with a free slot may leave work. With the time between two canaries, and that between two
#: looks of a worker whose broker does not answer, it is told within the same time.
LEAVES_WORK_AFTER = 20.0


#: What stands before the reason of a worker that consumes and cannot write its vault.
VAULT_FAULT = "vault: "
#: The same for a worker one of whose processes has grown, and the kilobytes at which it has: twice what one may keep
#: when its task ends.
MEMORY_FAULT, GROWN = "memory: ", 2 * MOST_KILOBYTES


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker's main process says of it.

    `output_dir` is where it writes notes, if it does. `reason` says what is wrong, None where nothing is; it has been
    so for `idle_for` seconds. `unseen_for` is the age of the report, in seconds.
    """

    name: str
    pid: int
    queues: tuple[str, ...]
    output_dir: str | None
    slots: int
    running: int
    idle_for: float = 0.0
    reason: str | None = None
    unseen_for: float = 0.0

    @property
    def lives(self) -> bool:
        return self.unseen_for <= UNHEALTHY_AFTER

    @property
    def grows(self) -> bool:
        """Whether one of its processes takes much memory."""
        return self.reason is not None and self.reason.startswith(MEMORY_FAULT)

    @property
    def leaves_work(self) -> bool:
        """Whether it lives, could work, and takes none."""
        return self.lives and self.reason is not None and not self.reason.startswith((VAULT_FAULT, MEMORY_FAULT))

    @property
    def fault(self) -> str | None:
        """In words, what is wrong with the worker."""
        if not self.lives:
            return (
                f"{self.name} has not been heard of for {self.unseen_for:.0f} s: it was killed, or is cut off from the "
                "database. Start it again; it is forgotten after a quarter of an hour."
            )
        if self.reason is not None and self.reason.startswith(VAULT_FAULT):
            return f"{self.name} cannot write notes: {self.reason.removeprefix(VAULT_FAULT)}"
        if self.reason is not None and self.grows:
            return f"{self.name} grows: {self.reason.removeprefix(MEMORY_FAULT)}"
        if self.reason is not None:
            return (
                f"{self.name} does not consume: {self.reason} for {self.idle_for:.0f} s with a slot free. Check that it "
                "reaches the broker, then restart it."
            )
        return None


def several(places: Sequence[str]) -> str:
    """In words: generators write to different folders, and none of them writes until they agree."""
    return f"The generator workers write notes to different folders: {', '.join(places)}. Give them all the same OUTPUT_DIR."


def growth(main: int, largest: int) -> str | None:
    """Why a worker counts as one that grows, by the kilobytes that its main process and the largest of the others have;
    None where it does not.
    """
    if main > GROWN:
        return (
            f"its main process takes {main // 1000:,} MB. Restart it; if it grows again, run it under memray "
            "(reference/celery-settings.md) and report what that shows."
        )
    if largest > GROWN:
        return (
            f"a task's process takes {largest // 1000:,} MB, and is replaced when the task ends. If it is so again and "
            "again, run the task under memray (reference/celery-settings.md), or the worker with a lower "
            "--max-tasks-per-child."
        )
    return None


def idle_reason(
    *, running: int, slots: int, quiet_for: float, canary_for: float | None, due_for: float | None
) -> tuple[str, float] | None:
    """Why a worker counts as not consuming, and the seconds for which it has been so; None where it is well.

    It received nothing for `quiet_for` seconds, its own canary has been on its way for `canary_for`, the oldest due job
    of its queues waits for `due_for`; all in seconds, None where there is none. Without a free slot nothing is wrong.
    """
    if running >= slots or quiet_for <= LEAVES_WORK_AFTER:
        return None
    if canary_for is not None and canary_for > LEAVES_WORK_AFTER:
        return "its own canary has been waiting in its queue", canary_for
    if due_for is not None and due_for > LEAVES_WORK_AFTER:
        return "work that is due has been waiting", min(due_for, quiet_for)
    return None
