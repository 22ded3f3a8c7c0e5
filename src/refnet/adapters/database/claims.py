"""Whose work a paper's is, by the claims of the crawls that it is in; and what becomes of it where they do not reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, and_, select, update

from refnet.adapters.database import crawl_requests, ledger, turns
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


def refuse(connection: Connection, stage: Stage, paper_id: str, reason: str, claim: str, now: float) -> None:
    """Give up what a hint with this claim is about, for whoever it is done for may not have it done.

    A job that waits is a dead letter, and still asks what it asked, so that it stays one when its crawl goes on. What is
    no job would be told of for ever: crawls that were asked for with the claim and that nobody has begun, and the crawls
    of the paper whose vault is to be seen to, have failed.
    """
    if stage is Stage.CRAWL:
        crawl_requests.refuse(connection, claim, reason, now)
    # Somebody with a wider claim may have asked for the same meanwhile.
    elif stage is Stage.GENERATE and of_papers(connection, [paper_id]).get(paper_id) == claim:
        own = select(crawl_papers.c.crawl_id).where(crawl_papers.c.paper_id == paper_id)
        turns.fail(connection, list(connection.execute(own).scalars()), reason, None, now)
    waiting = and_(jobs.c.stage == stage, jobs.c.paper_id == paper_id, jobs.c.state == JobState.QUEUED)
    ledger.lock(connection, waiting)
    connection.execute(
        update(jobs).where(waiting).values(state=JobState.DEAD, reason=reason, share=None, updated_at=now)
    )
