"""What the ledger knows of troubles: jobs that were stopped or that stopped their process, work that waits, beat's turns."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, not_, or_, select

from refnet.adapters.database.hints import due_count, oldest_due
from refnet.adapters.database.schema import jobs, periodic
from refnet.domain.jobs import JobState, Stage
from refnet.domain.troubles import HELD_UP_AFTER, Due, Kind, Spoiled


def spoiled(connection: Connection, kind: Kind) -> Spoiled | None:
    """Jobs that this kind of trouble has met and that are not done since; None where there are none."""
    which = _says(kind)
    if kind is Kind.CRASH:
        # It says so of every process that ended, for what reason ever.
        which &= not_(_says(Kind.TIMEOUT)) & not_(_says(Kind.MEMORY))
    rows = select(jobs.c.stage, jobs.c.paper_id, jobs.c.state).where(jobs.c.state != JobState.DONE, which)
    found = connection.execute(rows.order_by(jobs.c.updated_at.desc())).all()
    if not found:
        return None
    dead = sum(row.state == JobState.DEAD for row in found)
    return Spoiled(len(found), dead, found[0].stage, found[0].paper_id)


def _says(kind: Kind) -> ColumnElement[bool]:
    return or_(*(jobs.c.reason.contains(words, autoescape=True) for words in kind.value))


def held_up(connection: Connection, now: float) -> list[Due]:
    """Stages whose oldest due job has waited for long."""
    return [
        Due(stage, due_count(connection, stage, now), oldest, _done(connection, stage, now - HELD_UP_AFTER))
        for stage, oldest in oldest_due(connection, now).items()
        if oldest > HELD_UP_AFTER
    ]


def _done(connection: Connection, stage: Stage, since: float) -> int:
    which = (jobs.c.stage == stage, jobs.c.state == JobState.DONE, jobs.c.updated_at > since)
    return connection.execute(select(func.count()).select_from(jobs).where(*which)).scalar_one()


def since_last_turn(connection: Connection, now: float) -> float | None:
    """Seconds since any beat took a turn of any task; None where none ever did."""
    last = connection.execute(select(func.max(periodic.c.updated_at))).scalar()
    return None if last is None else max(0.0, now - last)
