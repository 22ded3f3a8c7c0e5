"""The ledger of jobs: one row per stage and paper, claimed, fenced and settled inside transactions.

The functions take an open connection, so that what a job wrote and the job's own fate are committed together.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, and_, case, func, or_, select, update

from refnet.adapters.database.bulk import in_order, upsert
from refnet.adapters.database.clock import Moment
from refnet.adapters.database.engine import unread
from refnet.adapters.database.schema import crawl_papers, jobs, papers
from refnet.domain.crawl import Ask
from refnet.domain.errors import LeaseLost
from refnet.domain.jobs import MOST_LOSSES, Job, JobState, Stage, Wave, reason_of_loss

#: Due jobs looked at when a request is packed.
LOOK_AT = 5_000
#: No job waits and no lease runs longer than this, in seconds. A time further off was written before the clock was set
#: back, and has come.
LONGEST_WAIT = 3_600.0

_NEW = ("stage", "paper_id", "state", "ask", "offset", "attempts", "losses", "faults", "due_at", "updated_at")
#: The number of the advisory locks under which workers claim on PostgreSQL, one for each stage.
_TURN = 0x636C61
_UNHELD: dict[str, Any] = {"owner": None, "claim": None, "lease_until": None}


def enqueue(connection: Connection, stage: Stage, asks: Mapping[str, Ask], now: float) -> None:
    """Queue jobs, or add to what queued ones ask. A finished job is queued afresh; a dead one stays dead, unless it
    only stands for what somebody asked by hand and could not have then (it asks nothing).

    What is added to a running job is not lost: its owner sees the row's present ask when it settles; a note asked for
    again, of which its job asks already, is marked there. A place within the pages of one list means nothing for another
    list.
    """
    rows = [(stage, paper_id, JobState.QUEUED, int(asks[paper_id]), 0, 0, 0, 0, now, now) for paper_id in sorted(asks)]
    done = f"(jobs.state = '{JobState.DONE}' OR (jobs.state = '{JobState.DEAD}' AND jobs.ask = 0))"
    meanwhile = int(Ask.MEANWHILE) if stage is Stage.GENERATE else 0
    asked = f"jobs.ask | excluded.ask | CASE WHEN jobs.state = '{JobState.RUNNING}' THEN {meanwhile} ELSE 0 END"
    pages = int(Ask.PAGE_REFERENCES | Ask.PAGE_CITATIONS)
    upsert(
        connection,
        jobs,
        _NEW,
        rows,
        f"""(stage, paper_id) DO UPDATE SET
            ask = CASE WHEN {done} THEN excluded.ask ELSE {asked} END,
            "offset" = CASE WHEN {done} OR excluded.ask & {pages} & ~jobs.ask <> 0 THEN 0 ELSE jobs."offset" END,
            attempts = CASE WHEN {done} THEN 0 ELSE jobs.attempts END,
            losses = CASE WHEN {done} THEN 0 ELSE jobs.losses END,
            state = CASE WHEN {done} THEN excluded.state ELSE jobs.state END,
            due_at = CASE WHEN {done} THEN excluded.due_at ELSE jobs.due_at END,
            reason = CASE WHEN {done} THEN NULL ELSE jobs.reason END,
            updated_at = excluded.updated_at
        WHERE {done} OR (jobs.state <> '{JobState.DEAD}' AND ({asked}) <> jobs.ask)""",
    )


def claim(
    connection: Connection,
    owner: str,
    now: Moment,
    choose: Callable[[Sequence[Job]], Wave | None],
    *,
    stage: Stage = Stage.CRAWL,
    crawl_id: int | None = None,
    lead: str | None = None,
    lease: float | None = None,
    look_at: int = LOOK_AT,
) -> Wave | None:
    """Claim the jobs that `choose` takes of those that are due, or None when nothing is.

    `lease` is in seconds; None holds the jobs until `free_all` is called, for the one process that works on an SQLite
    file. What a lease held too long is for the sweep to free. Of many due jobs `choose` sees `look_at`, the paper `lead` and
    those with the smallest share among them.
    """
    if lease is not None:
        _take_turns(connection, stage)
    query = select(jobs, papers.c.citation_count, papers.c.reference_count).select_from(
        jobs.outerjoin(papers, papers.c.paper_id == jobs.c.paper_id)
    )
    if crawl_id is not None:
        member = and_(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.paper_id == jobs.c.paper_id)
        query = query.join(crawl_papers, member).order_by(crawl_papers.c.depth, crawl_papers.c.rank)
    else:
        first = [] if lead is None else [case((jobs.c.paper_id == lead, 0), else_=1)]
        query = query.order_by(*first, jobs.c.share.asc().nulls_last(), jobs.c.due_at, jobs.c.id)
    query = query.where(due(stage, now)).with_for_update(skip_locked=True, of=jobs)
    seen: list[Job] = []
    if crawl_id is None and lead is not None and look_at == 1:
        # By its key, so that one job costs no look at all that are due.
        seen = _jobs(connection, query.where(jobs.c.paper_id == lead))
    if not seen:
        seen = _jobs(connection, query.limit(look_at))
    wave = choose(seen)
    if wave is None:
        return None
    # Counted before the work, so that a job which kills its process is counted, too; in company nobody knows which
    # one did it.
    counted = 1 if wave.alone else 0
    token = uuid.uuid4().hex
    unread(
        connection,
        update(jobs)
        .where(jobs.c.id.in_([job.id for job in wave.jobs]))
        .values(
            state=JobState.RUNNING,
            owner=owner,
            claim=token,
            lease_until=None if lease is None else now + lease,
            attempts=jobs.c.attempts + counted,
            share=len(wave.jobs),
            hinted_at=None,
            updated_at=now,
        ),
    )
    claimed = tuple(replace(job, attempts=job.attempts + counted) for job in wave.jobs)
    return replace(wave, jobs=claimed, claim=token)


def next_due(connection: Connection, crawl_id: int, now: float) -> float | None:
    """Seconds until a queued job of the crawl falls due, None when there is none."""
    wait = case((_has_come(jobs.c.due_at, now), 0.0), else_=jobs.c.due_at - now)
    query = (
        select(func.min(wait))
        .join(crawl_papers, crawl_papers.c.paper_id == jobs.c.paper_id)
        .where(
            jobs.c.stage == Stage.CRAWL,
            jobs.c.state == JobState.QUEUED,
            crawl_papers.c.crawl_id == crawl_id,
        )
    )
    return connection.execute(query).scalar()


def due(stage: Stage, now: Moment) -> ColumnElement[bool]:
    """Queued jobs of a stage whose time has come."""
    return and_(jobs.c.stage == stage, jobs.c.state == JobState.QUEUED, _has_come(jobs.c.due_at, now))


def _take_turns(connection: Connection, stage: Stage) -> None:
    """Let one worker claim at a time. Two that look at the same due jobs would each skip what the other has locked,
    and one of them would find nothing and go.
    """
    if connection.dialect.name == "postgresql":
        unread(connection, select(func.pg_advisory_xact_lock(_TURN, list(Stage).index(stage))))


def _has_come(time: ColumnElement[float], now: Moment) -> ColumnElement[bool]:
    return or_(time <= now, time > now + LONGEST_WAIT)


def renew(connection: Connection, wave: Wave, now: Moment, lease: float) -> None:
    """Hold a wave's jobs for `lease` more seconds. Raises LeaseLost when none of them is its own any more."""
    lock(connection, _held(wave))
    if not connection.execute(update(jobs).where(_held(wave)).values(lease_until=now + lease)).rowcount:
        raise LeaseLost("The lease of this request ran out, and its papers went to somebody else.")


