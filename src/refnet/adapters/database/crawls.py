"""Crawls in the database: seeds, members, admission of the next depth, and what is still to be asked of whom."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, or_, select, union, update

from refnet.adapters.database import ledger
from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.schema import (
    citations,
    crawl_papers,
    crawl_requests,
    crawl_seeds,
    crawls,
    jobs,
    lists,
    papers,
)
from refnet.adapters.database.turns import UNHARMED
from refnet.domain.crawl import Ask, Candidate, best_first, needs, wanted
from refnet.domain.crawls import Crawl, CrawlSeed, CrawlState, Incomplete, why_incomplete
from refnet.domain.jobs import JobState, Stage
from refnet.domain.papers import Direction, ListName, ListState
from refnet.domain.permissions import widest

#: Stands in the column `lang` of a crawl whose place is kept; the language is the vault's.
PLACED = ""
#: The depth of papers that are never expanded, whatever the depth of their crawl.
LEAF_DEPTH = 1_000_000

_references = lists.alias("reference_lists")
_citations = lists.alias("citation_lists")


def open_crawl(
    connection: Connection,
    key: str,
    direction: Direction,
    depth: int,
    limit: int,
    seeds: Sequence[CrawlSeed],
    now: float,
    refresh_before: float | None,
    claim: str | None = None,
    new_id: int | None = None,
    full_texts: int | None = 0,
    known: int | None = None,
) -> int:
    """Make a crawl, or extend the one with the same key, and return its id. Of two claims it keeps the wider.

    `new_id` is the id that a new one is to have, `full_texts` how many papers are to be read, None for all; as of depth
    and limit, a smaller number takes nothing away. `known` is the crawl itself, where it is known: it keeps its key.
    """
    itself = crawls.c.key == key if known is None else crawls.c.id == known
    row = connection.execute(select(crawls).where(itself).with_for_update()).one_or_none()
    if row is None:
        values = {
            "id": next_id(connection) if new_id is None else new_id,
            "key": key,
            "direction": direction,
            "depth": depth,
            "limit": limit,
            "state": CrawlState.RUNNING,
            "full_texts": full_texts,
        }
        added = connection.execute(
            insert(crawls)
            .values(**values, claim=claim, refresh_before=refresh_before, created_at=now, updated_at=now)
            .returning(crawls.c.id)
        )
        crawl_id = int(added.scalar_one())
    else:
        crawl_id = int(row.id)
        # A refresh that was interrupted goes on with its own date, so that what it has fetched is not asked for
        # again.
        keep = row.refresh_before if row.state != CrawlState.FINISHED else None
        connection.execute(
            update(crawls)
            .where(crawls.c.id == crawl_id)
            .values(
                depth=max(row.depth, depth),
                limit=max(row.limit, limit),
                state=CrawlState.RUNNING,
                stage=None,
                cancelled=None,
                full_texts=_full_texts(row, full_texts),
                claim=widest([row.claim, claim]),
                refresh_before=refresh_before if keep is None else keep,
                **UNHARMED,
            )
        )
        # Whoever asked for it and saw it stopped sees it at work again.
        over = and_(crawl_requests.c.crawl_id == crawl_id, crawl_requests.c.state.in_(["cancelled", "failed"]))
        connection.execute(update(crawl_requests).where(over).values(state="started", reason=None))
    rows = [(crawl_id, seed.paper_id, position, seed.input, seed.citekey) for position, seed in enumerate(seeds)]
    upsert(
        connection,
        crawl_seeds,
        ("crawl_id", "paper_id", "position", "input", "citekey"),
        rows,
        "(crawl_id, paper_id) DO UPDATE SET citekey = coalesce(crawl_seeds.citekey, excluded.citekey)",
    )
    _admit(connection, crawl_id, 0, [seed.paper_id for seed in seeds])
    # What the source did not know once it may know now: a seed that was found again, and all when asked anew.
    unknown = [crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(True)]
    if refresh_before is None:
        unknown.append(crawl_papers.c.paper_id.in_([seed.paper_id for seed in seeds]))
    connection.execute(update(crawl_papers).where(*unknown).values(missing=False))
    return crawl_id


def _full_texts(row: Any, asked: int | None) -> int | None:
    """How many papers of a crawl are to be read when it is asked for again."""
    # Whoever is at it may have begun on the larger number. Of one that is over, 0 is a wish that no PDF be read, while
    # any other number names papers that were read, or tried, already.
    if asked == 0 and row.state != CrawlState.RUNNING:
        return 0
    return None if asked is None or row.full_texts is None else max(row.full_texts, asked)


def keep_place(connection: Connection, crawl_id: int, vault: str | None) -> None:
    """Where the notes of a crawl belong."""
    connection.execute(update(crawls).where(crawls.c.id == crawl_id).values(vault=vault, lang=PLACED))


def next_id(connection: Connection) -> int:
    """An id that neither a crawl has nor one that was asked for."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(select(func.nextval(func.pg_get_serial_sequence("crawls", "id")))).scalar_one())
    highest = [select(func.max(table.c.id)).scalar_subquery() for table in (crawls, crawl_requests)]
    return max(found or 0 for found in connection.execute(select(*highest)).one()) + 1


