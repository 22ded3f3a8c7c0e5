"""How it stands with everything, read from the database at one moment, for whoever watches."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select

from refnet.adapters.database import counts, dead_messages, hints, worker_rows
from refnet.adapters.database.clock import Clock, database_time
from refnet.adapters.database.engine import reading
from refnet.adapters.database.schema import crawls, jobs, pace
from refnet.domain.counts import RequestCount, TaskCount
from refnet.domain.jobs import JobState, Stage
from refnet.domain.paces import PaceState
from refnet.domain.workers import WorkerReport


@dataclass(frozen=True, slots=True)
class Figures:
    """What the tables say, all of it at the same moment.

    `oldest_due` is the seconds for which the oldest due job of a stage has been due, for stages with due jobs. `quiet`
    is the seconds since a job of a stage changed or its lease was renewed, for stages with jobs.
    """

    jobs: dict[tuple[str, str], int]
    oldest_due: dict[Stage, float]
    quiet: dict[Stage, float]
    crawls: dict[str, int]
    dead_messages: int
    paces: list[PaceState]
    workers: list[WorkerReport]
    tasks: list[TaskCount]
    requests: list[RequestCount]


def read_figures(engine: Engine, lease: float, *, clock: Clock = database_time) -> Figures:
    """`lease` is the seconds for which a lease holds once it was taken or renewed. Raises what the store raises."""
    with reading(engine) as connection:
        _hold_still(connection)
        now = clock(connection)
        job_counts, quiet = _jobs(connection, now, lease)
        states = connection.execute(select(crawls.c.state, func.count().label("number")).group_by(crawls.c.state))
        return Figures(
            jobs=job_counts,
            oldest_due=hints.oldest_due(connection, now),
            quiet=quiet,
            crawls={row.state: row.number for row in states},
            dead_messages=dead_messages.count(connection),
            paces=[
                PaceState(row.host, max(0.0, row.blocked_until - now), row.failures, row.successes)
                for row in connection.execute(select(pace).order_by(pace.c.host))
            ],
            workers=worker_rows.read(connection, now),
            tasks=counts.read_tasks(connection),
            requests=counts.read_requests(connection),
        )


def _hold_still(connection: Connection) -> None:
    """On PostgreSQL each statement would see what was committed until then; on SQLite a transaction sees one state."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _jobs(connection: Connection, now: float, lease: float) -> tuple[dict[tuple[str, str], int], dict[Stage, float]]:
    found: dict[tuple[str, str], int] = {}
    last: dict[Stage, float] = {}
    query = select(
        jobs.c.stage,
        jobs.c.state,
        func.count().label("number"),
        func.max(jobs.c.updated_at).label("changed"),
        func.max(jobs.c.lease_until).label("held"),
    ).group_by(jobs.c.stage, jobs.c.state)
    for row in connection.execute(query):
        found[row.stage, row.state] = row.number
        at = float(row.changed)
        if row.state == JobState.RUNNING:
            # A job without a lease is held by the one process that works on the file.
            at = now if row.held is None else max(at, row.held - lease)
        stage = Stage(row.stage)
        last[stage] = max(last.get(stage, 0.0), at)
    return found, {stage: max(0.0, now - at) for stage, at in last.items()}