def held(connection: Connection, wave: Wave) -> dict[str, Ask]:
    """What the jobs of a wave that still belong to it ask now, by paper id.

    Lost ones are left out. Locks their rows.
    """
    # In the order in which `enqueue` takes them, so that the two never wait for each other.
    mine = (
        select(jobs.c.paper_id, jobs.c.ask)
        .where(_held(wave))
        .order_by(in_order(connection, jobs.c.paper_id))
        .with_for_update()
    )
    rows = connection.execute(mine)
    return {row.paper_id: Ask(row.ask) for row in rows}


def settle(connection: Connection, wave: Wave, remaining: Mapping[str, Ask], now: float, *, offset: int = 0) -> None:
    """Record what a request left to ask of each job that the wave still holds: nothing means done.

    `offset` is where the next page of a list begins.
    """
    done = [job.id for job in wave.jobs if job.paper_id in remaining and not remaining[job.paper_id]]
    common: dict[str, Any] = {**_UNHELD, "faults": 0, "faulted_at": None, "share": None, "updated_at": now}
    if done:
        unread(
            connection,
            update(jobs)
            .where(jobs.c.id.in_(done))
            .values(state=JobState.DONE, ask=0, offset=0, reason=None, traceback=None, **common),
        )
    by_ask: dict[Ask, list[int]] = {}
    for job in wave.jobs:
        if remaining.get(job.paper_id):
            by_ask.setdefault(remaining[job.paper_id], []).append(job.id)
    for ask, ids in by_ask.items():
        unread(
            connection,
            update(jobs)
            .where(jobs.c.id.in_(ids))
            .values(state=JobState.QUEUED, ask=int(ask), offset=offset, due_at=now, attempts=0, losses=0, **common),
        )


