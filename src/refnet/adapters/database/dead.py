"""Dead letters: jobs given up, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, case, delete, select, update

from refnet.adapters.database.schema import crawl_papers, jobs
from refnet.domain.crawl import Ask
from refnet.domain.jobs import DeadLetter, JobState, Stage


def find(connection: Connection, crawl_id: int | None) -> list[DeadLetter]:
    query = select(jobs).where(jobs.c.state == JobState.DEAD).order_by(jobs.c.id)
    if crawl_id is not None:
        members = select(crawl_papers.c.paper_id).where(crawl_papers.c.crawl_id == crawl_id)
        query = query.where(jobs.c.paper_id.in_(members))
    return [
        DeadLetter(row.id, row.stage, row.paper_id, row.reason or "", row.attempts, row.updated_at, row.traceback)
        for row in connection.execute(query)
    ]


def retry(connection: Connection, ids: Sequence[int] | None, now: float) -> list[int]:
    which = jobs.c.state == JobState.DEAD
    if ids is not None:
        which &= jobs.c.id.in_(ids)
    return _queue_again(connection, which, now)


def revive(connection: Connection, stage: Stage, paper_id: str, now: float) -> None:
    _queue_again(
        connection,
        and_(jobs.c.state == JobState.DEAD, jobs.c.stage == stage, jobs.c.paper_id == paper_id),
        now,
    )


def _queue_again(connection: Connection, which: ColumnElement[bool], now: float) -> list[int]:
    revived = (
        update(jobs)
        .where(which)
        .values(
            state=JobState.QUEUED,
            # One that was never a job, only asked for by hand, asks for what any leaf is asked for.
            ask=case((jobs.c.ask == 0, int(Ask.DETAILS | Ask.REFERENCES)), else_=jobs.c.ask),
            attempts=0,
            losses=0,
            share=None,
            faults=0,
            faulted_at=None,
            reason=None,
            traceback=None,
            due_at=now,
            hinted_at=None,
            updated_at=now,
        )
    )
    return sorted(connection.execute(revived.returning(jobs.c.id)).scalars())


def purge(connection: Connection, ids: Sequence[int]) -> list[int]:
    gone = delete(jobs).where(jobs.c.state == JobState.DEAD, jobs.c.id.in_(ids)).returning(jobs.c.id)
    return sorted(connection.execute(gone).scalars())