def advance(connection: Connection, crawl_id: int, hub: int, now: float) -> bool:
    """Queue what a crawl needs next; False when nothing is left to collect, or it was cancelled.

    A depth is finished before the next is begun: only then are all candidates of the next known, and their order.
    Its notes are still to be written then: see `finish`; one of a cluster goes on to its next stage.
    """
    crawl = connection.execute(select(crawls).where(crawls.c.id == crawl_id).with_for_update()).one()
    if crawl.state != CrawlState.RUNNING:
        return False
    direction = Direction(crawl.direction)
    for depth in () if crawl.cancelled else (*range(crawl.depth + 1), LEAF_DEPTH):
        if 0 < depth <= crawl.depth:
            room = crawl.limit - _held(connection, crawl_id)
            if room > 0:
                best = heapq.nsmallest(room, candidates(connection, crawl_id, depth, direction), key=best_first)
                _admit(connection, crawl_id, depth, [candidate.paper_id for candidate in best])
        ask = wanted(depth, crawl.depth, direction)
        asks = dict(_missing_asks(connection, crawl_id, depth, ask, hub, crawl.refresh_before))
        ledger.enqueue(connection, Stage.CRAWL, asks, now)
        if _open_jobs(connection, crawl_id, depth):
            return True
    connection.execute(update(crawls).where(crawls.c.id == crawl_id).values(refresh_before=None, updated_at=now))
    return False


def finish(connection: Connection, crawl_id: int, now: float) -> None:
    """Call a crawl finished that one process does and that nobody has stopped."""
    its = and_(crawls.c.id == crawl_id, crawls.c.stage.is_(None), crawls.c.state == CrawlState.RUNNING)
    connection.execute(update(crawls).where(its).values(state=CrawlState.FINISHED, updated_at=now))


def candidates(connection: Connection, crawl_id: int, depth: int, direction: Direction) -> Iterator[Candidate]:
    """Papers next to collected ones that lie nearer the seeds than `depth` and are not yet in the crawl.

    Only the lists of those papers count, so that what other crawls have seen does not change the order.
    """
    near = select(crawl_papers.c.paper_id).where(
        crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.depth < depth, crawl_papers.c.missing.is_(False)
    )
    members = select(crawl_papers.c.paper_id).where(crawl_papers.c.crawl_id == crawl_id)
    return _next_to(connection, near, members, direction)


def neighbours(connection: Connection, paper_ids: Sequence[str], direction: Direction) -> list[Candidate]:
    """The same for papers that are in no crawl yet."""
    near = select(papers.c.paper_id).where(papers.c.paper_id.in_(paper_ids))
    return list(_next_to(connection, near, near, direction))