def release(
    connection: Connection,
    wave: Wave,
    now: Moment,
    *,
    due_in: float = 0.0,
    share: int | None = None,
    faulted_at: int | None = None,
    charged: bool = False,
    lost: bool = False,
    reason: str | None = None,
    hinted: bool = False,
) -> None:
    """Give a wave's jobs back to the queue, unfinished.

    `share` None leaves the jobs free to go with any others. An attempt counted at the claim is given back unless
    `charged`; `lost` counts it among the losses, too. `hinted` says that a message will come for them when they are
    due.
    """
    refund = 0 if charged or not wave.alone else 1
    values: dict[str, Any] = {
        "state": JobState.QUEUED,
        **_UNHELD,
        "due_at": now + due_in,
        "hinted_at": now + due_in if hinted else None,
        "share": share,
        "attempts": jobs.c.attempts - refund,
        "updated_at": now,
    }
    if lost:
        values["losses"] = jobs.c.losses + 1
    if reason is not None:
        # An outage says less than how a process ended with it.
        kept = [] if charged or lost else [(jobs.c.losses > 0, jobs.c.reason)]
        values["reason"] = case(*kept, else_=reason) if kept else reason
    if faulted_at is not None:
        values.update(faults=jobs.c.faults + 1, faulted_at=faulted_at)
    lock(connection, _held(wave))
    unread(connection, update(jobs).where(_held(wave)).values(**values))


def bury(connection: Connection, wave: Wave, reason: str, traceback: str | None, now: Moment) -> None:
    """Make dead letters of the jobs that the wave still holds."""
    lock(connection, _held(wave))
    unread(
        connection,
        update(jobs)
        .where(_held(wave))
        .values(state=JobState.DEAD, reason=reason, traceback=traceback, share=None, updated_at=now, **_UNHELD),
    )


def free_expired(connection: Connection, now: float) -> int:
    """Take back the jobs whose lease has run out. Whether their process died is not known.

    Not for whoever heard nothing of the database just now: those who hold them may have been unable to renew.
    """
    return _free(connection, _expired(now), now, "was not heard of any more")


