"""Crawls that were asked for, until somebody at work has made crawls of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, exists, func, insert, or_, select, update

from refnet.adapters.database import crawls as crawl_rows
from refnet.adapters.database import dead, record, stages
from refnet.adapters.database.clock import Clock, Moment
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.ledger import LONGEST_WAIT
from refnet.adapters.database.schema import crawl_requests, crawls
from refnet.adapters.database.vaults import ask_language
from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlSeed, CrawlState
from refnet.domain.errors import LeaseLost
from refnet.domain.papers import Direction
from refnet.domain.requests import CrawlRequest, Found, RequestState, Wish, seed_document, seed_of
from refnet.domain.seeds import Identifier, IdentifierKind, Seed, Unresolved

_OPEN = (RequestState.QUEUED.value, RequestState.RUNNING.value)
#: Characters of a seed that a message shows.
_SHOWN = 100
#: Nobody is at it any more, and others are told of it; whoever was is lost.
_UNHELD: dict[str, Any] = {"fence": None, "lease_until": None, "hinted_at": None}
_LOST: dict[str, Any] = {**_UNHELD, "losses": func.coalesce(crawl_requests.c.losses, 0) + 1}


class CrawlRequestTable:
    """The part of the store that holds crawls asked for."""

    _engine: Engine
    _clock: Clock

    def add_request(self, wish: Wish, claim: str | None = None) -> int:
        """Keep a wish; the id by which it and its crawl are known. `claim` is the scope of the key that asks."""
        with writing(self._engine) as connection:
            now = self._clock(connection)
            identity = crawl_rows.next_id(connection)
            values = {"id": identity, "claim": claim, "created_at": now, **_wish(wish), **_anew(now)}
            connection.execute(insert(crawl_requests).values(**values))
            return identity

    def ask_again(self, crawl_id: int, retry: Sequence[int] = ()) -> list[int]:
        """Let whoever does the work go on with a crawl, and queue its dead jobs `retry` again; the ids of those there were.

        Both or neither: queued jobs of a crawl that is over would wait for ever. Where `retry` names jobs and there are
        none, nothing is asked. Who asked for the crawl has said where its notes belong: that
        stays. Its seeds are asked for by the papers that they turned out to be, so that it is the same crawl whatever a
        source says of them now.
        """
        with writing(self._engine) as connection:
            now = self._clock(connection)
            queued = dead.retry(connection, retry, now) if retry else []
            if queued or not retry:
                _ask_again(connection, crawl_id, now)
            return queued

    def take_up_left(self) -> list[int]:
        """Ask again for the crawls that an interrupted process left, and that nobody cancelled; their ids.

        Not for those of a version that did not keep where their notes belong: they may be years old.

        Only for the one process at work: of a crawl that another one is at, nobody else could tell it from these.
        """
        with writing(self._engine) as connection:
            other = and_(crawl_requests.c.crawl_id == crawls.c.id, crawl_requests.c.state != RequestState.STARTED.value)
            left = (
                select(crawls.c.id)
                .where(crawls.c.state == CrawlState.RUNNING, crawls.c.stage.is_(None), crawls.c.lang.is_not(None))
                .where(crawls.c.cancelled.is_not(True), ~exists(select(crawl_requests.c.id).where(other)))
                .order_by(crawls.c.id)
            )
            ids = list(connection.execute(left).scalars())
            for crawl_id in ids:
                _ask_again(connection, crawl_id, self._clock(connection))
            return ids

    def request(self, identity: int) -> CrawlRequest | None:
        with reading(self._engine) as connection:
            return _find(connection, identity)

    # Where one process does all the work

    def next_request(self) -> CrawlRequest | None:
        """The oldest that is not over, which counts as running from now on."""
        with reading(self._engine) as connection:
            query = select(crawl_requests.c.id).where(crawl_requests.c.state.in_(_OPEN)).order_by(crawl_requests.c.id)
            identity = connection.execute(query.limit(1)).scalar()
        if identity is None:
            return None
        with writing(self._engine) as connection:
            still = and_(crawl_requests.c.id == identity, crawl_requests.c.state.in_(_OPEN))
            taken = update(crawl_requests).where(still).values(state=RequestState.RUNNING.value)
            row = connection.execute(taken.returning(crawl_requests)).one_or_none()
            return None if row is None else read(row)

    def begin_request(
        self, identity: int, key: str, seeds: Sequence[CrawlSeed], unresolved: Sequence[Unresolved]
    ) -> int | None:
        """Make a crawl of it, or extend the one with the same key; its id, None where the request was cancelled."""
        with writing(self._engine) as connection:
            found = _find(connection, identity)
            if found is None or found.state is not RequestState.RUNNING:
                return None
            ask_language(connection, found.wish.vault, found.wish.lang)
            now = self._clock(connection)
            crawl_id = _open(connection, found, key, seeds, now)
            crawl_rows.keep_place(connection, crawl_id, found.wish.vault)
            # As in `start_request`.
            _set(connection, identity, now, crawl_id=crawl_id, unresolved=_unresolved(unresolved), lang="")
            return crawl_id

    def tell_progress(self, identity: int, progress: Mapping[str, Any]) -> bool:
        """Keep how far it is; False for one that is over, for instance cancelled."""
        with writing(self._engine) as connection:
            still = and_(crawl_requests.c.id == identity, crawl_requests.c.state.in_(_OPEN))
            told = update(crawl_requests).where(still)
            values = {"progress": dict(progress), "updated_at": self._clock(connection)}
            return connection.execute(told.values(**values)).rowcount > 0

    def is_wanted(self, identity: int) -> bool:
        """Whether it is not over yet."""
        with reading(self._engine) as connection:
            query = select(crawl_requests.c.state).where(crawl_requests.c.id == identity)
            return connection.execute(query).scalar() in _OPEN

    def end_request(self, identity: int, report: str | None = None) -> None:
        """All of it is done; `report` says what came of it."""
        with writing(self._engine) as connection:
            _end(connection, identity, self._clock(connection), state=RequestState.STARTED.value, report=report)

    def fail_request(self, identity: int, reason: str, unresolved: Sequence[Unresolved] = ()) -> None:
        """It cannot be done, and `reason` says why."""
        with writing(self._engine) as connection:
            more = {"unresolved": _unresolved(unresolved)} if unresolved else {}
            _end(connection, identity, self._clock(connection), state=RequestState.FAILED.value, reason=reason, **more)

    # Where workers do it

    def requests_due(self) -> bool:
        """Whether there are some that nobody is at."""
        with reading(self._engine) as connection:
            due = select(crawl_requests.c.id).where(_due())
            return connection.execute(due.limit(1)).first() is not None

    def take_requests_due(self, told_for: float) -> list[tuple[str, str | None]]:
        """Of each of those that nobody was told of in the last `told_for` seconds the beginning of its first seed, and its
        claim.
        """
        with writing(self._engine) as connection:
            now = self._clock(connection)
            was = crawl_requests.c.hinted_at
            nobody = or_(was.is_(None), was < now - told_for, was > now + LONGEST_WAIT)
            told = update(crawl_requests).where(_due(), nobody).values(hinted_at=now)
            rows = connection.execute(told.returning(crawl_requests.c.seeds, crawl_requests.c.claim)).all()
            return [(row.seeds[0]["input"][:_SHOWN] if row.seeds else "", row.claim) for row in rows]

    def untell_requests(self) -> None:
        """Nobody was told after all."""
        with writing(self._engine) as connection:
            connection.execute(update(crawl_requests).where(_due()).values(hinted_at=None))

    def take_request(self, lease: float) -> CrawlRequest | None:
        """The oldest that nobody is at, held for `lease` seconds and until `free_expired` takes it back."""
        with writing(self._engine) as connection:
            now = self._clock(connection)
            query = select(crawl_requests).where(_due()).order_by(crawl_requests.c.id).limit(1)
            row = connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            values = {"state": RequestState.RUNNING.value, "fence": uuid.uuid4().hex, "lease_until": now + lease}
            _set(connection, row.id, now, **values)
            return _find(connection, row.id)

    def renew_request(self, request: CrawlRequest, lease: float) -> None:
        """Hold it for `lease` seconds from now on. Raises LeaseLost."""
        with writing(self._engine) as connection:
            now = self._clock(connection)
            _check(connection, request)
            held = update(crawl_requests).where(crawl_requests.c.id == request.id)
            connection.execute(held.values(lease_until=now + lease))

    def keep_found(self, request: CrawlRequest, found: Found, unresolved: Sequence[Unresolved]) -> None:
        """What the seeds turned out to be so far: with these nobody was lost. Raises LeaseLost."""
        with writing(self._engine) as connection:
            now = self._clock(connection)
            _check(connection, request)
            _set(connection, request.id, now, losses=None, **_found(found, unresolved))

    def give_back_request(self, request: CrawlRequest, *, lost: bool = False) -> None:
        """Let others go on with it at once; `lost` counts it as if the worker had been lost."""
        with writing(self._engine) as connection:
            held = and_(crawl_requests.c.id == request.id, crawl_requests.c.fence == request.fence)
            connection.execute(update(crawl_requests).where(held).values(**(_LOST if lost else _UNHELD)))

    def start_request(self, request: CrawlRequest, key: str, limits: Limits) -> int:
        """Make a crawl of it that the workers do, and queue its first jobs; the crawl's id. Raises LeaseLost."""
        with writing(self._engine) as connection:
            record.take_turns(connection)
            ask_language(connection, request.wish.vault, request.wish.lang)
            _check(connection, request)
            now = self._clock(connection)
            crawl_id = _open(connection, request, key, request.found.seeds, now)
            stages.hand_over(connection, crawl_id, request.wish.vault, now)
            stages.advance(connection, crawl_id, limits.hub, now)
            # The vault has its language by now: what is wished for it later is not to be undone when this goes on.
            values = {
                "state": RequestState.STARTED.value,
                "crawl_id": crawl_id,
                "fence": None,
                "lease_until": None,
                "lang": "",
            }
            _set(connection, request.id, now, **values)
            return crawl_id