def _next_to(
    connection: Connection, near: Select[str], apart: Select[str], direction: Direction
) -> Iterator[Candidate]:
    ways: list[Select[Any]] = []
    if direction.follows(ListName.REFERENCES):
        ways.append(
            select(citations.c.cited.label("found"), citations.c.citing.label("near")).where(
                citations.c.citing.in_(near), citations.c.seen.op("&")(1) != 0
            )
        )
    if direction.follows(ListName.CITATIONS):
        ways.append(
            select(citations.c.citing.label("found"), citations.c.cited.label("near")).where(
                citations.c.cited.in_(near), citations.c.seen.op("&")(2) != 0
            )
        )
    # A union, not a union of all: two papers that cite each other are joined by one link.
    links = union(*ways).subquery()
    query = (
        select(links.c.found, func.count().label("links"), papers.c.citation_count, papers.c.year)
        .join(papers, papers.c.paper_id == links.c.found)
        .where(links.c.found.not_in(apart))
        .group_by(links.c.found, papers.c.citation_count, papers.c.year)
    )
    with connection.execute(query.execution_options(yield_per=1_000)) as rows:
        for row in rows:
            yield Candidate(row.found, row.links, row.citation_count, row.year)


def _admit(connection: Connection, crawl_id: int, depth: int, paper_ids: Sequence[str]) -> None:
    first = connection.execute(
        select(func.coalesce(func.max(crawl_papers.c.rank), -1) + 1).where(
            crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.depth == depth
        )
    ).scalar_one()
    upsert(
        connection,
        crawl_papers,
        ("crawl_id", "paper_id", "depth", "rank", "missing"),
        [(crawl_id, paper_id, depth, first + place, False) for place, paper_id in enumerate(paper_ids)],
        "DO NOTHING",
    )


def _held(connection: Connection, crawl_id: int) -> int:
    """Places of a crawl that are taken."""
    query = select(func.count()).where(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(False))
    return connection.execute(query).scalar_one()


def _missing_asks(
    connection: Connection, crawl_id: int, depth: int, ask: Ask, hub: int, refresh_before: float | None
) -> Iterator[tuple[str, Ask]]:
    """What is to be asked of the papers at a depth, beyond what is stored and young enough."""

    def young(column: ColumnElement[float]) -> ColumnElement[bool]:
        return column.is_not(None) if refresh_before is None else and_(column.is_not(None), column >= refresh_before)

    query = (
        select(
            crawl_papers.c.paper_id,
            young(papers.c.fetched_at).label("fetched"),
            papers.c.citation_count,
            _references.c.state.label("references"),
            young(_references.c.fetched_at).label("references_young"),
            _citations.c.state.label("citations"),
            young(_citations.c.fetched_at).label("citations_young"),
        )
        .select_from(crawl_papers)
        .outerjoin(papers, papers.c.paper_id == crawl_papers.c.paper_id)
        .outerjoin(_references, _list_of(_references, ListName.REFERENCES))
        .outerjoin(_citations, _list_of(_citations, ListName.CITATIONS))
        .where(
            crawl_papers.c.crawl_id == crawl_id,
            crawl_papers.c.depth == depth,
            crawl_papers.c.missing.is_(False),
        )
    )
    for row in connection.execute(query):
        needed = needs(
            ask,
            fetched=bool(row.fetched),
            references=ListState(row.references) if row.references_young else None,
            citations=ListState(row.citations) if row.citations_young else None,
            citation_count=row.citation_count,
            hub=hub,
        )
        if needed:
            yield row.paper_id, needed


def _list_of(alias: Any, name: ListName) -> ColumnElement[bool]:
    return and_(alias.c.paper_id == crawl_papers.c.paper_id, alias.c.list == name.value)


def _open_jobs(connection: Connection, crawl_id: int, depth: int) -> bool:
    """Whether a paper at this depth still has work to do."""
    # The state is no plain column, so that each paper's job is looked up by its own key. Over rows that PostgreSQL has
    # not counted yet, all open jobs for each paper look as cheap to it: minutes for 50,000 papers.
    unfinished = jobs.c.state.concat("").in_([JobState.QUEUED, JobState.RUNNING])
    query = (
        select(crawl_papers.c.paper_id)
        .join(jobs, and_(jobs.c.stage == Stage.CRAWL, jobs.c.paper_id == crawl_papers.c.paper_id))
        .where(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.depth == depth, unfinished)
    )
    return connection.execute(query.limit(1)).first() is not None


