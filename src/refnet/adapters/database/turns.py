"""Turns of those that see to a vault: how many processes were lost at one, and crawls that failed by it.

A turn is counted when it begins, so that one that takes its process with it is counted, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from refnet.adapters.database.schema import crawls
from refnet.domain.crawls import CrawlStage, CrawlState

#: What a crawl holds over which nobody has failed or died.
UNHARMED: dict[str, Any] = {"reason": None, "traceback": None, "losses": None, "owner": None}

_IN_TURN = and_(
    crawls.c.state == CrawlState.RUNNING,
    crawls.c.stage.in_([CrawlStage.NAME, CrawlStage.WRITE]),
)


def begin(connection: Connection, crawl_ids: Sequence[int], owner: str) -> dict[int, int]:
    """Count a turn over these crawls; how many of each were lost before this one."""
    rows = connection.execute(
        select(crawls.c.id, crawls.c.losses)
        .where(crawls.c.id.in_(crawl_ids), _IN_TURN)
        .order_by(crawls.c.id)
        .with_for_update()
    )
    lost = {row.id: row.losses or 0 for row in rows}
    for crawl_id, losses in lost.items():
        connection.execute(update(crawls).where(crawls.c.id == crawl_id).values(losses=losses + 1, owner=owner))
    return lost


def succeeded(connection: Connection, owner: str) -> None:
    """The turns of this process came to a good end: what was lost before is forgotten."""
    connection.execute(update(crawls).where(crawls.c.owner == owner).values(losses=None, owner=None))


def give_back(connection: Connection, owners: Sequence[str]) -> None:
    """The turns of these processes do not count: they ended in order, or something else was away."""
    connection.execute(update(crawls).where(crawls.c.owner.in_(owners)).values(losses=crawls.c.losses - 1, owner=None))


def charge(connection: Connection, owner: str) -> None:
    """The turns of this process stay counted, whatever becomes of it: as for a turn of nobody's, none is given back."""
    connection.execute(update(crawls).where(crawls.c.owner == owner).values(owner=None))


def fail(connection: Connection, crawl_ids: Sequence[int], reason: str, traceback: str | None, now: float) -> None:
    """Give up crawls whose vault is seen to, with the reason. One that was extended meanwhile is left alone."""
    _fail(connection, and_(crawls.c.id.in_(crawl_ids), _IN_TURN), reason, traceback, now)


def fail_alone(connection: Connection, crawl_id: int, reason: str, traceback: str | None, now: float) -> None:
    """Give up a crawl that one process does; one of the workers' is left alone."""
    its = and_(crawls.c.id == crawl_id, crawls.c.stage.is_(None), crawls.c.state == CrawlState.RUNNING)
    _fail(connection, its, reason, traceback, now)


def _fail(connection: Connection, which: ColumnElement[bool], reason: str, traceback: str | None, now: float) -> None:
    told = {**UNHARMED, "reason": reason, "traceback": traceback, "hinted_at": None, "updated_at": now}
    connection.execute(update(crawls).where(which).values(state=CrawlState.FAILED, **told))
