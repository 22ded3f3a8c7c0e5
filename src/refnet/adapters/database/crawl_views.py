"""Crawls as the API shows them: those asked for and those at work under one kind of id; and how one is stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, and_, case, delete, exists, func, select, union, update

from refnet.adapters.database import crawl_requests, ledger, record, stages
from refnet.adapters.database import crawls as crawl_rows
from refnet.adapters.database.clock import Clock
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import citations, crawl_papers, crawls, jobs, papers
from refnet.adapters.database.schema import crawl_requests as requests
from refnet.domain.crawls import CrawlStage, CrawlState
from refnet.domain.jobs import JobState, Stage
from refnet.domain.papers import Direction
from refnet.domain.requests import CrawlView, GraphNode, RequestState

#: Which jobs the figures of a stage count.
_COUNTED = {CrawlStage.SUMMARIZE: Stage.SUMMARIZE, CrawlStage.WRITE: Stage.GENERATE}
_STATES = {
    RequestState.QUEUED: CrawlState.QUEUED,
    RequestState.RUNNING: CrawlState.RUNNING,
    RequestState.FAILED: CrawlState.FAILED,
    RequestState.CANCELLED: CrawlState.CANCELLED,
}


class CrawlViews:
    """The part of the store that the API's crawls are read from."""

    _engine: Engine
    _clock: Clock

    def crawl_view(self, identity: int) -> CrawlView | None:
        with reading(self._engine) as connection:
            return next(iter(_views(connection, [identity], with_seeds=True)), None)

    def crawl_views(self, before: int | None, most: int) -> list[CrawlView]:
        """The latest first, from the one before the id `before`."""
        ids = union(select(crawls.c.id), select(requests.c.id)).subquery()
        query = select(ids.c.id).order_by(ids.c.id.desc()).limit(most)
        if before is not None:
            query = query.where(ids.c.id < before)
        with reading(self._engine) as connection:
            return _views(connection, list(connection.execute(query).scalars()))

    def crawl_figures(self, view: CrawlView) -> dict[str, int]:
        """How far a crawl is: papers found and collected, and of its present stage what is done and of how much."""
        if view.crawl_id is None:
            return {}
        with reading(self._engine) as connection:
            found, collected = crawl_rows.tally(connection, view.crawl_id)
            figures = {"found": found, "collected": collected}
            if view.stage is not None and (stage := _COUNTED.get(view.stage)) is not None:
                figures["done"], figures["of"] = stages.counts(connection, view.crawl_id, stage)
        return figures

    def crawl_nodes(self, crawl_id: int, after: str, most: int) -> list[GraphNode]:
        """Collected papers of a crawl in the order of ids, from the one behind `after`."""
        columns = (papers.c.paper_id, papers.c.title, papers.c.year, papers.c.citation_count)
        query = (
            select(*columns, crawl_papers.c.depth)
            .join(crawl_papers, crawl_papers.c.paper_id == papers.c.paper_id)
            .where(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(False))
            .where(papers.c.fetched_at.is_not(None), crawl_papers.c.paper_id > after)
            .order_by(crawl_papers.c.paper_id)
            .limit(most)
        )
        with reading(self._engine) as connection:
            return [GraphNode(*row) for row in connection.execute(query)]

    def edges_from(self, crawl_id: int, citing: Sequence[str]) -> list[tuple[str, str]]:
        """Of these papers the edges to members of a crawl, collected or not, sorted."""
        # The cited end is no plain column, so that no planner looks up pairs of papers, which are many more than edges.
        query = (
            select(citations.c.citing, citations.c.cited)
            .join(crawl_papers, crawl_papers.c.paper_id == citations.c.cited.concat(""))
            .where(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(False))
            .where(citations.c.citing.in_(citing))
        )
        with reading(self._engine) as connection:
            return sorted((row.citing, row.cited) for row in connection.execute(query))

    def cancel_crawl(self, identity: int) -> bool:
        """Stop a crawl: nothing more is asked for, and what is collected stays. False where it is over, or there is none.

        Requests that are on their way are still recorded. Papers that another crawl wants, too, go on.
        """
        with writing(self._engine) as connection:
            record.take_turns(connection)
            view = next(iter(_views(connection, [identity])), None)
            if view is None or view.is_over:
                return False
            now = self._clock(connection)
            crawl_requests.cancel_open(connection, identity, now)
            if view.crawl_id is not None:
                _cancel(connection, view.crawl_id, now)
            return True


def count(connection: Connection) -> dict[str, int]:
    """How many there are in each state, as `crawl_views` shows them."""
    ids = union(select(crawls.c.id), select(requests.c.id)).subquery()
    # As in `_views` and `_state`, which tell the same of a few; here nothing of a wish is read.
    open_ones = (
        select(requests.c.crawl_id, func.max(requests.c.state).label("state"))
        .where(requests.c.crawl_id.is_not(None), requests.c.state.in_(_OPEN))
        .group_by(requests.c.crawl_id)
        .subquery()
    )
    crawl_id = case((requests.c.id.is_(None), ids.c.id), else_=requests.c.crawl_id)
    old = and_(crawls.c.state == CrawlState.RUNNING, crawls.c.stage.is_(None), crawls.c.lang.is_(None))
    state = case(
        *((requests.c.state == asked.value, shown.value) for asked, shown in _STATES.items()),
        (crawls.c.cancelled.is_(True), CrawlState.CANCELLED.value),
        (open_ones.c.state.is_not(None), open_ones.c.state),
        (old, CrawlState.CANCELLED.value),
        else_=crawls.c.state,
    ).label("state")
    each = (
        select(state)
        .select_from(ids)
        .outerjoin(requests, requests.c.id == ids.c.id)
        .outerjoin(crawls, crawls.c.id == crawl_id)
        .outerjoin(open_ones, open_ones.c.crawl_id == crawls.c.id)
        .subquery()
    )
    rows = connection.execute(select(each.c.state, func.count().label("number")).group_by(each.c.state))
    return {row.state: row.number for row in rows}