def free_unleased(connection: Connection, now: float) -> int:
    """Take back what was claimed without a lease, by a process that worked alone: the caller knows that none does."""
    return _free(connection, and_(jobs.c.owner.is_not(None), jobs.c.lease_until.is_(None)), now)


def free_all(connection: Connection, now: float) -> int:
    """Take back every running job, for the one process that has the database's lock: whoever held them is gone."""
    return _free(connection, jobs.c.owner.is_not(None), now)


def free_owners(connection: Connection, owners: Sequence[str], now: float, ended: str = "died") -> int:
    """Take back what these processes held, for they are gone; `ended` says how, as in `reason_of_loss`."""
    return _free(connection, jobs.c.owner.in_(owners), now, ended)


def give_back(connection: Connection, owners: Sequence[str], now: float) -> int:
    """Take back what these processes held, for they were asked to end: nobody is charged, nothing is halved."""
    theirs = and_(jobs.c.state == JobState.RUNNING, jobs.c.owner.in_(owners))
    lock(connection, theirs)
    result = connection.execute(
        update(jobs)
        .where(theirs)
        .values(
            state=JobState.QUEUED,
            attempts=jobs.c.attempts - case((jobs.c.share == 1, 1), else_=0),
            due_at=now,
            updated_at=now,
            **_UNHELD,
        )
    )
    return result.rowcount


def _expired(now: Moment) -> ColumnElement[bool]:
    over = or_(jobs.c.lease_until < now, jobs.c.lease_until > now + LONGEST_WAIT)
    return and_(jobs.c.lease_until.is_not(None), over)


def _free(connection: Connection, which: ColumnElement[bool], now: float, ended: str = "died") -> int:
    return connection.execute(_freeing(which, now, ended)).rowcount


def _freeing(which: ColumnElement[bool], now: Moment, ended: str = "died") -> Update:
    """Jobs of a lost wave may next be asked for in halves.

    One that ran alone is charged, and buried at the third time.
    """
    # Past rows that another transaction is at: it settles them, or frees them itself.
    lost = select(jobs.c.id).where(jobs.c.state == JobState.RUNNING, which).with_for_update(skip_locked=True)
    alone = jobs.c.share == 1
    losses = jobs.c.losses + case((alone, 1), else_=0)
    given_up = losses >= MOST_LOSSES
    return (
        update(jobs)
        .where(jobs.c.id.in_(lost))
        .values(
            state=case((given_up, JobState.DEAD.value), else_=JobState.QUEUED.value),
            reason=case(
                (given_up, reason_of_loss(ended, last=True)),
                (alone, reason_of_loss(ended, last=False)),
                else_=jobs.c.reason,
            ),
            losses=losses,
            share=case((given_up, None), else_=(jobs.c.share + 1) // 2),
            due_at=now,
            updated_at=now,
            **_UNHELD,
        )
    )


def lock(connection: Connection, which: ColumnElement[bool]) -> None:
    """Lock rows in the order in which everybody takes them, so that no two wait for each other: within a stage that of
    `enqueue`.
    """
    rows = (
        select(jobs.c.id)
        .where(which)
        .order_by(jobs.c.stage, in_order(connection, jobs.c.paper_id))
        .with_for_update(of=jobs)
    )
    unread(connection, rows)


def _held(wave: Wave) -> ColumnElement[bool]:
    return and_(jobs.c.claim == wave.claim, jobs.c.state == JobState.RUNNING)


def _jobs(connection: Connection, query: Select[Any]) -> list[Job]:
    return [_job(row) for row in connection.execute(query).mappings()]


def _job(row: Mapping[Any, Any]) -> Job:
    return Job(
        id=row["id"],
        paper_id=row["paper_id"],
        ask=Ask(row["ask"]),
        offset=row["offset"],
        attempts=row["attempts"],
        share=row["share"],
        faults=row["faults"],
        faulted_at=row["faulted_at"],
        losses=row["losses"],
        citation_count=row["citation_count"],
        reference_count=row["reference_count"],
    )
