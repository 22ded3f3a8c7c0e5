"""Which due jobs workers are told of, and which have been. A hint is a message: it may be lost, late or doubled."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, func, or_, select, update

from refnet.adapters.database.clock import Moment
from refnet.adapters.database.engine import unread
from refnet.adapters.database.ledger import LONGEST_WAIT, due, lock
from refnet.adapters.database.schema import jobs, papers
from refnet.domain.jobs import DueJob, Stage
from refnet.domain.priority import calculate_priority


def take_untold(connection: Connection, stage: Stage, now: Moment, most: int, told_for: float) -> list[DueJob]:
    """At most `most` due jobs of a stage that nobody was told of in the last `told_for` seconds, the weightiest first.

    They count as told from now on, so that no two processes tell of the same.
    """
    told = jobs.c.hinted_at
    # One told of in a far future was told before the clock was set back.
    nobody = or_(told.is_(None), told < now - told_for, told > now + LONGEST_WAIT)
    query = (
        select(jobs.c.id, jobs.c.paper_id, papers.c.citation_count, papers.c.year)
        .select_from(jobs.outerjoin(papers, papers.c.paper_id == jobs.c.paper_id))
        .where(and_(due(stage, now), nobody))
        .order_by(func.coalesce(papers.c.citation_count, 0).desc(), jobs.c.due_at, jobs.c.id)
        .limit(most)
        .with_for_update(skip_locked=True, of=jobs)
    )
    found = [
        DueJob(row.id, row.paper_id, calculate_priority(row.citation_count, row.year))
        for row in connection.execute(query)
    ]
    _tell(connection, found, now)
    return found


def untell(connection: Connection, found: Sequence[DueJob]) -> None:
    """Nobody was told of these jobs after all."""
    lock(connection, jobs.c.id.in_([job.id for job in found]))
    _tell(connection, found, None)


def _tell(connection: Connection, found: Sequence[DueJob], when: Moment | None) -> None:
    if found:
        unread(connection, update(jobs).where(jobs.c.id.in_([job.id for job in found])).values(hinted_at=when))


def due_count(connection: Connection, stage: Stage, now: Moment) -> int:
    return connection.execute(select(func.count()).select_from(jobs).where(due(stage, now))).scalar_one()


def due_counts(connection: Connection, now: Moment) -> dict[Stage, int]:
    """Due jobs by stage, of those that have any."""
    query = select(jobs.c.stage, func.count()).where(or_(*(due(stage, now) for stage in Stage))).group_by(jobs.c.stage)
    return {Stage(stage): count for stage, count in connection.execute(query)}


def has_due(connection: Connection, stage: Stage, now: Moment) -> bool:
    return connection.execute(select(jobs.c.id).where(due(stage, now)).limit(1)).first() is not None


def oldest_due(connection: Connection, now: float) -> dict[Stage, float]:
    """By stage with due jobs, the seconds for which the oldest of them has been due."""
    found: dict[Stage, float] = {}
    for stage in Stage:
        since = connection.execute(select(func.min(jobs.c.due_at)).where(due(stage, now))).scalar()
        if since is not None:
            found[stage] = max(0.0, now - since)
    return found
