"""Crawls of a cluster that go on from an earlier stage, or to another vault: after dead letters are tried again, and where
the workers write to another folder now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, or_, select, update

from refnet.adapters.database import dead, ledger, stages
from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.schema import crawl_papers, crawls, jobs, vault_crawls, vaults, workers
from refnet.adapters.database.turns import UNHARMED
from refnet.adapters.database.vaults import language_of
from refnet.domain.crawls import CrawlStage, CrawlState
from refnet.domain.jobs import JobState, Stage
from refnet.domain.workers import UNHEALTHY_AFTER

#: At these, workers see to what the crawl holds by then: what is tried again of an earlier stage would come too late.
_NOTES = (CrawlStage.NAME, CrawlStage.WRITE)
_TOO_LATE = {
    Stage.CRAWL: (CrawlStage.SUMMARIZE, *_NOTES),
    Stage.SUMMARIZE: _NOTES,
    Stage.GENERATE: (),
}


def retry_dead(connection: Connection, ids: Sequence[int] | None, now: float) -> list[int]:
    """Queue dead jobs again, as `dead.retry` does, and let the crawls with their papers go on from there: nobody else looks
    at what follows from a job whose crawl is over, or is further than that. One that was cancelled stays so. From a note
    nothing follows, unless it belongs to a folder where no worker writes: then all of its crawl go to where they do.
    """
    # Crawls before jobs, as everybody locks them.
    found = select(jobs.c.paper_id).where(jobs.c.state == JobState.DEAD)
    if ids is not None:
        found = found.where(jobs.c.id.in_(ids))
    members = select(crawl_papers.c.crawl_id).where(crawl_papers.c.paper_id.in_(found))
    query = select(crawls).where(crawls.c.id.in_(members), crawls.c.cancelled.is_not(True)).order_by(crawls.c.id)
    rows = connection.execute(query.with_for_update()).all()
    revived = dead.retry(connection, ids, now)
    tried = defaultdict(set)
    pairs = (
        select(crawl_papers.c.crawl_id, jobs.c.stage)
        .join(jobs, jobs.c.paper_id == crawl_papers.c.paper_id)
        .where(crawl_papers.c.crawl_id.in_([row.id for row in rows]), jobs.c.id.in_(revived))
        .distinct()
    )
    for pair in connection.execute(pairs):
        tried[pair.crawl_id].add(Stage(pair.stage))
    lives = and_(workers.c.output_dir.is_not(None), workers.c.seen_at >= now - UNHEALTHY_AFTER)
    written = set(connection.execute(select(workers.c.output_dir).where(lives)).scalars())
    for row in rows:
        if not written or row.vault in written:
            tried[row.id].discard(Stage.GENERATE)
        if tried[row.id]:
            _go_back(connection, row, tried[row.id], now)
            if row.key == dead.MANUAL:
                _ask_anew(connection, row.id, revived)
    return revived


def _go_back(connection: Connection, row: Any, tried: set[Stage], now: float) -> None:
    # To that of papers by hand some may have come since it was last collected, as in `stages.finish`.
    collects = Stage.CRAWL in tried or row.key == dead.MANUAL
    back = CrawlStage.CRAWL if collects else CrawlStage.SUMMARIZE
    if row.state in (CrawlState.FINISHED, CrawlState.FAILED):
        stages.hand_over(connection, row.id, row.vault, now, back)
    elif row.state == CrawlState.RUNNING and any(row.stage in _TOO_LATE[stage] for stage in tried):
        # It may have to go round once more for another reason: that stays.
        stages.set_stage(connection, row.id, back, now)


def _ask_anew(connection: Connection, crawl_id: int, revived: Sequence[int]) -> None:
    """What the source did not know when somebody asked for it by hand it may know now."""
    asked = select(jobs.c.paper_id).where(jobs.c.id.in_(revived), jobs.c.stage == Stage.CRAWL)
    its = and_(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.paper_id.in_(asked))
    connection.execute(update(crawl_papers).where(its).values(missing=False))


def bound_elsewhere(connection: Connection, vault: str) -> list[tuple[int, str]]:
    """Crawls whose notes are to be written next, and to another vault than this: their ids, and which."""
    return [(row.id, row.vault) for row in connection.execute(_bound_elsewhere(vault))]


def _bound_elsewhere(vault: str) -> Select[Any]:
    query = select(crawls.c.id, crawls.c.vault).where(
        crawls.c.state == CrawlState.RUNNING, crawls.c.stage.in_(_NOTES), crawls.c.vault != vault
    )
    return query.order_by(crawls.c.id)


def redirect(connection: Connection, vault: str, now: float) -> list[tuple[int, str]]:
    """Let the notes of the crawls in `bound_elsewhere` go to `vault`, from their naming on; what it gives. A vault that is
    new has the language of the one in whose place it comes. What was queued for the others only is forgotten: they are
    written whole when somebody writes to them again.
    """
    # The vault before its crawls, and these by their ids, as everybody locks them.
    langs = [(vault, language_of(connection, old)) for _, old in bound_elsewhere(connection, vault)[-1:]]
    upsert(connection, vaults, ("path", "lang"), langs, "DO NOTHING")
    found = [(row.id, row.vault) for row in connection.execute(_bound_elsewhere(vault).with_for_update())]
    connection.execute(
        update(crawls)
        .where(crawls.c.id.in_([crawl_id for crawl_id, _ in found]))
        .values(vault=vault, stage=CrawlStage.NAME, hinted_at=None, updated_at=now, **UNHARMED)
    )
    if found:
        _forget_notes(connection, {old for _, old in found}, vault, now)
    return found


def _forget_notes(connection: Connection, olds: Collection[str], vault: str, now: float) -> None:
    """Whoever begins a vault queues all its notes, those of crawls that are over, too; these stand, of some age."""
    member = (
        select(crawl_papers.c.paper_id)
        .join(vault_crawls, vault_crawls.c.crawl_id == crawl_papers.c.crawl_id)
        .where(crawl_papers.c.paper_id == jobs.c.paper_id)
    )
    which = and_(
        jobs.c.stage == Stage.GENERATE,
        jobs.c.state == JobState.QUEUED,
        exists(member.where(vault_crawls.c.path.in_(sorted(olds)))),
        ~exists(member.where(vault_crawls.c.path == vault)),
    )
    ledger.lock(connection, which)
    connection.execute(update(jobs).where(which).values(state=JobState.DONE, hinted_at=None, updated_at=now))


def noted_elsewhere(connection: Connection, vault: str, paper_ids: Sequence[str]) -> dict[str, str]:
    """Of these papers those that other vaults hold and `vault` does not, each with one that does. Not those of crawls that
    workers are at: these have their notes queued when their turn comes.
    """
    member = (
        select(crawl_papers.c.paper_id, vault_crawls.c.path, crawls.c.state, crawls.c.stage)
        .join(crawls, crawls.c.id == crawl_papers.c.crawl_id)
        .outerjoin(vault_crawls, vault_crawls.c.crawl_id == crawl_papers.c.crawl_id)
        .where(crawl_papers.c.paper_id.in_(paper_ids), crawl_papers.c.missing.is_(False))
        .where(or_(vault_crawls.c.path.is_not(None), crawls.c.stage.is_not(None)))
        .order_by(crawl_papers.c.paper_id, vault_crawls.c.path)
    )
    places: dict[str, str] = {}
    here: set[str] = set()
    for row in connection.execute(member):
        if row.path == vault or (row.state == CrawlState.RUNNING and row.stage is not None):
            here.add(row.paper_id)
        elif row.path is not None:
            places.setdefault(row.paper_id, row.path)
    return {paper_id: place for paper_id, place in places.items() if paper_id not in here}