def _ask_again(connection: Connection, crawl_id: int, now: float) -> None:
    # Whoever asks at the same moment waits here, and then finds that it is asked for.
    crawl = connection.execute(select(crawls).where(crawls.c.id == crawl_id).with_for_update()).one()
    row = connection.execute(
        select(crawl_requests).where(crawl_requests.c.crawl_id == crawl_id, crawl_requests.c.state.in_(_OPEN))
    ).first()
    if row is not None:
        return
    seeds = [
        Seed(seed.input, (Identifier(IdentifierKind.PAPER_ID, seed.paper_id),), citekey=seed.citekey)
        for seed in crawl_rows.stored_seeds(connection, crawl_id)
    ]
    place = {} if crawl.lang is None else {"vault": crawl.vault}
    known = connection.execute(select(crawl_requests.c.id).where(crawl_requests.c.id == crawl_id)).first()
    if known is None:
        wish = _wish(Wish(seeds, crawl.depth, crawl.limit, Direction(crawl.direction), full_texts=crawl.full_texts))
        values = {"id": crawl_id, "crawl_id": crawl_id, "created_at": crawl.created_at, "claim": crawl.claim}
        connection.execute(insert(crawl_requests).values(**{**wish, **place}, **values, **_anew(now)))
    else:
        again = {
            **_anew(now),
            **place,
            "seeds": [seed_document(seed) for seed in seeds],
            "report": crawl_requests.c.report,
        }
        connection.execute(update(crawl_requests).where(crawl_requests.c.id == crawl_id).values(**again))


