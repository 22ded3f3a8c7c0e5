"""Whose work a paper's is, by the claims of the crawls that it is in; and what becomes of it where they do not reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, and_, select, update

from refnet.adapters.database import ledger
from refnet.adapters.database.schema import crawl_papers, crawls, jobs
from refnet.domain.jobs import JobState, Stage
from refnet.domain.permissions import widest


def of_papers(connection: Connection, paper_ids: Sequence[str]) -> dict[str, str]:
    """The claim by paper, for those that are in crawls of the API's alone; all others are the operator's."""
    claims: dict[int, str | None] = {
        row.id: row.claim for row in connection.execute(select(crawls.c.id, crawls.c.claim))
    }
    if not any(claims.values()):
        return {}
    # By crawl and paper, as the primary key has them: the table is large.
    members = select(crawl_papers.c.paper_id, crawl_papers.c.crawl_id).where(
        crawl_papers.c.crawl_id.in_(list(claims)), crawl_papers.c.paper_id.in_(paper_ids)
    )
    found: dict[str, list[str | None]] = defaultdict(list)
    for row in connection.execute(members):
        found[row.paper_id].append(claims[row.crawl_id])
    return {paper_id: claim for paper_id, each in found.items() if (claim := widest(each)) is not None}


def refuse(connection: Connection, stage: Stage, paper_id: str, reason: str, now: float) -> None:
    """Make a dead letter of a job that waits, for whoever it is done for may not have it done.

    It still asks what it asked, so that it stays dead when its crawl goes on.
    """
    waiting = and_(jobs.c.stage == stage, jobs.c.paper_id == paper_id, jobs.c.state == JobState.QUEUED)
    ledger.lock(connection, waiting)
    connection.execute(
        update(jobs).where(waiting).values(state=JobState.DEAD, reason=reason, share=None, updated_at=now)
    )
