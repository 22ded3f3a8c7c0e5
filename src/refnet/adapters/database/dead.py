"""Dead letters: jobs given up, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from refnet.adapters.database.schema import crawl_papers, jobs
from refnet.domain.jobs import DeadLetter, JobState


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
    revived = (
        update(jobs)
        .where(which)
        .values(
            state=JobState.QUEUED,
            attempts=0,
            losses=0,
            share=None,
            faults=0,
            faulted_at=None,
            reason=None,
            traceback=None,
            due_at=now,
            updated_at=now,
        )
    )
    return sorted(connection.execute(revived.returning(jobs.c.id)).scalars())


def purge(connection: Connection, ids: Sequence[int]) -> list[int]:
    gone = delete(jobs).where(jobs.c.state == JobState.DEAD, jobs.c.id.in_(ids)).returning(jobs.c.id)
    return sorted(connection.execute(gone).scalars())