def refuse(connection: Connection, claim: str, reason: str, now: Moment) -> None:
    """Give up those that nobody is at and that were asked for with a claim that does not reach."""
    over = {"progress": None, "fence": None, "lease_until": None, "updated_at": now}
    its = update(crawl_requests).where(_due(), crawl_requests.c.claim == claim)
    connection.execute(its.values(state=RequestState.FAILED.value, reason=reason, **over))


def cancel_open(connection: Connection, identity: int, now: float) -> None:
    """Let nobody begin with a request."""
    still = and_(crawl_requests.c.id == identity, crawl_requests.c.state.in_(_OPEN))
    values = {"state": RequestState.CANCELLED.value, "progress": None, "fence": None, "updated_at": now}
    connection.execute(update(crawl_requests).where(still).values(**values))


def _open(connection: Connection, request: CrawlRequest, key: str, seeds: Sequence[CrawlSeed], now: float) -> int:
    wish = request.wish
    before = None if wish.refresh_days is None else now - wish.refresh_days * 86_400
    claim = connection.execute(select(crawl_requests.c.claim).where(crawl_requests.c.id == request.id)).scalar()
    return crawl_rows.open_crawl(
        connection,
        key,
        wish.direction,
        wish.depth,
        wish.limit,
        seeds,
        now,
        before,
        claim,
        new_id=request.id,
        full_texts=wish.full_texts,
        # Where the source has merged a seed since it was begun, the seeds would make another key.
        known=request.crawl_id,
    )


