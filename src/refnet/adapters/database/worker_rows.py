"""What the workers of a cluster say of themselves, and which of them nobody hears of any more."""

from __future__ import annotations

import json

from sqlalchemy import Connection, delete, select

from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.schema import jobs, workers
from refnet.domain.workers import WorkerReport

#: Seconds after which a worker that was not seen is forgotten.
FORGOTTEN = 900.0

_COLUMNS = ("name", "pid", "queues", "output_dir", "slots", "running", "started_at", "seen_at", "idle_since", "reason")
_REPLACE = "(name) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS[1:] if name != "started_at"
)


def report(connection: Connection, worker: WorkerReport, now: float) -> None:
    """Keep what a worker says of itself, and when. `idle_for` is turned into the time since when."""
    row = (
        worker.name,
        worker.pid,
        json.dumps(list(worker.queues)),
        worker.output_dir,
        worker.slots,
        worker.running,
        now,
        now,
        None if worker.reason is None else now - worker.idle_for,
        worker.reason,
    )
    upsert(connection, workers, _COLUMNS, [row], _REPLACE)


def forget(connection: Connection, name: str) -> None:
    connection.execute(delete(workers).where(workers.c.name == name))


def forget_old(connection: Connection, now: float) -> None:
    connection.execute(delete(workers).where(workers.c.seen_at < now - FORGOTTEN))


def read(connection: Connection, now: float) -> list[WorkerReport]:
    """All workers known, by name; `unseen_for` tells how old each report is."""
    return [
        WorkerReport(
            name=row.name,
            pid=row.pid,
            queues=tuple(row.queues),
            output_dir=row.output_dir,
            slots=row.slots,
            running=row.running,
            idle_for=0.0 if row.idle_since is None else max(0.0, now - row.idle_since),
            reason=row.reason,
            unseen_for=max(0.0, now - row.seen_at),
        )
        for row in connection.execute(select(workers).order_by(workers.c.name))
    ]


def owners(connection: Connection) -> list[str]:
    """Who holds jobs at present."""
    # By their own index: a job that does not run has no owner.
    query = select(jobs.c.owner).where(jobs.c.owner.is_not(None)).distinct()
    return sorted(owner for owner in connection.execute(query).scalars() if owner)