def find(connection: Connection, crawl_id: int) -> Crawl:
    """A crawl with its counts, over all runs. Raises KeyError."""
    row = connection.execute(select(crawls).where(crawls.c.id == crawl_id)).one_or_none()
    if row is None:
        raise KeyError(crawl_id)
    collected = collected_ids(crawl_id)
    members = _members(crawl_id, missing=False)

    def count(query: Select[Any]) -> int:
        return connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()

    return Crawl(
        id=row.id,
        direction=Direction(row.direction),
        depth=row.depth,
        limit=row.limit,
        state=CrawlState(row.state),
        members=count(members),
        collected=count(collected),
        citations=count(_edges(crawl_id)),
        missing=count(_members(crawl_id, missing=True)),
        dead=count(select(jobs.c.id).where(jobs.c.state == JobState.DEAD, jobs.c.paper_id.in_(members))),
        reason=row.reason,
        traceback=row.traceback,
    )


def tally(connection: Connection, crawl_id: int) -> tuple[int, int]:
    """Papers admitted to a crawl so far, and those of them whose details are stored."""
    query = (
        select(func.count(), func.count(papers.c.fetched_at))
        .select_from(crawl_papers)
        .outerjoin(papers, papers.c.paper_id == crawl_papers.c.paper_id)
        .where(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(False))
    )
    members, collected = connection.execute(query).one()
    return members, collected


def collected_ids(crawl_id: int) -> Select[str]:
    """The papers of a crawl whose details are stored."""
    return (
        select(crawl_papers.c.paper_id)
        .join(papers, papers.c.paper_id == crawl_papers.c.paper_id)
        .where(
            crawl_papers.c.crawl_id == crawl_id,
            crawl_papers.c.missing.is_(False),
            papers.c.fetched_at.is_not(None),
        )
    )


def edges(connection: Connection, crawl_id: int) -> list[tuple[str, str]]:
    return [(row.citing, row.cited) for row in connection.execute(_edges(crawl_id).order_by("citing", "cited"))]


def _edges(crawl_id: int) -> Select[Any]:
    # The cited end is no plain column, so that no planner looks up pairs of papers, which are many more than edges.
    cited = citations.c.cited.concat("")
    collected = collected_ids(crawl_id)
    return select(citations.c.citing, citations.c.cited).where(citations.c.citing.in_(collected), cited.in_(collected))


def _members(crawl_id: int, *, missing: bool) -> Select[str]:
    return select(crawl_papers.c.paper_id).where(
        crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(missing)
    )


def incomplete(connection: Connection, crawl_id: int) -> list[Incomplete]:
    """Lists of the collected papers that this crawl asks for and that came short, by paper id."""
    followed = and_(crawl_papers.c.depth < crawls.c.depth, crawls.c.direction != Direction.REFERENCES.value)
    query = (
        select(lists)
        .join(crawl_papers, crawl_papers.c.paper_id == lists.c.paper_id)
        .join(crawls, crawls.c.id == crawl_papers.c.crawl_id)
        .where(
            or_(lists.c.list == ListName.REFERENCES.value, followed),
            crawl_papers.c.crawl_id == crawl_id,
            crawl_papers.c.missing.is_(False),
            lists.c.state != ListState.COMPLETE,
        )
        .order_by(lists.c.paper_id, lists.c.list)
    )
    return [
        Incomplete(
            row.paper_id,
            ListName(row.list),
            row.have,
            row.of,
            why_incomplete(ListState(row.state), row.have, row.of),
        )
        for row in connection.execute(query)
    ]


def stored_seeds(connection: Connection, crawl_id: int) -> list[CrawlSeed]:
    query = (
        select(crawl_seeds, papers.c.title)
        .outerjoin(papers, papers.c.paper_id == crawl_seeds.c.paper_id)
        .where(crawl_seeds.c.crawl_id == crawl_id)
        .order_by(crawl_seeds.c.position, crawl_seeds.c.paper_id)
    )
    return [CrawlSeed(row.paper_id, row.input, row.title or "", row.citekey) for row in connection.execute(query)]