def free_expired(connection: Connection, now: float) -> int:
    """Take back those whose lease has run out: whoever held them was lost. Not for whoever heard nothing of the database
    just now, as with jobs.
    """
    lease = crawl_requests.c.lease_until
    lost = and_(crawl_requests.c.state.in_(_OPEN), or_(lease < now, lease > now + LONGEST_WAIT))
    # Waits for nobody, whatever is locked already: one that is locked is being renewed, begun or taken back.
    ids = connection.execute(select(crawl_requests.c.id).where(lost).with_for_update(skip_locked=True)).scalars().all()
    if ids:
        connection.execute(update(crawl_requests).where(crawl_requests.c.id.in_(ids)).values(**_LOST))
    return len(ids)


def _due() -> ColumnElement[bool]:
    return and_(crawl_requests.c.state.in_(_OPEN), crawl_requests.c.lease_until.is_(None))


def _check(connection: Connection, request: CrawlRequest) -> None:
    held = select(crawl_requests.c.fence).where(crawl_requests.c.id == request.id).with_for_update()
    fence = connection.execute(held).scalar()
    if fence is None or fence != request.fence:
        raise LeaseLost("The request was cancelled, or went to another worker.")


def _set(connection: Connection, identity: int, now: float, **values: Any) -> None:
    connection.execute(update(crawl_requests).where(crawl_requests.c.id == identity).values(updated_at=now, **values))


def _end(connection: Connection, identity: int, now: float, **values: Any) -> None:
    """For one that was cancelled meanwhile nothing is changed."""
    running = and_(crawl_requests.c.id == identity, crawl_requests.c.state == RequestState.RUNNING.value)
    over = {"progress": None, "fence": None, "lease_until": None, "updated_at": now}
    connection.execute(update(crawl_requests).where(running).values(**over, **values))


def _find(connection: Connection, identity: int) -> CrawlRequest | None:
    row = connection.execute(select(crawl_requests).where(crawl_requests.c.id == identity)).one_or_none()
    return None if row is None else read(row)


def read(row: Any) -> CrawlRequest:
    wish = Wish(
        seeds=tuple(seed_of(seed) for seed in row.seeds),
        depth=row.depth,
        limit=row.limit,
        direction=Direction(row.direction),
        refresh_days=row.refresh_days,
        unresolved=tuple(Unresolved(**one) for one in row.unresolved),
        vault=row.vault,
        lang=row.lang or None,
        full_texts=row.full_texts,
    )
    return CrawlRequest(
        id=row.id,
        wish=wish,
        state=RequestState(row.state),
        found=Found(row.done, tuple(CrawlSeed(**seed) for seed in row.found)),
        crawl_id=row.crawl_id,
        reason=row.reason,
        report=row.report,
        fence=row.fence,
        progress=row.progress or {},
        losses=row.losses or 0,
    )


def _wish(wish: Wish) -> dict[str, Any]:
    return {
        "seeds": [seed_document(seed) for seed in wish.seeds],
        "unresolved": _unresolved(wish.unresolved),
        "depth": wish.depth,
        "limit": wish.limit,
        "direction": wish.direction.value,
        "refresh_days": wish.refresh_days,
        "vault": wish.vault,
        "lang": wish.lang or "",
        "full_texts": wish.full_texts,
    }


def _anew(now: float) -> dict[str, Any]:
    """A request that nobody has begun with."""
    nothing = dict.fromkeys(("reason", "progress", "report", "fence", "lease_until", "losses", "hinted_at"))
    return {"state": RequestState.QUEUED.value, "done": 0, "found": [], "updated_at": now, **nothing}


def _found(found: Found, unresolved: Sequence[Unresolved]) -> dict[str, Any]:
    seeds = [
        {"paper_id": seed.paper_id, "input": seed.input, "title": seed.title, "citekey": seed.citekey}
        for seed in found.seeds
    ]
    return {"done": found.done, "found": seeds, "unresolved": _unresolved(unresolved)}


def _unresolved(unresolved: Sequence[Unresolved]) -> list[dict[str, str]]:
    return [{"input": one.input, "why": one.why} for one in unresolved]
