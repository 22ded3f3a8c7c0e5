"""Crawls that a cluster works on: from stage to stage until the notes are written, and the crawl of papers by hand.

A crawl goes through `crawl` (collecting), `summarize`, `name` (its papers get the names of their notes) and `write`.
Whoever finds that nothing of a stage is left to do begins the next one, in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, insert, or_, select, update

from refnet.adapters.database import ledger, summaries
from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.crawls import LEAF_DEPTH, PLACED, next_id
from refnet.adapters.database.crawls import advance as advance_collecting
from refnet.adapters.database.dead import MANUAL
from refnet.adapters.database.schema import (
    crawl_papers,
    crawl_seeds,
    crawls,
    jobs,
    papers,
    vault_crawls,
)
from refnet.adapters.database.turns import UNHARMED
from refnet.domain.crawl import Ask, wanted
from refnet.domain.crawls import CrawlStage, CrawlState, NotesDue
from refnet.domain.jobs import JobState, Stage
from refnet.domain.papers import Direction

#: A crawl of papers by hand has no limit but the numbers of the database.
_NO_LIMIT = 2**31 - 1
#: Ids in one statement.
_CHUNK = 10_000
#: The number of the advisory lock under which that crawl is opened on PostgreSQL.
_MAKING = 0x6D616E75616C


def hand_over(
    connection: Connection,
    crawl_id: int,
    vault: str | None,
    now: float,
    stage: CrawlStage = CrawlStage.CRAWL,
) -> None:
    """Give an opened crawl to the workers, who write its notes to `vault`, or where they will."""
    connection.execute(
        update(crawls)
        .where(crawls.c.id == crawl_id)
        .values(
            stage=stage,
            vault=vault,
            lang=PLACED,
            state=CrawlState.RUNNING,
            again=None,
            hinted_at=None,
            updated_at=now,
            **UNHARMED,
        )
    )


def is_at_work(connection: Connection, crawl_id: int) -> bool:
    """Whether workers are at a crawl; its row is locked."""
    row = connection.execute(select(crawls).where(crawls.c.id == crawl_id).with_for_update()).one_or_none()
    return row is not None and row.state == CrawlState.RUNNING and row.stage is not None


def ready(connection: Connection) -> list[int]:
    """Crawls given to the workers that have nothing left to do at their stage, and so can go on to the next."""
    member = and_(crawl_papers.c.crawl_id == crawls.c.id, crawl_papers.c.paper_id == jobs.c.paper_id)

    def busy(stage: Stage) -> ColumnElement[bool]:
        return exists(
            select(jobs.c.id).join(crawl_papers, member).where(jobs.c.stage == stage, _open()).correlate(crawls)
        )

    query = select(crawls.c.id).where(
        crawls.c.state == CrawlState.RUNNING,
        or_(
            and_(crawls.c.stage == CrawlStage.CRAWL, ~busy(Stage.CRAWL)),
            and_(crawls.c.stage == CrawlStage.SUMMARIZE, ~busy(Stage.SUMMARIZE)),
        ),
    )
    return sorted(connection.execute(query).scalars())


def advance(connection: Connection, crawl_id: int, hub: int, now: float) -> CrawlStage | None:
    """Queue what the crawl needs next; the stage that it has come to, None where it is finished or stopped."""
    row = connection.execute(select(crawls).where(crawls.c.id == crawl_id).with_for_update()).one_or_none()
    if row is None or row.state != CrawlState.RUNNING or row.stage is None:
        return None
    stage = CrawlStage(row.stage)
    if stage is CrawlStage.CRAWL and not advance_collecting(connection, crawl_id, hub, now):
        asks = dict.fromkeys(summaries.unsummarized(connection, crawl_id), Ask.DETAILS)
        if not row.cancelled:
            asks |= dict.fromkeys(summaries.full_texts_due(connection, crawl_id, now), Ask.DETAILS | Ask.FULL_TEXT)
        ledger.enqueue(connection, Stage.SUMMARIZE, asks, now)
        stage = set_stage(connection, crawl_id, CrawlStage.SUMMARIZE, now)
    if stage is CrawlStage.SUMMARIZE and not _has_open(connection, crawl_id, Stage.SUMMARIZE):
        stage = set_stage(connection, crawl_id, CrawlStage.NAME, now)
    return stage


def counts(connection: Connection, crawl_id: int, stage: Stage) -> tuple[int, int]:
    """Jobs of a stage of the papers of a crawl that are over, and all of them."""
    over = func.count().filter(jobs.c.state.in_([JobState.DONE, JobState.DEAD]))
    query = (
        select(over, func.count())
        .select_from(jobs)
        .join(crawl_papers, crawl_papers.c.paper_id == jobs.c.paper_id)
        .where(crawl_papers.c.crawl_id == crawl_id, jobs.c.stage == stage)
    )
    done, of = connection.execute(query).one()
    return done, of


def notes_due(connection: Connection) -> list[NotesDue]:
    """Crawls whose papers are to be named, and crawls all of whose notes are written."""
    query = (
        select(crawls.c.id, crawls.c.stage, crawls.c.vault)
        .where(
            crawls.c.state == CrawlState.RUNNING,
            crawls.c.stage.in_([CrawlStage.NAME, CrawlStage.WRITE]),
        )
        .order_by(crawls.c.id)
    )
    found = [NotesDue(row.id, CrawlStage(row.stage), row.vault) for row in connection.execute(query)]
    return [
        due for due in found if due.vault is None or due.stage is CrawlStage.NAME or not _writing(connection, due.vault)
    ]


def take_notes_due(connection: Connection, now: float, told_for: float) -> list[str]:
    """A paper each of the crawls in `notes_due` of which nobody was told in the last `told_for` seconds."""
    due = [found.crawl_id for found in notes_due(connection)]
    was = crawls.c.hinted_at
    nobody = or_(was.is_(None), was < now - told_for, was > now + ledger.LONGEST_WAIT)
    told = update(crawls).where(crawls.c.id.in_(due), nobody).values(hinted_at=now).returning(crawls.c.id)
    first = select(func.min(crawl_papers.c.paper_id))
    return [
        connection.execute(first.where(crawl_papers.c.crawl_id == crawl_id)).scalar() or ""
        for crawl_id in sorted(connection.execute(told).scalars())
    ]


def untell_notes_due(connection: Connection) -> None:
    """Nobody was told of the crawls in `notes_due` after all."""
    due = [found.crawl_id for found in notes_due(connection)]
    connection.execute(update(crawls).where(crawls.c.id.in_(due)).values(hinted_at=None))


def adopt(connection: Connection, crawl_id: int, vault: str) -> None:
    """Let the notes of a crawl go to `vault`, where nobody said where."""
    unsaid = and_(crawls.c.id == crawl_id, crawls.c.vault.is_(None))
    connection.execute(update(crawls).where(unsaid).values(vault=vault))


def begin_writing(connection: Connection, crawl_ids: Sequence[int], paper_ids: Sequence[str], now: float) -> None:
    """Queue the notes of a vault; the crawls wait until they are written. One that was extended meanwhile is left alone."""
    connection.execute(
        update(crawls)
        .where(crawls.c.id.in_(crawl_ids), crawls.c.state == CrawlState.RUNNING, crawls.c.stage == CrawlStage.NAME)
        .values(stage=CrawlStage.WRITE, hinted_at=None, updated_at=now)
    )
    ledger.enqueue(connection, Stage.GENERATE, dict.fromkeys(paper_ids, Ask.DETAILS), now)


def write_again(connection: Connection, vault: str, now: float) -> None:
    """Have all notes of a vault written anew, by a crawl in it that is over, else by one that is at work."""
    held = select(vault_crawls.c.crawl_id).where(vault_crawls.c.path == vault)
    here = or_(crawls.c.vault.is_(None), crawls.c.vault == vault)
    rows = connection.execute(select(crawls).where(crawls.c.id.in_(held), here).order_by(crawls.c.id)).all()
    # One that was interrupted is not to go on because of this, and one that failed only where there is no other.
    order = [CrawlState.FAILED, CrawlState.CANCELLED, CrawlState.FINISHED]
    over = sorted((row for row in rows if row.state in order), key=lambda row: order.index(row.state))
    at_work = [row for row in rows if row.state == CrawlState.RUNNING and row.stage is not None]
    for row in (over or at_work)[-1:]:
        if is_at_work(connection, row.id):
            # Some of its notes may be written already: it goes round once more.
            begun = and_(crawls.c.id == row.id, crawls.c.stage.in_([CrawlStage.NAME, CrawlStage.WRITE]))
            connection.execute(update(crawls).where(begun).values(again=True))
        else:
            hand_over(connection, row.id, vault, now, CrawlStage.SUMMARIZE)


def finish(connection: Connection, vault: str, now: float, unchanged: Sequence[int] | None = None) -> list[int]:
    """End the crawls whose notes are all in the vault; where `unchanged` are given, those that need none written.

    One to which papers came by hand meanwhile, or whose vault got another language, goes round once more.
    """
    round_again = case((crawls.c.key == MANUAL, CrawlStage.CRAWL.value), else_=CrawlStage.SUMMARIZE.value)
    which = (
        crawls.c.stage == CrawlStage.WRITE
        if unchanged is None
        else and_(crawls.c.id.in_(unchanged), crawls.c.stage == CrawlStage.NAME)
    )
    done = connection.execute(
        update(crawls)
        .where(crawls.c.state == CrawlState.RUNNING, crawls.c.vault == vault, which)
        .values(
            state=case(
                (crawls.c.again.is_(True), CrawlState.RUNNING.value),
                (crawls.c.cancelled.is_(True), CrawlState.CANCELLED.value),
                else_=CrawlState.FINISHED.value,
            ),
            stage=case((crawls.c.again.is_(True), round_again), else_=None),
            again=None,
            hinted_at=None,
            updated_at=now,
        )
        .returning(crawls.c.id, crawls.c.state)
    )
    return sorted(row.id for row in done if row.state != CrawlState.RUNNING)


def add_by_hand(
    connection: Connection,
    paper_ids: Sequence[str],
    depth: int | None,
    max_depth: int,
    vault: str | None,
    now: float,
) -> int:
    """Make papers members of the crawl `manual` and queue what is to be asked of them; returns the crawl's id.

    `depth` None expands nothing. What is stored already is not asked for again. `vault` None leaves it to the generators
    where the notes go.
    """
    crawl_id = _open_manual(connection, max_depth, vault, now)
    place = LEAF_DEPTH if depth is None or depth >= max_depth else depth
    ids = sorted(set(paper_ids))
    upsert(
        connection,
        crawl_seeds,
        ("crawl_id", "paper_id", "position", "input"),
        [(crawl_id, paper_id, 0, paper_id) for paper_id in ids],
        "DO NOTHING",
    )
    upsert(
        connection,
        crawl_papers,
        ("crawl_id", "paper_id", "depth", "rank", "missing"),
        [(crawl_id, paper_id, place, 0, False) for paper_id in ids],
        """(crawl_id, paper_id) DO UPDATE SET missing = false, depth = CASE
            WHEN excluded.depth < crawl_papers.depth THEN excluded.depth ELSE crawl_papers.depth END""",
    )
    # Nobody waits for others by hand: the job is there at once, whatever else the crawl is at.
    stored: set[str] = set()
    for start in range(0, len(ids), _CHUNK):
        fetched = papers.c.paper_id.in_(ids[start : start + _CHUNK]), papers.c.fetched_at.is_not(None)
        stored |= set(connection.execute(select(papers.c.paper_id).where(*fetched)).scalars())
    ask = wanted(place, max_depth, Direction.BOTH)
    ledger.enqueue(connection, Stage.CRAWL, {one: ask for one in ids if one not in stored}, now)
    return crawl_id


def _open_manual(connection: Connection, max_depth: int, vault: str | None, now: float) -> int:
    if connection.dialect.name == "postgresql":
        # Two that find no such crawl would both make it.
        connection.execute(select(func.pg_advisory_xact_lock(_MAKING)))
    row = connection.execute(select(crawls).where(crawls.c.key == MANUAL).with_for_update()).one_or_none()
    if row is not None and row.state == CrawlState.RUNNING and row.stage in (CrawlStage.NAME, CrawlStage.WRITE):
        # It ends first, or steady work by hand would keep all notes of it waiting; and then goes round once more.
        connection.execute(update(crawls).where(crawls.c.id == row.id).values(again=True, depth=max_depth))
        return int(row.id)
    values = {
        "direction": Direction.BOTH.value,
        "depth": max_depth,
        "limit": _NO_LIMIT,
        "full_texts": 0,
        "state": CrawlState.RUNNING,
        "stage": CrawlStage.CRAWL,
        "vault": vault,
        "lang": PLACED,
        "cancelled": None,
        "updated_at": now,
        **UNHARMED,
    }
    if row is not None:
        connection.execute(update(crawls).where(crawls.c.id == row.id).values(**values))
        return int(row.id)
    values["id"] = next_id(connection)
    made = connection.execute(insert(crawls).values(key=MANUAL, created_at=now, **values).returning(crawls.c.id))
    return int(made.scalar_one())


def set_stage(connection: Connection, crawl_id: int, stage: CrawlStage, now: float) -> CrawlStage:
    """Let a crawl that workers are at go on with `stage`, which is returned; nobody was told of it yet."""
    connection.execute(
        update(crawls).where(crawls.c.id == crawl_id).values(stage=stage, hinted_at=None, updated_at=now)
    )
    return stage


def _open() -> ColumnElement[bool]:
    # No plain column, so that each member's job is looked up by its own key; see `crawls._open_jobs`.
    return jobs.c.state.concat("").in_([JobState.QUEUED, JobState.RUNNING])


def _has_open(connection: Connection, crawl_id: int, stage: Stage) -> bool:
    query = (
        select(jobs.c.id)
        .join(crawl_papers, crawl_papers.c.paper_id == jobs.c.paper_id)
        .where(crawl_papers.c.crawl_id == crawl_id, jobs.c.stage == stage, _open())
    )
    return connection.execute(query.limit(1)).first() is not None


def _writing(connection: Connection, vault: str) -> bool:
    """Whether notes of a vault are still to be written."""
    query = (
        select(jobs.c.id)
        .join(crawl_papers, crawl_papers.c.paper_id == jobs.c.paper_id)
        .join(vault_crawls, vault_crawls.c.crawl_id == crawl_papers.c.crawl_id)
        .where(vault_crawls.c.path == vault, jobs.c.stage == Stage.GENERATE, _open())
    )
    return connection.execute(query.limit(1)).first() is not None
