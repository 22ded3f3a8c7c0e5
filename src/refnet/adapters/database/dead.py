"""Dead letters: jobs given up, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, literal, or_, select, update

from refnet.adapters.database import ledger
from refnet.adapters.database.schema import crawl_papers, crawls, jobs, papers
from refnet.domain.crawl import Ask
from refnet.domain.jobs import DeadLetter, JobState, Stage

#: The key of the crawl that papers fetched by hand belong to.
MANUAL = "manual"


def find(connection: Connection, crawl_id: int | None, *, after: int = 0, most: int | None = None) -> list[DeadLetter]:
    query = select(jobs).where(jobs.c.state == JobState.DEAD, jobs.c.id > after).order_by(jobs.c.id).limit(most)
    if crawl_id is not None:
        members = select(crawl_papers.c.paper_id).where(crawl_papers.c.crawl_id == crawl_id)
        query = query.where(jobs.c.paper_id.in_(members))
    return [
        DeadLetter(row.id, row.stage, row.paper_id, row.reason or "", row.attempts, row.updated_at, row.traceback)
        for row in connection.execute(query)
    ]


def retry(connection: Connection, ids: Sequence[int] | None, now: float) -> list[int]:
    """Queue dead jobs again. A summary or a note of a paper that is not collected stays dead: it would still be."""
    collected = exists(select(papers.c.paper_id).where(papers.c.paper_id == jobs.c.paper_id, _collected()))
    which = and_(jobs.c.state == JobState.DEAD, or_(jobs.c.stage == Stage.CRAWL, collected))
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
    ledger.lock(connection, which)
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


def bury_unknown(connection: Connection, paper_ids: Sequence[str], now: float) -> None:
    """Make dead letters of finished jobs whose papers the source does not know and somebody asked for by hand.

    They are members of the crawl of papers by hand; or of none, as what is no identifier at all.
    """
    member = crawl_papers.c.paper_id == jobs.c.paper_id
    manual = select(crawl_papers.c.paper_id).join(crawls, crawls.c.id == crawl_papers.c.crawl_id)
    by_hand = exists(manual.where(member, crawls.c.key == MANUAL, crawl_papers.c.missing.is_(True)))
    stored = exists(select(papers.c.paper_id).where(papers.c.paper_id == jobs.c.paper_id, _collected()))
    connection.execute(
        update(jobs)
        .where(
            jobs.c.stage == Stage.CRAWL,
            jobs.c.state == JobState.DONE,
            jobs.c.paper_id.in_(paper_ids),
            or_(by_hand, ~exists(select(crawl_papers.c.paper_id).where(member))),
            ~stored,
        )
        .values(
            state=JobState.DEAD,
            attempts=1,
            reason=literal("Semantic Scholar knows no paper ").concat(jobs.c.paper_id).concat("."),
            updated_at=now,
        )
    )


def _collected() -> ColumnElement[bool]:
    return papers.c.fetched_at.is_not(None)


def purge(connection: Connection, ids: Sequence[int]) -> list[int]:
    which = and_(jobs.c.state == JobState.DEAD, jobs.c.id.in_(ids))
    ledger.lock(connection, which)
    gone = delete(jobs).where(which).returning(jobs.c.id)
    return sorted(connection.execute(gone).scalars())