def _cancel(connection: Connection, crawl_id: int, now: float) -> None:
    own = select(requests.c.id).where(requests.c.crawl_id == crawl_id, requests.c.state.in_(_OPEN))
    for identity in connection.execute(own).scalars().all():
        crawl_requests.cancel_open(connection, identity, now)
    row = connection.execute(select(crawls).where(crawls.c.id == crawl_id).with_for_update()).one()
    # Workers still name and write what is collected; one process that does it all sees by the state that it is over.
    state = CrawlState.CANCELLED if row.stage is None else CrawlState(row.state)
    stopped = update(crawls).where(crawls.c.id == crawl_id)
    connection.execute(stopped.values(cancelled=True, state=state, hinted_at=None, updated_at=now))
    _drop_jobs(connection, crawl_id)


def _drop_jobs(connection: Connection, crawl_id: int) -> None:
    """Forget queued jobs of a crawl's papers that no other one wants which workers are at; a resume queues them again."""
    member = crawl_papers.c.paper_id == jobs.c.paper_id
    own = select(crawl_papers.c.paper_id).where(member, crawl_papers.c.crawl_id == crawl_id)
    others = (
        select(crawl_papers.c.paper_id)
        .join(crawls, crawls.c.id == crawl_papers.c.crawl_id)
        .where(member, crawls.c.id != crawl_id, crawls.c.state == CrawlState.RUNNING)
        .where(crawls.c.stage.is_not(None), crawls.c.cancelled.is_not(True))
    )
    which = and_(
        jobs.c.state == JobState.QUEUED,
        jobs.c.stage.in_([Stage.CRAWL, Stage.SUMMARIZE]),
        exists(own),
        ~exists(others),
    )
    ledger.lock(connection, which)
    connection.execute(delete(jobs).where(which))


def _views(connection: Connection, ids: Sequence[int], *, with_seeds: bool = False) -> list[CrawlView]:
    asked = {row.id: row for row in connection.execute(select(requests).where(requests.c.id.in_(ids)))}
    wanted = {asked[one].crawl_id if one in asked else one for one in ids} | set(ids)
    rows = connection.execute(select(crawls).where(crawls.c.id.in_([one for one in wanted if one is not None])))
    found = {row.id: row for row in rows}
    still = select(requests.c.crawl_id, requests.c.state).where(
        requests.c.crawl_id.in_(list(found)), requests.c.state.in_(_OPEN)
    )
    # "queued" comes before "running": of two that are open the one that is being done is told.
    busy = {row.crawl_id: _STATES[RequestState(row.state)] for row in connection.execute(still.order_by("state"))}
    views = []
    for identity in ids:
        request = asked.get(identity)
        crawl = found.get(identity if request is None else request.crawl_id)
        if request is not None or crawl is not None:
            view = _view(identity, request, crawl, busy)
            if with_seeds and request is None:
                inputs = [seed.input for seed in crawl_rows.stored_seeds(connection, identity)]
                view = replace(view, inputs=inputs)
            views.append(view)
    return views


def _view(identity: int, request: Any, crawl: Any, busy: Mapping[int, CrawlState]) -> CrawlView:
    told = None if request is None else crawl_requests.read(request)
    shown = told.wish if crawl is None and told is not None else crawl
    return CrawlView(
        id=identity,
        crawl_id=None if crawl is None else crawl.id,
        state=_state(told.state if told else RequestState.STARTED, crawl, busy),
        stage=CrawlStage(crawl.stage) if crawl is not None and crawl.stage is not None else None,
        direction=Direction(shown.direction),
        depth=shown.depth,
        limit=shown.limit,
        created_at=crawl.created_at if request is None else request.created_at,
        changed_at=max(row.updated_at for row in (request, crawl) if row is not None),
        reason=told.reason if told and told.reason else _why_failed(crawl),
        unresolved=told.wish.unresolved if told else (),
        inputs=[seed.input for seed in told.wish.seeds] if told else (),
        progress=told.progress if told else {},
    )


def _why_failed(crawl: Any) -> str | None:
    return crawl.reason if crawl is not None and crawl.state == CrawlState.FAILED else None


def _state(request: RequestState, crawl: Any, busy: Mapping[int, CrawlState]) -> CrawlState:
    """What to say of a crawl: as long as the request is not fulfilled its own state, then that of the crawl."""
    if request is not RequestState.STARTED:
        return _STATES[request]
    if crawl.cancelled:
        return CrawlState.CANCELLED
    if crawl.id in busy:
        return busy[crawl.id]
    # One that an interrupted process left is running, too: the next that serves takes it up again. Not those of a version
    # that did not keep where their notes belong: see `take_up_left`.
    old = crawl.state == CrawlState.RUNNING and crawl.stage is None and crawl.lang is None
    return CrawlState.CANCELLED if old else CrawlState(crawl.state)


_OPEN = (RequestState.QUEUED.value, RequestState.RUNNING.value)
