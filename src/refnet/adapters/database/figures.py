"""How it stands with everything, read from the database at one moment, for whoever watches."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, and_, case, func, select

from refnet.adapters.database import counts, crawl_views, dead_messages, hints, worker_rows
from refnet.adapters.database.clock import Clock, database_time
from refnet.adapters.database.engine import snapshot
from refnet.adapters.database.schema import jobs, pace
from refnet.adapters.database.spending import day_of, read_usage, spent_on
from refnet.domain.counts import RequestCount, TaskCount
from refnet.domain.jobs import JobState, Stage
from refnet.domain.paces import PaceState
from refnet.domain.spending import ModelUsage
from refnet.domain.workers import WorkerReport


@dataclass(frozen=True, slots=True)
class Figures:
    """What the tables say, all of it at the same moment.

    `oldest_due` is the seconds for which the oldest due job of a stage has been due, for stages with due jobs. `quiet`
    is the seconds since somebody did something with a job of a stage, or its lease was renewed, for stages with jobs:
    that more is queued does not count, but where nobody ever did anything it is since the first was queued. `crawls` are
    by state, with those that were only asked for.
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
    models: list[ModelUsage]
    #: US dollars that models cost today, or may cost by calls under way
    spent: float


def read_figures(engine: Engine, lease: float, *, clock: Clock = database_time) -> Figures:
    """`lease` is the seconds for which a lease holds once it was taken or renewed. Raises what the store raises."""
    with snapshot(engine) as connection:
        now = clock(connection)
        job_counts, quiet = _jobs(connection, now, lease)
        return Figures(
            jobs=job_counts,
            oldest_due=hints.oldest_due(connection, now),
            quiet=quiet,
            crawls=crawl_views.count(connection),
            dead_messages=dead_messages.count(connection),
            paces=[
                PaceState(row.host, max(0.0, row.blocked_until - now), row.failures, row.successes)
                for row in connection.execute(select(pace).order_by(pace.c.host))
            ],
            workers=worker_rows.read(connection, now),
            tasks=counts.read_tasks(connection),
            requests=counts.read_requests(connection),
            models=read_usage(connection),
            spent=spent_on(connection, day_of(now)),
        )


def _jobs(connection: Connection, now: float, lease: float) -> tuple[dict[tuple[str, str], int], dict[Stage, float]]:
    found: dict[tuple[str, str], int] = {}
    first: dict[Stage, float] = {}
    last: dict[Stage, float] = {}
    # Queued, and with none of the marks that a worker leaves on what it gives back.
    untouched = and_(
        jobs.c.state == JobState.QUEUED,
        *(jobs.c[name] == 0 for name in ("attempts", "losses", "faults", "offset")),
        jobs.c.share.is_(None),
        jobs.c.reason.is_(None),
    )
    query = select(
        jobs.c.stage,
        jobs.c.state,
        func.count().label("number"),
        func.min(case((untouched, jobs.c.updated_at))).label("queued"),
        func.max(case((~untouched, jobs.c.updated_at))).label("touched"),
        func.max(jobs.c.lease_until).label("held"),
    ).group_by(jobs.c.stage, jobs.c.state)
    for row in connection.execute(query):
        found[row.stage, row.state] = row.number
        stage, at = Stage(row.stage), row.touched
        if row.state == JobState.RUNNING:
            # When it was claimed or renewed: what others add to what it asks is no sign of who works on it. A job without
            # a lease is held by the one process that works on the file.
            at = now if row.held is None else row.held - lease
        if row.queued is not None:
            first[stage] = row.queued
        if at is not None:
            last[stage] = max(last.get(stage, 0.0), at)
    return found, {stage: max(0.0, now - at) for stage, at in (first | last).items()}
